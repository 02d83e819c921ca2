/* lookup: answers mail servers that ask, before they send, whether an address is suppressed, on a thread of
 * its own. What is said stands in socketmap.h. */
#ifndef LOOKUP_LOOKUP_H
#define LOOKUP_LOOKUP_H

#include "base/listener.h"
#include "suppressed.h"

struct dsn_lookup_settings {
    const char *listen; /* as dsn_listener_open takes it */
    enum dsn_listener_access access;
    size_t max_clients; /* more, and those that asked nothing for the longest time have to leave */
    struct dsn_suppressed_settings suppressed;
    /* Told of each answer, on the thread of the lookups: what it was, and how long it took. */
    void (*answered)(void *context, const struct dsn_suppressed_query *query, int64_t us);
    void *context; /* of `answered` */
};

struct dsn_lookup;

/* Binds; no thread runs yet. The settings are borrowed. On failure `why` (of `why_size` bytes) says for
 * people what is wrong. */
enum dsn_error dsn_lookup_open(struct dsn_lookup_settings *settings, char *why, size_t why_size,
                               struct dsn_lookup **out);
enum dsn_error dsn_lookup_start(struct dsn_lookup *lookup);
/* Ends the thread, closes the connections and frees. NULL is fine. */
void dsn_lookup_close(struct dsn_lookup *lookup);

#endif
