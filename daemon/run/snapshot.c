/* snapshot: writes JSON. What comes from Redis goes in as strings, so that the page gets valid JSON whatever
 * is there.
 */
#include "snapshot.h"

#include "base/clock.h"
#include "base/json.h"
#include "version.h"

#include <math.h>
#include <string.h>
#include <yajl/yajl_gen.h>

enum { MOST_ADDRESSES = 100 }; /* of a list, for the page to show */

static void put_text(yajl_gen gen, const char *text) {
    char *valid = g_utf8_make_valid(text ? text : "", -1);
    dsn_json_str(gen, valid);
    g_free(valid);
}

static void put_number(yajl_gen gen, double number) {
    char text[G_ASCII_DTOSTR_BUF_SIZE]; /* yajl's own doubles follow the locale */
    g_ascii_formatd(text, sizeof text, "%.15g", number);
    yajl_gen_number(gen, text, strlen(text));
}

#define TEXT(gen, name, value) (dsn_json_str(gen, name), put_text(gen, value))
#define NUMBER(gen, name, value) (dsn_json_str(gen, name), put_number(gen, (double)(value)))

static void put_count(void *gen, const char *name, uint64_t count) {
    put_text(gen, name);
    put_number(gen, (double)count);
}

/* Counts of the fields that begin "NAME:", as {"name": {"rest": count}}. */
static void put_counts(yajl_gen gen, GHashTable *counts, const char *name) {
    char *prefix = g_strconcat(name, ":", NULL);
    dsn_json_str(gen, name);
    yajl_gen_map_open(gen);
    dsn_overview_each(counts, prefix, put_count, gen);
    yajl_gen_map_close(gen);
    g_free(prefix);
}

static void put_days(yajl_gen gen, const struct dsn_overview *overview) {
    static const char *const dimensions[] = {"kind", "type", "reason", "provider"};
    dsn_json_str(gen, "days");
    yajl_gen_array_open(gen);
    for (guint i = 0; i < overview->days->len; i++) {
        const struct dsn_overview_day *day = g_ptr_array_index(overview->days, i);
        yajl_gen_map_open(gen);
        TEXT(gen, "day", day->day);
        NUMBER(gen, "events", dsn_overview_count(day->counts, "events"));
        for (size_t d = 0; d < G_N_ELEMENTS(dimensions); d++)
            put_counts(gen, day->counts, dimensions[d]);
        yajl_gen_map_close(gen);
    }
    yajl_gen_array_close(gen);
}

static void put_list(yajl_gen gen, const char *name, const struct dsn_overview_list *list) {
    dsn_json_str(gen, name);
    yajl_gen_map_open(gen);
    NUMBER(gen, "total", list->total);
    NUMBER(gen, "counted", list->addresses->len);
    put_counts(gen, list->counts, "reason");
    put_counts(gen, list->counts, "provider");
    dsn_json_str(gen, "list");
    yajl_gen_array_open(gen);
    for (guint i = 0; i < list->addresses->len && i < MOST_ADDRESSES; i++) {
        const struct dsn_overview_address *address = g_ptr_array_index(list->addresses, i);
        yajl_gen_map_open(gen);
        TEXT(gen, "address", address->address);
        TEXT(gen, "reason", address->reason);
        TEXT(gen, "rule", address->rule);
        TEXT(gen, "provider", address->provider);
        NUMBER(gen, "since_ms", address->since_ms);
        NUMBER(gen, "until_ms", isfinite(address->until_ms) ? address->until_ms : 0);
        yajl_gen_map_close(gen);
    }
    yajl_gen_array_close(gen);
    yajl_gen_map_close(gen);
}

static void put_incidents(yajl_gen gen, const struct dsn_overview *overview) {
    dsn_json_str(gen, "incidents");
    yajl_gen_array_open(gen);
    for (guint i = 0; i < overview->incidents->len; i++) {
        const struct dsn_overview_incident *incident = g_ptr_array_index(overview->incidents, i);
        yajl_gen_map_open(gen);
        TEXT(gen, "provider", incident->provider);
        TEXT(gen, "answer", incident->answer);
        NUMBER(gen, "began_ms", incident->began_ms);
        NUMBER(gen, "over_ms", isfinite(incident->over_ms) ? incident->over_ms : 0);
        yajl_gen_map_close(gen);
    }
    yajl_gen_array_close(gen);
}

static void put_events(yajl_gen gen, const struct dsn_overview *overview) {
    dsn_json_str(gen, "events");
    yajl_gen_array_open(gen);
    for (guint i = 0; i < overview->entries->len; i++)
        put_text(gen, ((const struct dsn_overview_entry *)g_ptr_array_index(overview->entries, i))->event);
    yajl_gen_array_close(gen);
}

static const char *where_is(const struct dsn_conf_source *source) {
    return source->path ? source->path : source->listen ? source->listen : "inbox in Redis";
}

static void put_sources(yajl_gen gen, const struct dsn_conf *conf, struct dsn_pipeline *pipeline) {
    const struct dsn_depths depths = dsn_pipeline_depths(pipeline);
    dsn_json_str(gen, "sources");
    yajl_gen_array_open(gen);
    for (size_t i = 0; i < conf->n_sources; i++) {
        const struct dsn_source_facts facts = dsn_metrics_source(dsn_pipeline_metrics(pipeline), i, &depths);
        yajl_gen_map_open(gen);
        TEXT(gen, "name", conf->sources[i].name);
        TEXT(gen, "where", where_is(&conf->sources[i]));
        NUMBER(gen, "lag_s", (int64_t)facts.lag_s);
        NUMBER(gen, "in_progress", facts.in_progress);
        for (size_t k = 0; k < DSN_OUTCOMES; k++)
            NUMBER(gen, dsn_outcome_names[k], facts.ended[k]);
        yajl_gen_map_close(gen);
    }
    yajl_gen_array_close(gen);
}

static void put_sinks(yajl_gen gen, const struct dsn_conf *conf, const struct dsn_depths *depths) {
    dsn_json_str(gen, "sinks");
    yajl_gen_array_open(gen);
    for (size_t i = 0; i < depths->n_outlets; i++) {
        const struct dsn_outlet_facts *facts = &depths->outlets[i];
        yajl_gen_map_open(gen);
        TEXT(gen, "name", facts->kind);
        TEXT(gen, "where", strcmp(facts->kind, "feed") == 0 ? conf->feed_bind : conf->ndjson_path);
        NUMBER(gen, "lag_s", (int64_t)facts->lag_s);
        yajl_gen_map_close(gen);
    }
    yajl_gen_array_close(gen);
}

static void put_daemon(yajl_gen gen, const struct dsn_conf *conf, struct dsn_pipeline *pipeline) {
    const struct dsn_depths depths = dsn_pipeline_depths(pipeline);
    const struct dsn_counts counts = dsn_metrics_counts(dsn_pipeline_metrics(pipeline));
    const char *obstacle = dsn_pipeline_obstacle(pipeline);
    TEXT(gen, "version", DSND_VERSION);
    NUMBER(gen, "started_ms", dsn_metrics_started_ms(dsn_pipeline_metrics(pipeline)));
    TEXT(gen, "obstacle", obstacle);
    TEXT(gen, "redis", dsn_conf_redis_name(conf));
    NUMBER(gen, "queue_work", depths.work);
    NUMBER(gen, "queue_done", depths.done);
    NUMBER(gen, "queue_max", depths.max);
    NUMBER(gen, "unsettled", counts.unsettled);
    NUMBER(gen, "stored", counts.events);
    NUMBER(gen, "duplicates", counts.duplicates);
    put_sources(gen, conf, pipeline);
    put_sinks(gen, conf, &depths);
}

static char *finish(yajl_gen gen) {
    const unsigned char *text;
    size_t n;
    char *out =
        yajl_gen_get_buf(gen, &text, &n) == yajl_gen_status_ok ? g_strndup((const char *)text, n) : NULL;
    yajl_gen_free(gen);
    return out;
}

char *dsn_snapshot_write(const struct dsn_conf *conf, struct dsn_pipeline *pipeline,
                         const struct dsn_overview *overview) {
    yajl_gen gen = yajl_gen_alloc(&dsn_json_memory);
    yajl_gen_map_open(gen);
    put_daemon(gen, conf, pipeline);
    if (overview) {
        put_days(gen, overview);
        put_list(gen, "suppressed", &overview->suppressed);
        put_list(gen, "held", &overview->held);
        put_incidents(gen, overview);
        put_events(gen, overview);
        NUMBER(gen, "n_events", overview->n_events);
    }
    yajl_gen_map_close(gen);
    return finish(gen);
}

char *dsn_snapshot_write_known(const char *address, const struct dsn_overview_known *known) {
    yajl_gen gen = yajl_gen_alloc(&dsn_json_memory);
    yajl_gen_map_open(gen);
    TEXT(gen, "address", address);
    dsn_json_str(gen, "suppressed");
    yajl_gen_bool(gen, known->suppressed);
    dsn_json_str(gen, "fields");
    yajl_gen_array_open(gen);
    for (guint i = 0; i < known->fields->len; i++)
        put_text(gen, known->fields->pdata[i]);
    yajl_gen_array_close(gen);
    dsn_json_str(gen, "events");
    yajl_gen_array_open(gen);
    for (guint i = 0; i < known->events->len; i++)
        put_text(gen, known->events->pdata[i]);
    yajl_gen_array_close(gen);
    yajl_gen_map_close(gen);
    return finish(gen);
}
