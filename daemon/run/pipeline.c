/* pipeline: starts the threads and ends them in order. Reads, stores and settles nothing itself. */
#include "pipeline.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/wake.h"
#include "lookup/lookup.h"
#include "service.h"
#include "source/marks.h"

#include <stdatomic.h>
#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* More of the time between two looks was not spent by us: the process was stopped. */
#define WATCH_STEP_MAX_MS 1000
#define JOIN_LOOK_MS 10

struct source_thread {
    struct dsn_pipeline *pipeline;
    struct dsn_source *source;
    pthread_t thread;
    _Atomic bool out; /* it is counted as one that has ended */
    bool blocked;
    bool left; /* it is blocked, or may wait for ever for an item that another thread keeps */
};

struct worker_thread {
    struct dsn_pipeline *pipeline;
    struct dsn_desk desk;
    pthread_t thread;
    bool left; /* alone: it does not come back */
};

struct dsn_pipeline {
    struct dsn_workplace place;
    struct dsn_committer committer;
    bool once, started;
    bool stuck;         /* a worker was, with a message that was set aside */
    bool left;          /* a thread was */
    int64_t watched_ms; /* monotonic */
    struct source_thread *sources;
    size_t n_sources;
    struct worker_thread *workers;
    size_t n_workers, n_started_workers;
    pthread_t committer_thread;
    bool committer_left;
    _Atomic size_t sources_left, workers_left, workers_blocked, sources_blocked;
    _Atomic bool committer_blocked;
    _Atomic bool source_failed;
    int done_fd;
};

/* Threads */

/* One source less. Says so once, of one that was left alone and comes back. */
static void count_source_out(struct source_thread *source) {
    struct dsn_pipeline *pipeline = source->pipeline;
    if (!atomic_exchange(&source->out, true) && --pipeline->sources_left == 0)
        dsn_queue_close(pipeline->place.work);
}

static void *run_source(void *argument) {
    struct source_thread *self = argument;
    struct dsn_pipeline *pipeline = self->pipeline;
    enum dsn_error error = self->source->ops->run(self->source, pipeline->place.work, pipeline->once);
    if (error && error != DSN_ERR_BUSY)
        pipeline->source_failed = true;
    count_source_out(self);
    return NULL;
}

/* One worker less. */
static void count_out(struct dsn_pipeline *pipeline) {
    if (--pipeline->workers_left == 0)
        dsn_queue_close(pipeline->place.done);
}

static void *run_worker(void *argument) {
    struct worker_thread *self = argument;
    if (dsn_worker_run(&self->pipeline->place, &self->desk))
        count_out(self->pipeline);
    return NULL;
}

static void *run_committer(void *argument) {
    struct dsn_pipeline *pipeline = argument;
    dsn_committer_run(&pipeline->committer);
    /* Where it gave up, sources and workers must not wait for room. */
    dsn_pipeline_stop(pipeline, 0);
    dsn_wake(pipeline->done_fd);
    return NULL;
}

/* Opening */

static size_t count_workers(const struct dsn_conf *conf) {
    return conf->workers > 0 ? (size_t)conf->workers : g_get_num_processors();
}

static enum dsn_error open_maildir(const struct dsn_conf *conf, const struct dsn_conf_source *source,
                                   char *why, size_t why_size, struct dsn_source **out) {
    const struct dsn_maildir_settings settings = {.name = source->name,
                                                  .path = source->path,
                                                  .done = (enum dsn_maildir_done)source->done,
                                                  .rescan_ms = source->rescan_ms,
                                                  .n_workers = count_workers(conf)};
    return dsn_maildir_open(&settings, why, why_size, out);
}

static enum dsn_error open_stream(const struct dsn_conf *conf, const struct dsn_conf_source *source,
                                  char *why, size_t why_size, struct dsn_source **out) {
    const struct dsn_stream_settings settings = {.name = source->name,
                                                 .redis = dsn_conf_redis(conf),
                                                 .prefix = conf->redis_prefix,
                                                 .claim_ms = source->claim_ms,
                                                 .max_deliveries = source->max_deliveries};
    return dsn_stream_open(&settings, why, why_size, out);
}

static enum dsn_error open_lmtp(const struct dsn_conf *conf, const struct dsn_conf_source *source, char *why,
                                size_t why_size, struct dsn_source **out) {
    const struct dsn_lmtp_settings settings = {.name = source->name,
                                               .listen = source->listen,
                                               .redis = dsn_conf_redis(conf),
                                               .prefix = conf->redis_prefix,
                                               .access = (enum dsn_listener_access)source->access,
                                               .max_bytes = (size_t)conf->max_bytes + 1,
                                               .max_clients = (size_t)source->max_clients};
    return dsn_lmtp_open(&settings, why, why_size, out);
}

static enum dsn_error (*const openers[])(const struct dsn_conf *conf, const struct dsn_conf_source *source,
                                         char *why, size_t why_size, struct dsn_source **out) = {
    [DSN_CONF_MAILDIR] = open_maildir,
    [DSN_CONF_STREAM] = open_stream,
    [DSN_CONF_LMTP] = open_lmtp,
};

/* A maildir keeps them itself. */
static void keep_marks(const struct dsn_conf *conf, struct dsn_source *source) {
    char *folder = dsn_service_state();
    dsn_marks_keep(source, folder, count_workers(conf));
    g_free(folder);
}

static enum dsn_error open_sources(struct dsn_pipeline *pipeline, const struct dsn_conf *conf, char *why,
                                   size_t why_size) {
    enum dsn_error error = DSN_OK;
    pipeline->sources = g_new0(struct source_thread, conf->n_sources);
    for (size_t i = 0; i < conf->n_sources && !error; i++) {
        const struct dsn_conf_source *source = &conf->sources[i];
        error = openers[source->kind](conf, source, why, why_size, &pipeline->sources[i].source);
        if (!error)
            pipeline->sources[pipeline->n_sources++].source->number = i;
        if (!error && source->kind != DSN_CONF_MAILDIR)
            keep_marks(conf, pipeline->sources[i].source);
        pipeline->sources[i].pipeline = pipeline;
    }
    return error;
}

static enum dsn_error set_up_place(struct dsn_workplace *place, const struct dsn_conf *conf,
                                   struct dsn_knowledge *knowledge, struct dsn_verp *keys) {
    place->conf = conf;
    place->metrics = dsn_metrics_new(conf);
    dsn_shared_knowledge_init(&place->knowledge, knowledge, keys);
    dsn_turns_init(&place->turns);
    place->work = dsn_queue_new((size_t)conf->queue, (size_t)conf->queue_bytes);
    place->done = dsn_queue_new((size_t)conf->queue, (size_t)conf->queue_bytes);
    if (!place->work || !place->done || !place->metrics)
        return DSN_ERR_MEMORY;
    return getrandom(&place->token, sizeof place->token, 0) == sizeof place->token ? DSN_OK : DSN_ERR_IO;
}

static void set_up_committer(struct dsn_pipeline *pipeline, const struct dsn_conf *conf) {
    struct dsn_committer *committer = &pipeline->committer;
    committer->place = &pipeline->place;
    committer->store = dsn_committer_store(conf);
}

static enum dsn_error open_all(struct dsn_pipeline *pipeline, const struct dsn_conf *conf,
                               struct dsn_knowledge *knowledge, struct dsn_verp *keys, char *why,
                               size_t why_size) {
    pipeline->done_fd = dsn_wake_open();
    pipeline->committer.wake_fd = dsn_wake_open();
    snprintf(why, why_size, "the pipeline: %s", strerror(errno));
    if (pipeline->done_fd < 0 || pipeline->committer.wake_fd < 0)
        return DSN_ERR_IO;
    enum dsn_error error = set_up_place(&pipeline->place, conf, knowledge, keys);
    if (error) {
        snprintf(why, why_size, "the pipeline: %s", dsn_error_text(error));
        return error;
    }
    set_up_committer(pipeline, conf);
    error = open_sources(pipeline, conf, why, why_size);
    return error ? error : dsn_outlets_open(conf, why, why_size, &pipeline->committer.outlets);
}

enum dsn_error dsn_pipeline_open(const struct dsn_conf *conf, struct dsn_knowledge *knowledge,
                                 struct dsn_verp *keys, bool once, char *why, size_t why_size,
                                 struct dsn_pipeline **out) {
    struct dsn_pipeline *pipeline = g_new0(struct dsn_pipeline, 1);
    pipeline->once = once;
    pipeline->n_workers = count_workers(conf);
    enum dsn_error error = open_all(pipeline, conf, knowledge, keys, why, why_size);
    if (error)
        dsn_pipeline_close(pipeline, NULL);
    else
        *out = pipeline;
    return error;
}

/* Running */

static bool start_thread(pthread_t *thread, const char *name, void *(*run)(void *), void *argument) {
    if (pthread_create(thread, NULL, run, argument) != 0)
        return false;
    pthread_setname_np(*thread, name);
    return true;
}

/* What has started when another thread cannot be had is stopped and waited for by close. */
enum dsn_error dsn_pipeline_start(struct dsn_pipeline *pipeline) {
    pipeline->workers = g_new0(struct worker_thread, pipeline->n_workers);
    pipeline->sources_left = pipeline->n_sources;
    if (dsn_outlets_start(pipeline->committer.outlets) != DSN_OK ||
        !start_thread(&pipeline->committer_thread, "committer", run_committer, pipeline))
        return DSN_ERR_MEMORY;
    pipeline->started = true;
    pipeline->workers_left = pipeline->n_workers;
    while (pipeline->n_started_workers < pipeline->n_workers) {
        struct worker_thread *worker = &pipeline->workers[pipeline->n_started_workers];
        worker->pipeline = pipeline;
        worker->desk.number = pipeline->n_started_workers;
        pthread_mutex_init(&worker->desk.lock, NULL);
        if (!start_thread(&worker->thread, "worker", run_worker, worker))
            break;
        pipeline->n_started_workers++;
    }
    size_t missing = pipeline->n_workers - pipeline->n_started_workers;
    if (missing > 0) { /* as if they had ended */
        if (atomic_fetch_sub(&pipeline->workers_left, missing) == missing)
            dsn_queue_close(pipeline->place.done);
        return DSN_ERR_MEMORY;
    }
    for (size_t i = 0; i < pipeline->n_sources; i++)
        if (!start_thread(&pipeline->sources[i].thread, "source", run_source, &pipeline->sources[i]))
            return DSN_ERR_MEMORY;
    return DSN_OK;
}

int dsn_pipeline_done_fd(const struct dsn_pipeline *pipeline) {
    return pipeline->done_fd;
}

void dsn_pipeline_set_knowledge(struct dsn_pipeline *pipeline, struct dsn_knowledge *knowledge,
                                struct dsn_verp *keys) {
    dsn_shared_knowledge_set(&pipeline->place.knowledge, knowledge, keys);
}

enum dsn_error dsn_pipeline_reload_outlets(struct dsn_pipeline *pipeline, struct dsn_problems *problems) {
    return dsn_outlets_reload(pipeline->committer.outlets, problems);
}

void dsn_pipeline_stop(struct dsn_pipeline *pipeline, int64_t drain_ms) {
    struct dsn_committer *committer = &pipeline->committer;
    int64_t deadline_ms = dsn_clock_monotonic_ms() + drain_ms;
    if (!committer->stopping || deadline_ms < committer->deadline_ms)
        committer->deadline_ms = deadline_ms;
    committer->stopping = true;
    for (size_t i = 0; i < pipeline->n_sources; i++)
        pipeline->sources[i].source->ops->stop(pipeline->sources[i].source);
    dsn_queue_close(pipeline->place.work);
    dsn_wake(committer->wake_fd);
}

/* Puts the item away for a worker that does not come back from it. */
static void set_aside(struct dsn_pipeline *pipeline, const struct dsn_desk *desk, struct dsn_item *item) {
    struct dsn_source *source = item->source;
    struct dsn_metrics *metrics = pipeline->place.metrics;
    int64_t now_us = dsn_clock_monotonic_us();
    DSN_LOG(DSN_LOG_ERROR, "stuck", dsn_log_str("source", source->name), dsn_log_str("item", item->name));
    errno = 0;
    if (source->ops->set_aside(source, item, DSN_WORKER_TOO_LONG) != DSN_OK) {
        DSN_LOG(DSN_LOG_ERROR, "cannot-settle", dsn_log_str("source", source->name),
                dsn_log_str("item", item->name), dsn_log_errno(errno));
        return;
    }
    dsn_marks_end(source->marks, desk->number); /* the next process need not ask whether it was this one */
    dsn_metrics_begin(metrics, source->number, 0);
    dsn_metrics_end(metrics, source->number, DSN_OUTCOME_ASIDE, now_us);
}

/* From here on it is not waited for. */
static void leave_alone(struct dsn_pipeline *pipeline, struct worker_thread *worker) {
    worker->left = pipeline->left = true;
    pthread_detach(worker->thread);
    count_out(pipeline);
}

/* Then a thread that is blocked is not waited for: its messages are not at fault, and stay where they are. */
static bool somebody_waits(const struct dsn_pipeline *pipeline) {
    return pipeline->once || pipeline->committer.stopping;
}

/* Returns whether the worker is blocked. */
static bool watch_worker(struct dsn_pipeline *pipeline, struct worker_thread *worker, int64_t step_ms) {
    bool blocked = dsn_worker_is_blocked(&pipeline->place, &worker->desk, step_ms);
    if (!blocked || !somebody_waits(pipeline))
        return blocked;
    const struct dsn_item *item = dsn_worker_give_up(&pipeline->place, &worker->desk);
    if (item) {
        pipeline->sources[item->source->number].left = true;
        leave_alone(pipeline, worker);
    }
    return blocked;
}

/* Whether a file system does not answer, where it was so before or not. It is logged when that begins and
 * when it is over. */
static bool is_unanswered(const struct dsn_pipeline *pipeline, struct dsn_asking *asking, bool before,
                          const struct dsn_source *source, const char *doing, int64_t step_ms) {
    const int64_t limit_ms = DSN_BLOCKED_AFTER * pipeline->place.conf->max_time_ms;
    bool now = dsn_asking_look(asking, step_ms) > limit_ms;
    if (now != before)
        DSN_LOG(now ? DSN_LOG_ERROR : DSN_LOG_INFO, now ? "blocked" : "unblocked",
                dsn_log_str("source", source->name), dsn_log_str("doing", doing));
    return now;
}

static size_t watch_sources(struct dsn_pipeline *pipeline, int64_t step_ms) {
    size_t blocked = 0;
    for (size_t i = 0; i < pipeline->n_sources; i++) {
        struct source_thread *source = &pipeline->sources[i];
        if (source->out)
            continue;
        source->blocked = is_unanswered(pipeline, &source->source->asking, source->blocked, source->source,
                                        "scan", step_ms);
        blocked += source->blocked;
        if (!source->blocked || !somebody_waits(pipeline))
            continue;
        source->left = pipeline->left = true;
        count_source_out(source);
    }
    return blocked;
}

/* Sources that wait until all has come back from it would wait for ever. */
static void leave_committer(struct dsn_pipeline *pipeline) {
    pipeline->committer_left = pipeline->left = true;
    pthread_detach(pipeline->committer_thread);
    for (size_t i = 0; i < pipeline->n_sources; i++)
        pipeline->sources[i].left = true;
    pipeline->place.abandoned = true;
    dsn_queue_close(pipeline->place.done);
    dsn_pipeline_stop(pipeline, 0);
    dsn_wake(pipeline->done_fd);
}

static void watch_committer(struct dsn_pipeline *pipeline, int64_t step_ms) {
    struct dsn_committer *committer = &pipeline->committer;
    if (pipeline->committer_left)
        return;
    pipeline->committer_blocked = is_unanswered(pipeline, &committer->asking, pipeline->committer_blocked,
                                                committer->putting, "settle", step_ms);
    if (pipeline->committer_blocked && somebody_waits(pipeline))
        leave_committer(pipeline);
}

bool dsn_pipeline_watch(struct dsn_pipeline *pipeline) {
    int64_t now_ms = dsn_clock_monotonic_ms();
    int64_t step_ms = MIN(now_ms - pipeline->watched_ms, WATCH_STEP_MAX_MS);
    size_t blocked = 0;
    pipeline->watched_ms = now_ms;
    for (size_t i = 0; i < pipeline->n_started_workers; i++) {
        struct worker_thread *worker = &pipeline->workers[i];
        if (worker->left)
            continue;
        blocked += watch_worker(pipeline, worker, step_ms);
        struct dsn_item *item = dsn_worker_take_away(&pipeline->place, &worker->desk);
        if (!item)
            continue;
        set_aside(pipeline, &worker->desk, item);
        pipeline->stuck = true;
        leave_alone(pipeline, worker);
        dsn_pipeline_stop(pipeline, pipeline->place.conf->drain_ms);
    }
    pipeline->workers_blocked = blocked;
    pipeline->sources_blocked = watch_sources(pipeline, step_ms);
    watch_committer(pipeline, step_ms);
    return pipeline->stuck;
}

/* Watching */

struct dsn_metrics *dsn_pipeline_metrics(struct dsn_pipeline *pipeline) {
    return pipeline->place.metrics;
}

struct dsn_depths dsn_pipeline_depths(struct dsn_pipeline *pipeline) {
    const struct dsn_workplace *place = &pipeline->place;
    struct dsn_depths depths = {.work = dsn_queue_length(place->work),
                                .done = dsn_queue_length(place->done),
                                .max = (size_t)place->conf->queue};
    depths.n_outlets = dsn_outlets_look(pipeline->committer.outlets, depths.outlets);
    return depths;
}

const char *dsn_pipeline_obstacle(struct dsn_pipeline *pipeline) {
    if (pipeline->committer.stopping)
        return "stopping";
    if (pipeline->workers_blocked == pipeline->n_workers)
        return "no worker can read";
    if (pipeline->sources_blocked == pipeline->n_sources)
        return "no source can be read";
    if (pipeline->committer_blocked)
        return "messages cannot be put away";
    return dsn_metrics_redis_is_up(pipeline->place.metrics) ? NULL : "Redis is away";
}

/* Closing */

/* Puts back what no worker took, where there are none. */
static void empty_work(struct dsn_queue *work) {
    void *item;
    while (dsn_queue_pop(work, &item, 1, 0, 0) > 0) {
        struct dsn_item *left = item;
        left->source->ops->release(left->source, left, false);
    }
}

/* Until it ends, or is left alone. */
static void join(struct dsn_pipeline *pipeline, pthread_t thread, const bool *left) {
    while (!*left && pthread_tryjoin_np(thread, NULL) != 0) {
        dsn_pipeline_watch(pipeline);
        poll(NULL, 0, JOIN_LOOK_MS);
    }
}

/* Sources last: some wait until all that they offered has come back. */
static void join_all(struct dsn_pipeline *pipeline) {
    for (size_t i = 0; i < pipeline->n_started_workers; i++)
        join(pipeline, pipeline->workers[i].thread, &pipeline->workers[i].left);
    if (pipeline->started)
        join(pipeline, pipeline->committer_thread, &pipeline->committer_left);
    if (pipeline->place.work)
        empty_work(pipeline->place.work);
    for (size_t i = 0; i < pipeline->n_sources; i++) {
        struct source_thread *source = &pipeline->sources[i];
        if (source->thread)
            join(pipeline, source->thread, &source->left);
        if (source->left)
            pthread_detach(source->thread);
    }
    if (pipeline->committer.outlets) /* last: what was stored is told */
        dsn_outlets_stop(pipeline->committer.outlets, pipeline->place.conf->drain_ms);
}

static void free_place(struct dsn_workplace *place) {
    dsn_metrics_free(place->metrics);
    dsn_queue_free(place->work);
    dsn_queue_free(place->done);
    if (!place->conf)
        return;
    dsn_shared_knowledge_clear(&place->knowledge);
    dsn_turns_clear(&place->turns);
}

enum dsn_error dsn_pipeline_close(struct dsn_pipeline *pipeline, struct dsn_counts *counts) {
    if (!pipeline)
        return DSN_OK;
    join_all(pipeline);
    enum dsn_error error = pipeline->source_failed ? DSN_ERR_IO : DSN_OK;
    if (counts)
        *counts = dsn_metrics_counts(pipeline->place.metrics);
    if (!pipeline->committer_left) /* it may come back, and nudge them */
        dsn_outlets_close(pipeline->committer.outlets);
    if (pipeline->left)
        return DSN_ERR_BUSY;
    for (size_t i = 0; i < pipeline->n_sources; i++)
        pipeline->sources[i].source->ops->close(pipeline->sources[i].source);
    free_place(&pipeline->place);
    close(pipeline->done_fd);
    close(pipeline->committer.wake_fd);
    g_free(pipeline->sources);
    g_free(pipeline->workers);
    g_free(pipeline);
    return error;
}
