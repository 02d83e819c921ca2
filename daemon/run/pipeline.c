/* pipeline: starts the threads and ends them in order. Reads, stores and settles nothing itself. */
#include "pipeline.h"

#include "base/clock.h"
#include "base/log.h"
#include "sink/feed.h"

#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

struct source_thread {
    struct dsn_pipeline *pipeline;
    struct dsn_source *source;
    pthread_t thread;
};

struct dsn_pipeline {
    struct dsn_workplace place;
    struct dsn_committer committer;
    struct dsn_sink *publishers[2];
    bool once, started;
    struct source_thread *sources;
    size_t n_sources;
    pthread_t *workers;
    size_t n_workers, n_started_workers;
    pthread_t committer_thread;
    _Atomic size_t sources_left, workers_left;
    _Atomic bool source_failed;
    int done_fd;
};

static void ring(int fd) {
    uint64_t one = 1;
    ssize_t n = write(fd, &one, sizeof one); /* full: it rings already */
    (void)n;
}

/* Threads */

static void *run_source(void *argument) {
    struct source_thread *self = argument;
    struct dsn_pipeline *pipeline = self->pipeline;
    enum dsn_error error = self->source->ops->run(self->source, pipeline->place.work, pipeline->once);
    if (error && error != DSN_ERR_BUSY)
        pipeline->source_failed = true;
    if (--pipeline->sources_left == 0)
        dsn_queue_close(pipeline->place.work);
    return NULL;
}

static void *run_worker(void *argument) {
    struct dsn_pipeline *pipeline = argument;
    dsn_worker_run(&pipeline->place);
    if (--pipeline->workers_left == 0)
        dsn_queue_close(pipeline->place.done);
    return NULL;
}

static void *run_committer(void *argument) {
    struct dsn_pipeline *pipeline = argument;
    dsn_committer_run(&pipeline->committer);
    /* Where it gave up, sources and workers must not wait for room. */
    dsn_pipeline_stop(pipeline, 0);
    ring(pipeline->done_fd);
    return NULL;
}

/* Opening */

static enum dsn_error open_sources(struct dsn_pipeline *pipeline, const struct dsn_conf *conf, char *why,
                                   size_t why_size) {
    enum dsn_error error = DSN_OK;
    pipeline->sources = g_new0(struct source_thread, conf->n_sources);
    for (size_t i = 0; i < conf->n_sources && !error; i++) {
        const struct dsn_conf_source *source = &conf->sources[i];
        const struct dsn_maildir_settings settings = {.name = source->name,
                                                      .path = source->path,
                                                      .done = (enum dsn_maildir_done)source->done,
                                                      .rescan_ms = source->rescan_ms};
        error = dsn_maildir_open(&settings, why, why_size, &pipeline->sources[i].source);
        if (!error)
            pipeline->n_sources++;
        pipeline->sources[i].pipeline = pipeline;
    }
    return error;
}

static enum dsn_error open_feed(struct dsn_pipeline *pipeline, const struct dsn_conf *conf, char *why,
                                size_t why_size) {
    const struct dsn_feed_settings settings = {
        .bind = conf->feed_bind, .hwm = (int)conf->feed_hwm, .heartbeat_ms = conf->feed_heartbeat_ms};
    return conf->has_feed ? dsn_feed_open(&settings, why, why_size, &pipeline->publishers[0]) : DSN_OK;
}

static enum dsn_error set_up_place(struct dsn_workplace *place, const struct dsn_conf *conf,
                                   struct dsn_knowledge *knowledge) {
    place->conf = conf;
    dsn_shared_knowledge_init(&place->knowledge, knowledge);
    place->work = dsn_queue_new((size_t)conf->queue, 0);
    place->done = dsn_queue_new((size_t)conf->queue, (size_t)conf->queue_bytes);
    if (!place->work || !place->done)
        return DSN_ERR_MEMORY;
    return getrandom(&place->token, sizeof place->token, 0) == sizeof place->token ? DSN_OK : DSN_ERR_IO;
}

static void set_up_committer(struct dsn_pipeline *pipeline, const struct dsn_conf *conf) {
    struct dsn_committer *committer = &pipeline->committer;
    committer->place = &pipeline->place;
    committer->publishers = pipeline->publishers;
    committer->store = (struct dsn_store_settings){
        .redis = {.server = conf->redis_server,
                  .password = conf->redis_password,
                  .timeout_ms = conf->redis_timeout_ms},
        .prefix = conf->redis_prefix,
        .shards = (unsigned)conf->redis_shards,
        .stream_maxlen = conf->stream_maxlen,
        .seen_expiry_ms = conf->seen_expiry_ms,
        .address_expiry_ms = conf->address_expiry_ms,
        .stats_expiry_ms = conf->stats_expiry_ms,
        .max_domains = conf->max_domains,
    };
}

static enum dsn_error open_all(struct dsn_pipeline *pipeline, const struct dsn_conf *conf,
                               struct dsn_knowledge *knowledge, char *why, size_t why_size) {
    pipeline->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pipeline->committer.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    snprintf(why, why_size, "the pipeline: %s", strerror(errno));
    if (pipeline->done_fd < 0 || pipeline->committer.wake_fd < 0)
        return DSN_ERR_IO;
    enum dsn_error error = set_up_place(&pipeline->place, conf, knowledge);
    if (error) {
        snprintf(why, why_size, "the pipeline: %s", dsn_error_text(error));
        return error;
    }
    set_up_committer(pipeline, conf);
    error = open_sources(pipeline, conf, why, why_size);
    return error ? error : open_feed(pipeline, conf, why, why_size);
}

enum dsn_error dsn_pipeline_open(const struct dsn_conf *conf, struct dsn_knowledge *knowledge, bool once,
                                 char *why, size_t why_size, struct dsn_pipeline **out) {
    struct dsn_pipeline *pipeline = g_new0(struct dsn_pipeline, 1);
    pipeline->once = once;
    pipeline->n_workers = conf->workers > 0 ? (size_t)conf->workers : g_get_num_processors();
    enum dsn_error error = open_all(pipeline, conf, knowledge, why, why_size);
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

/* All or nothing: what has started when a thread cannot be had is stopped and waited for by close. */
enum dsn_error dsn_pipeline_start(struct dsn_pipeline *pipeline) {
    pipeline->workers = g_new0(pthread_t, pipeline->n_workers);
    pipeline->sources_left = pipeline->n_sources;
    if (!start_thread(&pipeline->committer_thread, "committer", run_committer, pipeline))
        return DSN_ERR_MEMORY;
    pipeline->started = true;
    pipeline->workers_left = pipeline->n_workers;
    while (pipeline->n_started_workers < pipeline->n_workers) {
        if (!start_thread(&pipeline->workers[pipeline->n_started_workers], "worker", run_worker, pipeline))
            break;
        pipeline->n_started_workers++;
    }
    size_t missing = pipeline->n_workers - pipeline->n_started_workers;
    if (missing > 0 && (pipeline->workers_left -= missing) == 0)
        dsn_queue_close(pipeline->place.done);
    for (size_t i = 0; i < pipeline->n_sources; i++)
        if (!start_thread(&pipeline->sources[i].thread, "source", run_source, &pipeline->sources[i]))
            return DSN_ERR_MEMORY;
    return pipeline->n_started_workers > 0 ? DSN_OK : DSN_ERR_MEMORY;
}

int dsn_pipeline_done_fd(const struct dsn_pipeline *pipeline) {
    return pipeline->done_fd;
}

void dsn_pipeline_set_knowledge(struct dsn_pipeline *pipeline, struct dsn_knowledge *knowledge) {
    dsn_shared_knowledge_set(&pipeline->place.knowledge, knowledge);
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
    ring(committer->wake_fd);
}

/* Closing */

static void join_all(struct dsn_pipeline *pipeline) {
    for (size_t i = 0; i < pipeline->n_sources; i++)
        if (pipeline->sources[i].thread)
            pthread_join(pipeline->sources[i].thread, NULL);
    for (size_t i = 0; i < pipeline->n_started_workers; i++)
        pthread_join(pipeline->workers[i], NULL);
    if (pipeline->started)
        pthread_join(pipeline->committer_thread, NULL);
}

/* What is still in a queue goes with its source, which frees every item that is left. */
static void free_place(struct dsn_workplace *place) {
    dsn_queue_free(place->work);
    dsn_queue_free(place->done);
    if (place->conf)
        dsn_shared_knowledge_clear(&place->knowledge);
}

enum dsn_error dsn_pipeline_close(struct dsn_pipeline *pipeline, struct dsn_counts *counts) {
    if (!pipeline)
        return DSN_OK;
    join_all(pipeline);
    enum dsn_error error = pipeline->source_failed ? DSN_ERR_IO : DSN_OK;
    if (counts)
        *counts = pipeline->committer.counts;
    for (size_t i = 0; i < pipeline->n_sources; i++)
        pipeline->sources[i].source->ops->close(pipeline->sources[i].source);
    if (pipeline->publishers[0])
        pipeline->publishers[0]->ops->close(pipeline->publishers[0]);
    free_place(&pipeline->place);
    close(pipeline->done_fd);
    close(pipeline->committer.wake_fd);
    g_free(pipeline->sources);
    g_free(pipeline->workers);
    g_free(pipeline);
    return error;
}
