/* replay: answers what subscribers ask for, on a ZeroMQ ROUTER socket: events from a position on, and the
 * suppression list. A thread and a connection of its own: whatever is asked, the pipeline does not notice.
 * dsnd-feed(7) is its contract. */
#ifndef FEED_REPLAY_H
#define FEED_REPLAY_H

#include "keys.h"
#include "redis/streams.h"

struct dsn_replay;

struct dsn_replay_settings {
    void *context;                     /* of ZeroMQ; has to outlive it */
    const char *bind;                  /* as [feed] replay */
    const struct dsn_curve_keys *keys; /* NULL: not encrypted */
    const char *cloudevents;           /* as of the feed */
    struct dsn_streams_settings streams;
};

/* Binds the socket. The settings are copied; what they point to is borrowed. On failure `why` (of `why_size`
 * bytes) says for people what is wrong. */
enum dsn_error dsn_replay_open(const struct dsn_replay_settings *settings, char *why, size_t why_size,
                               struct dsn_replay **out);
enum dsn_error dsn_replay_start(struct dsn_replay *replay);
/* Ends its thread, waits for that, and frees. NULL is fine. */
void dsn_replay_close(struct dsn_replay *replay);

#endif
