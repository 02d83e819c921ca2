/* connection: a connection to Redis that comes back. Requests are pipelined: add some, flush, take the
 * replies in order. While it waits, for the socket or to try again, it calls its waiter, so that its thread
 * can do other small things and can be told to give up. Belongs to one thread. */
#ifndef REDIS_CONNECTION_H
#define REDIS_CONNECTION_H

#include "dsn/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct redisReply;
struct dsn_redis;

struct dsn_redis_address {
    char *host; /* or the path of a socket, where port is 0; freed with g_free */
    int port;
};

/* Reads "unix:/path", "host:port" or "[::1]:6379". False for anything else. */
bool dsn_redis_address_parse(const char *text, struct dsn_redis_address *out);

struct dsn_redis_settings {
    const char *server;         /* as above */
    const char *password;       /* NULL: none */
    const char *const *scripts; /* Lua texts, loaded on every connection; ended by NULL */
    int64_t timeout_ms;         /* without any progress, the server counts as away */
};

struct dsn_redis_waiter {
    void *context;
    int wake_fd; /* an eventfd: written to, give_up is asked again */
    /* Does what is due and returns when it wants to be called again (monotonic ms). */
    int64_t (*idle)(void *context);
    /* Whether to stop waiting; `away` is whether the server is. */
    bool (*give_up)(void *context, bool away);
};

/* The settings and the waiter are borrowed. NULL: no memory, or a bad address. */
struct dsn_redis *dsn_redis_new(const struct dsn_redis_settings *settings,
                                const struct dsn_redis_waiter *waiter);
void dsn_redis_free(struct dsn_redis *redis);

/* Sees to it that there is a connection, with the scripts loaded; tries again with backoff. DSN_ERR_AWAY: the
 * waiter gave up. */
enum dsn_error dsn_redis_ready(struct dsn_redis *redis);
bool dsn_redis_is_connected(const struct dsn_redis *redis);
/* Closes the connection and forgets what was not answered. */
void dsn_redis_drop(struct dsn_redis *redis);

/* SHA-1 of a script, to be called with EVALSHA while the connection is ready. */
const char *dsn_redis_script(const struct dsn_redis *redis, size_t script);

/* Appends a request. */
enum dsn_error dsn_redis_add(struct dsn_redis *redis, int argc, const char **argv, const size_t *lengths);
/* Sends what goes out without waiting. */
void dsn_redis_flush(struct dsn_redis *redis);
/* Waits for the reply of the oldest request; freed with freeReplyObject. DSN_ERR_AWAY: the connection was
 * lost, and with it every reply that was still to come; or the waiter gave up. */
enum dsn_error dsn_redis_reply(struct dsn_redis *redis, struct redisReply **out);

/* The server does not do what it is asked to: logged when that begins, and when dsn_redis_well says that it
 * is over. */
void dsn_redis_trouble(struct dsn_redis *redis, const char *why);
void dsn_redis_well(struct dsn_redis *redis);
/* Waits before the next try, longer each time until dsn_redis_well. DSN_ERR_AWAY: the waiter gave up. */
enum dsn_error dsn_redis_back_off(struct dsn_redis *redis);

#endif
