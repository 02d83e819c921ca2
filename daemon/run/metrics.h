/* metrics: what dsnd counts while it works. Workers and committer count without locks; anybody may read while
 * they do. How many different series there are is bounded, whatever comes by mail. */
#ifndef RUN_METRICS_H
#define RUN_METRICS_H

#include "conf.h"
#include "lookup/suppressed.h"
#include "outlets.h"
#include "redis/overview.h"
#include "sink/sink.h"

#include <glib.h>
#include <stdatomic.h>

/* What became of a message. */
enum dsn_outcome {
    DSN_OUTCOME_SETTLED,
    DSN_OUTCOME_ASIDE,
    DSN_OUTCOME_POSTPONED, /* could not be read: offered again */
    DSN_OUTCOME_RELEASED,  /* left where it was: still being written, gone, or not stored before we left */
    DSN_OUTCOMES,
};
extern const char *const dsn_outcome_names[DSN_OUTCOMES]; /* "settled", "set_aside", ... */

/* What became of all messages, and of the events in them. */
struct dsn_counts {
    uint64_t settled, aside, postponed;
    uint64_t unsettled; /* stored, but not put away (yet) */
    uint64_t events, duplicates;
};

/* What is known only to those who have it, at one moment. */
struct dsn_depths {
    size_t work, done, max; /* messages in the queues, and how many they hold */
    struct dsn_outlet_facts outlets[DSN_OUTLETS_MAX];
    size_t n_outlets;
};

struct dsn_metrics;

/* The configuration is borrowed: its sources are numbered as there. NULL: no memory. */
struct dsn_metrics *dsn_metrics_new(const struct dsn_conf *conf);
void dsn_metrics_free(struct dsn_metrics *metrics); /* NULL is fine */

/* A message is in work; `arrived_ms`: when it came to its source (ms since 1970), 0 where that is not known.
 */
void dsn_metrics_begin(struct dsn_metrics *metrics, size_t source, int64_t arrived_ms);
/* A message that was begun at `begun_us` (monotonic) is out of our hands. */
void dsn_metrics_end(struct dsn_metrics *metrics, size_t source, enum dsn_outcome outcome, int64_t begun_us);
/* Redis has the record: it is new, or a duplicate. */
void dsn_metrics_record(struct dsn_metrics *metrics, const struct dsn_record *record);
/* A batch was stored and took so long. */
void dsn_metrics_commit(struct dsn_metrics *metrics, int64_t us);
/* A mail server's question was answered. `metrics` is a struct dsn_metrics: it is the lookups' hook. */
void dsn_metrics_lookup(void *metrics, const struct dsn_suppressed_query *query, int64_t us);
/* What Redis has, where somebody looked at it just now; NULL: it is away, and what it had is not told. */
void dsn_metrics_set_overview(struct dsn_metrics *metrics, const struct dsn_overview *overview);
/* How many messages are stored and not put away. */
void dsn_metrics_set_unsettled(struct dsn_metrics *metrics, size_t n);
/* Whether Redis does what it is asked to: to be kept so by the committer, and by whoever watches in idle
 * times. */
_Atomic bool *dsn_metrics_redis_up(struct dsn_metrics *metrics);
_Atomic bool *dsn_metrics_redis_seen(struct dsn_metrics *metrics);
bool dsn_metrics_redis_is_up(const struct dsn_metrics *metrics);

/* A source at this moment. */
struct dsn_source_facts {
    uint64_t in_progress; /* messages */
    uint64_t ended[DSN_OUTCOMES];
    double lag_s; /* how long the message begun last has been there; 0 where nothing waits */
};

struct dsn_source_facts dsn_metrics_source(const struct dsn_metrics *metrics, size_t source,
                                           const struct dsn_depths *depths);
int64_t dsn_metrics_started_ms(const struct dsn_metrics *metrics); /* since 1970 */
struct dsn_counts dsn_metrics_counts(const struct dsn_metrics *metrics);
/* Appends all of it in the text format of Prometheus. */
void dsn_metrics_write(struct dsn_metrics *metrics, const struct dsn_depths *depths, GString *out);

#endif
