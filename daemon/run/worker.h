/* worker: a thread that reads messages and makes records of them. */
#ifndef RUN_WORKER_H
#define RUN_WORKER_H

#include "conf.h"
#include "message.h"
#include "metrics.h"
#include "turns.h"

#include <pthread.h>
#include <stdatomic.h>

/* The knowledge and the keys that workers use, which may be exchanged while they work. */
struct dsn_shared_knowledge {
    pthread_mutex_t lock;
    struct dsn_knowledge *current;
    struct dsn_verp *keys;       /* NULL: none */
    _Atomic unsigned generation; /* another number, other knowledge */
};

void dsn_shared_knowledge_init(struct dsn_shared_knowledge *shared, struct dsn_knowledge *knowledge,
                               struct dsn_verp *keys);
void dsn_shared_knowledge_clear(struct dsn_shared_knowledge *shared);
void dsn_shared_knowledge_set(struct dsn_shared_knowledge *shared, struct dsn_knowledge *knowledge,
                              struct dsn_verp *keys);

/* What the workers of a pipeline share. */
struct dsn_workplace {
    const struct dsn_conf *conf;
    struct dsn_shared_knowledge knowledge;
    struct dsn_metrics *metrics;
    struct dsn_queue *work; /* of struct dsn_item */
    struct dsn_queue *done; /* of struct dsn_message */
    struct dsn_turns turns;
    uint64_t token;          /* random: tokens of two processes never mix */
    _Atomic uint64_t serial; /* of the next token */
    _Atomic bool abandoned;  /* put everything back */
};

/* Times max_time that a thread may be without progress: time that passes, not CPU. */
#define DSN_BLOCKED_AFTER 4

#define DSN_WORKER_TOO_LONG "reading it took longer than [limits] max_time allows"
#define DSN_WORKER_DEADLY "dsnd ended three times while it was reading this message"

/* What a worker has in hand, for who watches it. Begins zeroed. */
struct dsn_desk {
    size_t number; /* of the worker */
    pthread_mutex_t lock;
    clockid_t clock;       /* of the worker */
    struct dsn_item *item; /* NULL: none, or it was taken away */
    bool has_bytes;        /* the item's are there; false: they are being read */
    int64_t begun_us;      /* by that clock; once it has the bytes */
    int64_t begun_at_us;   /* monotonic, the same */
    uint64_t serial;       /* of what is done with the item */
    uint64_t seen;         /* the watcher's own, as are the next: what it saw last */
    int64_t seen_us;       /* by that clock */
    int64_t idle_ms;       /* for how long that clock has stood still */
};

/* Works until there will be no more work. False: the item was taken away meanwhile. */
bool dsn_worker_run(struct dsn_workplace *place, struct dsn_desk *desk);
/* The thread that watches: takes an item away where its worker has not come back from it in twice max_time.
 * NULL: none. */
struct dsn_item *dsn_worker_take_away(struct dsn_workplace *place, struct dsn_desk *desk);
/* The same thread, `step_ms` after the last time: whether the worker gets nowhere, and that without using the
 * CPU, as where a file system does not answer. It is logged when that begins and when it is over. */
bool dsn_worker_is_blocked(const struct dsn_workplace *place, struct dsn_desk *desk, int64_t step_ms);
/* The same thread: the worker is not waited for any more. Returns what it has in hand, and keeps; NULL: it
 * has come back. */
struct dsn_item *dsn_worker_give_up(struct dsn_workplace *place, struct dsn_desk *desk);

#endif
