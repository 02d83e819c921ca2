/* queue: names, and finding fields in a reply. Asks Redis nothing. */
#include "queue.h"

#include "base/sv.h"

#include <hiredis/hiredis.h>
#include <string.h>

static const char script[] =
#include "queue.lua.inc"
    ;

const char *const dsn_queue_scripts[] = {script, NULL};

char *dsn_queue_inbox(const char *prefix) {
    return g_strdup_printf("{%s}:inbox", prefix);
}

char *dsn_queue_dead(const char *prefix) {
    return g_strdup_printf("{%s}:dead", prefix);
}

void dsn_queue_entry_add(struct dsn_arguments *entry, const char *name, struct dsn_strview value) {
    dsn_arguments_add(entry, dsn_sv_str(name));
    dsn_arguments_add(entry, value);
}

void dsn_queue_entry_init(struct dsn_arguments *entry, const char *key) {
    dsn_arguments_init(entry);
    dsn_arguments_add(entry, DSN_LIT("XADD"));
    dsn_queue_entry_add(entry, key, DSN_LIT("*"));
}

/* What is no array has no elements. */
static struct redisReply *array_at(const struct redisReply *reply, size_t i) {
    return i < reply->elements && reply->element[i]->type == REDIS_REPLY_ARRAY ? reply->element[i] : NULL;
}

struct redisReply *dsn_queue_read(const struct redisReply *reply) {
    const struct redisReply *stream = array_at(reply, 0); /* [key, entries] */
    return stream ? array_at(stream, 1) : NULL;
}

struct redisReply *dsn_queue_claimed(const struct redisReply *reply, const char **cursor) {
    struct redisReply *entries = array_at(reply, 1);
    if (!entries || !reply->element[0]->str)
        return NULL;
    *cursor = reply->element[0]->str;
    return entries;
}

const char *dsn_queue_id(const struct redisReply *entry) {
    bool good = entry->type == REDIS_REPLY_ARRAY && entry->elements >= 2 && entry->element[0]->str;
    return good ? entry->element[0]->str : NULL;
}

struct dsn_strview dsn_queue_next(const struct redisReply *fields, const char *name, size_t *at) {
    while (*at + 1 < fields->elements) {
        const redisReply *key = fields->element[*at], *value = fields->element[*at + 1];
        *at += 2;
        if (key->str && value->str && strcmp(key->str, name) == 0)
            return (struct dsn_strview){value->str, value->len};
    }
    return DSN_NONE;
}

struct dsn_strview dsn_queue_field(const struct redisReply *fields, const char *name) {
    size_t at = 0;
    return dsn_queue_next(fields, name, &at);
}
