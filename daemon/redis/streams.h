/* streams: reads what the store has: the streams of events, all shards of them, and the suppression list. Has
 * its own connection, so that whoever reads keeps nobody from committing. Belongs to one thread. */
#ifndef REDIS_STREAMS_H
#define REDIS_STREAMS_H

#include "connection.h"
#include "position.h"

struct dsn_streams;

struct dsn_streams_settings {
    struct dsn_redis_settings redis; /* its scripts are not used */
    const char *prefix;              /* "dsn" for keys that begin "{dsn}:" */
    unsigned shards;
};

/* An entry of a stream; borrowed while it is visited. */
struct dsn_entry {
    unsigned shard;
    struct dsn_entry_id id;
    struct dsn_strview event_id, topic, event;
};

/* False: not this one, and none after it. */
typedef bool dsn_entry_visit(void *context, const struct dsn_entry *entry);
typedef void dsn_address_visit(void *context, struct dsn_strview address, struct dsn_strview until);

/* The settings and the waiter are borrowed. */
enum dsn_error dsn_streams_open(struct dsn_streams_settings *settings, const struct dsn_redis_waiter *waiter,
                                struct dsn_streams **out);
void dsn_streams_close(struct dsn_streams *streams); /* NULL is fine */

/* All that follow: DSN_ERR_AWAY: Redis does not answer; DSN_ERR_IO: it refuses, and dsn_streams_why says why.
 */
const char *dsn_streams_why(const struct dsn_streams *streams);
/* Waits before the next try. DSN_ERR_AWAY: the waiter gave up. */
enum dsn_error dsn_streams_back_off(struct dsn_streams *streams);

/* Where the streams end now. */
enum dsn_error dsn_streams_end(struct dsn_streams *streams, struct dsn_position *out);
/* Visits about `max` entries after the position, each shard's in their order, and moves the position to the
 * last one visited of each shard. */
enum dsn_error dsn_streams_read(struct dsn_streams *streams, struct dsn_position *position, size_t max,
                                dsn_entry_visit *visit, void *context);
/* Whether entries after the position are gone: the stream was trimmed. */
enum dsn_error dsn_streams_trimmed(struct dsn_streams *streams, const struct dsn_position *position,
                                   bool *out);
/* Visits some of the suppression list of a shard, and moves the cursor, which begins and ends with 0. An
 * address whose suppression changes meanwhile may come twice, or not. */
enum dsn_error dsn_streams_suppressed(struct dsn_streams *streams, unsigned shard, uint64_t *cursor,
                                      dsn_address_visit *visit, void *context);

#endif
