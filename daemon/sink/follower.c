/* follower: reads until there is nothing more, then waits to be nudged. What others store is found by looking
 * now and then. */
#include "follower.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/sv.h"
#include "base/wake.h"

#include <glib.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define BATCH 500
#define LOOK_MS 200
#define RETRY_MS 1000 /* when the publisher could not take something */

struct dsn_follower {
    struct dsn_sink *sink;
    struct dsn_streams_settings settings;
    struct dsn_redis_waiter waiter;
    struct dsn_streams *streams;
    struct dsn_position position; /* of what the publisher was given */
    struct dsn_position settled;  /* of what it has */
    pthread_t thread;
    bool started;
    int wake_fd, begun_fd;   /* eventfds; begun stays readable */
    bool refused;            /* Redis did something that it will do again; logged already */
    size_t visited;          /* in this round */
    uint64_t newest_ms;      /* when the newest entry that the publisher was given was stored */
    _Atomic int64_t told_ms; /* since 1970: what was stored before it is told */
    _Atomic bool stopping, reopen;
    _Atomic int64_t deadline_ms; /* monotonic; once stopping */
};

static int64_t idle(void *context) {
    struct dsn_follower *f = context;
    if (atomic_exchange(&f->reopen, false) && f->sink->ops->reopen)
        f->sink->ops->reopen(f->sink);
    int64_t next_ms = f->sink->ops->idle(f->sink, dsn_clock_monotonic_ms());
    return f->stopping && f->deadline_ms < next_ms ? f->deadline_ms : next_ms;
}

static bool give_up(void *context, bool away) {
    const struct dsn_follower *f = context;
    return f->stopping && (away || dsn_clock_monotonic_ms() >= f->deadline_ms);
}

/* Until somebody wakes us, something is due, or it is time to look. */
static void sleep_for(struct dsn_follower *f, int64_t longest_ms) {
    struct pollfd wake = {.fd = f->wake_fd, .events = POLLIN};
    int64_t left_ms = MIN(idle(f) - dsn_clock_monotonic_ms(), longest_ms);
    uint64_t count;
    if (left_ms > 0 && poll(&wake, 1, (int)left_ms) > 0 && read(wake.fd, &count, sizeof count) < 0)
        DSN_LOG(DSN_LOG_DEBUG, "wake-failed", dsn_log_str("of", "follower"));
}

static bool visit(void *context, const struct dsn_entry *entry) {
    struct dsn_follower *f = context;
    f->sink->ops->publish(f->sink, entry);
    f->visited++;
    f->newest_ms = MAX(f->newest_ms, entry->id.ms);
    return true;
}

/* Waits out what Redis does not do now. False: told to stop. */
static bool recover(struct dsn_follower *f, enum dsn_error error) {
    if (error == DSN_ERR_IO && !f->refused)
        DSN_LOG(DSN_LOG_ERROR, "follow-failed", dsn_log_str("sink", f->sink->ops->kind),
                dsn_log_str("error", dsn_streams_why(f->streams)));
    f->refused = f->refused || error == DSN_ERR_IO;
    return dsn_streams_back_off(f->streams) == DSN_OK;
}

/* Finds out where to begin. False: told to stop. */
static bool begin(struct dsn_follower *f) {
    char *text = f->sink->ops->resume(f->sink);
    bool known = text && dsn_position_parse(dsn_sv_str(text), f->settings.shards, &f->position);
    if (text && !known)
        DSN_LOG(DSN_LOG_WARNING, "follow-from-end", dsn_log_str("sink", f->sink->ops->kind),
                dsn_log_str("position", text));
    g_free(text);
    enum dsn_error error = DSN_OK;
    while (!known && (error = dsn_streams_end(f->streams, &f->position)) != DSN_OK)
        if (!recover(f, error))
            return false;
    dsn_position_copy(&f->position, &f->settled);
    f->sink->ops->settle(f->sink,
                         &f->position); /* where it cannot be kept yet, it is with the next entries */
    return true;
}

/* Returns whether the publisher has all that it was given. */
static bool settle(struct dsn_follower *f) {
    if (f->visited == 0)
        return true;
    bool settled = f->sink->ops->settle(f->sink, &f->position);
    dsn_position_copy(settled ? &f->position : &f->settled, settled ? &f->settled : &f->position);
    return settled;
}

/* False: it is over. */
static bool step(struct dsn_follower *f) {
    bool stopping = f->stopping; /* then the stream is at its end: what this reads is all there will be */
    f->visited = 0;
    enum dsn_error error = dsn_streams_read(f->streams, &f->position, BATCH, visit, f);
    if (error)
        return recover(f, error);
    f->refused = false;
    bool settled = settle(f);
    if (settled)
        f->told_ms = f->visited > 0 ? (int64_t)f->newest_ms : dsn_clock_real_ms();
    if (give_up(f, !settled) || (stopping && f->visited == 0))
        return false;
    if (!settled || f->visited == 0)
        sleep_for(f, settled ? LOOK_MS : RETRY_MS);
    else
        idle(f);
    return true;
}

static void *run(void *argument) {
    struct dsn_follower *f = argument;
    bool goes_on = begin(f);
    f->told_ms = dsn_clock_real_ms();
    dsn_wake(f->begun_fd);
    while (goes_on)
        goes_on = step(f);
    return NULL;
}

enum dsn_error dsn_follower_new(struct dsn_sink *sink, const struct dsn_streams_settings *settings,
                                struct dsn_follower **out) {
    struct dsn_follower *f = g_new0(struct dsn_follower, 1);
    f->sink = sink;
    f->settings = *settings;
    f->settings.redis.quiet = true;
    f->wake_fd = dsn_wake_open();
    f->begun_fd = dsn_wake_open();
    f->waiter =
        (struct dsn_redis_waiter){.context = f, .wake_fd = f->wake_fd, .idle = idle, .give_up = give_up};
    enum dsn_error error = f->wake_fd < 0 || f->begun_fd < 0
                               ? DSN_ERR_IO
                               : dsn_streams_open(&f->settings, &f->waiter, &f->streams);
    if (error)
        dsn_follower_free(f);
    else
        *out = f;
    return error;
}

enum dsn_error dsn_follower_start(struct dsn_follower *f) {
    f->started = pthread_create(&f->thread, NULL, run, f) == 0;
    if (!f->started)
        return DSN_ERR_MEMORY;
    pthread_setname_np(f->thread, f->sink->ops->kind);
    return DSN_OK;
}

bool dsn_follower_wait_begun(struct dsn_follower *f, int64_t timeout_ms) {
    struct pollfd begun = {.fd = f->begun_fd, .events = POLLIN};
    return poll(&begun, 1, (int)timeout_ms) > 0;
}

double dsn_follower_lag_s(const struct dsn_follower *f) {
    int64_t lag_ms = f->told_ms > 0 ? dsn_clock_real_ms() - f->told_ms : 0;
    return lag_ms > 2 * LOOK_MS ? (double)lag_ms / 1000 : 0;
}

const char *dsn_follower_kind(const struct dsn_follower *f) {
    return f->sink->ops->kind;
}

void dsn_follower_nudge(struct dsn_follower *f) {
    dsn_wake(f->wake_fd);
}

void dsn_follower_reopen(struct dsn_follower *f) {
    f->reopen = true;
    dsn_wake(f->wake_fd);
}

void dsn_follower_stop(struct dsn_follower *f, int64_t drain_ms) {
    f->deadline_ms = dsn_clock_monotonic_ms() + drain_ms;
    f->stopping = true;
    dsn_wake(f->wake_fd);
}

void dsn_follower_wait(struct dsn_follower *f) {
    if (f->started)
        pthread_join(f->thread, NULL);
    f->started = false;
}

void dsn_follower_free(struct dsn_follower *f) {
    if (!f)
        return;
    dsn_follower_wait(f);
    f->sink->ops->close(f->sink);
    dsn_streams_close(f->streams);
    dsn_position_clear(&f->position);
    dsn_position_clear(&f->settled);
    if (f->wake_fd >= 0)
        close(f->wake_fd);
    if (f->begun_fd >= 0)
        close(f->begun_fd);
    g_free(f);
}
