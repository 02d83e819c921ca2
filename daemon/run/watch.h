/* watch: looks at Redis for those who watch the status page, on a thread and a connection of its own: a
 * snapshot every two seconds while somebody watches, answers about single addresses, once a minute what the
 * metrics tell of it, and between times whether Redis is there at all. */
#ifndef RUN_WATCH_H
#define RUN_WATCH_H

#include "pipeline.h"

struct dsn_watch;

/* A question about an address. The asker's memory, until `answered` is called, on the watch's thread. */
struct dsn_watch_question {
    char *address; /* folded */
    char *answer;  /* JSON, freed with g_free; NULL: Redis is away */
    void (*answered)(struct dsn_watch_question *question);
    void *context;
};

/* What a watcher has seen; begins zeroed. */
struct dsn_watch_seen {
    uint64_t snapshot, beat;
};

/* `changed` is called on the watch's thread when dsn_watch_next has something new. All is borrowed. NULL: no
 * thread to be had. */
struct dsn_watch *dsn_watch_open(const struct dsn_conf *conf, struct dsn_pipeline *pipeline,
                                 void (*changed)(void *context), void *context);
/* Answers what was asked, and ends the thread; nothing must be asked any more. NULL is fine. */
void dsn_watch_stop(struct dsn_watch *watch);
void dsn_watch_free(struct dsn_watch *watch); /* after stop; NULL is fine */

/* Any thread. How many watch: none, and no snapshots are made. */
void dsn_watch_set_watchers(struct dsn_watch *watch, size_t n);
/* The next piece for a watcher, as server-sent events: a snapshot, or a comment that shows that the
 * connection lives. NULL: nothing new. */
GBytes *dsn_watch_next(struct dsn_watch *watch, struct dsn_watch_seen *seen);
void dsn_watch_ask(struct dsn_watch *watch, struct dsn_watch_question *question);

#endif
