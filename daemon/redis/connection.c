/* connection: hiredis with a poll loop of our own around it, so that no wait is longer than it should be.
 * Knows addresses, Sentinel, Cluster, AUTH, SCRIPT LOAD, timeouts and backoff. Knows no key and no event. */
#include "connection.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/sv.h"
#include "cluster.h"
#include "node.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 5000
#define MAX_SCRIPTS 8
#define SHA_SIZE 41
/* A cluster that is being changed: this many redirections are followed at once, later ones after a pause. */
#define QUICK_REDIRECTS 3
#define PAUSE_MS 25

struct dsn_redis {
    const struct dsn_redis_settings *settings;
    const struct dsn_redis_waiter *waiter;
    GPtrArray *nodes;         /* of struct dsn_node: the server; in a cluster, all nodes that we know of */
    struct dsn_node **owners; /* of the slots, in a cluster; NULL: nobody */
    bool mapped;              /* owners were read */
    bool stale;               /* and some have changed since */
    bool looking;             /* for a server among several: one that is away is no trouble yet */
    char missed[128];         /* why the last of them was not it */
    GQueue requests;          /* of struct dsn_request, whose replies were not taken, oldest first */
    GArray *polled;           /* of struct pollfd, while we wait */
    char sha[MAX_SCRIPTS][SHA_SIZE];
    int64_t backoff_ms;
    bool troubled;
    int64_t troubled_at_ms;
    unsigned tries; /* since the trouble began */
    char why[128];  /* what was wrong last */
};

static struct dsn_node *node_at(const struct dsn_redis *redis, guint i) {
    return g_ptr_array_index(redis->nodes, i);
}

/* Adds a server of the configuration. */
static bool add_given(struct dsn_redis *redis, const char *text) {
    struct dsn_endpoint address;
    if (!dsn_endpoint_parse(text, &address))
        return false;
    struct dsn_node *node = dsn_node_new(address.host, address.port);
    node->given = true;
    g_ptr_array_add(redis->nodes, node);
    g_free(address.host);
    return true;
}

static bool add_all_given(struct dsn_redis *redis) {
    const struct dsn_redis_settings *settings = redis->settings;
    bool good = true;
    for (const char *const *address = settings->cluster; address && *address && good; address++)
        good = add_given(redis, *address);
    if (!settings->cluster)
        good = add_given(redis, settings->sentinels ? settings->sentinels[0] : settings->server);
    return good;
}

struct dsn_redis *dsn_redis_new(const struct dsn_redis_settings *settings,
                                const struct dsn_redis_waiter *waiter) {
    struct dsn_redis *redis = g_new0(struct dsn_redis, 1);
    redis->settings = settings;
    redis->waiter = waiter;
    redis->backoff_ms = BACKOFF_MIN_MS;
    redis->nodes = g_ptr_array_new_with_free_func(dsn_node_free);
    redis->polled = g_array_new(FALSE, FALSE, sizeof(struct pollfd));
    redis->owners = settings->cluster ? g_new0(struct dsn_node *, DSN_SLOTS) : NULL;
    g_queue_init(&redis->requests);
    if (!add_all_given(redis)) {
        dsn_redis_free(redis);
        return NULL;
    }
    return redis;
}

static void free_request(void *data) {
    struct dsn_request *request = data;
    freeReplyObject(request->reply);
    redisFreeCommand(request->text);
    g_free(request);
}

void dsn_redis_drop(struct dsn_redis *redis) {
    for (guint i = 0; i < redis->nodes->len; i++)
        dsn_node_close(node_at(redis, i));
    g_queue_clear_full(&redis->requests, free_request);
    redis->mapped = redis->stale = false;
}

void dsn_redis_free(struct dsn_redis *redis) {
    if (!redis)
        return;
    dsn_redis_drop(redis);
    g_ptr_array_unref(redis->nodes);
    g_array_unref(redis->polled);
    g_free(redis->owners);
    g_free(redis);
}

/* Trouble */

const char *dsn_redis_name(const struct dsn_redis_settings *settings) {
    return settings->cluster     ? settings->cluster[0]
           : settings->sentinels ? settings->master
                                 : settings->server;
}

const char *dsn_redis_why(const struct dsn_redis *redis) {
    return redis->why;
}

static void set_up(const struct dsn_redis *redis, bool up) {
    if (redis->waiter->up)
        *redis->waiter->up = up;
}

/* Answers that a new connection may not bring. */
static bool needs_another_connection(const char *why) {
    return g_str_has_prefix(why, "NOSCRIPT") || g_str_has_prefix(why, "READONLY") ||
           g_str_has_prefix(why, "CLUSTERDOWN");
}

static void note_trouble(struct dsn_redis *redis, const char *why) {
    if (g_str_has_prefix(why, "MOVED") && !redis->settings->cluster)
        why = "this server is a node of a Redis Cluster: write \"cluster = \" instead of \"server = \"";
    set_up(redis, false);
    redis->tries++;
    bool is_known = redis->troubled && strncmp(redis->why, why, sizeof redis->why - 1) == 0;
    g_strlcpy(redis->why, why, sizeof redis->why);
    if (redis->troubled) {
        DSN_LOG(is_known ? DSN_LOG_DEBUG : DSN_LOG_WARNING, "redis-still-away", dsn_log_str("error", why),
                dsn_log_int("tries", redis->tries));
        return;
    }
    redis->troubled = true;
    redis->troubled_at_ms = dsn_clock_monotonic_ms();
    DSN_LOG(redis->settings->quiet ? DSN_LOG_DEBUG : DSN_LOG_WARNING, "redis-away",
            dsn_log_str("server", dsn_redis_name(redis->settings)), dsn_log_str("error", why));
}

void dsn_redis_trouble(struct dsn_redis *redis, const char *why) {
    note_trouble(redis, why);
    if (needs_another_connection(why))
        dsn_redis_drop(redis);
}

void dsn_redis_well(struct dsn_redis *redis) {
    set_up(redis, true);
    redis->backoff_ms = BACKOFF_MIN_MS;
    if (!redis->troubled)
        return;
    DSN_LOG(redis->settings->quiet ? DSN_LOG_DEBUG : DSN_LOG_INFO, "redis-back",
            dsn_log_str("server", dsn_redis_name(redis->settings)),
            dsn_log_int("away_ms", dsn_clock_monotonic_ms() - redis->troubled_at_ms),
            dsn_log_int("tries", redis->tries));
    redis->troubled = false;
    redis->tries = 0;
}

/* Waiting */

/* Waits until `until_ms`, or until something is due, somebody wakes us, or a node is ready. */
static void wait_until(struct dsn_redis *redis, bool for_nodes, int64_t until_ms) {
    int64_t idle_ms = redis->waiter->idle(redis->waiter->context);
    int64_t left_ms = (idle_ms < until_ms ? idle_ms : until_ms) - dsn_clock_monotonic_ms();
    const struct pollfd wake = {.fd = redis->waiter->wake_fd, .events = POLLIN};
    g_array_set_size(redis->polled, 0);
    g_array_append_val(redis->polled, wake);
    for (guint i = 0; i < redis->nodes->len && for_nodes; i++) {
        short events = dsn_node_events(node_at(redis, i));
        const struct pollfd polled = {.fd = events ? node_at(redis, i)->context->fd : -1, .events = events};
        g_array_append_val(redis->polled, polled);
    }
    struct pollfd *fds = (struct pollfd *)(void *)redis->polled->data;
    int n = poll(fds, redis->polled->len, (int)(left_ms < 0 ? 0 : left_ms));
    for (guint i = 1; i < redis->polled->len; i++)
        node_at(redis, i - 1)->ready = n > 0 ? fds[i].revents : 0;
    uint64_t count;
    if (n > 0 && fds[0].revents && read(fds[0].fd, &count, sizeof count) < 0)
        return; /* somebody else read it */
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
        wait_until(redis, false, until_ms);
    }
    return gave_up(redis) ? DSN_ERR_AWAY : DSN_OK;
}

static enum dsn_error lose(struct dsn_redis *redis, const char *why) {
    if (redis->looking)
        g_strlcpy(redis->missed, why, sizeof redis->missed);
    else
        note_trouble(redis, why);
    dsn_redis_drop(redis);
    return DSN_ERR_AWAY;
}

/* hiredis copies strerror's text; our own messages are as short. */
static enum dsn_error lose_node(struct dsn_redis *redis, const struct dsn_node *node) {
    char why[128];
    bool said = node->context && node->context->errstr[0];
    g_strlcpy(why, said ? node->context->errstr : "connection lost", sizeof why);
    return lose(redis, why);
}

/* Waits once, and moves bytes both ways. */
static enum dsn_error turn(struct dsn_redis *redis, int64_t until_ms) {
    if (gave_up(redis))
        return DSN_ERR_AWAY;
    wait_until(redis, true, until_ms);
    for (guint i = 0; i < redis->nodes->len; i++) {
        struct dsn_node *node = node_at(redis, i);
        if (node->ready && !node->connecting && !dsn_node_exchange(node))
            return lose_node(redis, node);
    }
    return DSN_OK;
}

/* Waits for the reply to a request. */
static enum dsn_error await(struct dsn_redis *redis, const struct dsn_request *request) {
    int64_t deadline_ms = dsn_clock_monotonic_ms() + redis->settings->timeout_ms;
    while (!request->reply) {
        enum dsn_error error = turn(redis, deadline_ms);
        if (error)
            return error;
        int64_t now_ms = dsn_clock_monotonic_ms();
        if (request->node->ready)
            deadline_ms = now_ms + redis->settings->timeout_ms;
        else if (now_ms >= deadline_ms)
            return lose(redis, "no answer in time");
    }
    return DSN_OK;
}

/* Connecting */

/* A request that is not one of the caller's, to a node. `*out` takes the reply, which may be an error. */
static enum dsn_error try_to_ask(struct dsn_redis *redis, struct dsn_node *node, int argc, const char **argv,
                                 struct redisReply **out) {
    struct dsn_request request = {.node = node};
    enum dsn_error error = dsn_node_add(node, argc, argv, NULL, &request);
    if (!error)
        error = await(redis, &request);
    if (error)
        dsn_node_close(node); /* a reply that still comes must not find the request */
    else
        *out = request.reply;
    return error;
}

/* The same where the reply must be no error; `out` may be NULL. */
static enum dsn_error ask(struct dsn_redis *redis, struct dsn_node *node, int argc, const char **argv,
                          struct redisReply **out) {
    struct redisReply *reply;
    enum dsn_error error = try_to_ask(redis, node, argc, argv, &reply);
    if (error)
        return error;
    if (reply->type == REDIS_REPLY_ERROR)
        error = lose(redis, reply->str);
    if (!error && out)
        *out = reply;
    else
        freeReplyObject(reply);
    return error;
}

static enum dsn_error load_scripts(struct dsn_redis *redis, struct dsn_node *node) {
    for (size_t i = 0; i < MAX_SCRIPTS && redis->settings->scripts[i]; i++) {
        const char *argv[] = {"SCRIPT", "LOAD", redis->settings->scripts[i]};
        struct redisReply *reply = NULL;
        enum dsn_error error = ask(redis, node, 3, argv, &reply);
        if (error)
            return error;
        g_strlcpy(redis->sha[i], reply->type == REDIS_REPLY_STRING ? reply->str : "", SHA_SIZE);
        freeReplyObject(reply);
    }
    return DSN_OK;
}

static enum dsn_error authenticate(struct dsn_redis *redis, struct dsn_node *node) {
    const struct dsn_redis_settings *settings = redis->settings;
    const char *named[] = {"AUTH", settings->user, settings->password},
               *unnamed[] = {"AUTH", settings->password};
    if (!settings->password)
        return DSN_OK;
    return settings->user ? ask(redis, node, 3, named, NULL) : ask(redis, node, 2, unnamed, NULL);
}

/* Sentinels may be behind: a server that has become a replica takes no events. */
static enum dsn_error require_master(struct dsn_redis *redis, struct dsn_node *node) {
    const char *argv[] = {"ROLE"};
    struct redisReply *reply = NULL;
    enum dsn_error error = ask(redis, node, 1, argv, &reply);
    if (error)
        return error;
    bool master = reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 && reply->element[0]->str &&
                  strcmp(reply->element[0]->str, "master") == 0;
    freeReplyObject(reply);
    return master ? DSN_OK : lose(redis, "the server that Sentinel names is no master");
}

/* The value of a line "NAME:VALUE" of INFO. Freed with g_free; NULL: there is none. */
static char *info_of(const char *info, const char *name) {
    char *line = g_strconcat("\n", name, ":", NULL);
    const char *found = strstr(info, line);
    char *value = found ? g_strndup(found + strlen(line), strcspn(found + strlen(line), "\r\n")) : NULL;
    g_free(line);
    return value;
}

/* A cache in place of a store would forget, when it is full, who is suppressed. Whoever may not ask is not
 * told. */
static enum dsn_error warn_of_eviction(struct dsn_redis *redis, struct dsn_node *node) {
    const char *argv[] = {"INFO", "memory"};
    struct redisReply *reply;
    enum dsn_error error = try_to_ask(redis, node, 2, argv, &reply);
    if (error)
        return error;
    const char *info = reply->type == REDIS_REPLY_STRING ? reply->str : "";
    char *limit = info_of(info, "maxmemory"), *policy = info_of(info, "maxmemory_policy");
    if (limit && policy && strcmp(limit, "0") != 0 && strcmp(policy, "noeviction") != 0)
        DSN_LOG(DSN_LOG_WARNING, "redis-evicts", dsn_log_str("server", dsn_redis_name(redis->settings)),
                dsn_log_str("maxmemory-policy", policy));
    g_free(limit);
    g_free(policy);
    freeReplyObject(reply);
    return DSN_OK;
}

static enum dsn_error shake_hands(struct dsn_redis *redis, struct dsn_node *node) {
    enum dsn_error error = authenticate(redis, node);
    if (!error && redis->settings->sentinels)
        error = require_master(redis, node);
    if (!error && redis->waiter->up && !redis->settings->quiet) /* the committer, for all */
        error = warn_of_eviction(redis, node);
    return error ? error : load_scripts(redis, node);
}

/* Waits until the socket is connected. */
static enum dsn_error finish_connect(struct dsn_redis *redis, struct dsn_node *node) {
    int64_t deadline_ms = dsn_clock_monotonic_ms() + redis->settings->timeout_ms;
    int error = 0;
    socklen_t size = sizeof error;
    while (!node->ready) {
        enum dsn_error turned = turn(redis, deadline_ms);
        if (turned)
            return turned;
        if (!node->ready && dsn_clock_monotonic_ms() >= deadline_ms)
            return lose(redis, "no connection in time");
    }
    node->connecting = false;
    if (getsockopt(node->context->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0)
        return lose(redis, g_strerror(error));
    return DSN_OK;
}

static enum dsn_error connect_to(struct dsn_redis *redis, struct dsn_node *node) {
    enum dsn_error error = dsn_node_connect(node) ? finish_connect(redis, node) : lose_node(redis, node);
    if (error)
        dsn_node_close(node);
    return error;
}

/* With everything that a connection needs. */
static enum dsn_error reach(struct dsn_redis *redis, struct dsn_node *node) {
    if (node->context)
        return DSN_OK;
    enum dsn_error error = connect_to(redis, node);
    return error ? error : shake_hands(redis, node);
}

/* Sentinel */

/* Takes what a Sentinel answers: [host, port], or nil where it knows no such master. */
static enum dsn_error take_address(struct dsn_redis *redis, struct dsn_endpoint *out,
                                   const struct redisReply *reply) {
    guint64 port;
    bool named = reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 && reply->element[0]->str &&
                 reply->element[1]->str &&
                 g_ascii_string_to_unsigned(reply->element[1]->str, 10, 1, 65535, &port, NULL);
    if (!named)
        return lose(redis, "Sentinel knows no such master");
    g_free(out->host);
    *out = (struct dsn_endpoint){.host = g_strdup(reply->element[0]->str), .port = (int)port};
    return DSN_OK;
}

/* Makes the node that of the master that a Sentinel names. */
static enum dsn_error ask_sentinel(struct dsn_redis *redis, struct dsn_node *node, const char *sentinel) {
    const char *argv[] = {"SENTINEL", "GET-MASTER-ADDR-BY-NAME", redis->settings->master};
    struct redisReply *reply = NULL;
    g_free(node->address.host);
    node->address = (struct dsn_endpoint){0};
    if (!dsn_endpoint_parse(sentinel, &node->address))
        return DSN_ERR_INVALID;
    enum dsn_error error = connect_to(redis, node);
    if (!error)
        error = ask(redis, node, 3, argv, &reply);
    if (!error)
        error = take_address(redis, &node->address, reply);
    freeReplyObject(reply);
    dsn_node_close(node);
    return error;
}

/* Where the master is, of the first Sentinel that knows. */
static enum dsn_error find_master(struct dsn_redis *redis) {
    enum dsn_error error = DSN_ERR_AWAY;
    for (const char *const *sentinel = redis->settings->sentinels; *sentinel && error; sentinel++)
        error = ask_sentinel(redis, node_at(redis, 0), *sentinel);
    return error;
}

/* Cluster */

static struct dsn_node *node_of(struct dsn_redis *redis, struct dsn_strview host, int port) {
    for (guint i = 0; i < redis->nodes->len; i++) {
        const struct dsn_endpoint *address = &node_at(redis, i)->address;
        if (address->port == port && dsn_sv_eq(dsn_sv_str(address->host), host))
            return node_at(redis, i);
    }
    char *name = g_strndup(host.p, host.n);
    struct dsn_node *node = dsn_node_new(name, port);
    g_ptr_array_add(redis->nodes, node);
    g_free(name);
    return node;
}

/* Takes [first slot, last slot, [host, port, ...] of the master, ...]. A node that does not know how others
 * see it names no host: it is where we asked it. */
static void take_slots(struct dsn_redis *redis, const struct dsn_node *asked,
                       const struct redisReply *range) {
    if (range->type != REDIS_REPLY_ARRAY || range->elements < 3 || range->element[2]->elements < 2)
        return;
    const struct redisReply *host = range->element[2]->element[0], *port = range->element[2]->element[1];
    bool named = host->type == REDIS_REPLY_STRING && host->len > 0;
    struct dsn_node *owner = node_of(
        redis, named ? dsn_sv(host->str, host->len) : dsn_sv_str(asked->address.host), (int)port->integer);
    for (long long slot = range->element[0]->integer; slot <= range->element[1]->integer; slot++)
        if (slot >= 0 && slot < DSN_SLOTS)
            redis->owners[slot] = owner;
    owner->owns = true;
}

static void forget_nodes_without_slots(struct dsn_redis *redis) {
    for (guint i = redis->nodes->len; i-- > 0;)
        if (!node_at(redis, i)->owns && !node_at(redis, i)->given)
            g_ptr_array_remove_index(redis->nodes, i);
}

static enum dsn_error read_map(struct dsn_redis *redis, struct dsn_node *node) {
    const char *argv[] = {"CLUSTER", "SLOTS"};
    struct redisReply *reply = NULL;
    enum dsn_error error = reach(redis, node);
    if (!error)
        error = ask(redis, node, 2, argv, &reply);
    if (error)
        return error;
    memset(redis->owners, 0, DSN_SLOTS * sizeof(struct dsn_node *));
    for (guint i = 0; i < redis->nodes->len; i++)
        node_at(redis, i)->owns = false;
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++)
        take_slots(redis, node, reply->element[i]);
    forget_nodes_without_slots(redis);
    redis->mapped = true;
    redis->stale = false;
    freeReplyObject(reply);
    return DSN_OK;
}

/* Who has which slots, of the first node that tells: another one each time, as one may be behind. */
static enum dsn_error map_cluster(struct dsn_redis *redis) {
    enum dsn_error error = DSN_ERR_AWAY;
    for (guint i = 0; i < redis->nodes->len && error; i++)
        error = read_map(redis, node_at(redis, (redis->tries + i) % redis->nodes->len));
    return error;
}

/* The node that a request goes to: of a slot, or where `slot` is DSN_SLOTS, any. */
static enum dsn_error find_node(struct dsn_redis *redis, unsigned slot, struct dsn_node **out) {
    struct dsn_node *node = node_at(redis, 0);
    for (guint i = 0; redis->owners && slot == DSN_SLOTS && i < redis->nodes->len; i++)
        if (node_at(redis, i)->context)
            node = node_at(redis, i);
    if (redis->owners && slot < DSN_SLOTS)
        node = redis->owners[slot];
    if (!node)
        return lose(redis, "no node of the cluster has the slot of a key");
    *out = node;
    return reach(redis, node);
}

/* Requests and replies */

static enum dsn_error try_connect(struct dsn_redis *redis) {
    enum dsn_error error = DSN_OK;
    redis->missed[0] = '\0';
    redis->looking = true;
    if (redis->owners)
        error = map_cluster(redis);
    else if (redis->settings->sentinels)
        error = find_master(redis);
    redis->looking = false;
    if (error && redis->missed[0])
        note_trouble(redis, redis->missed);
    if (!error && !redis->owners)
        error = reach(redis, node_at(redis, 0));
    if (error)
        dsn_redis_drop(redis);
    return error;
}

bool dsn_redis_is_connected(const struct dsn_redis *redis) {
    return redis->owners ? redis->mapped : node_at(redis, 0)->context != NULL;
}

enum dsn_error dsn_redis_try(struct dsn_redis *redis) {
    return dsn_redis_is_connected(redis) && !redis->stale ? DSN_OK : try_connect(redis);
}

enum dsn_error dsn_redis_ready(struct dsn_redis *redis) {
    while (dsn_redis_try(redis) != DSN_OK)
        if (dsn_redis_back_off(redis) != DSN_OK)
            return DSN_ERR_AWAY;
    return DSN_OK;
}

const char *dsn_redis_script(const struct dsn_redis *redis, size_t script) {
    return redis->sha[script];
}

static unsigned slot_of(int argc, const char **argv, const size_t *lengths) {
    int at = dsn_cluster_key_at(argc, argv);
    if (at == 0)
        return DSN_SLOTS;
    return dsn_cluster_slot(lengths ? dsn_sv(argv[at], lengths[at]) : dsn_sv_str(argv[at]));
}

/* A request that the caller waits for. */
static enum dsn_error send_to(struct dsn_node *node, struct dsn_request *request) {
    request->node = node;
    node->used = true;
    return dsn_node_add_text(node, request->text, request->n, request);
}

enum dsn_error dsn_redis_add(struct dsn_redis *redis, int argc, const char **argv, const size_t *lengths) {
    if (!dsn_redis_is_connected(redis))
        return DSN_ERR_AWAY;
    struct dsn_node *node = NULL;
    unsigned slot = redis->owners ? slot_of(argc, argv, lengths) : DSN_SLOTS;
    enum dsn_error error = find_node(redis, slot, &node);
    if (error)
        return error;
    struct dsn_request *request = g_new0(struct dsn_request, 1);
    *request = (struct dsn_request){.node = node, .slot = slot};
    node->used = true;
    if (redis->owners) {
        long long n = redisFormatCommandArgv(&request->text, argc, argv, lengths);
        request->n = n > 0 ? (size_t)n : 0;
        error = n > 0 ? send_to(node, request) : DSN_ERR_MEMORY;
    } else {
        error = dsn_node_add(node, argc, argv, lengths, request);
    }
    if (error)
        free_request(request);
    else
        g_queue_push_tail(&redis->requests, request);
    return error;
}

void dsn_redis_flush(struct dsn_redis *redis) {
    for (guint i = 0; i < redis->nodes->len; i++) {
        struct dsn_node *node = node_at(redis, i);
        if (node->context && node->unsent && !node->connecting)
            dsn_node_send(node); /* an error comes again with the reply */
    }
}

/* Sends a request again, to where its reply says, or later where nobody can answer now. The map is read again
 * before the next requests. */
static enum dsn_error follow(struct dsn_redis *redis, struct dsn_request *request,
                             const struct dsn_redirect *redirect) {
    static const char *asking[] = {"ASKING"};
    struct dsn_strview host = redirect->host.n > 0 ? redirect->host : dsn_sv_str(request->node->address.host);
    struct dsn_node *node =
        redirect->port > 0 ? node_of(redis, host, redirect->port) : redis->owners[request->slot];
    if (redirect->kind == DSN_REDIRECT_MOVED)
        redis->owners[request->slot] = node;
    redis->stale = redis->stale || redirect->kind != DSN_REDIRECT_ASK;
    freeReplyObject(request->reply);
    request->reply = NULL;
    for (int64_t until_ms = dsn_clock_monotonic_ms() + PAUSE_MS;
         (redirect->port == 0 || request->redirects > QUICK_REDIRECTS) &&
         dsn_clock_monotonic_ms() < until_ms;) {
        enum dsn_error error = turn(redis, until_ms);
        if (error)
            return error;
    }
    enum dsn_error error = node ? reach(redis, node) : lose(redis, "the slot is no node's");
    if (!error && redirect->kind == DSN_REDIRECT_ASK)
        error = dsn_node_add(node, 1, asking, NULL, NULL);
    return error ? error : send_to(node, request);
}

/* Whether the reply is to be followed: not for longer than any other answer would be waited for. */
static bool is_redirected(const struct dsn_redis *redis, struct dsn_request *request,
                          struct dsn_redirect *out) {
    if (!request->text || request->slot == DSN_SLOTS || request->reply->type != REDIS_REPLY_ERROR)
        return false;
    *out = dsn_cluster_redirect(dsn_sv(request->reply->str, request->reply->len));
    if (out->kind == DSN_REDIRECT_NONE)
        return false;
    int64_t now_ms = dsn_clock_monotonic_ms();
    if (request->redirects++ == 0)
        request->until_ms = now_ms + redis->settings->timeout_ms;
    return now_ms < request->until_ms;
}

enum dsn_error dsn_redis_reply(struct dsn_redis *redis, struct redisReply **out) {
    struct dsn_redirect redirect;
    struct dsn_request *request = g_queue_peek_head(&redis->requests);
    enum dsn_error error = request ? await(redis, request) : DSN_ERR_AWAY;
    while (!error && is_redirected(redis, request, &redirect)) {
        error = follow(redis, request, &redirect);
        if (!error)
            error = await(redis, request);
    }
    if (error)
        return error;
    *out = request->reply;
    request->reply = NULL;
    free_request(g_queue_pop_head(&redis->requests));
    return DSN_OK;
}

/* Replicas */

/* Asks a node how many replicas have all that was sent to it. */
static enum dsn_error wait_for_replicas(struct dsn_redis *redis, struct dsn_node *node, const char *timeout) {
    char wanted[24], why[80];
    const char *argv[] = {"WAIT", wanted, timeout};
    struct redisReply *reply = NULL;
    snprintf(wanted, sizeof wanted, "%u", redis->settings->replicas);
    enum dsn_error error = ask(redis, node, 3, argv, &reply);
    if (error)
        return error;
    long long n = reply->integer;
    freeReplyObject(reply);
    if (n >= redis->settings->replicas)
        return DSN_OK;
    snprintf(why, sizeof why, "%lld of the %u replicas that are waited for have it", n,
             redis->settings->replicas);
    note_trouble(redis, why);
    return DSN_ERR_BUSY;
}

enum dsn_error dsn_redis_replicated(struct dsn_redis *redis) {
    enum dsn_error error = DSN_OK;
    char timeout[24];
    snprintf(timeout, sizeof timeout, "%" PRId64, redis->settings->timeout_ms / 2);
    for (guint i = 0; redis->settings->replicas > 0 && i < redis->nodes->len && !error; i++)
        if (node_at(redis, i)->used)
            error = wait_for_replicas(redis, node_at(redis, i), timeout);
    for (guint i = 0; i < redis->nodes->len && !error; i++)
        node_at(redis, i)->used = false;
    return error;
}
