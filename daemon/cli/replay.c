/* replay: `dsnd replay`, the stored events judged anew: what would change, and with --apply the change.
 *
 * First it looks for the events whose verdict would be another one. Then all events of their addresses go
 * through the script that commits events (redis/commit.lua), into books of their own, "replay:...", which are
 * compared with the real ones. So there is one state machine, and an address with other evidence stays as it
 * is. */
#include "cli.h"
#include "output.h"
#include "roster.h"

#include "base/clock.h"
#include "base/json.h"
#include "event/stored.h"
#include "mail/address.h"
#include "redis/keys.h"
#include "run/committer.h"
#include "run/knowledge.h"
#include "run/trust.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#define SPACE "replay:"
#define PAGE "500"
#define BATCH 256
#define LOCK_MS "60000" /* without a sign of life, a replay is over */
#define KEEP_MS INT64_C(3600000)

struct options {
    char *path, *from, *to, *rules, *format;
    gboolean apply, diff;
};

/* An address in everybody's book (`scope` "") or in that of a scope. */
struct book {
    char *address, *scope;
};

struct replay {
    const struct options *options;
    struct dsn_conf *conf;
    struct dsn_server *server;
    struct dsn_reader *reader;
    struct dsn_store *store;
    struct dsn_trust trust;
    struct dsn_judging judging;
    struct dsn_arena *arena; /* of one event */
    char **prefixes;         /* a shard each */
    char *lock;
    char from[24], to[24]; /* as XRANGE takes them */
    GHashTable *changes;   /* "REASON (RULE) -> REASON (RULE)": events, size_t */
    GHashTable *addresses; /* of events that changed, folded */
    GHashTable *books;     /* "SCOPE ADDRESS": struct book; all events of these addresses */
    GHashTable *rosters;   /* SCOPE: struct dsn_roster that changes it */
    GPtrArray **notes;     /* a shard each: SADD, and keys that it does not have yet */
    GPtrArray *batch;      /* records on their way */
    size_t n_events, n_changed, n_released, n_suppressed, n_held;
    uint64_t serial;
    bool ndjson;
};

/* Reading the streams */

typedef bool event_visit(struct replay *r, const struct dsn_stored *stored);

static bool visit_entry(struct replay *r, const struct redisReply *entry, event_visit *visit) {
    const struct redisReply *fields = entry->element[1];
    struct dsn_stored stored;
    for (size_t i = 0; i + 1 < fields->elements; i += 2) {
        if (strcmp(fields->element[i]->str, "event") != 0)
            continue;
        enum dsn_error error = dsn_reader_stored(
            r->reader, dsn_sv(fields->element[i + 1]->str, fields->element[i + 1]->len), &r->trust, &stored);
        return error == DSN_OK ? visit(r, &stored) : error == DSN_ERR_INVALID;
    }
    return true;
}

static bool read_stream(struct replay *r, const char *prefix, event_visit *visit) {
    char *key = g_strconcat(prefix, "events", NULL), *from = g_strdup(r->from);
    bool good = true, more = true;
    while (good && more) {
        const char *argv[] = {"XRANGE", key, from, r->to, "COUNT", PAGE};
        struct redisReply *page = dsn_server_ask(r->server, G_N_ELEMENTS(argv), argv, NULL);
        good = page != NULL;
        more = good && page->elements > 0;
        for (size_t i = 0; good && i < page->elements; i++)
            good = visit_entry(r, page->element[i], visit);
        if (more) {
            g_free(from);
            from = g_strconcat("(", page->element[page->elements - 1]->element[0]->str, NULL);
        }
        freeReplyObject(page);
    }
    g_free(key);
    g_free(from);
    return good;
}

static bool read_streams(struct replay *r, event_visit *visit) {
    bool good = true;
    for (char **prefix = r->prefixes; good && *prefix; prefix++)
        good = read_stream(r, *prefix, visit);
    return good;
}

/* First: which verdicts change */

static char *decision_text(const char *reason, const char *rule, const char *action) {
    return g_strdup_printf("%s (%s%s%s)", reason && *reason ? reason : "-", rule && *rule ? rule : "no rule",
                           action ? ", " : "", action ? action : "");
}

/* As the keys have it; borrowed until the next one. */
static struct dsn_strview folded(struct replay *r, struct dsn_strview address) {
    dsn_arena_reset(r->arena);
    return address.n ? dsn_address_fold(r->arena, address) : DSN_NONE;
}

static bool compare_verdict(struct replay *r, const struct dsn_stored *stored) {
    const struct dsn_recipient *recipient = &stored->report->recipients[0];
    const struct dsn_verdict *now = &recipient->verdict;
    const char *reason = now->reason ? now->reason->name : NULL, *action = dsn_action_name(now->action);
    r->n_events++;
    if (g_strcmp0(stored->reason.p, reason) == 0 && g_strcmp0(stored->action, action) == 0)
        return true;
    char *was = decision_text(stored->reason.p, stored->rule.p, stored->action),
         *is = decision_text(reason, now->rule, action), *key = g_strconcat(was, " -> ", is, NULL);
    size_t n = GPOINTER_TO_SIZE(g_hash_table_lookup(r->changes, key));
    g_hash_table_replace(r->changes, key, GSIZE_TO_POINTER(n + 1));
    g_free(was);
    g_free(is);
    r->n_changed++;
    struct dsn_strview address = folded(r, recipient->recipient);
    if (address.n)
        g_hash_table_add(r->addresses, g_strndup(address.p, address.n));
    return true;
}

/* Then: what the events of these addresses come to */

static unsigned shard_of(const struct replay *r, struct dsn_strview address) {
    return dsn_keys_shard(dsn_address_domain(address), (unsigned)r->conf->redis_shards);
}

/* Key of a book: the real one's, or ours. */
static char *book_key(const struct replay *r, const struct book *book, const char *space, const char *name,
                      const char *behind) {
    bool scoped = *book->scope;
    return g_strconcat(r->prefixes[shard_of(r, dsn_sv_str(book->address))], space, scoped ? "scope:" : "",
                       book->scope, scoped ? ":" : "", name, behind, NULL);
}

static bool ask(struct replay *r, size_t n, const char *const *argv) {
    struct redisReply *reply = dsn_server_ask(r->server, n, argv, NULL);
    freeReplyObject(reply);
    return reply != NULL;
}

/* Keys of ours are noted before they are there, to be deleted whatever happens. */
static void note_key(struct replay *r, unsigned shard, char *key) {
    GPtrArray *notes = r->notes[shard];
    if (notes->len == 0) {
        g_ptr_array_add(notes, g_strdup("SADD"));
        g_ptr_array_add(notes, g_strconcat(r->prefixes[shard], SPACE "keys", NULL));
    }
    g_ptr_array_add(notes, key);
}

static bool send_notes(struct replay *r) {
    bool good = true;
    for (size_t shard = 0; good && shard < (size_t)r->conf->redis_shards; shard++) {
        GPtrArray *notes = r->notes[shard];
        good = notes->len == 0 || ask(r, notes->len, (const char *const *)notes->pdata);
        g_ptr_array_set_size(notes, 0);
    }
    return good;
}

/* What was cleared is cleared here, too: older bounces count nothing. */
static bool begin_book(struct replay *r, const struct book *book) {
    unsigned shard = shard_of(r, dsn_sv_str(book->address));
    char *rcpt = book_key(r, book, "", "rcpt:", book->address),
         *own = book_key(r, book, SPACE, "rcpt:", book->address);
    const char *get[] = {"HGET", rcpt, "cleared"};
    struct redisReply *cleared = dsn_server_ask(r->server, G_N_ELEMENTS(get), get, NULL);
    note_key(r, shard, g_strdup(own));
    note_key(r, shard, book_key(r, book, SPACE, "why:", book->address));
    note_key(r, shard, book_key(r, book, SPACE, "suppressed", NULL));
    bool good = cleared != NULL;
    if (good && cleared->type == REDIS_REPLY_STRING)
        good = send_notes(r) && ask(r, 4, (const char *[]){"HSET", own, "cleared", cleared->str});
    freeReplyObject(cleared);
    g_free(own);
    g_free(rcpt);
    return good;
}

static void free_book(gpointer data) {
    struct book *book = data;
    g_free(book->address);
    g_free(book->scope);
    g_free(book);
}

static bool want_book(struct replay *r, struct dsn_strview address, const char *scope) {
    char *key = g_strdup_printf("%s %.*s", scope, (int)address.n, address.p);
    if (g_hash_table_contains(r->books, key)) {
        g_free(key);
        return true;
    }
    struct book *book = g_new(struct book, 1);
    *book = (struct book){g_strndup(address.p, address.n), g_strdup(scope)};
    g_hash_table_insert(r->books, key, book);
    return begin_book(r, book);
}

static void free_record(gpointer record) {
    dsn_record_free(record);
}

static bool commit_batch(struct replay *r) {
    bool good = ask(r, 3, (const char *[]){"PEXPIRE", r->lock, LOCK_MS}) && send_notes(r);
    dsn_server_waiter(r->server);
    good = good && dsn_store_ready(r->store) == DSN_OK;
    if (good) {
        dsn_store_send(r->store, (struct dsn_record *const *)r->batch->pdata, r->batch->len);
        good = dsn_store_finish(r->store) == DSN_OK;
    }
    for (guint i = 0; i < r->batch->len; i++) {
        const struct dsn_record *record = g_ptr_array_index(r->batch, i);
        if (record->state != DSN_RECORD_REFUSED)
            continue;
        fprintf(stderr, "dsnd replay: %s: %s\n", record->id, record->refusal);
        good = false;
    }
    g_ptr_array_set_size(r->batch, 0);
    return good;
}

/* What else a commit makes than the books. */
static void note_commit(struct replay *r, const struct dsn_record *record) {
    unsigned shard = shard_of(r, record->address);
    const char *prefix = r->prefixes[shard];
    note_key(r, shard, g_strconcat(prefix, SPACE "seen:", record->id, NULL));
    note_key(r, shard, g_strconcat(prefix, SPACE "events", NULL));
    note_key(r, shard, g_strconcat(prefix, SPACE "scopes", NULL));
}

static bool add_record(struct replay *r, const struct dsn_stored *stored, struct dsn_strview address) {
    struct dsn_judgement judgement;
    char scope[DSN_SCOPE_SIZE]; /* its book too, whichever of them the event counted in before */
    struct dsn_event event = {
        .address = address, .domain = dsn_address_domain(address), .topic = DSN_LIT("-")};
    event.json = DSN_LIT("{\"v\":1}");
    g_strlcpy(event.id, stored->id.p, sizeof event.id);
    dsn_judge(&r->judging, stored->report, 0, event.id, stored->observed_at_ms, &judgement);
    dsn_scope_find(r->conf->policies, stored->report, scope);
    bool good = want_book(r, address, "") && (!*scope || want_book(r, address, scope));
    struct dsn_record *record =
        dsn_record_new(&event, &stored->report->recipients[0].verdict, &judgement, stored->observed_at_ms);
    dsn_judgement_clear(&judgement);
    if (!record)
        return false;
    g_snprintf(record->token, sizeof record->token, "replay.%" G_GUINT64_FORMAT, r->serial++);
    g_ptr_array_add(r->batch, record);
    note_commit(r, record);
    return good && (r->batch->len < BATCH || commit_batch(r));
}

static bool judge_again(struct replay *r, const struct dsn_stored *stored) {
    struct dsn_strview address = folded(r, stored->report->recipients[0].recipient);
    return !address.n || !g_hash_table_contains(r->addresses, address.p) || add_record(r, stored, address);
}

/* At last: what is and what would be */

struct state {
    struct redisReply *reply;
    const char *state, *reason, *rule, *event;
    int64_t until_ms;
    bool suppressed;
};

static const char *nth(const struct redisReply *reply, size_t i) {
    return reply->element[i]->str ? reply->element[i]->str : "";
}

static bool read_state(struct replay *r, const struct book *book, const char *space, struct state *out) {
    char *key = book_key(r, book, space, "rcpt:", book->address);
    const char *argv[] = {"HMGET", key, "state", "until", "reason", "rule", "event"};
    *out = (struct state){.reply = dsn_server_ask(r->server, G_N_ELEMENTS(argv), argv, NULL)};
    g_free(key);
    if (!out->reply)
        return false;
    out->state = nth(out->reply, 0);
    out->until_ms = dsn_roster_time(nth(out->reply, 1));
    out->reason = nth(out->reply, 2);
    out->rule = nth(out->reply, 3);
    out->event = nth(out->reply, 4);
    out->suppressed = strcmp(out->state, "suppressed") == 0 &&
                      (out->until_ms == DSN_FOR_GOOD || out->until_ms > dsn_clock_real_ms());
    return true;
}

/* Whether the decision rests on an event that was judged again: an operator's stays. */
static bool was_judged(struct replay *r, const struct book *book, const struct state *was, bool *out) {
    const char *prefix = r->prefixes[shard_of(r, dsn_sv_str(book->address))];
    char *key = g_strconcat(prefix, SPACE "seen:", was->event, NULL);
    const char *argv[] = {"EXISTS", key};
    struct redisReply *reply = dsn_server_ask(r->server, G_N_ELEMENTS(argv), argv, NULL);
    *out = reply && reply->integer == 1;
    freeReplyObject(reply);
    g_free(key);
    return reply != NULL;
}

static void put_decision(yajl_gen json, const char *key, const struct state *state) {
    dsn_json_str(json, key);
    if (!state->suppressed) {
        yajl_gen_null(json);
        return;
    }
    yajl_gen_map_open(json);
    dsn_json_put_str(json, "reason", state->reason);
    dsn_json_put_str(json, "rule", *state->rule ? state->rule : NULL);
    dsn_json_put_str(json, "event", state->event);
    yajl_gen_map_close(json);
}

static void print_json(const struct book *book, const struct state *was, const struct state *is) {
    const unsigned char *text;
    size_t n;
    yajl_gen json = yajl_gen_alloc(&dsn_json_memory);
    yajl_gen_map_open(json);
    dsn_json_put_str(json, "change", is->suppressed ? "suppressed" : "released");
    dsn_json_put_str(json, "recipient", book->address);
    dsn_json_put_str(json, "scope", *book->scope ? book->scope : NULL);
    put_decision(json, "was", was);
    put_decision(json, "is", is);
    yajl_gen_map_close(json);
    yajl_gen_get_buf(json, &text, &n);
    printf("%.*s\n", (int)n, (const char *)text);
    yajl_gen_free(json);
}

static void print_change(const struct replay *r, const struct book *book, const struct state *was,
                         const struct state *is) {
    if (r->ndjson) {
        print_json(book, was, is);
        return;
    }
    const struct state *told = is->suppressed ? is : was;
    char *address = dsn_output_shown(dsn_sv_str(book->address)),
         *decision = decision_text(told->reason, told->rule, NULL);
    printf("%-12s %-40s %s%s%s\n", is->suppressed ? "suppressed" : "released", address, decision,
           *book->scope ? " in " : "", book->scope);
    g_free(address);
    g_free(decision);
}

static struct dsn_roster *roster_of(struct replay *r, const char *scope) {
    struct dsn_roster *roster = g_hash_table_lookup(r->rosters, scope);
    if (!roster) {
        roster = dsn_roster_open(r->conf, *scope ? scope : NULL);
        g_hash_table_insert(r->rosters, g_strdup(scope), roster);
    }
    return roster;
}

static void close_roster(gpointer roster) {
    dsn_roster_close(roster);
}

static bool apply_change(struct replay *r, const struct book *book, const struct state *was,
                         const struct state *is) {
    char *note = g_strdup_printf("replay by ruleset %s%s%s", r->judging.ruleset,
                                 is->suppressed ? ", event " : "", is->suppressed ? is->event : "");
    const struct dsn_roster_change change = {
        .act = is->suppressed ? DSN_ROSTER_SUPPRESS : DSN_ROSTER_CLEAR,
        .address = dsn_sv_str(book->address),
        .until_ms = is->until_ms,
        .reason = is->suppressed ? is->reason : was->reason,
        .note = note,
        .event = is->suppressed ? NULL : was->event, /* not what somebody has decided anew meanwhile */
    };
    enum dsn_roster_result result = dsn_roster_apply(roster_of(r, book->scope), &change);
    g_free(note);
    return result != DSN_ROSTER_FAILED;
}

static bool compare_book(struct replay *r, const struct book *book) {
    struct state was = {0}, is = {0};
    bool judged = false, good = read_state(r, book, "", &was) && read_state(r, book, SPACE, &is);
    if (good && was.suppressed && !is.suppressed)
        good = was_judged(r, book, &was, &judged);
    bool held = good && strcmp(was.state, "held") == 0;
    bool released = judged, suppressed = good && !held && !was.suppressed && is.suppressed;
    r->n_held += held;
    r->n_released += released;
    r->n_suppressed += suppressed;
    if (released || suppressed)
        print_change(r, book, &was, &is);
    if ((released || suppressed) && r->options->apply)
        good = apply_change(r, book, &was, &is);
    freeReplyObject(was.reply);
    freeReplyObject(is.reply);
    return good;
}

static gint by_text(gconstpointer a, gconstpointer b) {
    return strcmp(a, b);
}

static void print_verdicts(const struct replay *r) {
    GList *keys = g_list_sort(g_hash_table_get_keys(r->changes), by_text);
    for (GList *k = keys; k && !r->ndjson; k = k->next)
        printf("%8zu events: %s\n", GPOINTER_TO_SIZE(g_hash_table_lookup(r->changes, k->data)),
               (const char *)k->data);
    g_list_free(keys);
}

static bool compare_books(struct replay *r) {
    GList *keys = g_list_sort(g_hash_table_get_keys(r->books), by_text);
    bool good = true;
    for (GList *k = keys; k && good; k = k->next)
        good = compare_book(r, g_hash_table_lookup(r->books, k->data));
    g_list_free(keys);
    return good;
}

/* Deletes our books, also those that a replay left which was killed. */
static bool sweep_shard(struct replay *r, const char *prefix) {
    char *set = g_strconcat(prefix, SPACE "keys", NULL);
    bool good = true, more = true;
    while (good && more) {
        const char *argv[] = {"SRANDMEMBER", set, PAGE};
        struct redisReply *keys = dsn_server_ask(r->server, G_N_ELEMENTS(argv), argv, NULL);
        good = keys != NULL;
        more = good && keys->elements > 0;
        const char **gone = g_new(const char *, (good ? keys->elements : 0) + 2);
        for (size_t i = 0; more && i < keys->elements; i++)
            gone[i + 2] = keys->element[i]->str;
        if (more) {
            gone[1] = "UNLINK";
            good = ask(r, keys->elements + 1, gone + 1);
            gone[0] = "SREM";
            gone[1] = set;
            good = good && ask(r, keys->elements + 2, gone);
        }
        g_free(gone);
        freeReplyObject(keys);
    }
    g_free(set);
    return good;
}

static bool sweep(struct replay *r) {
    bool good = true;
    for (char **prefix = r->prefixes; good && *prefix; prefix++)
        good = sweep_shard(r, *prefix);
    return good;
}

static bool work_through(struct replay *r) {
    if (!read_streams(r, compare_verdict))
        return false;
    print_verdicts(r);
    bool good = sweep(r) && read_streams(r, judge_again) && commit_batch(r) && compare_books(r);
    return sweep(r) && good;
}

static bool take_lock(struct replay *r) {
    const char *argv[] = {"SET", r->lock, "1", "NX", "PX", LOCK_MS};
    struct redisReply *reply = dsn_server_ask(r->server, G_N_ELEMENTS(argv), argv, NULL);
    bool free = reply && reply->type == REDIS_REPLY_STATUS;
    if (reply && !free)
        fputs("dsnd replay: another replay is at work, or was killed within the last minute\n", stderr);
    freeReplyObject(reply);
    return free;
}

static void leave_lock(struct replay *r) {
    ask(r, 2, (const char *[]){"DEL", r->lock});
}

static void summarise(const struct replay *r) {
    bool applied = r->options->apply;
    fprintf(stderr,
            "%zu events judged, %zu of them otherwise than before; %zu addresses %s suppressed, %zu %s; %zu "
            "held are left as they are\n",
            r->n_events, r->n_changed, r->n_released, applied ? "are no longer" : "would no longer be",
            r->n_suppressed, applied ? "are now" : "would be", r->n_held);
}

static int run(struct replay *r) {
    static const char *const no_scripts[] = {NULL};
    struct dsn_store_settings settings = dsn_committer_store(r->conf);
    settings.space = SPACE;
    settings.seen_expiry_ms = settings.address_expiry_ms = settings.stats_expiry_ms = KEEP_MS;
    settings.guard_factor = 0;
    r->server = dsn_server_open(r->conf, no_scripts);
    r->prefixes = dsn_keys_each(r->conf->redis_prefix, (unsigned)r->conf->redis_shards, "");
    r->lock = g_strconcat(r->prefixes[0], SPACE "lock", NULL);
    r->arena = dsn_arena_new();
    r->notes = g_new(GPtrArray *, (size_t)r->conf->redis_shards);
    for (size_t i = 0; i < (size_t)r->conf->redis_shards; i++)
        r->notes[i] = g_ptr_array_new_with_free_func(g_free);
    r->judging = dsn_trust_judging(r->conf, r->judging.ruleset);
    r->changes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    r->addresses = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    r->books = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_book);
    r->rosters = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, close_roster);
    r->batch = g_ptr_array_new_with_free_func(free_record);
    dsn_trust_set_up(r->conf, NULL, &r->trust);
    bool good = take_lock(r);
    if (good) {
        good =
            dsn_store_open(&settings, dsn_server_waiter(r->server), &r->store) == DSN_OK && work_through(r);
        leave_lock(r);
        summarise(r);
    }
    dsn_store_close(r->store);
    dsn_server_close(r->server);
    for (size_t i = 0; i < (size_t)r->conf->redis_shards; i++)
        g_ptr_array_unref(r->notes[i]);
    g_free(r->notes);
    g_strfreev(r->prefixes);
    g_free(r->lock);
    dsn_arena_free(r->arena);
    g_hash_table_unref(r->changes);
    g_hash_table_unref(r->addresses);
    g_hash_table_unref(r->books);
    g_hash_table_unref(r->rosters);
    g_ptr_array_unref(r->batch);
    return good ? DSN_EXIT_OK : DSN_EXIT_FAILED;
}

/* The command line */

/* An entry's id, an instant, or how long ago; NULL: `usual`. */
static bool read_position(const char *text, const char *usual, char out[24]) {
    struct dsn_entry_id id;
    int64_t ms;
    if (!text)
        g_strlcpy(out, usual, 24);
    else if (dsn_entry_id_parse(dsn_sv_str(text), &id))
        g_strlcpy(out, text, 24);
    else if (dsn_cli_time(text, &ms))
        g_snprintf(out, 24, "%" G_GINT64_FORMAT, MAX(ms, 0));
    else
        return false;
    return true;
}

static struct dsn_knowledge *load(const struct replay *r) {
    struct dsn_problems *problems = dsn_problems_new();
    struct dsn_knowledge *knowledge = NULL;
    dsn_knowledge_load(r->options->rules ? r->options->rules : r->conf->knowledge_dir, problems, &knowledge);
    dsn_cli_print_problems(problems);
    dsn_problems_free(problems);
    return knowledge;
}

static int work_on(struct replay *r) {
    char now[24];
    const struct options *o = r->options;
    g_snprintf(now, sizeof now, "%" G_GINT64_FORMAT, dsn_clock_real_ms());
    const char *wrong = !read_position(o->from, "-", r->from) ? o->from
                        : !read_position(o->to, now, r->to)   ? o->to
                                                              : NULL;
    if (wrong)
        return dsn_cli_usage(
            "replay",
            "%s is neither an entry nor a time; expected 1795559331645-0, 2026-11-24T12:00:00Z, "
            "or how long ago, as 7d",
            wrong);
    enum dsn_output format = DSN_OUTPUT_TABLE;
    if (!dsn_output_parse(o->format, &format) || format == DSN_OUTPUT_JSON)
        return dsn_cli_usage("replay", "unknown format \"%s\"; expected ndjson or table", o->format);
    if (o->apply && o->diff)
        return dsn_cli_usage("replay", "--diff and --apply exclude each other");
    r->ndjson = format == DSN_OUTPUT_NDJSON;
    r->conf = dsn_server_conf(o->path);
    struct dsn_knowledge *knowledge = r->conf ? load(r) : NULL;
    const struct dsn_options options = r->conf ? dsn_conf_options(r->conf) : (struct dsn_options){0};
    int status = DSN_EXIT_FAILED;
    if (knowledge && dsn_reader_new(knowledge, &options, &r->reader) == DSN_OK) {
        r->judging.ruleset = dsn_knowledge_ruleset(knowledge);
        status = run(r);
    }
    dsn_reader_free(r->reader);
    dsn_knowledge_unref(knowledge);
    dsn_conf_free(r->conf);
    return status;
}

int dsn_cli_replay(int argc, char **argv) {
    struct options o = {0};
    struct replay replay = {.options = &o};
    const GOptionEntry entries[] = {
        {"config", 'c', 0, G_OPTION_ARG_FILENAME, &o.path, "the configuration (" DSN_CONF_PATH ")", "FILE"},
        {"from", 0, 0, G_OPTION_ARG_STRING, &o.from,
         "the first event: an entry, a time, or how long ago (all)", "WHEN"},
        {"to", 0, 0, G_OPTION_ARG_STRING, &o.to, "the last event (now)", "WHEN"},
        {"rules", 0, 0, G_OPTION_ARG_FILENAME, &o.rules,
         "a folder of knowledge, as [knowledge] dir names one; by default that one", "DIR"},
        {"diff", 0, 0, G_OPTION_ARG_NONE, &o.diff, "only say what would change (the default)", NULL},
        {"apply", 0, 0, G_OPTION_ARG_NONE, &o.apply, "make the change, and publish it", NULL},
        {"format", 0, 0, G_OPTION_ARG_STRING, &o.format, "table for people (the default) or ndjson",
         "FORMAT"},
        {0},
    };
    int status = DSN_EXIT_USAGE;
    if (dsn_cli_options(&argc, &argv, entries, NULL,
                        "Judges the stored events again, by other rules or by those of now, and tells which\n"
                        "suppressions would not be there and which would be."))
        status = argc > 1 ? dsn_cli_usage("replay", "there is nothing to do with \"%s\"", argv[1])
                          : work_on(&replay);
    char *texts[] = {o.path, o.from, o.to, o.rules, o.format};
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(texts[i]);
    return status;
}
