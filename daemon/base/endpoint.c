/* endpoint: addresses of servers. Knows how they are written, opens nothing. */
#include "endpoint.h"

#include <glib.h>
#include <string.h>

bool dsn_endpoint_parse(const char *text, struct dsn_endpoint *out) {
    if (g_str_has_prefix(text, "unix:")) {
        if (text[5] != '/')
            return false;
        *out = (struct dsn_endpoint){.host = g_strdup(text + 5)};
        return true;
    }
    const char *colon = strrchr(text, ':');
    guint64 port;
    if (!colon || colon == text || !g_ascii_string_to_unsigned(colon + 1, 10, 1, 65535, &port, NULL))
        return false;
    bool bracketed = text[0] == '[' && colon[-1] == ']';
    if (!bracketed && memchr(text, ':', (size_t)(colon - text)))
        return false; /* ::1:6379 could be read in two ways */
    const char *host = text + bracketed;
    out->host = g_strndup(host, (gsize)(colon - host - bracketed));
    out->port = (int)port;
    return true;
}
