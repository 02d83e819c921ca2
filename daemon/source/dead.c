/* dead: what a dead letter of the queue has (queue.lua), written without the queue. */
#include "dead.h"

#include "base/log.h"
#include "base/sv.h"
#include "redis/queue.h"

#include <hiredis/hiredis.h>

struct dsn_dead {
    struct dsn_redis_settings settings;
    struct dsn_redis_waiter waiter;
    struct dsn_redis *redis;
    const char *source;
    char *key;
};

static int64_t idle(void *context) {
    (void)context;
    return INT64_MAX;
}

/* A try ends by itself, when there is no progress any more. */
static bool give_up(void *context, bool away) {
    (void)context;
    (void)away;
    return false;
}

struct dsn_dead *dsn_dead_new(const struct dsn_redis_settings *redis, const char *prefix, const char *source,
                              int wake_fd) {
    static const char *const no_scripts[] = {NULL};
    struct dsn_dead *dead = g_new0(struct dsn_dead, 1);
    dead->settings = *redis;
    dead->settings.scripts = no_scripts;
    dead->settings.quiet = true;
    dead->waiter = (struct dsn_redis_waiter){.wake_fd = wake_fd, .idle = idle, .give_up = give_up};
    dead->source = source;
    dead->key = dsn_queue_dead(prefix);
    dead->redis = dsn_redis_new(&dead->settings, &dead->waiter);
    if (dead->redis)
        return dead;
    dsn_dead_free(dead);
    return NULL;
}

void dsn_dead_free(struct dsn_dead *dead) {
    if (!dead)
        return;
    dsn_redis_free(dead->redis);
    g_free(dead->key);
    g_free(dead);
}

/* What went wrong is logged. It is rare: no connection is kept for the next one. */
static enum dsn_error ask(struct dsn_dead *dead, const struct dsn_arguments *entry) {
    redisReply *reply = NULL;
    enum dsn_error error = dsn_redis_try(dead->redis);
    if (!error)
        error = dsn_redis_add(dead->redis, (int)entry->texts->len, dsn_arguments_texts(entry),
                              dsn_arguments_sizes(entry));
    if (!error)
        error = dsn_redis_reply(dead->redis, &reply);
    if (!error && reply->type != REDIS_REPLY_STRING)
        error = DSN_ERR_AWAY;
    if (!error)
        error = dsn_redis_replicated(dead->redis);
    if (error)
        DSN_LOG(DSN_LOG_WARNING, "cannot-settle", dsn_log_str("source", dead->source),
                dsn_log_str("key", dead->key),
                dsn_log_str("error", reply && reply->str ? reply->str : "Redis is away"));
    else
        dsn_redis_well(dead->redis);
    dsn_redis_drop(dead->redis);
    freeReplyObject(reply);
    return error ? DSN_ERR_AWAY : DSN_OK;
}

enum dsn_error dsn_dead_put(struct dsn_dead *dead, const struct dsn_envelope *envelope,
                            struct dsn_strview message, const char *entry, const char *error) {
    struct dsn_arguments letter;
    dsn_queue_entry_init(&letter, dead->key);
    dsn_queue_entry_add(&letter, DSN_QUEUE_FROM, envelope->from);
    for (size_t i = 0; i < envelope->n_to; i++)
        dsn_queue_entry_add(&letter, DSN_QUEUE_TO, envelope->to[i]);
    dsn_queue_entry_add(&letter, DSN_QUEUE_MESSAGE, message);
    dsn_queue_entry_add(&letter, DSN_QUEUE_ERROR, dsn_sv_str(error));
    dsn_queue_entry_add(&letter, DSN_QUEUE_SOURCE, dsn_sv_str(dead->source));
    dsn_queue_entry_add(&letter, DSN_QUEUE_ENTRY, dsn_sv_str(entry));
    enum dsn_error result = ask(dead, &letter);
    dsn_arguments_clear(&letter);
    return result;
}
