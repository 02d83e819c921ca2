/* feed: the ZeroMQ PUB socket. */
#ifndef SINK_FEED_H
#define SINK_FEED_H

#include "sink.h"

struct dsn_feed_settings {
    const char *bind;     /* tcp://127.0.0.1:5556 or ipc:///path */
    int hwm;              /* messages that a slow subscriber may be behind before it loses some */
    int64_t heartbeat_ms; /* 0: none */
};

/* Why `endpoint` cannot be bound: a static text; NULL where it can. Without CURVE the feed must not leave the
 * host. */
const char *dsn_feed_refuse(const char *endpoint);

/* On failure `why` (of `why_size` bytes) says for people what is wrong. */
enum dsn_error dsn_feed_open(const struct dsn_feed_settings *settings, char *why, size_t why_size,
                             struct dsn_sink **out);

#endif
