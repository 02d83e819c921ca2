/* overview: asks for everything in three rounds of pipelined requests. Knows the keys; knows no page and no
 * terminal. */
#include "overview.h"

#include "base/clock.h"
#include "base/sv.h"
#include "keys.h"

#include <hiredis/hiredis.h>
#include <math.h>
#include <stdlib.h>

#define DAY_MS INT64_C(86400000)
#define WORDS_MAX 8
#define PIECE 20u /* addresses that are read at once */

/* One reading. */
struct looking {
    struct dsn_overview *overview;
    struct dsn_redis *redis;
    char **prefixes; /* "{dsn}:", a shard each; ended by NULL */
    unsigned shards;
    char after[24];         /* only scores above now count, "(1795559331645" */
    uint64_t *n_suppressed; /* a shard each */
    GPtrArray *providers;   /* char *, of which something may be held */
};

/* Memory */

static void free_day(void *data) {
    struct dsn_overview_day *day = data;
    g_hash_table_unref(day->counts);
    g_free(day);
}

static void free_address(void *data) {
    struct dsn_overview_address *address = data;
    g_free(address->address);
    g_free(address->reason);
    g_free(address->rule);
    g_free(address->provider);
    g_free(address);
}

static void free_entry(void *data) {
    struct dsn_overview_entry *entry = data;
    g_free(entry->event);
    g_free(entry);
}

static void free_incident(void *data) {
    struct dsn_overview_incident *incident = data;
    g_free(incident->provider);
    g_free(incident->answer);
    g_free(incident);
}

static GHashTable *new_counts(void) {
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

static struct dsn_overview_list new_list(void) {
    return (struct dsn_overview_list){.addresses = g_ptr_array_new_with_free_func(free_address),
                                      .counts = new_counts()};
}

static void empty_list(struct dsn_overview_list *list) {
    list->total = 0;
    g_ptr_array_set_size(list->addresses, 0);
    g_hash_table_remove_all(list->counts);
}

static void free_list(struct dsn_overview_list *list) {
    g_ptr_array_unref(list->addresses);
    g_hash_table_unref(list->counts);
}

struct dsn_overview *dsn_overview_new(void) {
    struct dsn_overview *overview = g_new0(struct dsn_overview, 1);
    overview->days = g_ptr_array_new_with_free_func(free_day);
    overview->suppressed = new_list();
    overview->held = new_list();
    overview->incidents = g_ptr_array_new_with_free_func(free_incident);
    overview->entries = g_ptr_array_new_with_free_func(free_entry);
    return overview;
}

void dsn_overview_free(struct dsn_overview *overview) {
    if (!overview)
        return;
    g_ptr_array_unref(overview->days);
    free_list(&overview->suppressed);
    free_list(&overview->held);
    g_ptr_array_unref(overview->incidents);
    g_ptr_array_unref(overview->entries);
    g_free(overview);
}

/* Asking */

/* Appends a request of words, ended by NULL; the first one is a key below `prefix`. */
static enum dsn_error ask(struct dsn_redis *redis, const char *command, const char *prefix,
                          const char *const *words) {
    const char *argv[WORDS_MAX];
    int argc = 0;
    char *key = g_strconcat(prefix, *words++, NULL);
    argv[argc++] = command;
    argv[argc++] = key;
    while (*words && argc < WORDS_MAX)
        argv[argc++] = *words++;
    enum dsn_error error = dsn_redis_add(redis, argc, argv, NULL);
    g_free(key);
    return error;
}

#define ASK(redis, command, prefix, ...) ask(redis, command, prefix, (const char *const[]){__VA_ARGS__, NULL})

/* The next reply, not of an error. */
static enum dsn_error take(struct dsn_redis *redis, struct redisReply **out) {
    enum dsn_error error = dsn_redis_reply(redis, out);
    if (error)
        return error;
    if ((*out)->type != REDIS_REPLY_ERROR)
        return DSN_OK;
    dsn_redis_trouble(redis, (*out)->str);
    freeReplyObject(*out);
    return DSN_ERR_IO;
}

static enum dsn_error take_number(struct dsn_redis *redis, uint64_t *sum) {
    struct redisReply *reply;
    enum dsn_error error = take(redis, &reply);
    if (error)
        return error;
    if (reply->type == REDIS_REPLY_INTEGER && reply->integer > 0)
        *sum += (uint64_t)reply->integer;
    freeReplyObject(reply);
    return DSN_OK;
}

static const char *text_of(const struct redisReply *reply) {
    return reply->type == REDIS_REPLY_STRING && reply->str ? reply->str : "";
}

/* Counts */

static void add_count(GHashTable *counts, const char *field, uint64_t n) {
    uint64_t *sum = g_hash_table_lookup(counts, field);
    if (!sum) {
        sum = g_new0(uint64_t, 1);
        g_hash_table_insert(counts, g_strdup(field), sum);
    }
    *sum += n;
}

uint64_t dsn_overview_count(GHashTable *counts, const char *field) {
    const uint64_t *sum = g_hash_table_lookup(counts, field);
    return sum ? *sum : 0;
}

void dsn_overview_each(GHashTable *counts, const char *prefix, dsn_overview_visit *visit, void *context) {
    GHashTableIter fields;
    gpointer field, count;
    g_hash_table_iter_init(&fields, counts);
    while (g_hash_table_iter_next(&fields, &field, &count))
        if (g_str_has_prefix(field, prefix))
            visit(context, (const char *)field + strlen(prefix), *(const uint64_t *)count);
}

/* Days */

static struct dsn_overview_day *new_day(int64_t real_ms) {
    char text[DSN_CLOCK_RFC3339_SIZE];
    struct dsn_overview_day *day = g_new0(struct dsn_overview_day, 1);
    g_strlcpy(day->day, dsn_clock_day(real_ms, text), sizeof day->day);
    day->counts = new_counts();
    return day;
}

static struct dsn_overview_day *day_at(const struct dsn_overview *overview, guint i) {
    return g_ptr_array_index(overview->days, i);
}

/* Moves the window to today; returns from which day on the counts have to be read: those that were before
 * yesterday when they were read do not change any more. */
static guint turn_calendar(struct dsn_overview *overview) {
    GPtrArray *days = g_ptr_array_new_with_free_func(free_day);
    int64_t now_ms = dsn_clock_real_ms();
    guint kept = 0;
    for (int i = DSN_OVERVIEW_DAYS - 1; i >= 0; i--) {
        struct dsn_overview_day *day = new_day(now_ms - i * DAY_MS);
        for (guint k = 0; k + 2 < overview->days->len && kept == days->len; k++) {
            struct dsn_overview_day *old = day_at(overview, k);
            if (strcmp(old->day, day->day) != 0)
                continue;
            GHashTable *counts = day->counts;
            day->counts = old->counts;
            old->counts = counts;
            kept++;
        }
        g_ptr_array_add(days, day);
    }
    g_ptr_array_unref(overview->days);
    overview->days = days;
    return kept;
}

static enum dsn_error take_day(struct dsn_redis *redis, struct dsn_overview_day *day) {
    struct redisReply *reply;
    enum dsn_error error = take(redis, &reply);
    if (error)
        return error;
    for (size_t i = 0; i + 1 < reply->elements; i += 2)
        if (!g_str_has_prefix(text_of(reply->element[i]), "domain:"))
            add_count(day->counts, text_of(reply->element[i]),
                      g_ascii_strtoull(text_of(reply->element[i + 1]), NULL, 10));
    freeReplyObject(reply);
    return DSN_OK;
}

/* Events */

static gint by_time(gconstpointer a, gconstpointer b) {
    const struct dsn_overview_entry *ea = *(struct dsn_overview_entry *const *)a,
                                    *eb = *(struct dsn_overview_entry *const *)b;
    return (ea->ms < eb->ms) - (ea->ms > eb->ms);
}

/* The value of a field of a stream's entry; NULL: it has none. */
static const char *entry_field(const struct redisReply *entry, const char *name) {
    const struct redisReply *fields = entry->elements == 2 ? entry->element[1] : NULL;
    for (size_t i = 0; fields && i + 1 < fields->elements; i += 2)
        if (strcmp(text_of(fields->element[i]), name) == 0)
            return text_of(fields->element[i + 1]);
    return NULL;
}

static enum dsn_error take_entries(struct dsn_redis *redis, GPtrArray *entries) {
    struct redisReply *reply;
    enum dsn_error error = take(redis, &reply);
    if (error)
        return error;
    for (size_t i = 0; i < reply->elements; i++) {
        const char *event = entry_field(reply->element[i], "event");
        if (!event)
            continue;
        struct dsn_overview_entry *entry = g_new0(struct dsn_overview_entry, 1);
        entry->ms = g_ascii_strtoull(text_of(reply->element[i]->element[0]), NULL, 10);
        entry->event = g_strdup(event);
        g_ptr_array_add(entries, entry);
    }
    freeReplyObject(reply);
    return DSN_OK;
}

static unsigned shard_of(const char *address, unsigned shards) {
    const char *at = strrchr(address, '@');
    return dsn_keys_shard(dsn_sv_str(at ? at + 1 : ""), shards);
}

/* Incidents */

static gint by_end(gconstpointer a, gconstpointer b) {
    const struct dsn_overview_incident *ia = *(struct dsn_overview_incident *const *)a,
                                       *ib = *(struct dsn_overview_incident *const *)b;
    return ia->over_ms != ib->over_ms ? (ia->over_ms < ib->over_ms) - (ia->over_ms > ib->over_ms)
                                      : (ia->began_ms < ib->began_ms) - (ia->began_ms > ib->began_ms);
}

/* "BEGAN PROVIDER/ANSWER", and when it was over. */
static enum dsn_error take_incidents(struct dsn_redis *redis, GPtrArray *incidents) {
    struct redisReply *reply;
    enum dsn_error error = take(redis, &reply);
    if (error)
        return error;
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        char *name;
        int64_t began_ms = g_ascii_strtoll(text_of(reply->element[i]), &name, 10);
        const char *slash = strchr(name, '/');
        if (*name != ' ' || !slash)
            continue;
        struct dsn_overview_incident *incident = g_new0(struct dsn_overview_incident, 1);
        incident->provider = g_strndup(name + 1, (gsize)(slash - name - 1));
        incident->answer = g_strdup(slash + 1);
        incident->began_ms = began_ms;
        incident->over_ms = g_ascii_strtod(text_of(reply->element[i + 1]), NULL);
        g_ptr_array_add(incidents, incident);
    }
    freeReplyObject(reply);
    return DSN_OK;
}

/* Addresses */

static enum dsn_error take_addresses(struct dsn_redis *redis, GPtrArray *addresses) {
    struct redisReply *reply;
    enum dsn_error error = take(redis, &reply);
    if (error)
        return error;
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        struct dsn_overview_address *address = g_new0(struct dsn_overview_address, 1);
        address->address = g_strdup(text_of(reply->element[i]));
        address->until_ms = g_ascii_strtod(text_of(reply->element[i + 1]), NULL);
        g_ptr_array_add(addresses, address);
    }
    freeReplyObject(reply);
    return DSN_OK;
}

static enum dsn_error ask_why(const struct looking *l, const struct dsn_overview_list *list) {
    enum dsn_error error = DSN_OK;
    for (guint i = 0; i < list->addresses->len && !error; i++) {
        const struct dsn_overview_address *address = g_ptr_array_index(list->addresses, i);
        char *key = g_strconcat("rcpt:", address->address, NULL);
        error = ASK(l->redis, "HMGET", l->prefixes[shard_of(address->address, l->shards)], key, "reason",
                    "rule", "provider", "since");
        g_free(key);
    }
    return error;
}

static enum dsn_error take_why_of(struct dsn_redis *redis, struct dsn_overview_address *address) {
    struct redisReply *reply;
    enum dsn_error error = take(redis, &reply);
    if (error)
        return error;
    char **const targets[] = {&address->reason, &address->rule, &address->provider};
    for (size_t i = 0; i < G_N_ELEMENTS(targets); i++)
        *targets[i] = g_strdup(i < reply->elements ? text_of(reply->element[i]) : "");
    if (reply->elements == G_N_ELEMENTS(targets) + 1)
        address->since_ms = g_ascii_strtoll(text_of(reply->element[G_N_ELEMENTS(targets)]), NULL, 10);
    freeReplyObject(reply);
    return DSN_OK;
}

static void count_word(struct dsn_overview_list *list, const char *name, const char *word, uint64_t n) {
    char *field = g_strconcat(name, ":", *word ? word : "unknown", NULL);
    add_count(list->counts, field, n);
    g_free(field);
}

static gint by_since(gconstpointer a, gconstpointer b) {
    const struct dsn_overview_address *aa = *(struct dsn_overview_address *const *)a,
                                      *ab = *(struct dsn_overview_address *const *)b;
    return (aa->since_ms < ab->since_ms) - (aa->since_ms > ab->since_ms);
}

static enum dsn_error take_why(struct dsn_redis *redis, struct dsn_overview_list *list) {
    enum dsn_error error = DSN_OK;
    for (guint i = 0; i < list->addresses->len && !error; i++) {
        struct dsn_overview_address *address = g_ptr_array_index(list->addresses, i);
        error = take_why_of(redis, address);
        if (!error)
            count_word(list, "reason", address->reason, 1);
    }
    g_ptr_array_sort(list->addresses, by_since);
    return error;
}

/* Suppressed: some of the list of a shard, in pieces from all parts of it: those that end soon and those that
 * end late have different reasons. */

static size_t pieces_of(const struct looking *l, unsigned shard) {
    uint64_t n = l->n_suppressed[shard], total = l->overview->suppressed.total;
    uint64_t wanted = total > DSN_OVERVIEW_SUPPRESSED ? DSN_OVERVIEW_SUPPRESSED * n / total : n;
    return (size_t)((wanted + PIECE - 1) / PIECE);
}

static enum dsn_error ask_suppressed(const struct looking *l, unsigned shard) {
    enum dsn_error error = DSN_OK;
    uint64_t n = l->n_suppressed[shard], pieces = pieces_of(l, shard);
    for (uint64_t i = 0; i < pieces && !error; i++) {
        char first[24], last[24];
        uint64_t begin = i * n / pieces, end = MIN((i + 1) * n / pieces, begin + PIECE);
        g_snprintf(first, sizeof first, "%" G_GUINT64_FORMAT, begin);
        g_snprintf(last, sizeof last, "%" G_GUINT64_FORMAT, end - 1);
        error = ASK(l->redis, "ZREVRANGE", l->prefixes[shard], "suppressed", first, last, "WITHSCORES");
    }
    return error;
}

static enum dsn_error take_suppressed(const struct looking *l, unsigned shard) {
    enum dsn_error error = DSN_OK;
    for (size_t i = pieces_of(l, shard); i-- > 0 && !error;)
        error = take_addresses(l->redis, l->overview->suppressed.addresses);
    return error;
}

/* Held: only providers that had an outage have something held. */

static void list_providers(const struct looking *l) {
    for (guint i = 0; i < l->overview->incidents->len; i++) {
        const struct dsn_overview_incident *incident = g_ptr_array_index(l->overview->incidents, i);
        if (!g_ptr_array_find_with_equal_func(l->providers, incident->provider, g_str_equal, NULL))
            g_ptr_array_add(l->providers, g_strdup(incident->provider));
    }
}

static enum dsn_error ask_held(const struct looking *l, const char *provider) {
    char *key = g_strconcat("held:", provider, NULL), most[16];
    enum dsn_error error = DSN_OK;
    g_snprintf(most, sizeof most, "%d", DSN_OVERVIEW_HELD);
    for (unsigned s = 0; s < l->shards && !error; s++) {
        error = ASK(l->redis, "ZCOUNT", l->prefixes[s], key, l->after, "+inf");
        if (!error)
            error = ASK(l->redis, "ZREVRANGEBYSCORE", l->prefixes[s], key, "+inf", l->after, "WITHSCORES",
                        "LIMIT", "0", most);
    }
    g_free(key);
    return error;
}

static enum dsn_error take_held(const struct looking *l, const char *provider) {
    struct dsn_overview_list *held = &l->overview->held;
    uint64_t n = 0;
    enum dsn_error error = DSN_OK;
    for (unsigned s = 0; s < l->shards && !error; s++) {
        error = take_number(l->redis, &n);
        if (!error)
            error = take_addresses(l->redis, held->addresses);
    }
    held->total += n;
    if (n > 0)
        count_word(held, "provider", provider, n);
    return error;
}

/* The three rounds: how many and what happened; who; why */

static enum dsn_error ask_first(const struct looking *l, guint first_day) {
    char most_events[16];
    enum dsn_error error = DSN_OK;
    g_snprintf(most_events, sizeof most_events, "%d", DSN_OVERVIEW_EVENTS);
    for (unsigned s = 0; s < l->shards && !error; s++) {
        const char *prefix = l->prefixes[s];
        error = ASK(l->redis, "XLEN", prefix, "events");
        if (!error)
            error = ASK(l->redis, "ZCOUNT", prefix, "suppressed", l->after, "+inf");
        if (!error)
            error = ASK(l->redis, "ZREVRANGE", prefix, "incidents", "0", "-1", "WITHSCORES");
        if (!error)
            error = ASK(l->redis, "XREVRANGE", prefix, "events", "+", "-", "COUNT", most_events);
        for (guint i = first_day; i < l->overview->days->len && !error; i++) {
            char *key = g_strconcat("stats:", day_at(l->overview, i)->day, NULL);
            error = ASK(l->redis, "HGETALL", prefix, key);
            g_free(key);
        }
    }
    dsn_redis_flush(l->redis);
    return error;
}

static void cut(GPtrArray *list, guint most) {
    if (list->len > most)
        g_ptr_array_set_size(list, (gint)most);
}

static enum dsn_error take_first(const struct looking *l, guint first_day) {
    struct dsn_overview *overview = l->overview;
    enum dsn_error error = DSN_OK;
    for (unsigned s = 0; s < l->shards && !error; s++) {
        error = take_number(l->redis, &overview->n_events);
        if (!error)
            error = take_number(l->redis, &l->n_suppressed[s]);
        if (!error)
            error = take_incidents(l->redis, overview->incidents);
        if (!error)
            error = take_entries(l->redis, overview->entries);
        for (guint i = first_day; i < overview->days->len && !error; i++)
            error = take_day(l->redis, day_at(overview, i));
        overview->suppressed.total += l->n_suppressed[s];
    }
    g_ptr_array_sort(overview->entries, by_time);
    cut(overview->entries, DSN_OVERVIEW_EVENTS);
    list_providers(l);
    g_ptr_array_sort(overview->incidents, by_end);
    cut(overview->incidents, DSN_OVERVIEW_INCIDENTS);
    return error;
}

static enum dsn_error ask_second(const struct looking *l) {
    enum dsn_error error = DSN_OK;
    for (unsigned s = 0; s < l->shards && !error; s++)
        error = ask_suppressed(l, s);
    for (guint i = 0; i < l->providers->len && !error; i++)
        error = ask_held(l, g_ptr_array_index(l->providers, i));
    dsn_redis_flush(l->redis);
    return error;
}

static enum dsn_error take_second(const struct looking *l) {
    enum dsn_error error = DSN_OK;
    for (unsigned s = 0; s < l->shards && !error; s++)
        error = take_suppressed(l, s);
    for (guint i = 0; i < l->providers->len && !error; i++)
        error = take_held(l, g_ptr_array_index(l->providers, i));
    return error;
}

static enum dsn_error ask_third(const struct looking *l) {
    enum dsn_error error = ask_why(l, &l->overview->suppressed);
    if (!error)
        error = ask_why(l, &l->overview->held);
    dsn_redis_flush(l->redis);
    return error;
}

static enum dsn_error take_third(const struct looking *l) {
    struct dsn_overview_list *suppressed = &l->overview->suppressed;
    enum dsn_error error = take_why(l->redis, suppressed);
    for (guint i = 0; i < suppressed->addresses->len && !error; i++) {
        const struct dsn_overview_address *address = g_ptr_array_index(suppressed->addresses, i);
        count_word(suppressed, "provider", address->provider, 1);
    }
    return error ? error : take_why(l->redis, &l->overview->held);
}

static enum dsn_error read_all(const struct looking *l) {
    guint first_day = turn_calendar(l->overview);
    enum dsn_error error = ask_first(l, first_day);
    if (!error)
        error = take_first(l, first_day);
    if (!error)
        error = ask_second(l);
    if (!error)
        error = take_second(l);
    if (!error)
        error = ask_third(l);
    return error ? error : take_third(l);
}

enum dsn_error dsn_overview_read(struct dsn_overview *overview, struct dsn_redis *redis, const char *prefix,
                                 unsigned shards) {
    struct looking l = {.overview = overview, .redis = redis, .shards = shards};
    l.prefixes = dsn_keys_each(prefix, shards, "");
    l.n_suppressed = g_new0(uint64_t, shards);
    l.providers = g_ptr_array_new_with_free_func(g_free);
    g_snprintf(l.after, sizeof l.after, "(%" G_GINT64_FORMAT, dsn_clock_real_ms());
    overview->n_events = 0;
    empty_list(&overview->suppressed);
    empty_list(&overview->held);
    g_ptr_array_set_size(overview->incidents, 0);
    g_ptr_array_set_size(overview->entries, 0);
    enum dsn_error error = read_all(&l);
    if (error) {
        dsn_redis_drop(redis); /* replies that were not taken must not be taken for others */
        g_ptr_array_set_size(overview->days, 0); /* some may be half read */
    }
    g_ptr_array_unref(l.providers);
    g_free(l.n_suppressed);
    g_strfreev(l.prefixes);
    return error;
}

/* One address */

static enum dsn_error take_known(struct dsn_redis *redis, struct dsn_overview_known *out) {
    struct redisReply *reply;
    enum dsn_error error = take(redis, &reply);
    if (error)
        return error;
    for (size_t i = 0; i < reply->elements; i++)
        g_ptr_array_add(out->fields, g_strdup(text_of(reply->element[i])));
    freeReplyObject(reply);
    error = take(redis, &reply);
    if (error)
        return error;
    out->suppressed = reply->type == REDIS_REPLY_STRING;
    freeReplyObject(reply);
    return DSN_OK;
}

/* The event that decided, and the last one. */
static enum dsn_error read_evidence(struct dsn_redis *redis, const char *prefix,
                                    struct dsn_overview_known *out) {
    static const char *const pointers[] = {"entry", "last_entry"};
    const char *before = "";
    GPtrArray *entries = g_ptr_array_new_with_free_func(free_entry);
    enum dsn_error error = DSN_OK;
    for (size_t p = 0; p < G_N_ELEMENTS(pointers); p++)
        for (guint i = 0; i + 1 < out->fields->len && !error; i += 2) {
            const char *id = out->fields->pdata[i + 1];
            if (strcmp(out->fields->pdata[i], pointers[p]) != 0 || strcmp(id, before) == 0)
                continue;
            before = id;
            error = ASK(redis, "XRANGE", prefix, "events", id, id);
            if (!error)
                error = take_entries(redis, entries);
        }
    for (guint i = 0; i < entries->len; i++)
        g_ptr_array_add(out->events, g_strdup(((struct dsn_overview_entry *)entries->pdata[i])->event));
    g_ptr_array_unref(entries);
    return error;
}

enum dsn_error dsn_overview_look_up(struct dsn_redis *redis, const char *prefix, unsigned shards,
                                    const char *address, struct dsn_overview_known *out) {
    char **prefixes = dsn_keys_each(prefix, shards, "");
    const char *own = prefixes[shard_of(address, shards)];
    char *key = g_strconcat("rcpt:", address, NULL);
    *out = (struct dsn_overview_known){.fields = g_ptr_array_new_with_free_func(g_free),
                                       .events = g_ptr_array_new_with_free_func(g_free)};
    enum dsn_error error = ASK(redis, "HGETALL", own, key);
    if (!error)
        error = ASK(redis, "ZSCORE", own, "suppressed", address);
    if (!error)
        error = take_known(redis, out);
    if (!error)
        error = read_evidence(redis, own, out);
    if (error) {
        dsn_redis_drop(redis);
        dsn_overview_known_clear(out);
    }
    g_free(key);
    g_strfreev(prefixes);
    return error;
}

void dsn_overview_known_clear(struct dsn_overview_known *known) {
    g_ptr_array_unref(known->fields);
    g_ptr_array_unref(known->events);
    *known = (struct dsn_overview_known){0};
}
