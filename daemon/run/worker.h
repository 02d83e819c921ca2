/* worker: a thread that reads messages and makes records of them. */
#ifndef RUN_WORKER_H
#define RUN_WORKER_H

#include "conf.h"
#include "message.h"

#include <pthread.h>
#include <stdatomic.h>

/* The knowledge that workers use, which may be exchanged while they work. */
struct dsn_shared_knowledge {
    pthread_mutex_t lock;
    struct dsn_knowledge *current;
    _Atomic unsigned generation; /* another number, other knowledge */
};

void dsn_shared_knowledge_init(struct dsn_shared_knowledge *shared, struct dsn_knowledge *knowledge);
void dsn_shared_knowledge_clear(struct dsn_shared_knowledge *shared);
void dsn_shared_knowledge_set(struct dsn_shared_knowledge *shared, struct dsn_knowledge *knowledge);

/* What the workers of a pipeline share. */
struct dsn_workplace {
    const struct dsn_conf *conf;
    struct dsn_shared_knowledge knowledge;
    struct dsn_queue *work;  /* of struct dsn_item */
    struct dsn_queue *done;  /* of struct dsn_message */
    uint64_t token;          /* random: tokens of two processes never mix */
    _Atomic uint64_t serial; /* of the next token */
    _Atomic bool abandoned;  /* put everything back */
};

/* Works until there will be no more work. */
void dsn_worker_run(struct dsn_workplace *place);

#endif
