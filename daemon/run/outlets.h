/* outlets: what tells others of the events that the store has: the feed with its replay, and a file. Each has
 * a thread and a connection of its own. */
#ifndef RUN_OUTLETS_H
#define RUN_OUTLETS_H

#include "conf.h"

struct dsn_outlets;

/* Opens what is configured; no thread runs yet. The configuration is borrowed. On failure `why` (of
 * `why_size` bytes) says for people what is wrong. */
enum dsn_error dsn_outlets_open(const struct dsn_conf *conf, char *why, size_t why_size,
                                struct dsn_outlets **out);
enum dsn_error dsn_outlets_start(struct dsn_outlets *outlets);
/* Waits until each knows where it begins: what is stored from then on is told. False: not yet. */
bool dsn_outlets_wait_begun(struct dsn_outlets *outlets, int64_t timeout_ms);
/* Any thread. The lags of those that there are, DSN_OUTLETS_MAX at most; returns how many. */
enum { DSN_OUTLETS_MAX = 2 };
struct dsn_outlet_facts {
    const char *kind; /* static: "feed", "ndjson" */
    double lag_s;     /* how long ago was stored what it has not told yet; 0: it has told all */
};
size_t dsn_outlets_look(const struct dsn_outlets *outlets, struct dsn_outlet_facts out[DSN_OUTLETS_MAX]);
/* The store has something new. */
void dsn_outlets_nudge(struct dsn_outlets *outlets);
/* Reads again what SIGHUP reads: who may connect; and opens files that may have been moved away. What is
 * wrong is a problem, and the old stays. */
enum dsn_error dsn_outlets_reload(struct dsn_outlets *outlets, struct dsn_problems *problems);
/* Tells what is in the store now, for at most `drain_ms`, and then nothing more; at once where Redis is away.
 */
void dsn_outlets_stop(struct dsn_outlets *outlets, int64_t drain_ms);
/* Waits for the end of the threads, and frees. NULL is fine. */
void dsn_outlets_close(struct dsn_outlets *outlets);

#endif
