/* streams: XRANGE and ZSCAN over all shards. Every request begins with its only key, so that it can go to
 * whoever has that. Never blocks in Redis: others use the server too. */
#include "streams.h"

#include "keys.h"

#include "base/sv.h"

#include <glib.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SCAN_COUNT "500"
#define ID_SIZE 48

struct dsn_streams {
    const struct dsn_streams_settings *settings;
    struct dsn_redis *redis;
    char **events, **suppressed; /* keys, a shard each */
    GPtrArray *replies;          /* to the requests of a round */
    char why[160];
};

static const char *const no_scripts[] = {NULL};

static void free_reply(void *reply) {
    freeReplyObject(reply);
}

enum dsn_error dsn_streams_open(struct dsn_streams_settings *settings, const struct dsn_redis_waiter *waiter,
                                struct dsn_streams **out) {
    settings->redis.scripts = no_scripts;
    struct dsn_redis *redis = dsn_redis_new(&settings->redis, waiter);
    if (!redis)
        return DSN_ERR_INVALID;
    struct dsn_streams *streams = g_new0(struct dsn_streams, 1);
    streams->settings = settings;
    streams->redis = redis;
    streams->events = dsn_keys_each(settings->prefix, settings->shards, "events");
    streams->suppressed = dsn_keys_each(settings->prefix, settings->shards, "suppressed");
    streams->replies = g_ptr_array_new_with_free_func(free_reply);
    *out = streams;
    return DSN_OK;
}

void dsn_streams_close(struct dsn_streams *streams) {
    if (!streams)
        return;
    dsn_redis_free(streams->redis);
    g_strfreev(streams->events);
    g_strfreev(streams->suppressed);
    g_ptr_array_unref(streams->replies);
    g_free(streams);
}

const char *dsn_streams_why(const struct dsn_streams *streams) {
    return streams->why;
}

enum dsn_error dsn_streams_back_off(struct dsn_streams *streams) {
    return dsn_redis_back_off(streams->redis);
}

/* Requests and replies */

static enum dsn_error refuse(struct dsn_streams *streams, const char *why) {
    g_strlcpy(streams->why, why, sizeof streams->why);
    dsn_redis_trouble(streams->redis, why);
    return DSN_ERR_IO;
}

/* Takes the replies of a round, `n` of them. */
static enum dsn_error take_replies(struct dsn_streams *streams, size_t n) {
    g_ptr_array_set_size(streams->replies, 0);
    for (size_t i = 0; i < n; i++) {
        struct redisReply *reply = NULL;
        enum dsn_error error = dsn_redis_reply(streams->redis, &reply);
        if (error) {
            dsn_redis_drop(streams->redis); /* replies that were not taken must not be taken for others */
            return error;
        }
        g_ptr_array_add(streams->replies, reply);
    }
    for (size_t i = 0; i < n; i++) {
        const struct redisReply *reply = streams->replies->pdata[i];
        if (reply->type == REDIS_REPLY_ERROR && !g_str_has_prefix(reply->str, "ERR no such key")) /* yet */
            return refuse(streams, reply->str);
    }
    dsn_redis_well(streams->redis);
    return DSN_OK;
}

/* A request to each shard: where its key stands in it, and where what is said to that shard alone (0:
 * nowhere). */
struct request {
    int argc;
    const char **argv;
    size_t key_at, own_at;
    char (*owns)[ID_SIZE];
};

static enum dsn_error ask_shards(struct dsn_streams *streams, struct request request, char **keys) {
    enum dsn_error error = dsn_redis_ready(streams->redis);
    for (unsigned i = 0; i < streams->settings->shards && !error; i++) {
        request.argv[request.key_at] = keys[i];
        if (request.own_at > 0)
            request.argv[request.own_at] = request.owns[i];
        error = dsn_redis_add(streams->redis, request.argc, request.argv, NULL);
    }
    if (error)
        return error;
    dsn_redis_flush(streams->redis);
    return take_replies(streams, streams->settings->shards);
}

/* Understanding replies */

static struct dsn_strview text_of(const struct redisReply *reply) {
    return reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS
               ? dsn_sv(reply->str, reply->len)
               : DSN_NONE;
}

/* An entry is [id, [name, value, ...]]. False: it is none of ours. */
static bool read_entry(const struct redisReply *reply, struct dsn_entry *out) {
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        !dsn_entry_id_parse(text_of(reply->element[0]), &out->id))
        return false;
    const struct redisReply *fields = reply->element[1];
    const struct {
        const char *name;
        struct dsn_strview *value;
    } wanted[] = {{"id", &out->event_id}, {"topic", &out->topic}, {"event", &out->event}};
    for (size_t i = 0; fields->type == REDIS_REPLY_ARRAY && i + 1 < fields->elements; i += 2)
        for (size_t w = 0; w < G_N_ELEMENTS(wanted); w++)
            if (dsn_sv_eq(text_of(fields->element[i]), dsn_sv_str(wanted[w].name)))
                *wanted[w].value = text_of(fields->element[i + 1]);
    return true;
}

/* What somebody else has put into the stream is passed over. */
static bool visit_entries(const struct redisReply *reply, unsigned shard, struct dsn_entry_id *position,
                          dsn_entry_visit *visit, void *context) {
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
        struct dsn_entry entry = {.shard = shard};
        if (!read_entry(reply->element[i], &entry))
            continue;
        if (entry.event.n > 0 && !visit(context, &entry))
            return false;
        *position = entry.id;
    }
    return true;
}

enum dsn_error dsn_streams_read(struct dsn_streams *streams, struct dsn_position *position, size_t max,
                                dsn_entry_visit *visit, void *context) {
    unsigned shards = streams->settings->shards;
    char count[24], (*from)[ID_SIZE] = g_malloc_n(shards, ID_SIZE);
    const char *argv[] = {"XRANGE", NULL, NULL, "+", "COUNT", count};
    snprintf(count, sizeof count, "%zu", MAX(max / shards, 1));
    for (unsigned i = 0; i < shards; i++)
        snprintf(from[i], ID_SIZE, "(%" PRIu64 "-%" PRIu64, position->ids[i].ms, position->ids[i].sequence);
    const struct request request = {
        .argc = G_N_ELEMENTS(argv), .argv = argv, .key_at = 1, .own_at = 2, .owns = from};
    enum dsn_error error = ask_shards(streams, request, streams->events);
    bool goes_on = !error;
    for (unsigned i = 0; i < shards && goes_on; i++)
        goes_on = visit_entries(streams->replies->pdata[i], i, &position->ids[i], visit, context);
    g_ptr_array_set_size(streams->replies, 0);
    g_free(from);
    return error;
}

enum dsn_error dsn_streams_end(struct dsn_streams *streams, struct dsn_position *out) {
    const char *argv[] = {"XREVRANGE", NULL, "+", "-", "COUNT", "1"};
    const struct request request = {.argc = G_N_ELEMENTS(argv), .argv = argv, .key_at = 1};
    enum dsn_error error = ask_shards(streams, request, streams->events);
    if (error)
        return error;
    dsn_position_clear(out);
    out->n = streams->settings->shards;
    out->ids = g_new0(struct dsn_entry_id, out->n);
    for (size_t i = 0; i < out->n; i++) {
        const struct redisReply *reply = streams->replies->pdata[i];
        struct dsn_entry entry = {0};
        if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 1 && read_entry(reply->element[0], &entry))
            out->ids[i] = entry.id;
    }
    return DSN_OK;
}

/* XINFO STREAM: names and values. Redis before 7 does not tell how many entries there ever were: then a first
 * entry after the position is enough. */
static bool is_trimmed(const struct redisReply *info, struct dsn_entry_id position) {
    struct dsn_entry first = {0};
    long long added = 0, length = -1;
    for (size_t i = 0; info->type == REDIS_REPLY_ARRAY && i + 1 < info->elements; i += 2) {
        struct dsn_strview name = text_of(info->element[i]);
        const struct redisReply *value = info->element[i + 1];
        if (dsn_sv_eq(name, DSN_LIT("first-entry")))
            read_entry(value, &first);
        else if (dsn_sv_eq(name, DSN_LIT("entries-added")))
            added = value->integer;
        else if (dsn_sv_eq(name, DSN_LIT("length")))
            length = value->integer;
    }
    const struct dsn_entry_id beginning = {0};
    return dsn_entry_id_compare(position, beginning) > 0 && dsn_entry_id_compare(position, first.id) < 0 &&
           (added == 0 || added > length);
}

enum dsn_error dsn_streams_trimmed(struct dsn_streams *streams, const struct dsn_position *position,
                                   bool *out) {
    const char *argv[] = {"XINFO", "STREAM", NULL};
    const struct request request = {.argc = G_N_ELEMENTS(argv), .argv = argv, .key_at = 2};
    bool trimmed = false;
    enum dsn_error error = ask_shards(streams, request, streams->events);
    for (unsigned i = 0; i < streams->settings->shards && !error; i++)
        trimmed = trimmed || is_trimmed(streams->replies->pdata[i], position->ids[i]);
    if (!error)
        *out = trimmed;
    return error;
}

enum dsn_error dsn_streams_suppressed(struct dsn_streams *streams, unsigned shard, uint64_t *cursor,
                                      dsn_address_visit *visit, void *context) {
    char from[24];
    const char *argv[] = {"ZSCAN", streams->suppressed[shard], from, "COUNT", SCAN_COUNT};
    snprintf(from, sizeof from, "%" PRIu64, *cursor);
    enum dsn_error error = dsn_redis_ready(streams->redis);
    if (!error)
        error = dsn_redis_add(streams->redis, G_N_ELEMENTS(argv), argv, NULL);
    if (!error)
        error = take_replies(streams, 1);
    if (error)
        return error;
    const struct redisReply *reply = streams->replies->pdata[0];
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[1]->type != REDIS_REPLY_ARRAY ||
        !g_ascii_string_to_unsigned(reply->element[0]->str, 10, 0, UINT64_MAX, cursor, NULL))
        return refuse(streams, "unexpected reply to ZSCAN");
    for (size_t i = 0; i + 1 < reply->element[1]->elements; i += 2)
        visit(context, text_of(reply->element[1]->element[i]), text_of(reply->element[1]->element[i + 1]));
    return DSN_OK;
}
