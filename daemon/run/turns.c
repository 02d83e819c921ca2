/* turns: a lock for many or for one, which another thread may leave for a worker that is stuck. */
#include "turns.h"

void dsn_turns_init(struct dsn_turns *turns) {
    pthread_mutex_init(&turns->lock, NULL);
    pthread_cond_init(&turns->changed, NULL);
}

void dsn_turns_clear(struct dsn_turns *turns) {
    pthread_cond_destroy(&turns->changed);
    pthread_mutex_destroy(&turns->lock);
}

void dsn_turns_begin(struct dsn_turns *turns, bool alone) {
    pthread_mutex_lock(&turns->lock);
    turns->waiting += alone;
    while (turns->alone || (alone ? turns->reading > 0 : turns->waiting > 0))
        pthread_cond_wait(&turns->changed, &turns->lock);
    turns->waiting -= alone;
    turns->alone = alone;
    turns->reading++;
    pthread_mutex_unlock(&turns->lock);
}

void dsn_turns_end(struct dsn_turns *turns) {
    pthread_mutex_lock(&turns->lock);
    turns->alone = false;
    bool somebody_waits = --turns->reading == 0;
    pthread_mutex_unlock(&turns->lock);
    if (somebody_waits)
        pthread_cond_broadcast(&turns->changed);
}
