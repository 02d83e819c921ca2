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

struct dsn_redis_settings {
    const char *server;   /* as dsn_endpoint_parse reads it */
    const char *user;     /* NULL: the default one */
    const char *password; /* NULL: none */
    /* Addresses of Sentinels, ended by NULL, which say where the master called `master` is; `server` does not
     * count then. NULL: none. */
    const char *const *sentinels;
    const char *master;
    /* Addresses of some nodes of a Redis Cluster, ended by NULL: what begins with a key goes to the node that
     * has it, and follows it when it moves. `server` does not count then. NULL: none. */
    const char *const *cluster;
    unsigned replicas;          /* how many must have what dsn_redis_replicated asks for; 0: none */
    const char *const *scripts; /* Lua texts, loaded on every connection; ended by NULL */
    int64_t timeout_ms;         /* without any progress, the server counts as away */
    bool quiet;                 /* somebody else logs whether the server is there: ours is said at debug */
};

struct dsn_redis_waiter {
    void *context;
    int wake_fd; /* an eventfd: written to, give_up is asked again */
    /* Does what is due and returns when it wants to be called again (monotonic ms). */
    int64_t (*idle)(void *context);
    /* Whether to stop waiting; `away` is whether the server is. */
    bool (*give_up)(void *context, bool away);
    _Atomic bool *up; /* kept at whether the server does what it is asked to; may be NULL */
};

/* The settings and the waiter are borrowed. NULL: no memory, or a bad address. */
struct dsn_redis *dsn_redis_new(const struct dsn_redis_settings *settings,
                                const struct dsn_redis_waiter *waiter);
void dsn_redis_free(struct dsn_redis *redis);

/* Sees to it that there is a connection, with the scripts loaded; tries again with backoff. DSN_ERR_AWAY: the
 * waiter gave up. */
enum dsn_error dsn_redis_ready(struct dsn_redis *redis);
/* The same with one try and no wait between. DSN_ERR_AWAY: there is none. */
enum dsn_error dsn_redis_try(struct dsn_redis *redis);
/* What people call the server: its address, what Sentinel knows it by, or the first address of the cluster.
 * Lives as long as the settings. */
const char *dsn_redis_name(const struct dsn_redis_settings *settings);
/* What the last trouble was, for people; "": there was none. */
const char *dsn_redis_why(const struct dsn_redis *redis);
bool dsn_redis_is_connected(const struct dsn_redis *redis);
/* Closes the connection and forgets what was not answered. */
void dsn_redis_drop(struct dsn_redis *redis);

/* SHA-1 of a script, to be called with EVALSHA while the connection is ready. */
const char *dsn_redis_script(const struct dsn_redis *redis, size_t script);

/* Appends a request. In a cluster it may have to connect first, and waits for that. */
enum dsn_error dsn_redis_add(struct dsn_redis *redis, int argc, const char **argv, const size_t *lengths);
/* Sends what goes out without waiting. */
void dsn_redis_flush(struct dsn_redis *redis);
/* Waits for the reply of the oldest request; freed with freeReplyObject. DSN_ERR_AWAY: the connection was
 * lost, and with it every reply that was still to come; or the waiter gave up. */
enum dsn_error dsn_redis_reply(struct dsn_redis *redis, struct redisReply **out);

/* Waits until so many replicas as the settings ask for have everything that was answered. DSN_ERR_AWAY: as
 * for a reply; DSN_ERR_BUSY: too few had it in time. Whatever was answered since this was last DSN_OK has to
 * be sent again then: another server may be the master by now, without it. No reply may be due. */
enum dsn_error dsn_redis_replicated(struct dsn_redis *redis);

/* The server does not do what it is asked to: logged when that begins, and when dsn_redis_well says that it
 * is over. Where another connection may help (to a server that is the master, or with the scripts loaded
 * again), this one is dropped. */
void dsn_redis_trouble(struct dsn_redis *redis, const char *why);
void dsn_redis_well(struct dsn_redis *redis);
/* Waits before the next try, longer each time until dsn_redis_well. DSN_ERR_AWAY: the waiter gave up. */
enum dsn_error dsn_redis_back_off(struct dsn_redis *redis);

#endif
