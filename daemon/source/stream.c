/* stream: a source of messages: entries of a Redis stream that many dsnd share as a consumer group. The name
 * of a message is its entry's id. An entry is in one consumer's hand until it is done, dead, or its consumer
 * has not been heard of for claim_ms: then another one takes it over. Everything is said to Redis by the
 * reader thread; settle and set_aside only tell that thread. */
#include "inflight.h"
#include "letter.h"
#include "marks.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/wake.h"
#include "redis/queue.h"

#include <errno.h>
#include <glib.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* Entries in one answer of Redis: memory for so many messages besides those in the queues. */
#define READ_COUNT "16"
#define BLOCK_MAX_MS 1000
#define LOOK_MS 20     /* how often to look for more while some are in work */
#define TELL_MAX 500   /* ids in one request */
#define TIDY_AFTER 100 /* times claim_ms: how long a consumer without anything in hand is remembered */

/* An item, and its entry until it is read. */
struct letter {
    struct dsn_item item; /* first */
    redisReply *fields;
};

/* What became of an entry, to be told to Redis. */
struct verdict {
    char *id, *error; /* error NULL: it is done */
};

struct dsn_stream {
    struct dsn_source source; /* first */
    struct dsn_stream_settings settings;
    struct dsn_redis_waiter waiter;
    struct dsn_redis *redis; /* the reader thread's, as is all below */
    char *inbox, *dead, *consumer, *error_source;
    struct dsn_queue *out;
    int64_t care_at_ms; /* monotonic: when to say that we live, and to look for what the dead left */
    char *cursor;       /* of a look for that; NULL: not looking */
    bool blocking;      /* waiting for new entries: stop need not wait for them */

    struct dsn_inflight *inflight;
    _Atomic bool stopped;
    pthread_mutex_t lock;
    GQueue verdicts; /* of struct verdict; locked */
};

static struct dsn_stream *stream_of(struct dsn_source *source) {
    return (struct dsn_stream *)(void *)source;
}

static void free_fields(struct dsn_item *item) {
    struct letter *letter = (void *)item;
    freeReplyObject(letter->fields);
    letter->fields = NULL;
}

/* Verdicts, from any thread */

static void free_verdict(void *data) {
    struct verdict *verdict = data;
    g_free(verdict->id);
    g_free(verdict->error);
    g_free(verdict);
}

static void add_verdict(struct dsn_stream *stream, const char *id, const char *error) {
    struct verdict *verdict = g_new0(struct verdict, 1);
    *verdict = (struct verdict){.id = g_strdup(id), .error = g_strdup(error)};
    pthread_mutex_lock(&stream->lock);
    g_queue_push_tail(&stream->verdicts, verdict);
    pthread_mutex_unlock(&stream->lock);
}

static enum dsn_error conclude(struct dsn_source *source, struct dsn_item *item, const char *error) {
    struct dsn_stream *stream = stream_of(source);
    add_verdict(stream, item->name, error);
    dsn_inflight_drop(stream->inflight, item);
    dsn_wake(stream->waiter.wake_fd);
    return DSN_OK;
}

static enum dsn_error settle(struct dsn_source *source, struct dsn_item *item) {
    return conclude(source, item, NULL);
}

/* It stays in our hand, and comes back like what the dead left: after claim_ms, as one delivery more. */
static void release(struct dsn_source *source, struct dsn_item *item, bool again) {
    struct dsn_stream *stream = stream_of(source);
    (void)again;
    dsn_inflight_drop(stream->inflight, item);
    dsn_wake(stream->waiter.wake_fd);
}

static void stop(struct dsn_source *source) {
    struct dsn_stream *stream = stream_of(source);
    stream->stopped = true;
    dsn_wake(stream->waiter.wake_fd);
}

/* Redis */

static int64_t idle(void *context) {
    (void)context;
    return INT64_MAX;
}

static bool give_up(void *context, bool away) {
    const struct dsn_stream *stream = context;
    return stream->stopped && (away || stream->blocking);
}

/* Makes the group, with the stream, unless it is there. Whatever is wrong shows in the next request. */
static void make_group(struct dsn_stream *stream) {
    const char *argv[] = {"XGROUP", "CREATE", stream->inbox, DSN_QUEUE_GROUP, "0", "MKSTREAM"};
    redisReply *reply = NULL;
    if (dsn_redis_ready(stream->redis) == DSN_OK &&
        dsn_redis_add(stream->redis, G_N_ELEMENTS(argv), argv, NULL) == DSN_OK)
        dsn_redis_reply(stream->redis, &reply);
    freeReplyObject(reply);
}

/* An answer that is an error: waits before the next try. */
static enum dsn_error refused(struct dsn_stream *stream, const char *why) {
    if (g_str_has_prefix(why, "NOGROUP")) { /* somebody deleted it */
        make_group(stream);
        return DSN_ERR_AWAY;
    }
    dsn_redis_trouble(stream->redis, why);
    dsn_redis_back_off(stream->redis);
    return DSN_ERR_AWAY;
}

/* A request and its answer, freed with freeReplyObject. DSN_ERR_AWAY: there is none now; that was waited for
 * a while already. */
static enum dsn_error ask(struct dsn_stream *stream, size_t argc, const char *const *argv, redisReply **out) {
    redisReply *reply = NULL;
    if (dsn_redis_ready(stream->redis) != DSN_OK)
        return DSN_ERR_AWAY;
    enum dsn_error error = dsn_redis_add(stream->redis, (int)argc, (const char **)(uintptr_t)argv, NULL);
    if (!error)
        error = dsn_redis_reply(stream->redis, &reply);
    if (error) {
        dsn_redis_drop(stream->redis); /* answers that were not taken must not be taken for others */
        dsn_redis_back_off(stream->redis);
        return DSN_ERR_AWAY;
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        error = refused(stream, reply->str);
        freeReplyObject(reply);
        return error;
    }
    dsn_redis_well(stream->redis);
    *out = reply;
    return DSN_OK;
}

/* Calls an operation of queue.lua: `arguments` are its name and what follows. */
static enum dsn_error call(struct dsn_stream *stream, GPtrArray *arguments) {
    redisReply *reply = NULL;
    if (dsn_redis_ready(stream->redis) != DSN_OK)
        return DSN_ERR_AWAY;
    const char *first[] = {"EVALSHA", dsn_redis_script(stream->redis, 0), "2", stream->inbox, stream->dead};
    GPtrArray *argv = g_ptr_array_new();
    for (size_t i = 0; i < G_N_ELEMENTS(first); i++)
        g_ptr_array_add(argv, (char *)(uintptr_t)first[i]);
    g_ptr_array_extend(argv, arguments, NULL, NULL);
    enum dsn_error error = ask(stream, argv->len, (const char *const *)argv->pdata, &reply);
    g_ptr_array_unref(argv);
    freeReplyObject(reply);
    return error;
}

static enum dsn_error call_texts(struct dsn_stream *stream, const char *const *texts) {
    GPtrArray *arguments = g_ptr_array_new();
    for (; *texts; texts++)
        g_ptr_array_add(arguments, (char *)(uintptr_t)*texts);
    enum dsn_error error = call(stream, arguments);
    g_ptr_array_unref(arguments);
    return error;
}

/* Telling what became of entries */

/* Takes verdicts from the front: one of an error alone, or several without. */
static GPtrArray *take_verdicts(struct dsn_stream *stream) {
    GPtrArray *taken = g_ptr_array_new_with_free_func(free_verdict);
    const struct verdict *next;
    pthread_mutex_lock(&stream->lock);
    while (taken->len < TELL_MAX && (next = g_queue_peek_head(&stream->verdicts)) &&
           (!next->error || taken->len == 0)) {
        g_ptr_array_add(taken, g_queue_pop_head(&stream->verdicts));
        if (next->error)
            break;
    }
    pthread_mutex_unlock(&stream->lock);
    return taken;
}

/* To the end: what Redis cannot do now must not be in the way of the others. */
static void put_back(struct dsn_stream *stream, GPtrArray *taken) {
    pthread_mutex_lock(&stream->lock);
    for (guint i = 0; i < taken->len; i++)
        g_queue_push_tail(&stream->verdicts, taken->pdata[i]);
    pthread_mutex_unlock(&stream->lock);
    g_ptr_array_set_free_func(taken, NULL);
}

static enum dsn_error tell_some(struct dsn_stream *stream, const GPtrArray *taken) {
    const struct verdict *first = taken->pdata[0];
    const char *bury[] = {"bury", first->error, stream->source.name, first->id, NULL};
    if (first->error)
        return call_texts(stream, bury);
    GPtrArray *arguments = g_ptr_array_new();
    g_ptr_array_add(arguments, (char *)(uintptr_t) "done");
    for (guint i = 0; i < taken->len; i++)
        g_ptr_array_add(arguments, ((const struct verdict *)taken->pdata[i])->id);
    enum dsn_error error = call(stream, arguments);
    g_ptr_array_unref(arguments);
    return error;
}

static void forget_marks(struct dsn_stream *stream, const GPtrArray *told) {
    for (guint i = 0; i < told->len; i++)
        dsn_marks_forget(stream->source.marks, ((const struct verdict *)told->pdata[i])->id);
}

static enum dsn_error tell(struct dsn_stream *stream) {
    enum dsn_error error = DSN_OK;
    bool any = true;
    while (any && !error) {
        GPtrArray *taken = take_verdicts(stream);
        any = taken->len > 0;
        if (any)
            error = tell_some(stream, taken);
        if (error)
            put_back(stream, taken);
        else
            forget_marks(stream, taken);
        g_ptr_array_unref(taken);
    }
    return error;
}

/* Offering entries */

static size_t size_of(const redisReply *fields) {
    size_t n = 0;
    for (size_t i = 0; i < fields->elements; i++)
        n += fields->element[i]->len + sizeof *fields;
    return n;
}

/* Offers an entry, and takes its fields. DSN_ERR_BUSY: the queue is closed. */
static enum dsn_error offer(struct dsn_stream *stream, redisReply *entry) {
    const char *id = dsn_queue_id(entry);
    if (!id)
        return DSN_OK;
    if (entry->element[1]->type != REDIS_REPLY_ARRAY) { /* somebody deleted it */
        add_verdict(stream, id, NULL);
        return DSN_OK;
    }
    struct dsn_item *item = dsn_inflight_claim(stream->inflight, &stream->source, id);
    if (!item)
        return DSN_OK;
    struct letter *letter = (void *)item;
    letter->fields = entry->element[1];
    entry->element[1] = NULL;
    item->deaths = dsn_marks_deaths(stream->source.marks, id);
    enum dsn_error error = dsn_queue_push(stream->out, item, size_of(letter->fields));
    if (error)
        dsn_inflight_drop(stream->inflight, item);
    return error;
}

static enum dsn_error offer_all(struct dsn_stream *stream, redisReply *entries) {
    enum dsn_error error = DSN_OK;
    for (size_t i = 0; i < entries->elements && !error; i++)
        error = offer(stream, entries->element[i]);
    return error;
}

/* Reads entries that nobody has in hand. `wait`: until there are some, for a moment. */
static enum dsn_error read_new(struct dsn_stream *stream, bool wait, size_t *found) {
    char block[24];
    int64_t ms = MIN(BLOCK_MAX_MS, stream->settings.redis.timeout_ms / 2);
    redisReply *reply = NULL;
    snprintf(block, sizeof block, "%" PRId64, CLAMP(stream->care_at_ms - dsn_clock_monotonic_ms(), 1, ms));
    const char *waiting[] = {"XREADGROUP", "GROUP", DSN_QUEUE_GROUP, stream->consumer, "COUNT", READ_COUNT,
                             "BLOCK",      block,   "STREAMS",       stream->inbox,    ">"};
    const char *looking[] = {"XREADGROUP",     "GROUP",       DSN_QUEUE_GROUP,
                             stream->consumer, "COUNT",       READ_COUNT,
                             "STREAMS",        stream->inbox, ">"};
    stream->blocking = wait;
    enum dsn_error error = wait ? ask(stream, G_N_ELEMENTS(waiting), waiting, &reply)
                                : ask(stream, G_N_ELEMENTS(looking), looking, &reply);
    stream->blocking = false;
    if (error)
        return error;
    redisReply *entries = dsn_queue_read(reply);
    if (entries) {
        *found += entries->elements;
        error = offer_all(stream, entries);
    }
    freeReplyObject(reply);
    return error;
}

/* What the dead left */

/* How often an entry was delivered; 0: it is in nobody's hand. */
static enum dsn_error deliveries_of(struct dsn_stream *stream, const char *id, int64_t *out) {
    const char *argv[] = {"XPENDING", stream->inbox, DSN_QUEUE_GROUP, id, id, "1"};
    redisReply *reply = NULL;
    enum dsn_error error = ask(stream, G_N_ELEMENTS(argv), argv, &reply);
    if (error)
        return error;
    bool known = reply->type == REDIS_REPLY_ARRAY && reply->elements == 1 && reply->element[0]->elements == 4;
    *out = known ? reply->element[0]->element[3]->integer : 0;
    freeReplyObject(reply);
    return DSN_OK;
}

/* Offers an entry that was taken over, unless it was delivered too often. */
static enum dsn_error offer_again(struct dsn_stream *stream, redisReply *entry) {
    int64_t deliveries = 0;
    const char *id = dsn_queue_id(entry);
    enum dsn_error error = id ? deliveries_of(stream, id, &deliveries) : DSN_OK;
    if (error || deliveries <= stream->settings.max_deliveries)
        return error ? error : offer(stream, entry);
    char *why = g_strdup_printf("delivered %" PRId64 " times, and each time whoever took it did not finish",
                                deliveries - 1);
    DSN_LOG(DSN_LOG_WARNING, "set-aside", dsn_log_str("source", stream->source.name), dsn_log_str("item", id),
            dsn_log_str("error", why));
    add_verdict(stream, id, why);
    g_free(why);
    return DSN_OK;
}

static enum dsn_error take_over(struct dsn_stream *stream, size_t *found) {
    char idle_ms[24];
    redisReply *reply = NULL;
    snprintf(idle_ms, sizeof idle_ms, "%" PRId64, stream->settings.claim_ms);
    const char *argv[] = {"XAUTOCLAIM", stream->inbox,  DSN_QUEUE_GROUP, stream->consumer,
                          idle_ms,      stream->cursor, "COUNT",         READ_COUNT};
    enum dsn_error error = ask(stream, G_N_ELEMENTS(argv), argv, &reply);
    if (error)
        return error;
    const char *cursor = NULL;
    redisReply *entries = dsn_queue_claimed(reply, &cursor);
    if (entries) {
        *found += entries->elements;
        for (size_t i = 0; i < entries->elements && !error; i++)
            error = offer_again(stream, entries->element[i]);
        g_free(stream->cursor);
        stream->cursor = strcmp(cursor, "0-0") ? g_strdup(cursor) : NULL;
    }
    freeReplyObject(reply);
    return error;
}

/* Says that what we have in hand is in work: JUSTID is no delivery, and sets the idle time to 0. */
static enum dsn_error claim_own(struct dsn_stream *stream) {
    const char *first[] = {"XCLAIM", stream->inbox, DSN_QUEUE_GROUP, stream->consumer, "0"};
    char **names = dsn_inflight_names(stream->inflight);
    GPtrArray *argv = g_ptr_array_new();
    redisReply *reply = NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(first); i++)
        g_ptr_array_add(argv, (char *)(uintptr_t)first[i]);
    for (char **name = names; *name; name++)
        g_ptr_array_add(argv, *name);
    g_ptr_array_add(argv, (char *)(uintptr_t) "JUSTID");
    enum dsn_error error =
        names[0] ? ask(stream, argv->len, (const char *const *)argv->pdata, &reply) : DSN_OK;
    g_ptr_array_unref(argv);
    g_strfreev(names);
    freeReplyObject(reply);
    return error;
}

/* Shows that we live, when it is time for that again. */
static enum dsn_error keep_alive(struct dsn_stream *stream, bool *due) {
    *due = dsn_clock_monotonic_ms() >= stream->care_at_ms;
    if (!*due)
        return DSN_OK;
    enum dsn_error error = claim_own(stream);
    if (!error)
        stream->care_at_ms = dsn_clock_monotonic_ms() + stream->settings.claim_ms / 3;
    return error;
}

/* Now and then: shows that we live, and begins to look for what others left. */
static enum dsn_error take_care(struct dsn_stream *stream) {
    char idle_ms[24];
    bool due;
    snprintf(idle_ms, sizeof idle_ms, "%" PRId64, stream->settings.claim_ms * TIDY_AFTER);
    const char *tidy[] = {"tidy", idle_ms, NULL};
    enum dsn_error error = keep_alive(stream, &due);
    if (error || !due)
        return error;
    make_group(stream);
    if (!stream->cursor)
        stream->cursor = g_strdup("0-0");
    return call_texts(stream, tidy);
}

/* The reader thread */

static void sleep_a_moment(struct dsn_stream *stream) {
    struct pollfd fd = {.fd = stream->waiter.wake_fd, .events = POLLIN};
    uint64_t count;
    if (poll(&fd, 1, LOOK_MS) > 0 && read(fd.fd, &count, sizeof count) < 0 && errno != EAGAIN)
        DSN_LOG(DSN_LOG_DEBUG, "wake-failed", dsn_log_str("of", "stream"));
}

/* One round. `*found`: how many entries were there. */
static enum dsn_error look(struct dsn_stream *stream, bool once, size_t *found) {
    *found = 0;
    enum dsn_error error = tell(stream);
    if (!error)
        error = take_care(stream);
    if (!error && stream->cursor)
        error = take_over(stream, found);
    if (error)
        return error;
    bool busy = dsn_inflight_count(stream->inflight) > 0;
    error = read_new(stream, !once && !busy && !stream->cursor, found);
    if (!error && !*found && busy && !once)
        sleep_a_moment(stream);
    return error;
}

static bool has_verdicts(struct dsn_stream *stream) {
    pthread_mutex_lock(&stream->lock);
    bool any = !g_queue_is_empty(&stream->verdicts);
    pthread_mutex_unlock(&stream->lock);
    return any;
}

/* Waits until everything that was offered has come back, and tells Redis. DSN_ERR_IO: that could not be told;
 * somebody will take these entries again, and find that their events are known. */
static enum dsn_error finish(struct dsn_stream *stream) {
    const char *leave[] = {"leave", stream->consumer, NULL};
    bool due;
    while (dsn_inflight_count(stream->inflight) > 0 || has_verdicts(stream)) {
        enum dsn_error error = tell(stream);
        if (!error)
            error = keep_alive(stream, &due);
        if (error && stream->stopped)
            return DSN_ERR_IO;
        if (dsn_inflight_count(stream->inflight) > 0)
            sleep_a_moment(stream);
    }
    return call_texts(stream, leave) && !stream->stopped ? DSN_ERR_IO : DSN_OK;
}

static enum dsn_error run(struct dsn_source *source, struct dsn_queue *out, bool once) {
    struct dsn_stream *stream = stream_of(source);
    enum dsn_error error = DSN_OK;
    size_t found = 0;
    stream->out = out;
    do
        error = look(stream, once, &found);
    while (!stream->stopped && error != DSN_ERR_BUSY && (!once || error || found > 0 || stream->cursor));
    return finish(stream);
}

/* Reading */

static enum dsn_error read_item(struct dsn_source *source, struct dsn_item *item, size_t max_bytes,
                                struct dsn_bytes *out) {
    struct letter *letter = (void *)item;
    (void)source;
    if (!letter->fields)
        return DSN_ERR_IO;
    enum dsn_error error = dsn_letter_write(letter->fields, max_bytes, out);
    out->arrived_ms = g_ascii_strtoll(item->name, NULL, 10); /* the first half of an entry's id */
    free_fields(&letter->item);                              /* it is with the worker now, or comes again */
    return error;
}

static char *describe(const struct dsn_source *source, const struct dsn_item *item) {
    char *text = NULL;
    return asprintf(&text, "%s/%s", source->name, item->name) < 0 ? NULL : text;
}

/* Opening */

static void close_stream(struct dsn_source *source) {
    struct dsn_stream *stream = stream_of(source);
    dsn_redis_free(stream->redis);
    dsn_inflight_free(stream->inflight);
    dsn_marks_close(source->marks);
    g_queue_clear_full(&stream->verdicts, free_verdict);
    pthread_mutex_destroy(&stream->lock);
    if (stream->waiter.wake_fd >= 0)
        close(stream->waiter.wake_fd);
    g_free(stream->inbox);
    g_free(stream->dead);
    g_free(stream->consumer);
    g_free(stream->cursor);
    g_free(source->name);
    g_free(stream);
}

static const struct dsn_source_ops stream_ops = {
    .kind = "stream",
    .run = run,
    .stop = stop,
    .read = read_item,
    .describe = describe,
    .settle = settle,
    .set_aside = conclude,
    .release = release,
    .close = close_stream,
};

/* Names that two processes never share, and that tell people where to look. */
static char *new_consumer(void) {
    uint32_t random = 0;
    if (getrandom(&random, sizeof random, 0) != sizeof random)
        return NULL;
    return g_strdup_printf("%s.%ld.%08" PRIx32, g_get_host_name(), (long)getpid(), random);
}

enum dsn_error dsn_stream_open(const struct dsn_stream_settings *settings, char *why, size_t why_size,
                               struct dsn_source **out) {
    struct dsn_stream *stream = g_new0(struct dsn_stream, 1);
    stream->source = (struct dsn_source){.ops = &stream_ops, .name = g_strdup(settings->name)};
    stream->settings = *settings;
    stream->settings.redis.scripts = dsn_queue_scripts;
    stream->inbox = dsn_queue_inbox(settings->prefix);
    stream->dead = dsn_queue_dead(settings->prefix);
    stream->consumer = new_consumer();
    stream->waiter = (struct dsn_redis_waiter){
        .context = stream, .wake_fd = dsn_wake_open(), .idle = idle, .give_up = give_up};
    stream->inflight = dsn_inflight_new(sizeof(struct letter), free_fields);
    stream->redis = dsn_redis_new(&stream->settings.redis, &stream->waiter);
    pthread_mutex_init(&stream->lock, NULL);
    g_queue_init(&stream->verdicts);
    if (stream->waiter.wake_fd < 0 || !stream->consumer || !stream->redis) {
        snprintf(why, why_size, "source %s: %s", settings->name, strerror(errno));
        close_stream(&stream->source);
        return DSN_ERR_IO;
    }
    *out = &stream->source;
    return DSN_OK;
}
