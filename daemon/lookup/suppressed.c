/* suppressed: the suppression list as those see it who are about to send. Knows the keys (dsnd-redis(7)), no
 * protocol. */
#include "suppressed.h"

#include "base/clock.h"
#include "base/sv.h"
#include "mail/address.h"
#include "redis/keys.h"

#include <glib.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>

/* While Redis is away it is asked again only so often: others get their answer at once. */
enum { RETRY_MS = 1000, MAX_CACHED = 10000 };

struct cached {
    int64_t until_ms; /* monotonic */
    bool suppressed;
    char reason[DSN_SUPPRESSED_REASON_SIZE];
};

struct dsn_suppressed {
    const struct dsn_suppressed_settings *settings;
    struct dsn_redis *redis;
    struct dsn_redis_waiter waiter;
    bool (*stop)(void *context);
    void *context;
    int64_t deadline_ms; /* of the batch that is being asked */
    int64_t retry_at_ms; /* Redis is away until then */
    GHashTable *cache;   /* address -> struct cached */
    const char *no_scripts[1];
};

static int64_t idle(void *context) {
    const struct dsn_suppressed *suppressed = context;
    return suppressed->deadline_ms;
}

static bool give_up(void *context, bool away) {
    const struct dsn_suppressed *suppressed = context;
    (void)away; /* a try is a try */
    return suppressed->stop(suppressed->context) || dsn_clock_monotonic_ms() >= suppressed->deadline_ms;
}

struct dsn_suppressed *dsn_suppressed_new(struct dsn_suppressed_settings *settings, int wake_fd,
                                          bool (*stop)(void *context), void *context) {
    struct dsn_suppressed *suppressed = g_new0(struct dsn_suppressed, 1);
    suppressed->settings = settings;
    suppressed->stop = stop;
    suppressed->context = context;
    suppressed->waiter = (struct dsn_redis_waiter){
        .context = suppressed, .wake_fd = wake_fd, .idle = idle, .give_up = give_up};
    settings->redis.scripts = suppressed->no_scripts;
    suppressed->redis = dsn_redis_new(&settings->redis, &suppressed->waiter);
    suppressed->cache = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    if (!suppressed->redis) {
        dsn_suppressed_free(suppressed);
        return NULL;
    }
    return suppressed;
}

void dsn_suppressed_free(struct dsn_suppressed *suppressed) {
    if (!suppressed)
        return;
    dsn_redis_free(suppressed->redis);
    g_hash_table_unref(suppressed->cache);
    g_free(suppressed);
}

/* The cache */

static gboolean is_over(gpointer key, gpointer value, gpointer now_ms) {
    (void)key;
    return ((struct cached *)value)->until_ms <= *(const int64_t *)now_ms;
}

static char *cache_key(const struct dsn_suppressed_query *query) {
    struct dsn_strview scope = query->scope, address = query->address;
    return g_strdup_printf("%.*s\n%.*s", (int)scope.n, scope.n ? scope.p : "", (int)address.n, address.p);
}

static void remember(struct dsn_suppressed *suppressed, const struct dsn_suppressed_query *query,
                     int64_t now_ms) {
    if (suppressed->settings->cache_ms == 0)
        return;
    if (g_hash_table_size(suppressed->cache) >= MAX_CACHED)
        g_hash_table_foreach_remove(suppressed->cache, is_over, &now_ms);
    if (g_hash_table_size(suppressed->cache) >= MAX_CACHED)
        g_hash_table_remove_all(suppressed->cache);
    struct cached *cached = g_new(struct cached, 1);
    *cached = (struct cached){now_ms + suppressed->settings->cache_ms, query->suppressed, ""};
    memcpy(cached->reason, query->reason, sizeof cached->reason);
    g_hash_table_replace(suppressed->cache, cache_key(query), cached);
}

static bool recall(const struct dsn_suppressed *suppressed, struct dsn_suppressed_query *query,
                   int64_t now_ms) {
    char *key = cache_key(query);
    const struct cached *cached = g_hash_table_lookup(suppressed->cache, key);
    g_free(key);
    if (!cached || cached->until_ms <= now_ms)
        return false;
    query->suppressed = cached->suppressed;
    memcpy(query->reason, cached->reason, sizeof query->reason);
    return true;
}

/* Redis */

/* Asks one list, the one whose keys begin with `prefix`. */
static enum dsn_error add_list(struct dsn_suppressed *suppressed, const char *prefix,
                               struct dsn_strview address) {
    char *list = g_strconcat(prefix, "suppressed", NULL);
    GString *known = g_string_new(prefix);
    g_string_append(known, "rcpt:");
    g_string_append_len(known, address.p, (gssize)address.n);
    const char *zscore[] = {"ZSCORE", list, address.p}, *hget[] = {"HGET", known->str, "reason"};
    const size_t zscore_n[] = {6, strlen(list), address.n}, hget_n[] = {4, known->len, 6};
    enum dsn_error error = dsn_redis_add(suppressed->redis, 3, zscore, zscore_n);
    if (!error)
        error = dsn_redis_add(suppressed->redis, 3, hget, hget_n);
    g_string_free(known, TRUE);
    g_free(list);
    return error;
}

/* The list for all mail, and that of the scope. */
static enum dsn_error add(struct dsn_suppressed *suppressed, const struct dsn_suppressed_query *query) {
    const struct dsn_suppressed_settings *settings = suppressed->settings;
    unsigned shard = dsn_keys_shard(dsn_address_domain(query->address), settings->shards);
    char *prefix = dsn_keys_prefix(settings->prefix, shard, settings->shards);
    enum dsn_error error = add_list(suppressed, prefix, query->address);
    if (!error && query->scope.n) {
        char *scoped = g_strdup_printf("%sscope:%.*s:", prefix, (int)query->scope.n, query->scope.p);
        error = add_list(suppressed, scoped, query->address);
        g_free(scoped);
    }
    g_free(prefix);
    return error;
}

/* NULL: the connection is lost, or has to be dropped. */
static struct redisReply *take(struct dsn_suppressed *suppressed) {
    struct redisReply *reply = NULL;
    if (dsn_redis_reply(suppressed->redis, &reply) != DSN_OK) {
        dsn_redis_trouble(suppressed->redis, "no answer in time");
        return NULL;
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        dsn_redis_trouble(suppressed->redis, reply->str);
        freeReplyObject(reply);
        return NULL;
    }
    return reply;
}

static void apply(struct dsn_suppressed_query *query, const struct redisReply *score,
                  const struct redisReply *reason) {
    if (query->suppressed || !score->str || g_ascii_strtod(score->str, NULL) <= (double)dsn_clock_real_ms())
        return;
    query->suppressed = true;
    size_t n = 0;
    while (reason->str && n + 1 < sizeof query->reason &&
           (dsn_is_alnum(reason->str[n]) || reason->str[n] == '-'))
        n++;
    memcpy(query->reason, reason->str ? reason->str : "", n);
    query->reason[n] = '\0';
}

static bool take_answer(struct dsn_suppressed *suppressed, struct dsn_suppressed_query *query) {
    struct redisReply *reason = NULL;
    for (int lists = query->scope.n ? 2 : 1; lists > 0; lists--) {
        struct redisReply *score = take(suppressed);
        reason = score ? take(suppressed) : NULL;
        if (reason)
            apply(query, score, reason);
        freeReplyObject(score);
        freeReplyObject(reason);
        if (!reason)
            break;
    }
    return reason != NULL;
}

/* False: Redis is away. Whoever is not answered counts as not suppressed. */
static bool ask_redis(struct dsn_suppressed *suppressed, struct dsn_suppressed_query **queries, size_t n) {
    if (dsn_redis_try(suppressed->redis) != DSN_OK)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (add(suppressed, queries[i]) != DSN_OK)
            return false;
    }
    dsn_redis_flush(suppressed->redis);
    for (size_t i = 0; i < n; i++) {
        if (!take_answer(suppressed, queries[i]))
            return false;
        queries[i]->answered = true;
        remember(suppressed, queries[i], dsn_clock_monotonic_ms());
    }
    dsn_redis_well(suppressed->redis);
    return true;
}

void dsn_suppressed_ask(struct dsn_suppressed *suppressed, struct dsn_suppressed_query **queries, size_t n) {
    int64_t now_ms = dsn_clock_monotonic_ms();
    size_t left = 0;
    for (size_t i = 0; i < n; i++) {
        queries[i]->suppressed = false;
        queries[i]->reason[0] = '\0';
        queries[i]->answered = recall(suppressed, queries[i], now_ms);
        if (!queries[i]->answered)
            queries[left++] = queries[i];
    }
    if (left == 0 || now_ms < suppressed->retry_at_ms)
        return;
    suppressed->deadline_ms = now_ms + suppressed->settings->redis.timeout_ms;
    if (!ask_redis(suppressed, queries, left)) {
        dsn_redis_drop(suppressed->redis); /* answers that were not taken must not be taken for others */
        suppressed->retry_at_ms = dsn_clock_monotonic_ms() + RETRY_MS;
    }
}
