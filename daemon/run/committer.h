/* committer: the thread that owns the store. Takes what the workers have done, in batches: stores it, tells
 * the outlets, then settles it, in that order. While Redis works on a batch, the one before is settled. When
 * there is nothing more to do, nothing waits; while there is, a batch is given a moment to grow. */
#ifndef RUN_COMMITTER_H
#define RUN_COMMITTER_H

#include "outlets.h"
#include "sink/redis.h"
#include "worker.h"

struct dsn_committer {
    struct dsn_workplace *place;
    struct dsn_outlets *outlets; /* told when there is something new */
    struct dsn_store_settings store;
    struct dsn_asking asking;                 /* of the thread, where it puts a message away, */
    const struct dsn_source *_Atomic putting; /* of this source, the last one */
    int wake_fd;                              /* eventfd: something below has changed */
    _Atomic bool stopping;
    _Atomic int64_t deadline_ms; /* monotonic; once stopping */
};

/* What the store is to do, as the configuration has it; borrows that. */
struct dsn_store_settings dsn_committer_store(const struct dsn_conf *conf);

/* Works until the workers are done, or is told to stop. What it has taken and could not store stays at its
 * source. */
enum dsn_error dsn_committer_run(struct dsn_committer *committer);

#endif
