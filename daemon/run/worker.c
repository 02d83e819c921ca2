/* worker: reads a message with libdsn and copies its events to records. Stores and settles nothing. */
#include "worker.h"

#include "base/clock.h"
#include "base/log.h"
#include "source/marks.h"
#include "sandbox.h"
#include "trust.h"

#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Memory that a large message left behind is given back. */
#define KEEP_BYTES (1u << 20)
#define PROGRESS_US 1000 /* of CPU, from look to look */

void dsn_shared_knowledge_init(struct dsn_shared_knowledge *shared, struct dsn_knowledge *knowledge,
                               struct dsn_verp *keys) {
    pthread_mutex_init(&shared->lock, NULL);
    shared->current = dsn_knowledge_ref(knowledge);
    shared->keys = keys ? dsn_verp_ref(keys) : NULL;
    shared->generation = 1;
}

void dsn_shared_knowledge_clear(struct dsn_shared_knowledge *shared) {
    dsn_knowledge_unref(shared->current);
    dsn_verp_unref(shared->keys);
    pthread_mutex_destroy(&shared->lock);
}

void dsn_shared_knowledge_set(struct dsn_shared_knowledge *shared, struct dsn_knowledge *knowledge,
                              struct dsn_verp *keys) {
    pthread_mutex_lock(&shared->lock);
    dsn_knowledge_unref(shared->current);
    dsn_verp_unref(shared->keys);
    shared->current = dsn_knowledge_ref(knowledge);
    shared->keys = keys ? dsn_verp_ref(keys) : NULL;
    pthread_mutex_unlock(&shared->lock);
    shared->generation++;
}

struct worker {
    struct dsn_workplace *place;
    struct dsn_desk *desk;
    bool robbed; /* of the item */
    struct dsn_reader *reader;
    struct dsn_verp *keys;      /* NULL: none */
    unsigned generation;        /* of the reader's knowledge and the keys */
    struct dsn_judging judging; /* its ruleset is the reader's knowledge's */
    struct dsn_bytes bytes;
};

/* Sees to it that the reader has the knowledge of now. False: there is no reader at all. */
static bool refresh_reader(struct worker *worker) {
    struct dsn_shared_knowledge *shared = &worker->place->knowledge;
    unsigned generation = shared->generation;
    if (worker->reader && worker->generation == generation)
        return true;
    struct dsn_options options = dsn_conf_options(worker->place->conf);
    struct dsn_reader *reader = NULL;
    pthread_mutex_lock(&shared->lock);
    struct dsn_knowledge *knowledge = dsn_knowledge_ref(shared->current);
    struct dsn_verp *keys = shared->keys ? dsn_verp_ref(shared->keys) : NULL;
    pthread_mutex_unlock(&shared->lock);
    if (dsn_reader_new(knowledge, &options, &reader) == DSN_OK) {
        struct dsn_verp *old = worker->keys;
        dsn_reader_free(worker->reader);
        worker->reader = reader;
        worker->keys = keys;
        worker->generation = generation;
        worker->judging = dsn_trust_judging(worker->place->conf, dsn_knowledge_ruleset(knowledge));
        keys = old;
    }
    dsn_verp_unref(keys);
    dsn_knowledge_unref(knowledge);
    return worker->reader != NULL;
}

/* Time */

static void pick_up(struct dsn_desk *desk, struct dsn_item *item, bool has_bytes) {
    pthread_mutex_lock(&desk->lock);
    desk->item = item;
    desk->has_bytes = has_bytes;
    if (has_bytes) { /* asks the kernel */
        desk->begun_us = dsn_clock_cpu_us(desk->clock);
        desk->begun_at_us = dsn_clock_monotonic_us();
    }
    desk->serial++;
    pthread_mutex_unlock(&desk->lock);
}

/* False: it was taken away. */
static bool lay_down(struct dsn_desk *desk) {
    pthread_mutex_lock(&desk->lock);
    bool ours = desk->item != NULL;
    desk->item = NULL;
    pthread_mutex_unlock(&desk->lock);
    return ours;
}

/* Whether the item has had its time, so many times. Of the CPU's time no more has passed than of time, which
 * is cheap to ask for. */
static bool is_over(const struct dsn_workplace *place, const struct dsn_desk *desk, int64_t times) {
    int64_t limit_us = times * place->conf->max_time_ms * 1000;
    return dsn_clock_monotonic_us() - desk->begun_at_us > limit_us &&
           dsn_clock_cpu_us(desk->clock) - desk->begun_us > limit_us;
}

/* Another thread takes the item, unless it is not `over` in twice its time. */
static struct dsn_item *take(struct dsn_workplace *place, struct dsn_desk *desk, bool over) {
    pthread_mutex_lock(&desk->lock);
    struct dsn_item *item = desk->item;
    if (item && over && !(desk->has_bytes && is_over(place, desk, 2)))
        item = NULL;
    if (item)
        desk->item = NULL;
    pthread_mutex_unlock(&desk->lock);
    if (item && desk->has_bytes)
        dsn_turns_end(&place->turns);
    return item;
}

struct dsn_item *dsn_worker_take_away(struct dsn_workplace *place, struct dsn_desk *desk) {
    return take(place, desk, true);
}

struct dsn_item *dsn_worker_give_up(struct dsn_workplace *place, struct dsn_desk *desk) {
    return take(place, desk, false);
}

bool dsn_worker_is_blocked(const struct dsn_workplace *place, struct dsn_desk *desk, int64_t step_ms) {
    const int64_t limit_ms = DSN_BLOCKED_AFTER * place->conf->max_time_ms;
    pthread_mutex_lock(&desk->lock);
    int64_t used_us = desk->item ? dsn_clock_cpu_us(desk->clock) : 0;
    bool before = desk->idle_ms > limit_ms;
    bool same = desk->item && desk->serial == desk->seen && used_us - desk->seen_us < PROGRESS_US;
    desk->seen = desk->serial;
    desk->seen_us = used_us;
    desk->idle_ms = same ? desk->idle_ms + step_ms : 0;
    bool now = desk->idle_ms > limit_ms;
    if (same && now && !before) /* as long as it has the item, that has its name */
        DSN_LOG(DSN_LOG_ERROR, "blocked", dsn_log_str("source", desk->item->source->name),
                dsn_log_str("item", desk->item->name));
    pthread_mutex_unlock(&desk->lock);
    if (before && !now)
        DSN_LOG(DSN_LOG_INFO, "unblocked", dsn_log_int("worker", (int64_t)desk->number));
    return now;
}

/* Reading */

/* Copies the event of recipient `i`. */
static enum dsn_error add_record(struct worker *worker, struct dsn_message *message,
                                 const struct dsn_report *report, size_t i,
                                 const struct dsn_event_source *source) {
    struct dsn_event event;
    struct dsn_judgement judgement;
    enum dsn_error error = dsn_event_write(worker->reader, i, source, &event);
    if (error)
        return error;
    dsn_judge(&worker->judging, report, i, event.id, source->observed_at_ms, &judgement);
    struct dsn_record *record =
        dsn_record_new(&event, &report->recipients[i].verdict, &judgement, source->observed_at_ms);
    dsn_judgement_clear(&judgement);
    if (!record)
        return DSN_ERR_MEMORY;
    snprintf(record->token, sizeof record->token, "%016" PRIx64 ".%" PRIx64, worker->place->token,
             worker->place->serial++);
    message->records[message->n_records++] = record;
    message->weight += record->weight;
    return DSN_OK;
}

static enum dsn_error add_records(struct worker *worker, struct dsn_message *message,
                                  const struct dsn_report *report, const char *kind, const char *name) {
    const struct dsn_event_source source = {
        .kind = kind,
        .name = {name, strlen(name)},
        .observed_at_ms = dsn_clock_real_ms(),
        .headers = (const char *const *)worker->place->conf->event_headers,
    };
    enum dsn_error error = DSN_OK;
    if (report->n_recipients == 0)
        return DSN_OK;
    message->records = calloc(report->n_recipients, sizeof *message->records);
    if (!message->records)
        return DSN_ERR_MEMORY;
    message->weight += report->n_recipients * sizeof *message->records;
    for (size_t i = 0; i < report->n_recipients && !error; i++)
        if (is_over(worker->place, worker->desk, 1))
            error = DSN_ERR_LIMIT;
        else if (report->recipients[i].verdict.kind != DSN_KIND_NONE)
            error = add_record(worker, message, report, i, &source);
    return error;
}

/* As of when the message came: a signature does not end while dsnd is away. */
static void authenticate(struct worker *worker) {
    struct dsn_trust trust;
    int64_t now_ms = dsn_clock_real_ms(), arrived_ms = worker->bytes.arrived_ms;
    if (dsn_trust_set_up(worker->place->conf, worker->keys, &trust))
        dsn_reader_authenticate(worker->reader, &trust,
                                (arrived_ms > 0 && arrived_ms < now_ms ? arrived_ms : now_ms) / 1000);
}

/* `kind` and `name` are the source's and the item's: the item itself may be somebody else's by now. */
static enum dsn_error read_events(struct worker *worker, struct dsn_message *message, const char *kind,
                                  const char *name) {
    const struct dsn_report *report;
    enum dsn_error error =
        dsn_reader_read(worker->reader, (struct dsn_strview){worker->bytes.p, worker->bytes.n}, &report);
    if (!error && is_over(worker->place, worker->desk, 1))
        error = DSN_ERR_LIMIT;
    if (error)
        return error;
    authenticate(worker);
    return add_records(worker, message, report, kind, name);
}

/* A message that may have been the reason for an end is named. False: that it was is certain. */
static bool may_be_read(struct dsn_message *message) {
    const struct dsn_item *item = message->item;
    if (item->deaths > 0)
        DSN_LOG(DSN_LOG_WARNING, "died-reading", dsn_log_str("source", item->source->name),
                dsn_log_str("item", item->name), dsn_log_int("times", item->deaths));
    if (item->deaths < DSN_MARKS_DEATHS_MAX)
        return true;
    dsn_message_set_aside(message, DSN_WORKER_DEADLY);
    return false;
}

static enum dsn_error read_message(struct worker *worker, struct dsn_message *message) {
    struct dsn_item *item = message->item;
    /* A byte more than the limit, so that libdsn sees that there was more. */
    size_t max_bytes = (size_t)worker->place->conf->max_bytes + 1;
    struct dsn_source *source = item->source;
    struct dsn_desk *desk = worker->desk;
    pick_up(desk, item, false);
    enum dsn_error error = source->ops->read(source, item, max_bytes, &worker->bytes);
    worker->robbed = !lay_down(desk);
    if (error || worker->robbed)
        return error;
    if (!may_be_read(message))
        return DSN_ERR_LIMIT;
    char *name = source->ops->describe(source, item);
    if (!name)
        return DSN_ERR_MEMORY;
    dsn_turns_begin(&worker->place->turns, item->deaths > 0);
    dsn_marks_begin(source->marks, desk->number, item);
    pick_up(desk, item, true);
    error = read_events(worker, message, source->ops->kind, name);
    worker->robbed = !lay_down(desk);
    free(name);
    if (worker->robbed)
        return error;
    dsn_marks_end(source->marks, desk->number);
    dsn_turns_end(&worker->place->turns);
    return error;
}

static void decide(struct dsn_message *message, enum dsn_error error) {
    static const enum dsn_fate fates[] = {
        [DSN_OK] = DSN_FATE_COMMIT,         [DSN_ERR_MEMORY] = DSN_FATE_POSTPONE,
        [DSN_ERR_IO] = DSN_FATE_POSTPONE,   [DSN_ERR_BUSY] = DSN_FATE_UNREADY,
        [DSN_ERR_AWAY] = DSN_FATE_GONE,     [DSN_ERR_SYNTAX] = DSN_FATE_ASIDE,
        [DSN_ERR_INVALID] = DSN_FATE_ASIDE, [DSN_ERR_LIMIT] = DSN_FATE_ASIDE,
    };
    if (error == DSN_ERR_MEMORY)
        DSN_LOG(DSN_LOG_WARNING, "out-of-memory", dsn_log_str("source", message->item->source->name),
                dsn_log_str("item", message->item->name));
    if (fates[error] == DSN_FATE_ASIDE)
        dsn_message_set_aside(message, error == DSN_ERR_LIMIT ? DSN_WORKER_TOO_LONG : dsn_error_text(error));
    else
        message->fate = fates[error];
    if (message->fate != DSN_FATE_COMMIT)
        dsn_message_drop_records(message);
}

/* NULL: put the item back, unless we were robbed of it. */
static struct dsn_message *process(struct worker *worker, struct dsn_item *item) {
    if (worker->place->abandoned)
        return NULL;
    struct dsn_message *message = dsn_message_new(item);
    worker->bytes.arrived_ms = 0;
    enum dsn_error error = refresh_reader(worker) ? read_message(worker, message) : DSN_ERR_MEMORY;
    if (worker->robbed) {
        dsn_message_free(message);
        return NULL;
    }
    decide(message, error);
    dsn_metrics_begin(worker->place->metrics, item->source->number, worker->bytes.arrived_ms);
    if (worker->bytes.capacity > KEEP_BYTES)
        dsn_bytes_clear(&worker->bytes);
    return message;
}

/* From here on this thread reads what strangers wrote. */
static void enter_sandbox(const struct dsn_conf *conf) {
    const char **readable = g_new0(const char *, conf->n_sources + 1);
    size_t n = 0;
    for (size_t i = 0; i < conf->n_sources; i++) {
        if (conf->sources[i].path)
            readable[n++] = conf->sources[i].path;
    }
    if (dsn_sandbox_enter(readable) != DSN_OK)
        DSN_LOG(DSN_LOG_WARNING, "no-sandbox", dsn_log_errno(errno));
    g_free(readable);
}

bool dsn_worker_run(struct dsn_workplace *place, struct dsn_desk *desk) {
    enter_sandbox(place->conf);
    struct worker worker = {.place = place, .desk = desk};
    void *item;
    desk->clock = dsn_clock_of_thread();
    while (dsn_queue_pop(place->work, &item, 1, 0, -1) > 0) {
        struct dsn_item *taken = item;
        struct dsn_message *message = process(&worker, taken);
        if (worker.robbed)
            break;
        if (message && dsn_queue_push(place->done, message, message->weight) == DSN_OK)
            continue;
        if (message)
            dsn_metrics_end(place->metrics, taken->source->number, DSN_OUTCOME_RELEASED, message->begun_us);
        dsn_message_free(message);
        taken->source->ops->release(taken->source, taken, !place->abandoned);
    }
    dsn_reader_free(worker.reader);
    dsn_verp_unref(worker.keys);
    dsn_bytes_clear(&worker.bytes);
    return !worker.robbed;
}
