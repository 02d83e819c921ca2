/* committer: the thread that owns Redis and the publishers. Takes what the workers have done, in batches:
 * stores it, then publishes it, then settles it, in that order. While Redis works on a batch, the one before
 * is published and settled. When there is nothing more to do, nothing waits. */
#ifndef RUN_COMMITTER_H
#define RUN_COMMITTER_H

#include "sink/redis.h"
#include "worker.h"

/* What became of the messages, and the events in them. */
struct dsn_counts {
    uint64_t settled, aside, postponed;
    uint64_t unsettled; /* stored, but could not be put away */
    uint64_t events, duplicates;
};

struct dsn_committer {
    struct dsn_workplace *place;
    struct dsn_sink **publishers; /* ended by NULL */
    struct dsn_store_settings store;
    int wake_fd; /* eventfd: something below has changed */
    _Atomic bool stopping;
    _Atomic int64_t deadline_ms; /* monotonic; once stopping */
    struct dsn_counts counts;    /* to be read when run has returned */
};

/* Works until the workers are done, or is told to stop. What it has taken and could not store stays at its
 * source. */
enum dsn_error dsn_committer_run(struct dsn_committer *committer);

#endif
