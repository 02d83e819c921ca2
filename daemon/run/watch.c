/* watch: one thread, one connection. Knows the overview and the snapshot; knows no HTTP. */
#include "watch.h"

#include "base/clock.h"
#include "base/wake.h"
#include "redis/overview.h"
#include "snapshot.h"

#include <hiredis/hiredis.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

enum { PERIOD_MS = 2000, BEAT_MS = 15000, LOOK_MS = 2000, OVERVIEW_MS = 60000 };

struct dsn_watch {
    const struct dsn_conf *conf;
    struct dsn_pipeline *pipeline;
    void (*changed)(void *context);
    void *context;
    pthread_t thread;
    int wake_fd;
    _Atomic bool stopping;
    _Atomic size_t watchers;

    /* The thread's own. */
    struct dsn_redis_settings settings;
    struct dsn_redis_waiter waiter;
    const char *no_scripts[1];
    struct dsn_redis *redis;
    int64_t deadline_ms;    /* of a look */
    int64_t overview_at_ms; /* when to read it next, though nobody watches */
    struct dsn_overview *overview;
    char *last; /* the last snapshot */

    pthread_mutex_t lock; /* of all that follows */
    GBytes *snapshot;
    struct dsn_watch_seen serial;
    GPtrArray *questions;
};

/* A look at Redis takes LOOK_MS at most. */

static int64_t idle(void *context) {
    return ((const struct dsn_watch *)context)->deadline_ms;
}

static bool give_up(void *context, bool away) {
    const struct dsn_watch *watch = context;
    (void)away; /* a try is a try */
    return watch->stopping || dsn_clock_monotonic_ms() >= watch->deadline_ms;
}

static bool is_ready(struct dsn_watch *watch) {
    watch->deadline_ms = dsn_clock_monotonic_ms() + LOOK_MS;
    return watch->redis && dsn_redis_ready(watch->redis) == DSN_OK;
}

static void conclude(struct dsn_watch *watch, enum dsn_error error) {
    if (!error)
        dsn_redis_well(watch->redis);
    else if (!watch->stopping)
        dsn_redis_trouble(watch->redis, "no answer in time");
    if (error)
        dsn_redis_drop(watch->redis);
}

static enum dsn_error ping(struct dsn_watch *watch) {
    const char *argv[] = {"PING"};
    struct redisReply *reply;
    enum dsn_error error = dsn_redis_add(watch->redis, 1, argv, NULL);
    if (!error)
        error = dsn_redis_reply(watch->redis, &reply);
    if (error)
        return error;
    if (reply->type == REDIS_REPLY_ERROR)
        error = DSN_ERR_IO;
    freeReplyObject(reply);
    return error;
}

/* Snapshots */

static void publish(struct dsn_watch *watch, char *text) {
    bool same = watch->last && strcmp(watch->last, text) == 0;
    g_free(watch->last);
    watch->last = text;
    if (same)
        return;
    char *frame = g_strdup_printf("data: %s\n\n", text);
    pthread_mutex_lock(&watch->lock);
    g_bytes_unref(watch->snapshot);
    watch->snapshot = g_bytes_new_take(frame, strlen(frame));
    watch->serial.snapshot++;
    pthread_mutex_unlock(&watch->lock);
    watch->changed(watch->context);
}

/* Whether the overview is to be read: for those who watch, and now and then for the metrics. */
static bool wants_overview(struct dsn_watch *watch, bool watched) {
    int64_t now_ms = dsn_clock_monotonic_ms();
    bool wanted = watched || now_ms >= watch->overview_at_ms;
    if (wanted)
        watch->overview_at_ms = now_ms + OVERVIEW_MS;
    return wanted;
}

static void look(struct dsn_watch *watch) {
    enum dsn_error error = is_ready(watch) ? DSN_OK : DSN_ERR_AWAY;
    bool watched = watch->watchers > 0, whole = !error && wants_overview(watch, watched);
    if (!error)
        error = whole ? dsn_overview_read(watch->overview, watch->redis, watch->conf->redis_prefix,
                                          (unsigned)watch->conf->redis_shards)
                      : ping(watch);
    conclude(watch, error);
    if (error || whole)
        dsn_metrics_set_overview(dsn_pipeline_metrics(watch->pipeline), error ? NULL : watch->overview);
    if (error)
        watch->overview_at_ms = 0; /* as soon as it is there again */
    char *text =
        watched ? dsn_snapshot_write(watch->conf, watch->pipeline, error ? NULL : watch->overview) : NULL;
    if (text)
        publish(watch, text);
}

static void beat(struct dsn_watch *watch) {
    pthread_mutex_lock(&watch->lock);
    watch->serial.beat++;
    pthread_mutex_unlock(&watch->lock);
    watch->changed(watch->context);
}

GBytes *dsn_watch_next(struct dsn_watch *watch, struct dsn_watch_seen *seen) {
    GBytes *next = NULL;
    pthread_mutex_lock(&watch->lock);
    if (seen->snapshot != watch->serial.snapshot)
        next = g_bytes_ref(watch->snapshot);
    else if (seen->beat != watch->serial.beat)
        next = g_bytes_new_static(":\n\n", 3);
    *seen = watch->serial;
    pthread_mutex_unlock(&watch->lock);
    return next;
}

/* Questions */

static struct dsn_watch_question *next_question(struct dsn_watch *watch) {
    pthread_mutex_lock(&watch->lock);
    struct dsn_watch_question *question =
        watch->questions->len > 0 ? g_ptr_array_remove_index(watch->questions, 0) : NULL;
    pthread_mutex_unlock(&watch->lock);
    return question;
}

static void answer_all(struct dsn_watch *watch) {
    struct dsn_watch_question *question;
    while ((question = next_question(watch))) {
        struct dsn_overview_known known;
        enum dsn_error error = is_ready(watch) ? DSN_OK : DSN_ERR_AWAY;
        if (!error)
            error = dsn_overview_look_up(watch->redis, watch->conf->redis_prefix,
                                         (unsigned)watch->conf->redis_shards, question->address, &known);
        conclude(watch, error);
        if (!error) {
            question->answer = dsn_snapshot_write_known(question->address, &known);
            dsn_overview_known_clear(&known);
        }
        question->answered(question);
    }
}

void dsn_watch_ask(struct dsn_watch *watch, struct dsn_watch_question *question) {
    pthread_mutex_lock(&watch->lock);
    g_ptr_array_add(watch->questions, question);
    pthread_mutex_unlock(&watch->lock);
    dsn_wake(watch->wake_fd);
}

void dsn_watch_set_watchers(struct dsn_watch *watch, size_t n) {
    bool first = watch->watchers == 0 && n > 0;
    watch->watchers = n;
    if (first)
        dsn_wake(watch->wake_fd);
}

/* The thread */

static void *run(void *argument) {
    struct dsn_watch *watch = argument;
    struct pollfd awake = {.fd = watch->wake_fd, .events = POLLIN};
    int64_t look_at_ms = 0, beat_at_ms = dsn_clock_monotonic_ms() + BEAT_MS;
    bool watched = false;
    while (!watch->stopping) {
        answer_all(watch);
        int64_t now_ms = dsn_clock_monotonic_ms();
        if (now_ms >= look_at_ms || (!watched && watch->watchers > 0)) {
            watched = watch->watchers > 0;
            look(watch);
            look_at_ms = dsn_clock_monotonic_ms() + PERIOD_MS;
        }
        if (now_ms >= beat_at_ms) {
            beat(watch);
            beat_at_ms = now_ms + BEAT_MS;
        }
        int64_t left_ms = MIN(look_at_ms, beat_at_ms) - dsn_clock_monotonic_ms();
        uint64_t count;
        if (poll(&awake, 1, (int)CLAMP(left_ms, 0, PERIOD_MS)) > 0 &&
            read(watch->wake_fd, &count, sizeof count) < 0)
            continue; /* somebody else read it */
    }
    answer_all(watch);
    return NULL;
}

void dsn_watch_free(struct dsn_watch *watch) {
    if (!watch)
        return;
    dsn_redis_free(watch->redis);
    dsn_overview_free(watch->overview);
    g_free(watch->last);
    g_bytes_unref(watch->snapshot);
    g_ptr_array_unref(watch->questions);
    pthread_mutex_destroy(&watch->lock);
    close(watch->wake_fd);
    g_free(watch);
}

struct dsn_watch *dsn_watch_open(const struct dsn_conf *conf, struct dsn_pipeline *pipeline,
                                 void (*changed)(void *context), void *context) {
    struct dsn_watch *watch = g_new0(struct dsn_watch, 1);
    watch->conf = conf;
    watch->pipeline = pipeline;
    watch->changed = changed;
    watch->context = context;
    watch->wake_fd = dsn_wake_open();
    watch->settings = dsn_conf_redis(conf);
    watch->settings.scripts = watch->no_scripts;
    watch->settings.timeout_ms = LOOK_MS;
    watch->settings.quiet = true;
    watch->waiter = (struct dsn_redis_waiter){.context = watch,
                                              .wake_fd = watch->wake_fd,
                                              .idle = idle,
                                              .give_up = give_up,
                                              .up = dsn_metrics_redis_seen(dsn_pipeline_metrics(pipeline))};
    watch->redis = dsn_redis_new(&watch->settings, &watch->waiter);
    watch->overview = dsn_overview_new();
    watch->questions = g_ptr_array_new();
    pthread_mutex_init(&watch->lock, NULL);
    if (pthread_create(&watch->thread, NULL, run, watch) != 0) {
        dsn_watch_free(watch);
        return NULL;
    }
    pthread_setname_np(watch->thread, "watch");
    return watch;
}

void dsn_watch_stop(struct dsn_watch *watch) {
    if (!watch)
        return;
    watch->stopping = true;
    dsn_wake(watch->wake_fd);
    pthread_join(watch->thread, NULL);
}
