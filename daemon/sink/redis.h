/* redis: the store. Takes batches of records into Redis, each once, whatever happens to the connection in
 * between.
 *
 *     dsn_store_send(store, a, n);     sends; while Redis works, do something else
 *     dsn_store_finish(store);         waits until no record of `a` is PENDING any more
 */
#ifndef SINK_REDIS_H
#define SINK_REDIS_H

#include "redis/connection.h"
#include "sink.h"

struct dsn_store;

struct dsn_store_settings {
    struct dsn_redis_settings redis; /* its scripts are the store's own */
    const char *prefix;              /* "dsn" for keys that begin "{dsn}:" */
    const char *space;               /* behind that, for books that are not the real ones; "" */
    unsigned shards;                 /* above 1: "{dsn:0}:" to "{dsn:N-1}:" */
    int64_t stream_maxlen;           /* of each shard, about */
    int64_t seen_expiry_ms, address_expiry_ms, stats_expiry_ms;
    int64_t max_domains;                 /* counted by name in a day's stats */
    const struct dsn_policies *policies; /* borrowed */
    int64_t guard_bounces,
        guard_factor;         /* an outage: so many an hour, so many times the usual; factor 0: no guard */
    int64_t guard_discard_ms; /* what is held is forgotten after that */
};

/* The settings and the waiter are borrowed. */
enum dsn_error dsn_store_open(struct dsn_store_settings *settings, const struct dsn_redis_waiter *waiter,
                              struct dsn_store **out);
void dsn_store_close(struct dsn_store *store); /* NULL is fine */

/* Waits until Redis is there. DSN_ERR_AWAY: the waiter gave up. */
enum dsn_error dsn_store_ready(struct dsn_store *store);

/* Starts to store the records, without waiting for anything; they are borrowed until finish. */
void dsn_store_send(struct dsn_store *store, struct dsn_record *const *records, size_t n);
/* Waits until Redis has taken or refused each record. DSN_ERR_AWAY: the waiter gave up; some may still be
 * PENDING. */
enum dsn_error dsn_store_finish(struct dsn_store *store);

#endif
