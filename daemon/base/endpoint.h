/* endpoint: where a server is, as the configuration writes it. */
#ifndef BASE_ENDPOINT_H
#define BASE_ENDPOINT_H

#include <stdbool.h>

struct dsn_endpoint {
    char *host; /* or the path of a socket, where port is 0; freed with g_free */
    int port;
};

/* Reads "unix:/path", "host:port" or "[::1]:6379". False for anything else. */
bool dsn_endpoint_parse(const char *text, struct dsn_endpoint *out);

#endif
