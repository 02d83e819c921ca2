/* feed: the ZeroMQ PUB socket, dsnd-feed(7). */
#ifndef FEED_FEED_H
#define FEED_FEED_H

#include "keys.h"
#include "sink/sink.h"

struct dsn_feed_settings {
    void *context;    /* of ZeroMQ; has to outlive it */
    const char *bind; /* tcp://127.0.0.1:5556 or ipc:///path */
    int hwm;          /* messages that a slow subscriber may be behind before it loses some */
    int64_t heartbeat_ms;
    unsigned shards;                   /* of the store */
    const struct dsn_curve_keys *keys; /* NULL: not encrypted */
    const char *cloudevents;           /* their source: events are CloudEvents; NULL: as they are */
};

/* Why `endpoint` cannot be bound: a static text; NULL where it can. */
const char *dsn_feed_refuse(const char *endpoint);
/* Whether what goes there stays on this host. */
bool dsn_feed_is_local(const char *endpoint);

/* On failure `why` (of `why_size` bytes) says for people what is wrong. */
enum dsn_error dsn_feed_open(const struct dsn_feed_settings *settings, char *why, size_t why_size,
                             struct dsn_sink **out);

#endif
