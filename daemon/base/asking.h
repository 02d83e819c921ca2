/* asking: whether a thread is waiting for what a file system answers, for another thread that watches it.
 * Begins zeroed. */
#ifndef BASE_ASKING_H
#define BASE_ASKING_H

#include <stdatomic.h>
#include <stdint.h>

struct dsn_asking {
    _Atomic uint64_t serial; /* odd: there is no answer yet */
    uint64_t seen;           /* the watcher's own, as is the next: what it saw last */
    int64_t unanswered_ms;
};

/* Around whatever may not return. Leaves errno alone. */
static inline void dsn_asking_begin(struct dsn_asking *asking) {
    asking->serial++;
}

static inline void dsn_asking_end(struct dsn_asking *asking) {
    asking->serial++;
}

/* The watcher, `step_ms` after the last time: for how long there has been no answer, as far as it saw. */
static inline int64_t dsn_asking_look(struct dsn_asking *asking, int64_t step_ms) {
    uint64_t serial = asking->serial;
    asking->unanswered_ms = serial % 2 == 1 && serial == asking->seen ? asking->unanswered_ms + step_ms : 0;
    asking->seen = serial;
    return asking->unanswered_ms;
}

#endif
