/* suppressed: whether addresses are suppressed, asked of Redis in one go, and remembered for a moment. When
 * Redis is away nobody counts as suppressed, and nobody waits for long. Belongs to one thread. */
#ifndef LOOKUP_SUPPRESSED_H
#define LOOKUP_SUPPRESSED_H

#include "dsn/strview.h"
#include "redis/connection.h"

struct dsn_suppressed;

struct dsn_suppressed_settings {
    struct dsn_redis_settings redis; /* its timeout is the longest that anybody waits */
    const char *prefix;              /* "dsn" for keys that begin "{dsn}:" */
    unsigned shards;
    int64_t cache_ms; /* how long an answer is remembered; 0: not at all */
};

#define DSN_SUPPRESSED_REASON_SIZE 32

/* A question, and its answer. */
struct dsn_suppressed_query {
    struct dsn_strview address; /* folded, with a domain */
    struct dsn_strview scope;   /* of a list or a stream of mail, lower case; empty: none */
    bool answered;              /* false: Redis is away, and nobody counts as suppressed */
    bool suppressed;
    char reason[DSN_SUPPRESSED_REASON_SIZE]; /* letters, digits and '-'; empty where it is not known */
};

/* The settings are borrowed. `wake_fd`: an eventfd; after it is written to, `stop` is asked again: whether
 * not to wait any longer. NULL: no memory, or a bad address. */
struct dsn_suppressed *dsn_suppressed_new(struct dsn_suppressed_settings *settings, int wake_fd,
                                          bool (*stop)(void *context), void *context);
void dsn_suppressed_free(struct dsn_suppressed *suppressed); /* NULL is fine */

/* Answers all of them; the array is put into another order. */
void dsn_suppressed_ask(struct dsn_suppressed *suppressed, struct dsn_suppressed_query **queries, size_t n);

#endif
