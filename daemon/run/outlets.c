/* outlets: opens, starts and ends in order what tells others. Tells nothing itself. */
#include "outlets.h"

#include "feed/curve.h"
#include "feed/feed.h"
#include "feed/replay.h"
#include "event/cloudevent.h"
#include "sink/follower.h"
#include "sink/ndjson.h"

#include <glib.h>
#include <stdio.h>
#include <zmq.h>

struct dsn_outlets {
    void *context;           /* of ZeroMQ; NULL: no feed */
    struct dsn_curve *curve; /* NULL: the feed is not encrypted */
    char *source;            /* of CloudEvents */
    GPtrArray *followers;
    struct dsn_replay *replay;
};

static struct dsn_streams_settings streams_settings(const struct dsn_conf *conf) {
    return (struct dsn_streams_settings){
        .redis = dsn_conf_redis(conf), .prefix = conf->redis_prefix, .shards = (unsigned)conf->redis_shards};
}

static const struct dsn_curve_keys *curve_keys(const struct dsn_outlets *outlets) {
    return outlets->curve ? dsn_curve_keys(outlets->curve) : NULL;
}

/* Takes the sink. */
static enum dsn_error follow(struct dsn_outlets *outlets, const struct dsn_conf *conf,
                             struct dsn_sink *sink) {
    const struct dsn_streams_settings settings = streams_settings(conf);
    struct dsn_follower *follower;
    enum dsn_error error = dsn_follower_new(sink, &settings, &follower);
    if (!error)
        g_ptr_array_add(outlets->followers, follower);
    return error;
}

static enum dsn_error open_feed(struct dsn_outlets *outlets, const struct dsn_conf *conf, char *why,
                                size_t why_size) {
    const struct dsn_feed_settings settings = {.context = outlets->context,
                                               .bind = conf->feed_bind,
                                               .hwm = (int)conf->feed_hwm,
                                               .heartbeat_ms = conf->feed_heartbeat_ms,
                                               .shards = (unsigned)conf->redis_shards,
                                               .keys = curve_keys(outlets),
                                               .cloudevents =
                                                   conf->feed_cloudevents ? outlets->source : NULL};
    struct dsn_sink *feed;
    enum dsn_error error = dsn_feed_open(&settings, why, why_size, &feed);
    return error ? error : follow(outlets, conf, feed);
}

static enum dsn_error open_replay(struct dsn_outlets *outlets, const struct dsn_conf *conf, char *why,
                                  size_t why_size) {
    const struct dsn_replay_settings settings = {.context = outlets->context,
                                                 .bind = conf->feed_replay,
                                                 .keys = curve_keys(outlets),
                                                 .cloudevents =
                                                     conf->feed_cloudevents ? outlets->source : NULL,
                                                 .streams = streams_settings(conf)};
    return conf->feed_replay ? dsn_replay_open(&settings, why, why_size, &outlets->replay) : DSN_OK;
}

/* Before there are sockets: they ask it from their first connection on. */
static enum dsn_error open_curve(struct dsn_outlets *outlets, const struct dsn_conf *conf, char *why,
                                 size_t why_size) {
    const struct dsn_curve_settings settings = {
        .context = outlets->context, .keys = conf->feed_keys, .clients = conf->feed_clients};
    if (!conf->feed_keys)
        return DSN_OK;
    struct dsn_problems *problems = dsn_problems_new();
    enum dsn_error error = dsn_curve_open(&settings, problems, &outlets->curve);
    if (dsn_problems_count(problems) > 0)
        snprintf(why, why_size, "%s", dsn_problems_get(problems, 0));
    dsn_problems_free(problems);
    return error;
}

static enum dsn_error open_ndjson(struct dsn_outlets *outlets, const struct dsn_conf *conf, char *why,
                                  size_t why_size) {
    const struct dsn_ndjson_settings settings = {
        .path = conf->ndjson_path, .cloudevents = conf->ndjson_cloudevents ? outlets->source : NULL};
    struct dsn_sink *file;
    if (!conf->ndjson_path)
        return DSN_OK;
    enum dsn_error error = dsn_ndjson_open(&settings, why, why_size, &file);
    return error ? error : follow(outlets, conf, file);
}

static enum dsn_error open_all(struct dsn_outlets *outlets, const struct dsn_conf *conf, char *why,
                               size_t why_size) {
    enum dsn_error error = open_ndjson(outlets, conf, why, why_size);
    if (error || !conf->has_feed)
        return error;
    outlets->context = zmq_ctx_new();
    if (!outlets->context)
        return DSN_ERR_MEMORY;
    error = open_curve(outlets, conf, why, why_size);
    if (!error)
        error = open_feed(outlets, conf, why, why_size);
    return error ? error : open_replay(outlets, conf, why, why_size);
}

enum dsn_error dsn_outlets_open(const struct dsn_conf *conf, char *why, size_t why_size,
                                struct dsn_outlets **out) {
    struct dsn_outlets *outlets = g_new0(struct dsn_outlets, 1);
    outlets->followers = g_ptr_array_new();
    outlets->source = dsn_cloudevent_source(conf->redis_prefix);
    snprintf(why, why_size, "the feed: out of memory");
    enum dsn_error error = open_all(outlets, conf, why, why_size);
    if (error)
        dsn_outlets_close(outlets);
    else
        *out = outlets;
    return error;
}

enum dsn_error dsn_outlets_start(struct dsn_outlets *outlets) {
    enum dsn_error error = outlets->replay ? dsn_replay_start(outlets->replay) : DSN_OK;
    for (guint i = 0; i < outlets->followers->len && !error; i++)
        error = dsn_follower_start(outlets->followers->pdata[i]);
    return error;
}

bool dsn_outlets_wait_begun(struct dsn_outlets *outlets, int64_t timeout_ms) {
    bool begun = true;
    for (guint i = 0; i < outlets->followers->len && begun; i++)
        begun = dsn_follower_wait_begun(outlets->followers->pdata[i], timeout_ms);
    return begun;
}

size_t dsn_outlets_look(const struct dsn_outlets *outlets, struct dsn_outlet_facts out[DSN_OUTLETS_MAX]) {
    for (guint i = 0; i < outlets->followers->len; i++) {
        const struct dsn_follower *follower = outlets->followers->pdata[i];
        out[i] = (struct dsn_outlet_facts){dsn_follower_kind(follower), dsn_follower_lag_s(follower)};
    }
    return outlets->followers->len;
}

void dsn_outlets_nudge(struct dsn_outlets *outlets) {
    for (guint i = 0; i < outlets->followers->len; i++)
        dsn_follower_nudge(outlets->followers->pdata[i]);
}

enum dsn_error dsn_outlets_reload(struct dsn_outlets *outlets, struct dsn_problems *problems) {
    for (guint i = 0; i < outlets->followers->len; i++)
        dsn_follower_reopen(outlets->followers->pdata[i]);
    return outlets->curve ? dsn_curve_reload(outlets->curve, problems) : DSN_OK;
}

void dsn_outlets_stop(struct dsn_outlets *outlets, int64_t drain_ms) {
    for (guint i = 0; i < outlets->followers->len; i++)
        dsn_follower_stop(outlets->followers->pdata[i], drain_ms);
    for (guint i = 0; i < outlets->followers->len; i++)
        dsn_follower_wait(outlets->followers->pdata[i]);
}

void dsn_outlets_close(struct dsn_outlets *outlets) {
    if (!outlets)
        return;
    for (guint i = 0; i < outlets->followers->len; i++)
        dsn_follower_free(outlets->followers->pdata[i]);
    g_ptr_array_unref(outlets->followers);
    g_free(outlets->source);
    dsn_replay_close(outlets->replay);
    dsn_curve_close(outlets->curve);
    if (outlets->context)
        zmq_ctx_term(outlets->context);
    g_free(outlets);
}
