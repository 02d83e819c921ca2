/* committer: order is all: committed in Redis, then settled. Knows stores, outlets and sources only through
 * their headers. */
#include "committer.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <unistd.h>

#define BATCH_MAX_MESSAGES 256
#define BATCH_MAX_BYTES (16u << 20)
/* What a batch costs besides its messages is little beside so many, and they wait for each other no longer
 * than that. */
#define BATCH_GOOD_MESSAGES 64
#define BATCH_GATHER_MS 2
/* Messages that are stored but cannot be put away. More, and nothing new is taken: memory stays flat. */
#define UNSETTLED_MAX 256
#define SETTLE_RETRY_MIN_MS 100
#define SETTLE_RETRY_MAX_MS 10000
#define SUMMARY_MS 60000
#define BEGIN_LOOK_MS 100

struct committing {
    struct dsn_committer *committer;
    struct dsn_store *store;
    GPtrArray *current, *previous; /* messages: being stored; stored, to be settled */
    GPtrArray *records;            /* of the current ones */
    GPtrArray *unsettled;          /* messages, stored */
    int64_t retry_at_ms, retry_ms; /* when to try to settle them again */
    bool gave_up;                  /* on Redis: what is not stored goes back */
    int64_t summary_at_ms;
    struct dsn_counts summed; /* counts at the last summary */
};

static struct dsn_metrics *metrics_of(const struct committing *c) {
    return c->committer->place->metrics;
}

/* Waiting */

static void log_summary(struct committing *c) {
    const struct dsn_counts counts = dsn_metrics_counts(metrics_of(c)), *now = &counts, *then = &c->summed;
    if (now->settled + now->aside != then->settled + then->aside)
        DSN_LOG(DSN_LOG_INFO, "processed", dsn_log_int("messages", (int64_t)(now->settled - then->settled)),
                dsn_log_int("events", (int64_t)(now->events - then->events)),
                dsn_log_int("duplicates", (int64_t)(now->duplicates - then->duplicates)),
                dsn_log_int("set_aside", (int64_t)(now->aside - then->aside)));
    c->summed = counts;
}

/* Does what is due besides the work; returns when something will be. */
static int64_t idle(void *context) {
    struct committing *c = context;
    int64_t now_ms = dsn_clock_monotonic_ms();
    if (now_ms >= c->summary_at_ms) {
        log_summary(c);
        c->summary_at_ms = now_ms + SUMMARY_MS;
    }
    int64_t next_ms = c->summary_at_ms;
    if (c->committer->stopping && c->committer->deadline_ms < next_ms)
        next_ms = c->committer->deadline_ms;
    return next_ms;
}

static bool give_up(void *context, bool away) {
    const struct committing *c = context;
    const struct dsn_committer *committer = c->committer;
    return committer->stopping && (away || dsn_clock_monotonic_ms() >= committer->deadline_ms);
}

/* Sleeps until something is due, or somebody wakes us. */
static void sleep_until(struct committing *c, int64_t until_ms) {
    struct pollfd wake = {.fd = c->committer->wake_fd, .events = POLLIN};
    int64_t left_ms = until_ms - dsn_clock_monotonic_ms();
    uint64_t count;
    if (left_ms > 0 && poll(&wake, 1, (int)left_ms) > 0 && read(wake.fd, &count, sizeof count) < 0)
        DSN_LOG(DSN_LOG_DEBUG, "wake-failed", dsn_log_str("of", "committer"));
}

/* After the commit */

static void log_record(const struct dsn_record *record) {
    DSN_LOG(DSN_LOG_DEBUG, record->state == DSN_RECORD_DUPLICATE ? "duplicate" : "committed",
            dsn_log_str("id", record->id), dsn_log_address("rcpt", record->address),
            dsn_log_str("kind", record->kind), dsn_log_str("type", record->type),
            dsn_log_sv("reason", record->reason), dsn_log_str("action", record->action),
            dsn_log_sv("rule", record->rule), dsn_log_str("entry", record->entry));
}

/* Counts what is new. Returns false where a record is not stored, so that the message cannot be settled. */
static bool account(struct committing *c, struct dsn_message *message) {
    bool whole = true;
    for (size_t i = 0; i < message->n_records; i++) {
        const struct dsn_record *record = message->records[i];
        whole = whole && record->state != DSN_RECORD_PENDING;
        if (record->state == DSN_RECORD_REFUSED)
            dsn_message_set_aside(message, record->refusal ? record->refusal : "refused by Redis");
        dsn_metrics_record(metrics_of(c), record);
        if (record->state == DSN_RECORD_NEW || record->state == DSN_RECORD_DUPLICATE)
            log_record(record);
    }
    return whole;
}

static void log_settled(const struct dsn_message *message, const char *source, const char *name) {
    if (message->fate == DSN_FATE_ASIDE)
        DSN_LOG(DSN_LOG_WARNING, "set-aside", dsn_log_str("source", source), dsn_log_str("item", name),
                dsn_log_str("error", message->error));
    else
        DSN_LOG(DSN_LOG_DEBUG, "settled", dsn_log_str("source", source), dsn_log_str("item", name));
}

/* The item goes with it. The file system may not answer, which the pipeline watches. */
static enum dsn_error put_away(struct dsn_committer *committer, const struct dsn_message *message) {
    struct dsn_source *source = message->item->source;
    committer->putting = source;
    dsn_asking_begin(&committer->asking);
    errno = 0;
    enum dsn_error error =
        message->fate == DSN_FATE_ASIDE
            ? source->ops->set_aside(source, message->item, message->error ? message->error : "")
            : source->ops->settle(source, message->item);
    dsn_asking_end(&committer->asking);
    return error;
}

/* Puts a message away and frees it; false: it could not be. */
static bool settle(struct committing *c, struct dsn_message *message) {
    struct dsn_source *source = message->item->source;
    char *name = g_strdup(message->item->name); /* goes with the item */
    enum dsn_error error = put_away(c->committer, message);
    if (!error) {
        log_settled(message, source->name, name);
        dsn_metrics_end(metrics_of(c), source->number,
                        message->fate == DSN_FATE_ASIDE ? DSN_OUTCOME_ASIDE : DSN_OUTCOME_SETTLED,
                        message->begun_us);
        dsn_message_free(message);
    } else {
        /* One line when it begins, not one for each message. */
        enum dsn_log_level level = c->unsettled->len == 0 ? DSN_LOG_ERROR : DSN_LOG_DEBUG;
        DSN_LOG(level, "cannot-settle", dsn_log_str("source", source->name), dsn_log_str("item", name),
                dsn_log_errno(errno));
    }
    g_free(name);
    return !error;
}

static void keep_unsettled(struct committing *c, struct dsn_message *message) {
    if (c->unsettled->len == 0) {
        c->retry_ms = SETTLE_RETRY_MIN_MS;
        c->retry_at_ms = dsn_clock_monotonic_ms() + c->retry_ms;
    }
    dsn_message_drop_records(message);
    g_ptr_array_add(c->unsettled, message);
    dsn_metrics_set_unsettled(metrics_of(c), c->unsettled->len);
}

static void put_back(struct committing *c, struct dsn_message *message, bool again) {
    struct dsn_source *source = message->item->source;
    dsn_metrics_end(metrics_of(c), source->number,
                    message->fate == DSN_FATE_POSTPONE ? DSN_OUTCOME_POSTPONED : DSN_OUTCOME_RELEASED,
                    message->begun_us);
    source->ops->release(source, message->item, again);
    dsn_message_free(message);
}

static void finish_message(struct committing *c, struct dsn_message *message) {
    switch (message->fate) {
    case DSN_FATE_POSTPONE:
    case DSN_FATE_UNREADY:
        put_back(c, message, true);
        return;
    case DSN_FATE_GONE:
        put_back(c, message, false);
        return;
    case DSN_FATE_COMMIT:
    case DSN_FATE_ASIDE:
        if (!account(c, message))
            put_back(c, message, false);
        else if (!settle(c, message))
            keep_unsettled(c, message);
    }
}

static void finish_batch(struct committing *c, GPtrArray *batch) {
    for (guint i = 0; i < batch->len; i++)
        finish_message(c, g_ptr_array_index(batch, i));
    g_ptr_array_set_size(batch, 0);
}

static void retry_unsettled(struct committing *c) {
    guint before = c->unsettled->len, left = 0;
    if (before == 0 || dsn_clock_monotonic_ms() < c->retry_at_ms)
        return;
    for (guint i = 0; i < before; i++)
        if (!settle(c, c->unsettled->pdata[i]))
            c->unsettled->pdata[left++] = c->unsettled->pdata[i];
    g_ptr_array_set_size(c->unsettled, (gint)left);
    dsn_metrics_set_unsettled(metrics_of(c), left);
    if (left == 0)
        DSN_LOG(DSN_LOG_INFO, "settled-again", dsn_log_int("messages", before));
    c->retry_ms = left == before ? MIN(c->retry_ms * 2, SETTLE_RETRY_MAX_MS) : SETTLE_RETRY_MIN_MS;
    c->retry_at_ms = dsn_clock_monotonic_ms() + c->retry_ms;
}

/* The loop */

/* While messages wait for the workers, too, the next batch is given a moment to grow: what is alone waits for
 * nothing. */
static void gather(struct committing *c) {
    const struct dsn_workplace *place = c->committer->place;
    if (dsn_queue_length(place->work) == 0 || dsn_queue_length(place->done) >= BATCH_GOOD_MESSAGES)
        return;
    finish_batch(c, c->previous);
    dsn_queue_gather(place->done, BATCH_GOOD_MESSAGES, BATCH_GATHER_MS);
}

/* Takes the next batch, or none. Waits only when nothing else is to be done. */
static void take_batch(struct committing *c) {
    void *taken[BATCH_MAX_MESSAGES];
    gather(c);
    int64_t next_ms = idle(c), now_ms = dsn_clock_monotonic_ms();
    if (c->unsettled->len > 0 && c->retry_at_ms < next_ms)
        next_ms = c->retry_at_ms;
    int64_t wait_ms = c->previous->len > 0 || next_ms < now_ms ? 0 : next_ms - now_ms;
    if (c->unsettled->len >= UNSETTLED_MAX) {
        sleep_until(c, now_ms + wait_ms);
        return;
    }
    size_t n = dsn_queue_pop(c->committer->place->done, taken, BATCH_MAX_MESSAGES, BATCH_MAX_BYTES, wait_ms);
    g_ptr_array_set_size(c->records, 0);
    for (size_t i = 0; i < n; i++) {
        struct dsn_message *message = taken[i];
        g_ptr_array_add(c->current, message);
        for (size_t r = 0; r < message->n_records; r++)
            g_ptr_array_add(c->records, message->records[r]);
    }
}

/* Stores the current batch; meanwhile settles the previous one. */
static void step(struct committing *c) {
    take_batch(c);
    int64_t sent_us = dsn_clock_monotonic_us();
    if (c->current->len > 0)
        dsn_store_send(c->store, (struct dsn_record *const *)c->records->pdata, c->records->len);
    finish_batch(c, c->previous);
    retry_unsettled(c);
    if (c->current->len > 0 && dsn_store_finish(c->store) != DSN_OK)
        c->gave_up = true;
    else if (c->current->len > 0 && c->records->len > 0)
        dsn_metrics_commit(metrics_of(c), dsn_clock_monotonic_us() - sent_us);
    if (c->current->len > 0)
        dsn_outlets_nudge(c->committer->outlets);
    GPtrArray *empty = c->previous;
    c->previous = c->current;
    c->current = empty;
}

static bool goes_on(const struct committing *c) {
    if (c->gave_up || c->committer->place->abandoned)
        return false;
    if (c->committer->stopping && dsn_clock_monotonic_ms() >= c->committer->deadline_ms)
        return false;
    if (!dsn_queue_finished(c->committer->place->done) || c->previous->len > 0)
        return true;
    /* Everything is stored. What could not be put away gets some more time, unless somebody waits for us to
     * leave. */
    return c->unsettled->len > 0 && !c->committer->stopping && c->retry_ms < SETTLE_RETRY_MAX_MS;
}

/* Leaves everything that is left where it is. */
static void leave(struct committing *c) {
    void *left;
    finish_batch(c, c->previous);
    c->retry_at_ms = 0;
    retry_unsettled(c);
    for (guint i = 0; i < c->unsettled->len; i++)
        put_back(c, c->unsettled->pdata[i], false);
    c->committer->place->abandoned = true;
    dsn_queue_close(c->committer->place->done);
    while (dsn_queue_pop(c->committer->place->done, &left, 1, 0, 0) > 0)
        put_back(c, left, false);
}

enum dsn_error dsn_committer_run(struct dsn_committer *committer) {
    struct committing c = {.committer = committer, .summary_at_ms = dsn_clock_monotonic_ms() + SUMMARY_MS};
    const struct dsn_redis_waiter waiter = {.context = &c,
                                            .wake_fd = committer->wake_fd,
                                            .idle = idle,
                                            .give_up = give_up,
                                            .up = dsn_metrics_redis_up(committer->place->metrics)};
    enum dsn_error error = dsn_store_open(&committer->store, &waiter, &c.store);
    c.current = g_ptr_array_new();
    c.previous = g_ptr_array_new();
    c.records = g_ptr_array_new();
    c.unsettled = g_ptr_array_new();
    if (!error && dsn_store_ready(c.store) != DSN_OK) /* at once, so that what is wrong there shows at once */
        c.gave_up = true;
    while (!error && !c.gave_up && !committer->stopping &&
           !dsn_outlets_wait_begun(committer->outlets, BEGIN_LOOK_MS))
        continue;
    while (!error && goes_on(&c))
        step(&c);
    leave(&c);
    log_summary(&c);
    g_ptr_array_unref(c.current);
    g_ptr_array_unref(c.previous);
    g_ptr_array_unref(c.records);
    g_ptr_array_unref(c.unsettled);
    dsn_store_close(c.store);
    return error;
}

struct dsn_store_settings dsn_committer_store(const struct dsn_conf *conf) {
    return (struct dsn_store_settings){
        .redis = dsn_conf_redis(conf),
        .prefix = conf->redis_prefix,
        .space = "",
        .shards = (unsigned)conf->redis_shards,
        .stream_maxlen = conf->stream_maxlen,
        .seen_expiry_ms = conf->seen_expiry_ms,
        .address_expiry_ms = conf->address_expiry_ms,
        .stats_expiry_ms = conf->stats_expiry_ms,
        .max_domains = conf->max_domains,
        .policies = conf->policies,
        .guard_bounces = conf->guard_bounces,
        .guard_factor = conf->guard_factor,
        .guard_discard_ms = conf->guard_discard_ms,
    };
}
