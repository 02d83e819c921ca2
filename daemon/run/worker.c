/* worker: reads a message with libdsn and copies its events to records. Stores and settles nothing. */
#include "worker.h"

#include "base/clock.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Memory that a large message left behind is given back. */
#define KEEP_BYTES (1u << 20)

void dsn_shared_knowledge_init(struct dsn_shared_knowledge *shared, struct dsn_knowledge *knowledge) {
    pthread_mutex_init(&shared->lock, NULL);
    shared->current = dsn_knowledge_ref(knowledge);
    shared->generation = 1;
}

void dsn_shared_knowledge_clear(struct dsn_shared_knowledge *shared) {
    dsn_knowledge_unref(shared->current);
    pthread_mutex_destroy(&shared->lock);
}

void dsn_shared_knowledge_set(struct dsn_shared_knowledge *shared, struct dsn_knowledge *knowledge) {
    pthread_mutex_lock(&shared->lock);
    dsn_knowledge_unref(shared->current);
    shared->current = dsn_knowledge_ref(knowledge);
    pthread_mutex_unlock(&shared->lock);
    shared->generation++;
}

struct worker {
    struct dsn_workplace *place;
    struct dsn_reader *reader;
    unsigned generation; /* of the reader's knowledge */
    struct dsn_bytes bytes;
};

/* Sees to it that the reader has the knowledge of now. False: there is no reader at all. */
static bool refresh_reader(struct worker *worker) {
    struct dsn_shared_knowledge *shared = &worker->place->knowledge;
    unsigned generation = shared->generation;
    if (worker->reader && worker->generation == generation)
        return true;
    struct dsn_limits limits = dsn_conf_limits(worker->place->conf);
    struct dsn_reader *reader = NULL;
    pthread_mutex_lock(&shared->lock);
    struct dsn_knowledge *knowledge = dsn_knowledge_ref(shared->current);
    pthread_mutex_unlock(&shared->lock);
    if (dsn_reader_new(knowledge, &limits, &reader) == DSN_OK) {
        dsn_reader_free(worker->reader);
        worker->reader = reader;
        worker->generation = generation;
    }
    dsn_knowledge_unref(knowledge);
    return worker->reader != NULL;
}

/* Copies the event of recipient `i`. */
static enum dsn_error add_record(struct worker *worker, struct dsn_message *message,
                                 const struct dsn_verdict *verdict, size_t i,
                                 const struct dsn_event_source *source) {
    struct dsn_event event;
    enum dsn_error error = dsn_event_write(worker->reader, i, source, &event);
    if (error)
        return error;
    struct dsn_record *record = dsn_record_new(&event, verdict, source->observed_at_ms);
    if (!record)
        return DSN_ERR_MEMORY;
    snprintf(record->token, sizeof record->token, "%016" PRIx64 ".%" PRIx64, worker->place->token,
             worker->place->serial++);
    message->records[message->n_records++] = record;
    message->weight += record->weight;
    return DSN_OK;
}

static enum dsn_error add_records(struct worker *worker, struct dsn_message *message,
                                  const struct dsn_report *report, const char *name) {
    const struct dsn_event_source source = {
        .kind = message->item->source->ops->kind,
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
        if (report->recipients[i].verdict.kind != DSN_KIND_NONE)
            error = add_record(worker, message, &report->recipients[i].verdict, i, &source);
    return error;
}

static enum dsn_error read_message(struct worker *worker, struct dsn_message *message) {
    const struct dsn_item *item = message->item;
    const struct dsn_source_ops *ops = item->source->ops;
    const struct dsn_report *report;
    /* A byte more than the limit, so that libdsn sees that there was more. */
    size_t max_bytes = (size_t)worker->place->conf->max_bytes + 1;
    enum dsn_error error = ops->read(item->source, item, max_bytes, &worker->bytes);
    if (error)
        return error;
    error = dsn_reader_read(worker->reader, (struct dsn_strview){worker->bytes.p, worker->bytes.n}, &report);
    if (error)
        return error;
    char *name = ops->describe(item->source, item);
    error = name ? add_records(worker, message, report, name) : DSN_ERR_MEMORY;
    free(name);
    return error;
}

static void decide(struct dsn_message *message, enum dsn_error error) {
    static const enum dsn_fate fates[] = {
        [DSN_OK] = DSN_FATE_COMMIT,         [DSN_ERR_MEMORY] = DSN_FATE_POSTPONE,
        [DSN_ERR_IO] = DSN_FATE_POSTPONE,   [DSN_ERR_BUSY] = DSN_FATE_UNREADY,
        [DSN_ERR_AWAY] = DSN_FATE_GONE,     [DSN_ERR_SYNTAX] = DSN_FATE_ASIDE,
        [DSN_ERR_INVALID] = DSN_FATE_ASIDE, [DSN_ERR_LIMIT] = DSN_FATE_ASIDE,
    };
    if (fates[error] == DSN_FATE_ASIDE)
        dsn_message_set_aside(message, dsn_error_text(error));
    else
        message->fate = fates[error];
    if (message->fate != DSN_FATE_COMMIT)
        dsn_message_drop_records(message);
}

/* NULL: put the item back. */
static struct dsn_message *process(struct worker *worker, struct dsn_item *item) {
    if (worker->place->abandoned)
        return NULL;
    struct dsn_message *message = dsn_message_new(item);
    if (!message)
        return NULL;
    decide(message, refresh_reader(worker) ? read_message(worker, message) : DSN_ERR_MEMORY);
    if (worker->bytes.capacity > KEEP_BYTES)
        dsn_bytes_clear(&worker->bytes);
    return message;
}

void dsn_worker_run(struct dsn_workplace *place) {
    struct worker worker = {.place = place};
    void *item;
    while (dsn_queue_pop(place->work, &item, 1, 0, -1) > 0) {
        struct dsn_item *taken = item;
        struct dsn_message *message = process(&worker, taken);
        if (message && dsn_queue_push(place->done, message, message->weight) == DSN_OK)
            continue;
        dsn_message_free(message);
        taken->source->ops->release(taken->source, taken, !place->abandoned);
    }
    dsn_reader_free(worker.reader);
    dsn_bytes_clear(&worker.bytes);
}
