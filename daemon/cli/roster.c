/* roster: see roster.h. Its scripts are redis/act.lua and redis/page.lua. */
#include "roster.h"

#include "output.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/sv.h"
#include "dsn/event.h"
#include "mail/address.h"
#include "policy/policy.h"
#include "redis/keys.h"

#include <hiredis/hiredis.h>
#include <sodium.h>
#include <stdio.h>
#include <yajl/yajl_gen.h>

#define PAGE "1000"

static const char act_script[] =
#include "book.lua.inc"
#include "act.lua.inc"
    ;
static const char page_script[] =
#include "page.lua.inc"
    ;
static const char *const scripts[] = {act_script, page_script, NULL};
enum { ACT, PAGE_OF };

struct dsn_roster {
    const struct dsn_conf *conf;
    struct dsn_server *server;
    struct dsn_arena *arena;
    char **prefixes;     /* a shard each */
    char *scope, *inner; /* "scope:NAME:", or "" */
    char *held;          /* "held:PROVIDER"; NULL: it is about what is suppressed */
};

struct dsn_roster *dsn_roster_open(const struct dsn_conf *conf, const char *scope) {
    struct dsn_roster *roster = g_new0(struct dsn_roster, 1);
    roster->conf = conf;
    roster->server = dsn_server_open(conf, scripts);
    roster->arena = dsn_arena_new();
    roster->prefixes = dsn_keys_each(conf->redis_prefix, (unsigned)conf->redis_shards, "");
    roster->scope = g_strdup(scope);
    roster->inner = scope ? g_strconcat("scope:", scope, ":", NULL) : g_strdup("");
    return roster;
}

void dsn_roster_close(struct dsn_roster *roster) {
    if (!roster)
        return;
    dsn_server_close(roster->server);
    dsn_arena_free(roster->arena);
    g_strfreev(roster->prefixes);
    g_free(roster->scope);
    g_free(roster->inner);
    g_free(roster->held);
    g_free(roster);
}

struct dsn_strview dsn_roster_fold(struct dsn_roster *roster, struct dsn_strview address) {
    dsn_arena_reset(roster->arena);
    bool valid =
        address.n && g_utf8_validate(address.p, (gssize)address.n, NULL) && dsn_address_usable(address);
    return valid ? dsn_address_fold(roster->arena, address) : DSN_NONE;
}

/* Walking */

int64_t dsn_roster_time(const char *text) {
    return strcmp(text, "inf") == 0 ? DSN_FOR_GOOD : (int64_t)g_ascii_strtod(text, NULL);
}

static bool is_at(struct dsn_strview address, const char *domain) {
    return !domain || dsn_sv_eq_nocase(dsn_address_domain(address), dsn_sv_str(domain));
}

static bool is_wanted(const struct dsn_roster_filter *filter, const struct dsn_roster_entry *entry) {
    const char *const pairs[][2] = {{filter->reason, entry->reason},
                                    {filter->rule, entry->rule},
                                    {filter->policy, entry->policy},
                                    {filter->provider, entry->provider}};
    for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++)
        if (pairs[i][0] && strcmp(pairs[i][0], pairs[i][1]) != 0)
            return false;
    return is_at(entry->address, filter->domain) &&
           (filter->since_ms == 0 || entry->since_ms >= filter->since_ms) &&
           (filter->until_ms == 0 || entry->since_ms < filter->until_ms) &&
           (entry->until_ms == DSN_FOR_GOOD || entry->until_ms > dsn_clock_real_ms());
}

/* As page.lua has them. */
static struct dsn_roster_entry entry_of(const struct dsn_roster *roster, const struct redisReply *row) {
    struct redisReply *const *f = row->element;
    return (struct dsn_roster_entry){
        .address = {f[0]->str, f[0]->len},
        .until_ms = dsn_roster_time(f[1]->str),
        .reason = f[2]->str,
        .rule = f[3]->str,
        .policy = f[4]->str,
        .provider = f[5]->str,
        .since_ms = dsn_roster_time(f[6]->str),
        .event = f[7]->str,
        .story = f[8]->str,
        .scope = roster->scope,
    };
}

/* The rest of a shard's list, from the cursor on. */
static bool walk_shard(struct dsn_roster *roster, const char *prefix, const struct dsn_roster_filter *filter,
                       dsn_roster_visit *visit, void *context) {
    char *key = g_strconcat(prefix, roster->inner, roster->held ? roster->held : "suppressed", NULL),
         *before = g_strconcat(prefix, roster->inner, NULL);
    char cursor[24] = "0";
    bool good = true, goes_on = true;
    do {
        const char *argv[] = {"1", key, cursor, PAGE, before};
        struct redisReply *reply = dsn_server_call(roster->server, PAGE_OF, G_N_ELEMENTS(argv), argv);
        good = reply != NULL;
        for (size_t i = 1; good && goes_on && i < reply->elements; i++) {
            const struct dsn_roster_entry entry = entry_of(roster, reply->element[i]);
            if (is_wanted(filter, &entry))
                goes_on = visit(context, &entry);
        }
        g_strlcpy(cursor, good ? reply->element[0]->str : "0", sizeof cursor);
        freeReplyObject(reply);
    } while (good && goes_on && strcmp(cursor, "0") != 0);
    g_free(key);
    g_free(before);
    return good && goes_on;
}

bool dsn_roster_walk(struct dsn_roster *roster, const struct dsn_roster_filter *filter,
                     dsn_roster_visit *visit, void *context) {
    bool good = true;
    for (char **prefix = roster->prefixes; *prefix && good; prefix++)
        good = walk_shard(roster, *prefix, filter, visit, context);
    return good;
}

/* What `command` lists of the key `name` of each shard; NULL: Redis could not be asked. */
static char **list_all(struct dsn_roster *roster, const char *command, const char *name) {
    GStrvBuilder *items = g_strv_builder_new();
    bool good = true;
    for (char **prefix = roster->prefixes; *prefix && good; prefix++) {
        char *key = g_strconcat(*prefix, name, NULL);
        const char *argv[] = {command, key};
        struct redisReply *reply = dsn_server_ask(roster->server, 2, argv, NULL);
        good = reply != NULL;
        for (size_t i = 0; good && i < reply->elements; i++)
            g_strv_builder_add(items, reply->element[i]->str);
        freeReplyObject(reply);
        g_free(key);
    }
    char **all = g_strv_builder_end(items);
    g_strv_builder_unref(items);
    if (!good)
        g_clear_pointer(&all, g_strfreev);
    return all;
}

char **dsn_roster_scopes(struct dsn_roster *roster) {
    return list_all(roster, "SMEMBERS", "scopes");
}

void dsn_roster_hold_to(struct dsn_roster *roster, const char *provider) {
    g_free(roster->held);
    roster->held = g_strconcat("held:", provider, NULL);
}

/* The guard has a field "PROVIDER/ANSWER" for each that it watches. */
char **dsn_roster_providers(struct dsn_roster *roster) {
    char **fields = list_all(roster, "HKEYS", "guard");
    if (!fields)
        return NULL;
    GHashTable *names = g_hash_table_new(g_str_hash, g_str_equal);
    for (char **field = fields; *field; field++) {
        const char *slash = strchr(*field, '/');
        char *name = slash ? g_strndup(*field, (gsize)(slash - *field)) : NULL;
        if (name && !g_hash_table_contains(names, name))
            g_hash_table_add(names, name);
        else
            g_free(name);
    }
    char **all = (char **)g_hash_table_get_keys_as_array(names, NULL);
    g_hash_table_unref(names);
    g_strfreev(fields);
    return all;
}

/* Changing */

static char *finish(struct dsn_arena *arena, yajl_gen json) {
    const unsigned char *text;
    size_t n;
    yajl_gen_map_close(json);
    yajl_gen_get_buf(json, &text, &n);
    struct dsn_strview shown = dsn_json_shown(arena, dsn_sv((const char *)text, n));
    char *out = g_strndup(shown.p, shown.n);
    yajl_gen_free(json);
    return out;
}

static const struct {
    const char *name, *kind, *action;
} acts[] = {
    [DSN_ROSTER_SUPPRESS] = {"suppress", "suppression", "suppress"},
    [DSN_ROSTER_CLEAR] = {"clear", "retraction", "none"},
    [DSN_ROSTER_RELEASE] = {"release", "suppression", "suppress"},
    [DSN_ROSTER_DISCARD] = {"discard", "retraction", "none"},
};

static const char *kind_of(const struct dsn_roster_change *change) {
    return acts[change->act].kind;
}

/* dsnd-events(7) has its fields. */
static char *write_event(struct dsn_arena *arena, const struct dsn_roster_change *change, const char *id,
                         int64_t now_ms) {
    char at[DSN_CLOCK_RFC3339_SIZE];
    yajl_gen json = yajl_gen_alloc(&dsn_json_memory);
    yajl_gen_map_open(json);
    dsn_json_str(json, "v");
    yajl_gen_integer(json, 1);
    dsn_json_put_str(json, "id", id);
    dsn_json_put_str(json, "kind", kind_of(change));
    dsn_json_put_str(json, "type", NULL);
    dsn_json_put_str(json, "reason", change->reason);
    dsn_json_put_str(json, "action", acts[change->act].action);
    dsn_json_put(json, "recipient", change->address);
    dsn_json_put_str(json, "note", change->note);
    dsn_json_put_str(json, "retracts", change->event);
    dsn_json_put_str(json, "observed_at", dsn_clock_rfc3339(now_ms, at));
    return finish(arena, json);
}

static char *write_story(struct dsn_arena *arena, const struct dsn_roster_change *change, const char *id,
                         int64_t now_ms) {
    yajl_gen json = yajl_gen_alloc(&dsn_json_memory);
    yajl_gen_map_open(json);
    dsn_json_str(json, "at_ms");
    yajl_gen_integer(json, now_ms);
    dsn_json_put_str(json, "event", id);
    dsn_json_put_str(json, "kind", kind_of(change));
    if (change->reason)
        dsn_json_put_str(json, "reason", change->reason);
    if (change->note)
        dsn_json_put_str(json, "note", change->note);
    char *text = finish(arena, json);
    text[strlen(text) - 1] = '\0'; /* act.lua goes on */
    return text;
}

static char *make_id(char out[DSN_EVENT_ID_LEN + 1]) {
    unsigned char bytes[DSN_EVENT_ID_LEN / 2];
    randombytes_buf(bytes, sizeof bytes);
    return sodium_bin2hex(out, DSN_EVENT_ID_LEN + 1, bytes, sizeof bytes);
}

static char *write_number(int64_t number, char out[24]) {
    if (number == DSN_FOR_GOOD)
        g_strlcpy(out, "inf", 24);
    else
        g_snprintf(out, 24, "%lld", (long long)number);
    return out;
}

static enum dsn_roster_result call_act(struct dsn_roster *roster, const struct dsn_roster_change *change,
                                       const char *address, const char *prefix) {
    char now[24], until[24], keep[24], maxlen[24], id[DSN_EVENT_ID_LEN + 1];
    int64_t now_ms = dsn_clock_real_ms();
    char *event = write_event(roster->arena, change, make_id(id), now_ms),
         *story = write_story(roster->arena, change, id, now_ms);
    char *topic = g_strconcat(kind_of(change), ".-.", change->reason ? change->reason : "-", ".",
                              strrchr(address, '@') + 1, NULL);
    char *keys[] = {g_strconcat(prefix, "events", NULL),
                    g_strconcat(prefix, "scopes", NULL),
                    g_strconcat(prefix, roster->inner, "rcpt:", address, NULL),
                    g_strconcat(prefix, roster->inner, "why:", address, NULL),
                    g_strconcat(prefix, roster->inner, "suppressed", NULL),
                    g_strconcat(prefix, roster->inner, roster->held ? roster->held : "held:", NULL)};
    const char *argv[] = {"6",
                          keys[0],
                          keys[1],
                          keys[2],
                          keys[3],
                          keys[4],
                          keys[5],
                          acts[change->act].name,
                          address,
                          write_number(now_ms, now),
                          roster->scope ? roster->scope : "",
                          write_number(change->until_ms, until),
                          change->reason ? change->reason : "",
                          change->event ? change->event : "",
                          write_number(roster->conf->address_expiry_ms, keep),
                          write_number(roster->conf->stream_maxlen, maxlen),
                          id,
                          topic,
                          event,
                          story};
    struct redisReply *reply = dsn_server_call(roster->server, ACT, G_N_ELEMENTS(argv), argv);
    enum dsn_roster_result result = !reply                              ? DSN_ROSTER_FAILED
                                    : reply->type == REDIS_REPLY_STRING ? DSN_ROSTER_CHANGED
                                                                        : DSN_ROSTER_UNCHANGED;
    freeReplyObject(reply);
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
        g_free(keys[i]);
    g_free(topic);
    g_free(event);
    g_free(story);
    return result;
}

static const char *prefix_of(const struct dsn_roster *roster, struct dsn_strview folded) {
    return roster->prefixes[dsn_keys_shard(dsn_address_domain(folded), (unsigned)roster->conf->redis_shards)];
}

enum dsn_roster_result dsn_roster_apply(struct dsn_roster *roster, const struct dsn_roster_change *change) {
    struct dsn_strview folded = dsn_roster_fold(roster, change->address);
    if (!folded.p) {
        char *shown = dsn_output_shown(change->address);
        fprintf(stderr, "%s: %s: no mail address\n", g_get_prgname(), shown);
        g_free(shown);
        return DSN_ROSTER_REFUSED;
    }
    char *address = g_strndup(folded.p, folded.n);
    enum dsn_roster_result result = call_act(roster, change, address, prefix_of(roster, folded));
    g_free(address);
    return result;
}

struct redisReply *dsn_roster_ask(struct dsn_roster *roster, const char *command, const char *name,
                                  struct dsn_strview address, const char *const *more, size_t n_more) {
    GString *key = g_string_new(prefix_of(roster, address));
    const char *argv[8] = {command};
    g_string_append_printf(key, "%s%s", roster->inner, name);
    g_string_append_len(key, address.p, (gssize)address.n);
    argv[1] = key->str;
    for (size_t i = 0; i < n_more; i++)
        argv[2 + i] = more[i];
    struct redisReply *reply = dsn_server_ask(roster->server, 2 + n_more, argv, NULL);
    g_string_free(key, TRUE);
    return reply;
}
