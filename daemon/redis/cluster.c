/* cluster: slots and redirections. Opens nothing. */
#include "cluster.h"

#include "base/sv.h"

#include <glib.h>
#include <string.h>

/* CRC-16/XMODEM. */
static unsigned crc16(struct dsn_strview s) {
    unsigned crc = 0;
    for (size_t i = 0; i < s.n; i++) {
        crc ^= (unsigned)(unsigned char)s.p[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1) & 0xffff;
    }
    return crc;
}

unsigned dsn_cluster_slot(struct dsn_strview key) {
    size_t open = dsn_sv_find_char(key, '{', 0);
    size_t close = open == SIZE_MAX ? SIZE_MAX : dsn_sv_find_char(key, '}', open);
    bool tagged = close != SIZE_MAX && close > open + 1;
    return crc16(tagged ? dsn_sv(key.p + open + 1, close - open - 1) : key) % DSN_SLOTS;
}

int dsn_cluster_key_at(int argc, const char *const *argv) {
    static const struct {
        const char *command;
        int key_at; /* below 0: counted from behind */
    } others[] = {{"EVALSHA", 3}, {"XINFO", 2}, {"XGROUP", 2}, {"XREADGROUP", -2}};
    for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
        if (strcmp(argv[0], others[i].command) == 0)
            return others[i].key_at < 0 ? argc + others[i].key_at : others[i].key_at;
    return argc > 1 ? 1 : 0;
}

/* "HOST:PORT"; an IPv6 address has colons of its own, and no brackets. */
static bool take_address(struct dsn_strview text, struct dsn_redirect *out) {
    size_t colon = text.n;
    while (colon > 0 && text.p[colon - 1] != ':')
        colon--;
    guint64 port = 0;
    char *digits = g_strndup(text.p + colon, text.n - colon);
    bool good = colon > 0 && g_ascii_string_to_unsigned(digits, 10, 1, 65535, &port, NULL);
    g_free(digits);
    if (good) {
        out->host = dsn_sv(text.p, colon - 1);
        out->port = (int)port;
    }
    return good;
}

struct dsn_redirect dsn_cluster_redirect(struct dsn_strview error) {
    static const struct {
        const char *word;
        enum dsn_redirect_kind kind;
    } words[] = {{"MOVED", DSN_REDIRECT_MOVED},
                 {"ASK", DSN_REDIRECT_ASK},
                 {"TRYAGAIN", DSN_REDIRECT_LATER},
                 {"CLUSTERDOWN", DSN_REDIRECT_LATER}};
    struct dsn_redirect redirect = {DSN_REDIRECT_NONE, DSN_NONE, 0};
    size_t end = MIN(dsn_sv_find_char(error, ' ', 0), error.n);
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
        if (dsn_sv_eq(dsn_sv(error.p, end), dsn_sv_str(words[i].word)))
            redirect.kind = words[i].kind;
    bool elsewhere = redirect.kind == DSN_REDIRECT_MOVED || redirect.kind == DSN_REDIRECT_ASK;
    size_t slot_end = end < error.n ? dsn_sv_find_char(error, ' ', end + 1) : SIZE_MAX;
    if (elsewhere && (slot_end == SIZE_MAX ||
                      !take_address(dsn_sv(error.p + slot_end + 1, error.n - slot_end - 1), &redirect)))
        redirect.kind = DSN_REDIRECT_LATER;
    return redirect;
}
