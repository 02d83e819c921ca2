/* server: a connection that gives up at the first trouble. Knows no key. */
#include "server.h"
#include "cli.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/wake.h"

#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

struct dsn_server {
    struct dsn_redis_settings settings;
    struct dsn_redis_waiter waiter;
    struct dsn_redis *redis;
    int64_t deadline_ms; /* monotonic, of the request */
};

struct dsn_conf *dsn_server_conf(const char *path) {
    struct dsn_problems *problems = dsn_problems_new();
    struct dsn_conf *conf = NULL;
    if (dsn_conf_load(path ? path : DSN_CONF_PATH, problems, &conf) == DSN_OK)
        dsn_log_setup((enum dsn_log_level)conf->log_level, conf->mask_addresses != 0);
    dsn_cli_print_problems(problems);
    dsn_problems_free(problems);
    return conf;
}

static int64_t idle(void *context) {
    return ((const struct dsn_server *)context)->deadline_ms;
}

static bool give_up(void *context, bool away) {
    return away || dsn_clock_monotonic_ms() >= idle(context);
}

struct dsn_server *dsn_server_open(const struct dsn_conf *conf, const char *const *scripts) {
    struct dsn_server *server = g_new0(struct dsn_server, 1);
    signal(SIGPIPE, SIG_IGN); /* a server that goes is an error of write here */
    server->settings = dsn_conf_redis(conf);
    server->settings.scripts = scripts;
    server->settings.quiet = true; /* it is said on standard error */
    server->waiter = (struct dsn_redis_waiter){
        .context = server, .wake_fd = dsn_wake_open(), .idle = idle, .give_up = give_up};
    server->redis = dsn_redis_new(&server->settings, &server->waiter);
    return server;
}

void dsn_server_close(struct dsn_server *server) {
    if (!server)
        return;
    dsn_redis_free(server->redis);
    if (server->waiter.wake_fd >= 0)
        close(server->waiter.wake_fd);
    g_free(server);
}

const struct dsn_redis_waiter *dsn_server_waiter(struct dsn_server *server) {
    server->deadline_ms = dsn_clock_monotonic_ms() + server->settings.timeout_ms;
    return &server->waiter;
}

static bool is_ready(struct dsn_server *server) {
    dsn_server_waiter(server);
    if (dsn_redis_ready(server->redis) == DSN_OK)
        return true;
    fprintf(stderr, "%s: Redis (%s) is away: %s\n", g_get_prgname(), dsn_redis_name(&server->settings),
            dsn_redis_why(server->redis));
    return false;
}

struct dsn_redis *dsn_server_redis(struct dsn_server *server) {
    return is_ready(server) ? server->redis : NULL;
}

struct redisReply *dsn_server_ask(struct dsn_server *server, size_t argc, const char *const *argv,
                                  const size_t *lengths) {
    struct redisReply *reply = NULL;
    if (!is_ready(server))
        return NULL;
    if (dsn_redis_add(server->redis, (int)argc, (const char **)(uintptr_t)argv, lengths) != DSN_OK ||
        dsn_redis_reply(server->redis, &reply) != DSN_OK) {
        dsn_redis_drop(server->redis);
        fprintf(stderr, "%s: no answer from Redis (%s): %s\n", g_get_prgname(),
                dsn_redis_name(&server->settings), dsn_redis_why(server->redis));
    } else if (reply->type == REDIS_REPLY_ERROR) {
        fprintf(stderr, "%s: Redis (%s) says: %s\n", g_get_prgname(), dsn_redis_name(&server->settings),
                reply->str);
        freeReplyObject(reply);
        reply = NULL;
    }
    return reply;
}

bool dsn_server_replicated(struct dsn_server *server) {
    enum dsn_error error = dsn_redis_replicated(server->redis);
    if (error)
        fprintf(stderr, "%s: not enough replicas of Redis (%s) have it\n", g_get_prgname(),
                dsn_redis_name(&server->settings));
    return error == DSN_OK;
}

struct redisReply *dsn_server_call(struct dsn_server *server, size_t script, size_t argc,
                                   const char *const *argv) {
    if (!is_ready(server))
        return NULL;
    const char **all = g_new(const char *, argc + 2);
    all[0] = "EVALSHA";
    all[1] = dsn_redis_script(server->redis, script);
    for (size_t i = 0; i < argc; i++)
        all[i + 2] = argv[i];
    struct redisReply *reply = dsn_server_ask(server, argc + 2, all, NULL);
    g_free(all);
    return reply;
}
