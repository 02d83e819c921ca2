/* turns: who reads at a time: any number of workers, or one that has to be alone. A message that was being
 * read when the process ended may have been the reason, or one of its neighbours: read alone, it shows. */
#ifndef RUN_TURNS_H
#define RUN_TURNS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* Begins zeroed. */
struct dsn_turns {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t reading, waiting; /* waiting: to be alone; who comes later comes after them */
    bool alone;              /* who reads is */
};

void dsn_turns_init(struct dsn_turns *turns);
void dsn_turns_clear(struct dsn_turns *turns);
void dsn_turns_begin(struct dsn_turns *turns, bool alone); /* waits until it can */
void dsn_turns_end(struct dsn_turns *turns);               /* also for a worker that does not come back */

#endif
