/* listener: a listening stream socket on the loopback interface or in the file system. */
#ifndef BASE_LISTENER_H
#define BASE_LISTENER_H

#include "dsn/error.h"

#include <stdbool.h>
#include <stddef.h>

/* What is wrong with "127.0.0.1:PORT", "[::1]:PORT" or "unix:/PATH", for people; NULL where nothing is. */
const char *dsn_listener_refuse(const char *address);

/* Who may connect to a socket in the file system, by its mode: whatever the umask says. */
enum dsn_listener_access { DSN_LISTENER_OWNER, DSN_LISTENER_GROUP, DSN_LISTENER_ALL };

struct dsn_listener_settings {
    const char *address; /* as dsn_listener_refuse lets it pass */
    enum dsn_listener_access access;
    int backlog; /* of listen(2) */
};

/* Opens it; a socket that a process left behind is replaced, one that is in use is not, nor is anything else
 * that has its name. `*path`: the socket's, to be unlinked when it is closed, freed with g_free; NULL where
 * it has none. On failure `why` says for people what is wrong. */
enum dsn_error dsn_listener_open(const struct dsn_listener_settings *settings, char *why, size_t why_size,
                                 int *fd, char **path);

/* The next client, whose descriptor does not block; -1: there is none. `*crowded`: there is one for whom
 * descriptors or memory are wanting (errno), so that it is of no use to ask again at once. */
int dsn_listener_accept(int listener, bool *crowded);

/* Connects to such an address. No read and no write waits longer than `timeout_ms`. -1: nobody is there, and
 * errno says why. */
int dsn_listener_connect(const char *address, int timeout_ms);

#endif
