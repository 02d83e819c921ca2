/* subscriber: follows a feed of dsnd and misses nothing, as dsnd-feed(7) says it is done: where the sequence
 * shows a gap, it asks for a replay. The reference for other subscribers. */
#ifndef FEED_SUBSCRIBER_H
#define FEED_SUBSCRIBER_H

#include "keys.h"
#include "redis/position.h"

#include <stdint.h>

struct dsn_subscriber;

struct dsn_subscriber_settings {
    const char *feed, *replay;         /* endpoints; without replay, gaps are only told */
    const char *from;                  /* a position; NULL: from now on */
    const struct dsn_curve_keys *keys; /* NULL: no CURVE */
    const char *server_key;            /* with keys */
    int stop_fd;                       /* readable: come to an end */

    void *context; /* of the functions */
    /* An event, in the order of its shard's stream, once. False: no more. */
    bool (*event)(void *context, struct dsn_strview topic, struct dsn_strview entry,
                  struct dsn_strview event);
    /* Something that people should know, such as a gap. */
    void (*notice)(void *context, const char *text);
};

/* The settings are borrowed. On failure `why` (of `why_size` bytes) says for people what is wrong. */
enum dsn_error dsn_subscriber_open(const struct dsn_subscriber_settings *settings, char *why, size_t why_size,
                                   struct dsn_subscriber **out);
void dsn_subscriber_close(struct dsn_subscriber *subscriber); /* NULL is fine */

/* Follows until it is told to stop. */
void dsn_subscriber_run(struct dsn_subscriber *subscriber);
/* How many events are known to be missing: of gaps that nobody mends. */
uint64_t dsn_subscriber_lost(const struct dsn_subscriber *subscriber);
/* Up to where the events came; NULL: nowhere yet. Freed with g_free. */
char *dsn_subscriber_position(const struct dsn_subscriber *subscriber);

#endif
