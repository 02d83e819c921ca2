/* metrics: counters, and their text for Prometheus (exposition format 0.0.4). Knows no HTTP. */
#include "metrics.h"

#include "base/clock.h"
#include "base/sv.h"
#include "base/tally.h"
#include "version.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Every reason under every kind and type would be some hundred. */
#define MAX_EVENT_SERIES 1000
#define MAX_PROVIDER_SERIES 500
#define MAX_ACTION_SERIES 10

/* Upper bounds in microseconds; one bucket more has what is above. */
static const int64_t bounds_us[] = {1000,   2500,    5000,    10000,   25000,    50000,    100000,  250000,
                                    500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000};
#define N_BOUNDS G_N_ELEMENTS(bounds_us)

struct histogram {
    _Atomic uint64_t counts[N_BOUNDS + 1];
    _Atomic uint64_t sum_us;
};

enum lookup_result { LOOKUP_SUPPRESSED, LOOKUP_NOT_FOUND, LOOKUP_REDIS_AWAY, LOOKUP_RESULTS };

struct source_metrics {
    const char *name;
    _Atomic uint64_t begun, ended[DSN_OUTCOMES];
    _Atomic int64_t arrived_ms; /* of the message that was begun last */
};

struct dsn_metrics {
    struct dsn_tally *events, *providers, *actions;
    _Atomic uint64_t n_events, n_duplicates, n_unsettled;
    _Atomic uint64_t lookups[LOOKUP_RESULTS];
    struct histogram messages, commits, lookup_times;
    _Atomic bool redis_up, redis_seen;
    pthread_mutex_t lock; /* of what Redis has */
    GString *in_redis;    /* as it is told; NULL: not known */
    int64_t started_ms;
    size_t n_sources;
    struct source_metrics sources[];
};

const char *const dsn_outcome_names[DSN_OUTCOMES] = {"settled", "set_aside", "postponed", "released"};

struct dsn_metrics *dsn_metrics_new(const struct dsn_conf *conf) {
    struct dsn_metrics *metrics = calloc(1, sizeof *metrics + conf->n_sources * sizeof metrics->sources[0]);
    if (!metrics)
        return NULL;
    pthread_mutex_init(&metrics->lock, NULL);
    metrics->started_ms = dsn_clock_real_ms();
    metrics->redis_seen = true; /* until somebody looks */
    metrics->n_sources = conf->n_sources;
    for (size_t i = 0; i < conf->n_sources; i++)
        metrics->sources[i].name = conf->sources[i].name;
    metrics->events = dsn_tally_new(3, MAX_EVENT_SERIES);
    metrics->providers = dsn_tally_new(2, MAX_PROVIDER_SERIES);
    metrics->actions = dsn_tally_new(1, MAX_ACTION_SERIES);
    if (!metrics->events || !metrics->providers || !metrics->actions) {
        dsn_metrics_free(metrics);
        return NULL;
    }
    return metrics;
}

void dsn_metrics_free(struct dsn_metrics *metrics) {
    if (!metrics)
        return;
    dsn_tally_free(metrics->events);
    dsn_tally_free(metrics->providers);
    dsn_tally_free(metrics->actions);
    if (metrics->in_redis)
        g_string_free(metrics->in_redis, TRUE);
    pthread_mutex_destroy(&metrics->lock);
    free(metrics);
}

/* Counting */

static void add(_Atomic uint64_t *counter, uint64_t n) {
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static uint64_t get(const _Atomic uint64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void observe(struct histogram *histogram, int64_t us) {
    size_t i = 0;
    while (i < N_BOUNDS && us > bounds_us[i])
        i++;
    add(&histogram->counts[i], 1);
    add(&histogram->sum_us, us > 0 ? (uint64_t)us : 0);
}

void dsn_metrics_begin(struct dsn_metrics *metrics, size_t source, int64_t arrived_ms) {
    add(&metrics->sources[source].begun, 1);
    atomic_store_explicit(&metrics->sources[source].arrived_ms, arrived_ms, memory_order_relaxed);
}

void dsn_metrics_end(struct dsn_metrics *metrics, size_t source, enum dsn_outcome outcome, int64_t begun_us) {
    add(&metrics->sources[source].ended[outcome], 1);
    if (outcome == DSN_OUTCOME_SETTLED || outcome == DSN_OUTCOME_ASIDE)
        observe(&metrics->messages, dsn_clock_monotonic_us() - begun_us);
}

void dsn_metrics_lookup(void *context, const struct dsn_suppressed_query *query, int64_t us) {
    struct dsn_metrics *metrics = context;
    add(&metrics->lookups[!query->answered    ? LOOKUP_REDIS_AWAY
                          : query->suppressed ? LOOKUP_SUPPRESSED
                                              : LOOKUP_NOT_FOUND],
        1);
    observe(&metrics->lookup_times, us);
}

void dsn_metrics_record(struct dsn_metrics *metrics, const struct dsn_record *record) {
    struct dsn_strview kind = dsn_sv_str(record->kind);
    if (record->state == DSN_RECORD_DUPLICATE)
        add(&metrics->n_duplicates, 1);
    if (record->state != DSN_RECORD_NEW)
        return;
    add(&metrics->n_events, 1);
    dsn_tally_add(metrics->events,
                  (const struct dsn_strview[]){kind, dsn_sv_str(record->type), record->reason});
    dsn_tally_add(metrics->actions, (const struct dsn_strview[]){dsn_sv_str(record->action)});
    if (record->provider.n > 0)
        dsn_tally_add(metrics->providers, (const struct dsn_strview[]){record->provider, kind});
}

void dsn_metrics_commit(struct dsn_metrics *metrics, int64_t us) {
    observe(&metrics->commits, us);
}

void dsn_metrics_set_unsettled(struct dsn_metrics *metrics, size_t n) {
    atomic_store_explicit(&metrics->n_unsettled, n, memory_order_relaxed);
}

_Atomic bool *dsn_metrics_redis_up(struct dsn_metrics *metrics) {
    return &metrics->redis_up;
}

_Atomic bool *dsn_metrics_redis_seen(struct dsn_metrics *metrics) {
    return &metrics->redis_seen;
}

bool dsn_metrics_redis_is_up(const struct dsn_metrics *metrics) {
    return metrics->redis_up && metrics->redis_seen;
}

struct dsn_counts dsn_metrics_counts(const struct dsn_metrics *metrics) {
    struct dsn_counts counts = {.events = get(&metrics->n_events),
                                .duplicates = get(&metrics->n_duplicates),
                                .unsettled = get(&metrics->n_unsettled)};
    for (size_t i = 0; i < metrics->n_sources; i++) {
        counts.settled += get(&metrics->sources[i].ended[DSN_OUTCOME_SETTLED]);
        counts.aside += get(&metrics->sources[i].ended[DSN_OUTCOME_ASIDE]);
        counts.postponed += get(&metrics->sources[i].ended[DSN_OUTCOME_POSTPONED]);
    }
    return counts;
}

/* Messages of a source that were begun and are not out of our hands. */
static uint64_t in_work(const struct source_metrics *source) {
    uint64_t ended = 0;
    for (size_t i = 0; i < DSN_OUTCOMES; i++)
        ended += get(&source->ended[i]);
    uint64_t begun = get(&source->begun);
    return begun > ended ? begun - ended : 0;
}

/* How long the message that was begun last has been at its source by now; 0 where nothing waits. */
static double lag_s(const struct source_metrics *source, bool queued) {
    int64_t arrived_ms = atomic_load_explicit(&source->arrived_ms, memory_order_relaxed);
    int64_t now_ms = dsn_clock_real_ms();
    bool waits = (queued || in_work(source) > 0) && arrived_ms > 0 && now_ms > arrived_ms;
    return waits ? (double)(now_ms - arrived_ms) / 1000 : 0;
}

struct dsn_source_facts dsn_metrics_source(const struct dsn_metrics *metrics, size_t i,
                                           const struct dsn_depths *depths) {
    const struct source_metrics *source = &metrics->sources[i];
    struct dsn_source_facts facts = {.in_progress = in_work(source),
                                     .lag_s = lag_s(source, depths->work > 0)};
    for (size_t k = 0; k < DSN_OUTCOMES; k++)
        facts.ended[k] = get(&source->ended[k]);
    return facts;
}

int64_t dsn_metrics_started_ms(const struct dsn_metrics *metrics) {
    return metrics->started_ms;
}

/* Writing */

static void family(GString *out, const char *name, const char *type, const char *help) {
    g_string_append_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void number(GString *out, double value) {
    char text[G_ASCII_DTOSTR_BUF_SIZE]; /* whatever the locale */
    g_string_append(out, g_ascii_formatd(text, sizeof text, "%.15g", value));
    g_string_append_c(out, '\n');
}

static void escape(GString *out, const char *value) {
    for (; *value; value++)
        switch (*value) {
        case '\\':
        case '"':
            g_string_append_printf(out, "\\%c", *value);
            break;
        case '\n':
            g_string_append(out, "\\n");
            break;
        default:
            g_string_append_c(out, *value);
        }
}

/* A sample of a family; `labels` (ended by NULL) and as many values. */
static void sample(GString *out, const char *name, const char *const labels[], const char *const values[],
                   double value) {
    g_string_append(out, name);
    for (size_t i = 0; labels[i]; i++) {
        g_string_append_printf(out, "%s%s=\"", i ? "," : "{", labels[i]);
        escape(out, values[i]);
        g_string_append(out, labels[i + 1] ? "\"" : "\"}");
    }
    g_string_append_c(out, ' ');
    number(out, value);
}

static const char *const no_labels[] = {NULL};

static void single(GString *out, const char *name, const char *type, const char *help, double value) {
    family(out, name, type, help);
    sample(out, name, no_labels, NULL, value);
}

struct tally_page {
    GString *out;
    const char *name;
    const char *const *labels;
};

static void write_counter(void *context, const char *const words[], uint64_t count) {
    const struct tally_page *page = context;
    sample(page->out, page->name, page->labels, words, (double)count);
}

static void write_tallies(struct dsn_metrics *metrics, GString *out) {
    static const char *const event_labels[] = {"kind", "type", "reason", NULL};
    static const char *const provider_labels[] = {"provider", "kind", NULL};
    static const char *const action_labels[] = {"action", NULL};
    const struct {
        struct dsn_tally *tally;
        const char *name, *help;
        const char *const *labels;
    } pages[] = {
        {metrics->events, "dsnd_events_total", "Events stored, each once, by kind, type and reason.",
         event_labels},
        {metrics->providers, "dsnd_provider_events_total",
         "Events stored, by the operator of the mail host where that is known.", provider_labels},
        {metrics->actions, "dsnd_actions_total", "Events stored, by the action that they call for.",
         action_labels},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(pages); i++) {
        struct tally_page page = {out, pages[i].name, pages[i].labels};
        family(out, pages[i].name, "counter", pages[i].help);
        dsn_tally_each(pages[i].tally, write_counter, &page);
    }
    single(out, "dsnd_event_duplicates_total", "counter", "Events that Redis had before.",
           (double)get(&metrics->n_duplicates));
}

static void write_sources(const struct dsn_metrics *metrics, bool queued, GString *out) {
    static const char *const outcome_labels[] = {"source", "outcome", NULL};
    static const char *const source_labels[] = {"source", NULL};
    family(out, "dsnd_messages_total", "counter", "Messages, by source and what became of them.");
    for (size_t i = 0; i < metrics->n_sources; i++)
        for (size_t k = 0; k < DSN_OUTCOMES; k++) {
            const char *const values[] = {metrics->sources[i].name, dsn_outcome_names[k]};
            sample(out, "dsnd_messages_total", outcome_labels, values,
                   (double)get(&metrics->sources[i].ended[k]));
        }
    family(out, "dsnd_source_lag_seconds", "gauge",
           "How long the message begun last has been at its source; 0 where nothing waits.");
    for (size_t i = 0; i < metrics->n_sources; i++)
        sample(out, "dsnd_source_lag_seconds", source_labels, &metrics->sources[i].name,
               lag_s(&metrics->sources[i], queued));
    family(out, "dsnd_messages_in_progress", "gauge", "Messages begun and not yet done with.");
    for (size_t i = 0; i < metrics->n_sources; i++)
        sample(out, "dsnd_messages_in_progress", source_labels, &metrics->sources[i].name,
               (double)in_work(&metrics->sources[i]));
    single(out, "dsnd_messages_unsettled", "gauge", "Messages stored that could not be put away yet.",
           (double)get(&metrics->n_unsettled));
}

static void write_outlets(const struct dsn_depths *depths, GString *out) {
    static const char *const labels[] = {"sink", NULL};
    family(out, "dsnd_sink_lag_seconds", "gauge",
           "How long ago was stored what the sink has not told yet; 0 where it has told all.");
    for (size_t i = 0; i < depths->n_outlets; i++)
        sample(out, "dsnd_sink_lag_seconds", labels, &depths->outlets[i].kind, depths->outlets[i].lag_s);
}

static void write_queues(const struct dsn_depths *depths, GString *out) {
    static const char *const labels[] = {"queue", NULL};
    static const char *const names[] = {"work", "done"};
    const size_t lengths[] = {depths->work, depths->done};
    family(out, "dsnd_queue_messages", "gauge",
           "Messages that wait for a worker (work), and for Redis (done).");
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        sample(out, "dsnd_queue_messages", labels, &names[i], (double)lengths[i]);
    single(out, "dsnd_queue_capacity_messages", "gauge", "How many messages each queue holds.",
           (double)depths->max);
}

static void write_histogram(const struct histogram *histogram, const char *name, const char *help,
                            GString *out) {
    static const char *const labels[] = {"le", NULL};
    char text[G_ASCII_DTOSTR_BUF_SIZE];
    char *bucket = g_strconcat(name, "_bucket", NULL);
    uint64_t total = 0;
    family(out, name, "histogram", help);
    for (size_t i = 0; i <= N_BOUNDS; i++) {
        const char *bound =
            i < N_BOUNDS ? g_ascii_formatd(text, sizeof text, "%.15g", (double)bounds_us[i] / 1e6) : "+Inf";
        total += get(&histogram->counts[i]);
        sample(out, bucket, labels, &bound, (double)total);
    }
    g_string_append_printf(out, "%s_sum ", name);
    number(out, (double)get(&histogram->sum_us) / 1e6);
    g_string_append_printf(out, "%s_count %" PRIu64 "\n", name, total);
    g_free(bucket);
}

static void write_process(const struct dsn_metrics *metrics, GString *out) {
    static const char *const labels[] = {"version", NULL};
    static const char *const version = DSND_VERSION;
    struct rusage usage;
    unsigned long long size, resident = 0;
    char *statm = NULL;
    family(out, "dsnd_build_info", "gauge", "The version of dsnd; always 1.");
    sample(out, "dsnd_build_info", labels, &version, 1);
    single(out, "process_start_time_seconds", "gauge", "When the process started, in seconds since 1970.",
           (double)metrics->started_ms / 1000);
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        single(out, "process_cpu_seconds_total", "counter", "CPU time, user and system, in seconds.",
               (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                   (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    if (g_file_get_contents("/proc/self/statm", &statm, NULL, NULL) &&
        sscanf(statm, "%llu %llu", &size, &resident) == 2)
        single(out, "process_resident_memory_bytes", "gauge", "Resident memory in bytes.",
               (double)resident * (double)sysconf(_SC_PAGESIZE));
    g_free(statm);
}

static void write_lookups(const struct dsn_metrics *metrics, GString *out) {
    static const char *const labels[] = {"result", NULL};
    static const char *const results[LOOKUP_RESULTS] = {"suppressed", "not_found", "redis_away"};
    family(out, "dsnd_lookups_total", "counter", "Questions of mail servers, by what they were told.");
    for (size_t i = 0; i < LOOKUP_RESULTS; i++)
        sample(out, "dsnd_lookups_total", labels, &results[i], (double)get(&metrics->lookups[i]));
    write_histogram(&metrics->lookup_times, "dsnd_lookup_duration_seconds",
                    "How long a question of a mail server took.", out);
}

/* What Redis has */

static void write_held_at(void *out, const char *provider, uint64_t count) {
    static const char *const labels[] = {"provider", NULL};
    sample(out, "dsnd_held_addresses", labels, &provider, (double)count);
}

static void write_held(const struct dsn_overview *overview, GString *out) {
    family(out, "dsnd_held_addresses", "gauge", "Addresses that the outage guard holds, by provider.");
    dsn_overview_each(overview->held.counts, "provider:", write_held_at, out);
}

/* An answer that is watched in several shards may have an incident in each. */
static bool is_told(const struct dsn_overview *overview, guint i) {
    const struct dsn_overview_incident *incident = g_ptr_array_index(overview->incidents, i);
    for (guint k = 0; k < i; k++) {
        const struct dsn_overview_incident *other = g_ptr_array_index(overview->incidents, k);
        if (strcmp(other->provider, incident->provider) == 0 && strcmp(other->answer, incident->answer) == 0)
            return true;
    }
    return false;
}

static void write_incidents(const struct dsn_overview *overview, GString *out) {
    static const char *const labels[] = {"provider", "answer", NULL};
    family(out, "dsnd_incident_open", "gauge", "Outages that the guard sees now, each with the value 1.");
    for (guint i = 0; i < overview->incidents->len; i++) {
        const struct dsn_overview_incident *incident = g_ptr_array_index(overview->incidents, i);
        const char *const values[] = {incident->provider, incident->answer};
        if (isinf(incident->over_ms) && !is_told(overview, i))
            sample(out, "dsnd_incident_open", labels, values, 1);
    }
}

void dsn_metrics_set_overview(struct dsn_metrics *metrics, const struct dsn_overview *overview) {
    GString *text = overview ? g_string_new(NULL) : NULL;
    if (text) {
        single(text, "dsnd_suppressed_addresses", "gauge", "Addresses on the suppression list of all mail.",
               (double)overview->suppressed.total);
        write_held(overview, text);
        write_incidents(overview, text);
    }
    pthread_mutex_lock(&metrics->lock);
    GString *old = metrics->in_redis;
    metrics->in_redis = text;
    pthread_mutex_unlock(&metrics->lock);
    if (old)
        g_string_free(old, TRUE);
}

static void write_in_redis(struct dsn_metrics *metrics, GString *out) {
    pthread_mutex_lock(&metrics->lock);
    if (metrics->in_redis)
        g_string_append_len(out, metrics->in_redis->str, (gssize)metrics->in_redis->len);
    pthread_mutex_unlock(&metrics->lock);
}

void dsn_metrics_write(struct dsn_metrics *metrics, const struct dsn_depths *depths, GString *out) {
    write_tallies(metrics, out);
    write_sources(metrics, depths->work > 0, out);
    write_queues(depths, out);
    write_outlets(depths, out);
    write_histogram(&metrics->messages, "dsnd_message_duration_seconds",
                    "From the reading of a message to its being put away, all of its events stored.", out);
    write_histogram(&metrics->commits, "dsnd_commit_duration_seconds",
                    "How long Redis took to store a batch of events.", out);
    write_lookups(metrics, out);
    write_in_redis(metrics, out);
    single(out, "dsnd_redis_up", "gauge", "Whether Redis does what it is asked to.",
           dsn_metrics_redis_is_up(metrics));
    write_process(metrics, out);
}
