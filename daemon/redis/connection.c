/* connection: hiredis with a poll loop of our own around it, so that no wait is longer than it should be.
 * Knows addresses, AUTH, SCRIPT LOAD, timeouts and backoff. Knows no key and no event. */
#include "connection.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <glib.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 5000
#define MAX_SCRIPTS 8
#define SHA_SIZE 41

struct dsn_redis {
    const struct dsn_redis_settings *settings;
    const struct dsn_redis_waiter *waiter;
    struct dsn_redis_address address;
    redisContext *context; /* NULL: not connected */
    bool unsent;           /* its output buffer holds something */
    char sha[MAX_SCRIPTS][SHA_SIZE];
    int64_t backoff_ms;
    bool troubled;
    int64_t troubled_at_ms;
    unsigned tries; /* since the trouble began */
};

bool dsn_redis_address_parse(const char *text, struct dsn_redis_address *out) {
    if (g_str_has_prefix(text, "unix:")) {
        if (text[5] != '/')
            return false;
        *out = (struct dsn_redis_address){.host = g_strdup(text + 5)};
        return true;
    }
    const char *colon = strrchr(text, ':');
    guint64 port;
    if (!colon || colon == text || !g_ascii_string_to_unsigned(colon + 1, 10, 1, 65535, &port, NULL))
        return false;
    bool bracketed = text[0] == '[' && colon[-1] == ']';
    if (!bracketed && memchr(text, ':', (size_t)(colon - text)))
        return false; /* ::1:6379 could be read in two ways */
    const char *host = text + bracketed;
    out->host = g_strndup(host, (gsize)(colon - host - bracketed));
    out->port = (int)port;
    return true;
}

struct dsn_redis *dsn_redis_new(const struct dsn_redis_settings *settings,
                                const struct dsn_redis_waiter *waiter) {
    struct dsn_redis *redis = g_new0(struct dsn_redis, 1);
    redis->settings = settings;
    redis->waiter = waiter;
    redis->backoff_ms = BACKOFF_MIN_MS;
    if (!dsn_redis_address_parse(settings->server, &redis->address)) {
        g_free(redis);
        return NULL;
    }
    return redis;
}

void dsn_redis_drop(struct dsn_redis *redis) {
    if (redis->context)
        redisFree(redis->context);
    redis->context = NULL;
    redis->unsent = false;
}

void dsn_redis_free(struct dsn_redis *redis) {
    if (!redis)
        return;
    dsn_redis_drop(redis);
    g_free(redis->address.host);
    g_free(redis);
}

/* Trouble */

void dsn_redis_trouble(struct dsn_redis *redis, const char *why) {
    redis->tries++;
    if (redis->troubled) {
        DSN_LOG(DSN_LOG_DEBUG, "redis-still-away", dsn_log_str("error", why),
                dsn_log_int("tries", redis->tries));
        return;
    }
    redis->troubled = true;
    redis->troubled_at_ms = dsn_clock_monotonic_ms();
    DSN_LOG(DSN_LOG_WARNING, "redis-away", dsn_log_str("server", redis->settings->server),
            dsn_log_str("error", why));
}

void dsn_redis_well(struct dsn_redis *redis) {
    redis->backoff_ms = BACKOFF_MIN_MS;
    if (!redis->troubled)
        return;
    DSN_LOG(DSN_LOG_INFO, "redis-back", dsn_log_str("server", redis->settings->server),
            dsn_log_int("away_ms", dsn_clock_monotonic_ms() - redis->troubled_at_ms),
            dsn_log_int("tries", redis->tries));
    redis->troubled = false;
    redis->tries = 0;
}

/* Waiting */

/* Waits for `events` on the socket (0: none) until `until_ms`. Returns what happened, 0: nothing yet. */
static short wait_until(struct dsn_redis *redis, short events, int64_t until_ms) {
    int64_t idle_ms = redis->waiter->idle(redis->waiter->context);
    int64_t left_ms = (idle_ms < until_ms ? idle_ms : until_ms) - dsn_clock_monotonic_ms();
    struct pollfd fds[] = {{.fd = events ? redis->context->fd : -1, .events = events},
                           {.fd = redis->waiter->wake_fd, .events = POLLIN}};
    if (poll(fds, 2, (int)(left_ms < 0 ? 0 : left_ms)) <= 0)
        return 0;
    uint64_t count;
    if (fds[1].revents && read(fds[1].fd, &count, sizeof count) < 0)
        return fds[0].revents; /* somebody else read it */
    return fds[0].revents;
}

static bool gave_up(struct dsn_redis *redis) {
    return redis->waiter->give_up(redis->waiter->context, redis->troubled);
}

enum dsn_error dsn_redis_back_off(struct dsn_redis *redis) {
    int64_t until_ms = dsn_clock_monotonic_ms() + redis->backoff_ms;
    redis->backoff_ms = redis->backoff_ms * 2 < BACKOFF_MAX_MS ? redis->backoff_ms * 2 : BACKOFF_MAX_MS;
    while (dsn_clock_monotonic_ms() < until_ms) {
        if (gave_up(redis))
            return DSN_ERR_AWAY;
        wait_until(redis, 0, until_ms);
    }
    return gave_up(redis) ? DSN_ERR_AWAY : DSN_OK;
}

static enum dsn_error lose(struct dsn_redis *redis, const char *why) {
    dsn_redis_trouble(redis, why);
    dsn_redis_drop(redis);
    return DSN_ERR_AWAY;
}

/* hiredis copies strerror's text; our own messages are as short. */
static enum dsn_error lose_context(struct dsn_redis *redis) {
    char why[128];
    g_strlcpy(why, redis->context->errstr[0] ? redis->context->errstr : "connection lost", sizeof why);
    return lose(redis, why);
}

/* Requests and replies */

enum dsn_error dsn_redis_add(struct dsn_redis *redis, int argc, const char **argv, const size_t *lengths) {
    if (!redis->context)
        return DSN_ERR_AWAY;
    if (redisAppendCommandArgv(redis->context, argc, argv, lengths) != REDIS_OK)
        return DSN_ERR_MEMORY;
    redis->unsent = true;
    return DSN_OK;
}

/* Returns false when the connection is broken. */
static bool send_some(struct dsn_redis *redis) {
    int done = 0;
    if (redisBufferWrite(redis->context, &done) != REDIS_OK)
        return false;
    redis->unsent = !done;
    return true;
}

void dsn_redis_flush(struct dsn_redis *redis) {
    if (redis->context && redis->unsent)
        send_some(redis); /* an error comes again with the reply */
}

/* Moves bytes both ways. Returns false when the connection is broken. */
static bool exchange(struct dsn_redis *redis, short ready) {
    if ((ready & POLLOUT) && !send_some(redis))
        return false;
    if ((ready & (POLLIN | POLLHUP | POLLERR)) && redisBufferRead(redis->context) != REDIS_OK)
        return false;
    return true;
}

enum dsn_error dsn_redis_reply(struct dsn_redis *redis, struct redisReply **out) {
    void *reply = NULL;
    if (!redis->context)
        return DSN_ERR_AWAY;
    int64_t deadline_ms = dsn_clock_monotonic_ms() + redis->settings->timeout_ms;
    for (;;) {
        if (redisGetReplyFromReader(redis->context, &reply) != REDIS_OK)
            return lose_context(redis);
        if (reply) {
            *out = reply;
            return DSN_OK;
        }
        if (gave_up(redis))
            return DSN_ERR_AWAY;
        short ready = wait_until(redis, (short)(redis->unsent ? POLLIN | POLLOUT : POLLIN), deadline_ms);
        int64_t now_ms = dsn_clock_monotonic_ms();
        if (ready && !exchange(redis, ready))
            return lose_context(redis);
        if (ready)
            deadline_ms = now_ms + redis->settings->timeout_ms;
        else if (now_ms >= deadline_ms)
            return lose(redis, "no answer in time");
    }
}

/* Connecting */

/* A request during the handshake: its reply must be no error. `*out` (may be NULL) takes the reply. */
static enum dsn_error ask(struct dsn_redis *redis, int argc, const char **argv, struct redisReply **out) {
    struct redisReply *reply = NULL;
    enum dsn_error error = dsn_redis_add(redis, argc, argv, NULL);
    if (!error)
        error = dsn_redis_reply(redis, &reply);
    if (error)
        return error;
    if (reply->type == REDIS_REPLY_ERROR) {
        error = lose(redis, reply->str);
        freeReplyObject(reply);
    } else if (out) {
        *out = reply;
    } else {
        freeReplyObject(reply);
    }
    return error;
}

static enum dsn_error load_scripts(struct dsn_redis *redis) {
    for (size_t i = 0; redis->settings->scripts[i] && i < MAX_SCRIPTS; i++) {
        const char *argv[] = {"SCRIPT", "LOAD", redis->settings->scripts[i]};
        struct redisReply *reply = NULL;
        enum dsn_error error = ask(redis, 3, argv, &reply);
        if (error)
            return error;
        g_strlcpy(redis->sha[i], reply->type == REDIS_REPLY_STRING ? reply->str : "", SHA_SIZE);
        freeReplyObject(reply);
    }
    return DSN_OK;
}

static enum dsn_error shake_hands(struct dsn_redis *redis) {
    if (redis->settings->password) {
        const char *argv[] = {"AUTH", redis->settings->password};
        enum dsn_error error = ask(redis, 2, argv, NULL);
        if (error)
            return error;
    }
    return load_scripts(redis);
}

/* Waits until the socket is connected. */
static enum dsn_error finish_connect(struct dsn_redis *redis) {
    int64_t deadline_ms = dsn_clock_monotonic_ms() + redis->settings->timeout_ms;
    int error = 0;
    socklen_t size = sizeof error;
    while (!wait_until(redis, POLLOUT, deadline_ms)) {
        if (gave_up(redis))
            return DSN_ERR_AWAY;
        if (dsn_clock_monotonic_ms() >= deadline_ms)
            return lose(redis, "no connection in time");
    }
    if (getsockopt(redis->context->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0)
        return lose(redis, g_strerror(error));
    return DSN_OK;
}

static enum dsn_error try_connect(struct dsn_redis *redis) {
    const struct dsn_redis_address *address = &redis->address;
    redis->context = address->port ? redisConnectNonBlock(address->host, address->port)
                                   : redisConnectUnixNonBlock(address->host);
    if (!redis->context)
        return lose(redis, "out of memory");
    if (redis->context->err)
        return lose_context(redis);
    enum dsn_error error = finish_connect(redis);
    if (!error)
        error = shake_hands(redis);
    if (error)
        dsn_redis_drop(redis);
    return error;
}

enum dsn_error dsn_redis_ready(struct dsn_redis *redis) {
    if (redis->context)
        return DSN_OK;
    while (try_connect(redis) != DSN_OK)
        if (dsn_redis_back_off(redis) != DSN_OK)
            return DSN_ERR_AWAY;
    return DSN_OK;
}

bool dsn_redis_is_connected(const struct dsn_redis *redis) {
    return redis->context != NULL;
}

const char *dsn_redis_script(const struct dsn_redis *redis, size_t script) {
    return redis->sha[script];
}
