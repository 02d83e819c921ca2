/* overview: what Redis has for somebody who wants to see how things are: the counters of the last days, the
 * suppression list, what is held, incidents, the last events. Reads only, and so much however much there is;
 * see dsnd-redis(7) for the keys. */
#ifndef REDIS_OVERVIEW_H
#define REDIS_OVERVIEW_H

#include "connection.h"

#include <glib.h>

enum {
    DSN_OVERVIEW_DAYS = 30,
    DSN_OVERVIEW_EVENTS = 50,
    DSN_OVERVIEW_SUPPRESSED = 1000, /* addresses that are looked at, however many there are */
    DSN_OVERVIEW_HELD = 100,        /* the same, of each provider and shard */
    DSN_OVERVIEW_INCIDENTS = 20,    /* of those that are remembered */
};

struct dsn_overview_day {
    char day[16];       /* "20261125", in UTC */
    GHashTable *counts; /* as in the hash: char *, "reason:user-unknown" -> uint64_t *; without domains */
};

struct dsn_overview_address {
    char *address, *reason, *rule, *provider; /* empty where there is none */
    int64_t since_ms;                         /* 0: not known */
    double until_ms;                          /* infinite: for good */
};

/* Addresses in one state: how many there are, and some of them, evenly from all. */
struct dsn_overview_list {
    uint64_t total;
    GPtrArray *addresses; /* of struct dsn_overview_address, the latest first */
    GHashTable *counts;   /* of these, as those of a day: "reason:..." and "provider:..." */
};

struct dsn_overview_entry {
    uint64_t ms; /* when it was stored */
    char *event; /* JSON as it stands in the stream */
};

/* What the outage guard saw at a provider. */
struct dsn_overview_incident {
    char *provider, *answer;
    int64_t began_ms;
    double over_ms; /* infinite: it is open */
};

struct dsn_overview {
    GPtrArray *days;   /* of struct dsn_overview_day, the oldest first, today last */
    uint64_t n_events; /* in the streams */
    struct dsn_overview_list suppressed;
    struct dsn_overview_list held; /* its counts by provider are of all that are held */
    GPtrArray *incidents;          /* of struct dsn_overview_incident: the open ones first */
    GPtrArray *entries;            /* of struct dsn_overview_entry, the latest first */
};

struct dsn_overview *dsn_overview_new(void);
void dsn_overview_free(struct dsn_overview *overview); /* NULL is fine */

/* Reads it all, but for past days that were read before. The connection must be ready. DSN_ERR_AWAY: Redis
 * does not answer; DSN_ERR_IO: it refuses. */
enum dsn_error dsn_overview_read(struct dsn_overview *overview, struct dsn_redis *redis, const char *prefix,
                                 unsigned shards);

/* The count of a field of a day or a list, 0 where there is none. */
uint64_t dsn_overview_count(GHashTable *counts, const char *field);
/* Visits the fields that begin with `prefix`, in no order: the rest of their names, which lives as long as
 * the counts, and their counts. */
typedef void dsn_overview_visit(void *context, const char *rest, uint64_t count);
void dsn_overview_each(GHashTable *counts, const char *prefix, dsn_overview_visit *visit, void *context);

/* What is known of an address, folded to lower case: its hash as names and values in turn, whether it is on
 * the suppression list, and the events that the hash points to. */
struct dsn_overview_known {
    GPtrArray *fields; /* char *: name, value, name, value ... */
    bool suppressed;
    GPtrArray *events; /* char *: JSON */
};
enum dsn_error dsn_overview_look_up(struct dsn_redis *redis, const char *prefix, unsigned shards,
                                    const char *address, struct dsn_overview_known *out);
void dsn_overview_known_clear(struct dsn_overview_known *known);

#endif
