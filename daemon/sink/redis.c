/* redis: the store. Makes one EVALSHA of many records for each shard (redis/commit.lua is the other half),
 * and tells what Redis cannot do now (wait) from what it will never do (refuse that record, and no other). */
#include "redis.h"

#include "base/clock.h"
#include "base/sv.h"
#include "redis/arguments.h"
#include "redis/keys.h"

#include <glib.h>
#include <hiredis/hiredis.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBERS_BEFORE 6
/* A script keeps everybody else waiting: this many records take it a few milliseconds. */
#define CHUNK_MAX_RECORDS 256
#define CHUNK_MAX_BYTES (4u << 20)

static const char commit_script[] =
#include "book.lua.inc"
#include "guard.lua.inc"
#include "commit.lua.inc"
    ;

static const char *const scripts[] = {commit_script, NULL};

/* One EVALSHA: records of one shard, by their place in the store's list. */
struct chunk {
    size_t first, n;
};

struct dsn_store {
    const struct dsn_store_settings *settings;
    struct dsn_redis *redis;
    char **prefixes;                  /* a shard each: "{dsn}:" */
    GPtrArray *records;               /* of the batch, sorted by shard */
    GArray *chunks;                   /* sent and not answered */
    GString *key;                     /* that is being made */
    GStringChunk *texts;              /* keys and numbers of the request that is being made */
    struct dsn_arguments arguments;   /* of that request */
    char numbers[NUMBERS_BEFORE][24]; /* the script's first arguments */
    bool singly;                      /* a script failed as a whole: find out whose fault it is */
};

enum dsn_error dsn_store_open(struct dsn_store_settings *settings, const struct dsn_redis_waiter *waiter,
                              struct dsn_store **out) {
    settings->redis.scripts = scripts;
    struct dsn_redis *redis = dsn_redis_new(&settings->redis, waiter);
    if (!redis)
        return DSN_ERR_INVALID;
    struct dsn_store *store = g_new0(struct dsn_store, 1);
    store->settings = settings;
    store->redis = redis;
    store->records = g_ptr_array_new();
    store->chunks = g_array_new(FALSE, FALSE, sizeof(struct chunk));
    store->key = g_string_new(NULL);
    store->texts = g_string_chunk_new(64 * 1024);
    dsn_arguments_init(&store->arguments);
    const int64_t numbers[NUMBERS_BEFORE] = {
        settings->stream_maxlen,   settings->seen_expiry_ms, settings->address_expiry_ms,
        settings->stats_expiry_ms, settings->max_domains,    dsn_policies_stale_ms(settings->policies)};
    for (size_t i = 0; i < NUMBERS_BEFORE; i++)
        snprintf(store->numbers[i], sizeof store->numbers[i], "%lld", (long long)numbers[i]);
    store->prefixes = dsn_keys_each(settings->prefix, settings->shards, settings->space);
    *out = store;
    return DSN_OK;
}

void dsn_store_close(struct dsn_store *store) {
    if (!store)
        return;
    dsn_redis_free(store->redis);
    g_strfreev(store->prefixes);
    g_ptr_array_unref(store->records);
    g_array_unref(store->chunks);
    g_string_free(store->key, TRUE);
    g_string_chunk_free(store->texts);
    dsn_arguments_clear(&store->arguments);
    g_free(store);
}

/* Making a request */

static void arg(struct dsn_store *store, struct dsn_strview s) {
    dsn_arguments_add(&store->arguments, s);
}

static void arg_str(struct dsn_store *store, const char *s) {
    arg(store, (struct dsn_strview){s, strlen(s)});
}

/* A key of the shard: its prefix, and `parts`, ended by an absent one. */
static void arg_key(struct dsn_store *store, unsigned shard, const struct dsn_strview *parts) {
    GString *key = g_string_assign(store->key, store->prefixes[shard]);
    for (; parts->p; parts++)
        g_string_append_len(key, parts->p, (gssize)parts->n);
    arg(store, dsn_sv(g_string_chunk_insert_len(store->texts, key->str, (gssize)key->len), key->len));
}

#define KEY(store, shard, ...) arg_key(store, shard, (const struct dsn_strview[]){__VA_ARGS__, DSN_NONE})

static struct dsn_strview number_text(struct dsn_store *store, int64_t number) {
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)number);
    return dsn_sv_str(g_string_chunk_insert(store->texts, text));
}

static void arg_number(struct dsn_store *store, int64_t number) {
    arg(store, number_text(store, number));
}

/* The books that an event is written into, by their scopes: everybody's, or that of its scope; a delivery
 * clears both.
 */
static size_t books_of(const struct dsn_record *record, struct dsn_strview scopes[2]) {
    size_t n = 0;
    if (record->address.n > 0 && (record->clears || record->scope.n == 0))
        scopes[n++] = DSN_LIT("");
    if (record->address.n > 0 && record->scope.n > 0)
        scopes[n++] = record->scope;
    return n;
}

static void book_keys(struct dsn_store *store, unsigned shard, struct dsn_strview address,
                      struct dsn_strview provider, struct dsn_strview scope) {
    struct dsn_strview before = scope.n > 0 ? DSN_LIT("scope:") : DSN_LIT("");
    struct dsn_strview after = scope.n > 0 ? DSN_LIT(":") : DSN_LIT("");
    KEY(store, shard, before, scope, after, DSN_LIT("rcpt:"), address);
    KEY(store, shard, before, scope, after, DSN_LIT("why:"), address);
    KEY(store, shard, before, scope, after, DSN_LIT("suppressed"));
    KEY(store, shard, before, scope, after, DSN_LIT("held:"), provider);
}

/* What an outage would be told by: a hard bounce of a known provider, and the rule or reason that it has in
 * common with others. */
static struct dsn_strview watched_answer(const struct dsn_record *record) {
    bool watched = record->provider.n > 0 && strcmp(record->type, "hard") == 0 && !record->weak;
    return !watched ? DSN_LIT("") : record->rule.n > 0 ? record->rule : record->reason;
}

static void record_keys(struct dsn_store *store, unsigned shard, const struct dsn_record *record) {
    char day[DSN_CLOCK_RFC3339_SIZE];
    struct dsn_strview scopes[2];
    dsn_clock_day(record->observed_at_ms, day);
    KEY(store, shard, DSN_LIT("seen:"), dsn_sv(record->id, DSN_EVENT_ID_LEN));
    KEY(store, shard, DSN_LIT("stats:"), dsn_sv_str(day));
    KEY(store, shard, DSN_LIT("recent:"), record->provider, DSN_LIT("/"), watched_answer(record));
    for (size_t i = 0, n = books_of(record, scopes); i < n; i++)
        book_keys(store, shard, record->address, record->provider, scopes[i]);
}

/* Open at its end where the script may put there what it decides: a text is dear in Lua, for each of its
 * bytes. */
static struct dsn_strview event_of(const struct dsn_record *record) {
    bool open = record->policy[0] || record->clears;
    return dsn_sv(record->json.p, record->json.n - open);
}

static void record_args(struct dsn_store *store, const struct dsn_record *record) {
    struct dsn_strview scopes[2];
    size_t n = books_of(record, scopes);
    arg_str(store, record->id);
    arg_str(store, record->token);
    arg(store, record->topic);
    arg(store, event_of(record));
    arg(store, record->address);
    arg_str(store, record->kind);
    arg_str(store, record->type);
    arg(store, record->reason);
    arg(store, record->provider);
    arg(store, record->domain);
    arg(store, record->rule);
    arg_number(store, record->observed_at_ms);
    arg_number(store, record->happened_at_ms);
    arg_str(store, record->policy);
    arg(store, watched_answer(record));
    arg_str(store, record->weak ? "w" : record->clears ? "c" : "");
    arg(store, record->evidence);
    arg_number(store, (int64_t)n);
    for (size_t i = 0; i < n; i++)
        arg(store, scopes[i]);
}

static unsigned shard_of(const struct dsn_store *store, const struct dsn_record *record) {
    struct dsn_strview id = {record->id, DSN_EVENT_ID_LEN};
    return dsn_keys_shard(record->domain.n > 0 ? record->domain : id, store->settings->shards);
}

static struct dsn_record *record_at(const struct dsn_store *store, size_t i) {
    return g_ptr_array_index(store->records, i);
}

static enum dsn_error add_chunk(struct dsn_store *store, struct chunk chunk) {
    unsigned shard = shard_of(store, record_at(store, chunk.first));
    dsn_arguments_reset(&store->arguments);
    g_string_chunk_clear(store->texts);
    arg_str(store, "EVALSHA");
    arg_str(store, dsn_redis_script(store->redis, 0));
    size_t count = store->arguments.texts->len;
    arg_str(store, ""); /* how many keys: when they are counted */
    KEY(store, shard, DSN_LIT("events"));
    KEY(store, shard, DSN_LIT("scopes"));
    KEY(store, shard, DSN_LIT("guard"));
    KEY(store, shard, DSN_LIT("incidents"));
    for (size_t i = 0; i < chunk.n; i++)
        record_keys(store, shard, record_at(store, chunk.first + i));
    dsn_arguments_set(&store->arguments, count,
                      number_text(store, (int64_t)(store->arguments.texts->len - count - 1)));
    for (size_t i = 0; i < NUMBERS_BEFORE; i++)
        arg_str(store, store->numbers[i]);
    arg_str(store, dsn_policies_json(store->settings->policies));
    arg_number(store, store->settings->guard_bounces);
    arg_number(store, store->settings->guard_factor);
    arg_number(store, store->settings->guard_discard_ms);
    arg_number(store, (int64_t)chunk.n);
    for (size_t i = 0; i < chunk.n; i++)
        record_args(store, record_at(store, chunk.first + i));
    return dsn_redis_add(store->redis, (int)store->arguments.texts->len,
                         dsn_arguments_texts(&store->arguments), dsn_arguments_sizes(&store->arguments));
}

/* The longest run of pending records of one shard from `first` that goes into one script. */
static size_t chunk_length(const struct dsn_store *store, size_t first) {
    unsigned shard = shard_of(store, record_at(store, first));
    size_t n = 0, bytes = 0, max = store->singly ? 1 : CHUNK_MAX_RECORDS;
    for (size_t i = first; i < store->records->len && n < max; i++) {
        const struct dsn_record *record = record_at(store, i);
        bytes += record->weight;
        if (record->state != DSN_RECORD_PENDING || shard_of(store, record) != shard ||
            (n > 0 && bytes > CHUNK_MAX_BYTES))
            break;
        n++;
    }
    return n;
}

/* Sends every record that is pending. */
static enum dsn_error send_pending(struct dsn_store *store) {
    enum dsn_error error = DSN_OK;
    g_array_set_size(store->chunks, 0);
    for (size_t i = 0; i < store->records->len && !error;) {
        struct chunk chunk = {i, chunk_length(store, i)};
        if (chunk.n > 0) {
            error = add_chunk(store, chunk);
            g_array_append_val(store->chunks, chunk);
        }
        i += chunk.n > 0 ? chunk.n : 1;
    }
    dsn_redis_flush(store->redis);
    return error;
}

static gint by_shard(gconstpointer a, gconstpointer b, gpointer data) {
    const struct dsn_store *store = data;
    unsigned sa = shard_of(store, *(struct dsn_record *const *)a),
             sb = shard_of(store, *(struct dsn_record *const *)b);
    return (sa > sb) - (sa < sb);
}

void dsn_store_send(struct dsn_store *store, struct dsn_record *const *records, size_t n) {
    g_ptr_array_set_size(store->records, 0);
    for (size_t i = 0; i < n; i++)
        g_ptr_array_add(store->records, records[i]);
    if (store->settings->shards > 1) /* stable: an address's events stay in their order */
        g_ptr_array_sort_with_data(store->records, by_shard, store);
    store->singly = false;
    g_array_set_size(store->chunks, 0);
    if (n > 0 && dsn_redis_is_connected(store->redis))
        send_pending(store); /* an error comes again with the reply */
}

/* Understanding a reply */

static void refuse(struct dsn_record *record, const char *why) {
    record->state = DSN_RECORD_REFUSED;
    record->refusal = strdup(why);
}

/* What the script says of one record, see commit.lua. */
static void apply_result(struct dsn_record *record, const char *result) {
    static const struct {
        const char *word;
        enum dsn_record_state state;
    } words[] = {{"new ", DSN_RECORD_NEW}, {"duplicate ", DSN_RECORD_DUPLICATE}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (g_str_has_prefix(result, words[i].word)) {
            record->state = words[i].state;
            g_strlcpy(record->entry, result + strlen(words[i].word), sizeof record->entry);
            return;
        }
    refuse(record, g_str_has_prefix(result, "error ") ? result + 6 : "Redis answered something unexpected");
}

/* Redis before 7 wraps what a script's command failed with: "ERR Error running script (...): -OOM command not
 * ...". */
static bool is_script_error(const char *error, const char *word) {
    const char *found = strstr(error, word);
    return found && found > error && found[-1] == '-' && g_str_has_prefix(error, "ERR Error running script");
}

/* Errors that say that the server, or what it was set up for, is not ready: they pass, or somebody has to
 * act. Whatever else a script fails with is the fault of what it was given. */
static bool is_passing(const char *error) {
    static const char *const words[] = {"DSNSHARED", "OOM",        "READONLY", "LOADING",    "MASTERDOWN",
                                        "NOSCRIPT",  "BUSY",       "MISCONF",  "NOREPLICAS", "CLUSTERDOWN",
                                        "MOVED",     "ASK",        "TRYAGAIN", "NOAUTH",     "WRONGPASS",
                                        "NOPERM",    "UNKILLABLE", "ERR max"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (g_str_has_prefix(error, words[i]) || is_script_error(error, words[i]))
            return true;
    return false;
}

/* Returns whether the chunk is answered for good. */
static bool apply_reply(struct dsn_store *store, struct chunk chunk, const struct redisReply *reply) {
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == chunk.n) {
        for (size_t i = 0; i < chunk.n; i++)
            apply_result(record_at(store, chunk.first + i),
                         reply->element[i]->str ? reply->element[i]->str : "");
        return true;
    }
    const char *text = reply->type == REDIS_REPLY_ERROR ? reply->str : "unexpected reply";
    if (is_passing(text)) {
        dsn_redis_trouble(store->redis, text);
        return false;
    }
    if (chunk.n > 1)
        store->singly = true;
    else
        refuse(record_at(store, chunk.first), text);
    return true;
}

/* Takes the replies to what was sent. `*passing`: something has to be waited out. */
static enum dsn_error take_replies(struct dsn_store *store, bool *passing) {
    *passing = false;
    for (guint i = 0; i < store->chunks->len; i++) {
        struct redisReply *reply = NULL;
        enum dsn_error error = dsn_redis_reply(store->redis, &reply);
        if (error)
            return error;
        if (!apply_reply(store, g_array_index(store->chunks, struct chunk, i), reply))
            *passing = true;
        freeReplyObject(reply);
    }
    g_array_set_size(store->chunks, 0);
    return DSN_OK;
}

static bool is_finished(const struct dsn_store *store) {
    for (guint i = 0; i < store->records->len; i++)
        if (record_at(store, i)->state == DSN_RECORD_PENDING)
            return false;
    return true;
}

/* What was answered is not sure to be there any more: to be sent again, which counts nothing twice. */
static void forget_unconfirmed(struct dsn_store *store) {
    for (guint i = 0; i < store->records->len && store->settings->redis.replicas > 0; i++)
        if (record_at(store, i)->state != DSN_RECORD_REFUSED)
            record_at(store, i)->state = DSN_RECORD_PENDING;
}

enum dsn_error dsn_store_ready(struct dsn_store *store) {
    enum dsn_error error = dsn_redis_ready(store->redis);
    if (!error)
        dsn_redis_well(store->redis);
    return error;
}

enum dsn_error dsn_store_finish(struct dsn_store *store) {
    bool passing;
    for (;;) {
        bool asked = store->chunks->len > 0;
        enum dsn_error error = take_replies(store, &passing);
        bool finished = !error && is_finished(store);
        if (finished)
            error = dsn_redis_replicated(store->redis);
        if (asked && !error && !passing)
            dsn_redis_well(store->redis);
        if (finished && !error)
            return DSN_OK;
        if (error || passing)
            forget_unconfirmed(store);
        if (error == DSN_ERR_AWAY)
            dsn_redis_drop(store->redis); /* replies that were not taken must not be taken for others */
        if ((error || passing) && dsn_redis_back_off(store->redis) != DSN_OK)
            return DSN_ERR_AWAY;
        if (dsn_redis_ready(store->redis) != DSN_OK)
            return DSN_ERR_AWAY;
        send_pending(store);
    }
}
