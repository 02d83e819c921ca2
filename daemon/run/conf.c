/* conf: reads the configuration by a table of its keys. Knows what each key may be, and does no more I/O than
 * reading the file and the password file. */
#include "conf.h"

#include "base/endpoint.h"
#include "base/json.h"
#include "base/keyfile.h"
#include "base/listener.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/sv.h"
#include "base/units.h"
#include "feed/feed.h"
#include "knowledge.h"
#include "mail/return_path.h"
#include "verdict/words.h"

#include <glib.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum key_type { KEY_TEXT, KEY_NUMBER, KEY_SIZE, KEY_DURATION, KEY_CHOICE, KEY_LIST };

struct key {
    const char *section, *name;
    enum key_type type;
    size_t
        offset; /* of a char *, int64_t or char ** in struct dsn_conf (struct dsn_conf_source in "source") */
    const char *fallback;       /* as it would stand in the file; NULL: none */
    int64_t min, max;           /* of an amount, in its smallest unit; of a list, how many at least */
    const char *const *choices; /* of a choice, ended by NULL */
    const char *(*refuse)(const char *); /* of a text, or of each in a list: what is wrong with it, or NULL */
};

static const char *const log_levels[] = {"error", "warning", "info", "debug", NULL};
static const char *const booleans[] = {"no", "yes", NULL};
/* In the order of enum dsn_conf_source_kind; the keys of a kind are in section "source KIND". */
static const char *const source_kinds[] = {"maildir", "stream", "lmtp", NULL};
static const char *const done_choices[] = {"keep", "delete", NULL};
static const char *const access_choices[] = {"owner", "group", "all", NULL};
static const char *const delimiters[] = {"+", "-", "=", NULL};
static const char *const trust_levels[] = {"unverified", "verified", NULL};
static const char *const trust_actions[] = {"none", "count", "suppress", NULL};

static const char *const format_choices[] = {"dsnd", "cloudevents", NULL};
static const char *const insecure_choices[] = {"no", "anyone-may-read", NULL};

static const char *refuse_server(const char *text) {
    struct dsn_endpoint address;
    if (g_str_has_prefix(text, "tls:") || g_str_has_prefix(text, "rediss:"))
        return "no TLS: the hiredis that dsnd is built with has none; expected the address of a tunnel "
               "(stunnel, say)";
    if (!dsn_endpoint_parse(text, &address))
        return "no address of a server; expected unix:/PATH, HOST:PORT or [IPV6]:PORT";
    g_free(address.host);
    return NULL;
}

static const char *refuse_prefix(const char *text) {
    return text[0] && !strpbrk(text, "{} \t") ? NULL : "no prefix for keys; expected a word without braces";
}

static bool is_word(const char *text) {
    const char *allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    return text[0] && text[strspn(text, allowed)] == '\0';
}

const char *dsn_conf_refuse_user(const char *text) {
    return is_word(text) && text[0] != '.' && strlen(text) <= 42
               ? NULL
               : "no local part; expected at most 42 letters, digits, '.', '_', '-'";
}

static const char *refuse_domain(const char *text) {
    return is_word(text) && text[0] != '.' && strlen(text) <= 200 ? NULL : "no domain; expected a name";
}

static const char *refuse_path(const char *text) {
    return text[0] == '/' ? NULL : "no absolute path; expected one that begins with /";
}

static enum dsn_provenance source_of(const char *name) {
    int source = dsn_word_find(dsn_word_provenance, dsn_sv_str(name));
    return source < 0 ? DSN_FROM_NOTHING : (enum dsn_provenance)source;
}

static const char *refuse_source(const char *text) {
    return source_of(text) ? NULL : "no source; expected some of verp; original; header; final; prose";
}

#define CONF(field) offsetof(struct dsn_conf, field)
#define SOURCE(field) offsetof(struct dsn_conf_source, field)
#define SECOND INT64_C(1000)
#define DAY (86400 * SECOND)
#define KIB INT64_C(1024)
#define MIB (1024 * KIB)

static const struct key keys[] = {
    {"redis", "server", KEY_TEXT, CONF(redis_server), "127.0.0.1:6379", .refuse = refuse_server},
    {"redis", "prefix", KEY_TEXT, CONF(redis_prefix), "dsn", .refuse = refuse_prefix},
    {"redis", "shards", KEY_NUMBER, CONF(redis_shards), "1", .min = 1, .max = 16384},
    {"redis", "sentinels", KEY_LIST, CONF(redis_sentinels), .min = 1, .refuse = refuse_server},
    {"redis", "master", KEY_TEXT, CONF(redis_master), .fallback = "mymaster"},
    {"redis", "cluster", KEY_LIST, CONF(redis_cluster), .min = 1, .refuse = refuse_server},
    {"redis", "wait_replicas", KEY_NUMBER, CONF(redis_wait_replicas), "0", .min = 0, .max = 100},
    {"redis", "user", KEY_TEXT, CONF(redis_user), .fallback = NULL},
    {"redis", "password_file", KEY_TEXT, CONF(redis_password_file), NULL, .refuse = refuse_path},
    {"redis", "timeout", KEY_DURATION, CONF(redis_timeout_ms), "5s", .min = 100, .max = 600 * SECOND},
    {"redis", "stream_maxlen", KEY_NUMBER, CONF(stream_maxlen), "1000000", .min = 1, .max = INT64_C(1) << 40},
    {"redis", "seen_expiry", KEY_DURATION, CONF(seen_expiry_ms), "30d", .min = SECOND, .max = 36500 * DAY},
    {"redis", "address_expiry", KEY_DURATION, CONF(address_expiry_ms), "180d", .min = SECOND,
     .max = 36500 * DAY},
    {"redis", "stats_expiry", KEY_DURATION, CONF(stats_expiry_ms), "400d", .min = SECOND, .max = 36500 * DAY},
    {"redis", "stats_domains", KEY_NUMBER, CONF(max_domains), "1000", .min = 0, .max = 1000000},
    {"feed", "bind", KEY_TEXT, CONF(feed_bind), "tcp://127.0.0.1:5556", .refuse = dsn_feed_refuse},
    {"feed", "replay", KEY_TEXT, CONF(feed_replay), NULL, .refuse = dsn_feed_refuse},
    {"feed", "keys", KEY_TEXT, CONF(feed_keys), NULL, .refuse = refuse_path},
    {"feed", "clients", KEY_TEXT, CONF(feed_clients), NULL, .refuse = refuse_path},
    {"feed", "insecure", KEY_CHOICE, CONF(feed_insecure), "no", .choices = insecure_choices},
    {"feed", "hwm", KEY_NUMBER, CONF(feed_hwm), "100000", .min = 1, .max = 100000000},
    {"feed", "heartbeat", KEY_DURATION, CONF(feed_heartbeat_ms), "1s", .min = 10, .max = 3600 * SECOND},
    {"lookup", "listen", KEY_TEXT, CONF(lookup_listen), "unix:/run/dsnd/lookup.sock",
     .refuse = dsn_listener_refuse},
    {"lookup", "access", KEY_CHOICE, CONF(lookup_access), "group", .choices = access_choices},
    {"lookup", "cache", KEY_DURATION, CONF(lookup_cache_ms), "5s", .min = 0, .max = 3600 * SECOND},
    {"lookup", "timeout", KEY_DURATION, CONF(lookup_timeout_ms), "500ms", .min = 10, .max = 60 * SECOND},
    {"lookup", "clients", KEY_NUMBER, CONF(lookup_clients), "500", .min = 1, .max = 100000},
    {"http", "listen", KEY_TEXT, CONF(http_listen), "127.0.0.1:9925", .refuse = dsn_listener_refuse},
    {"queue", "max_messages", KEY_NUMBER, CONF(queue_max_messages), "100000", .min = 1,
     .max = INT64_C(1) << 40},
    {"feed", "format", KEY_CHOICE, CONF(feed_cloudevents), "dsnd", .choices = format_choices},
    {"ndjson", "path", KEY_TEXT, CONF(ndjson_path), NULL, .refuse = refuse_path},
    {"ndjson", "format", KEY_CHOICE, CONF(ndjson_cloudevents), "dsnd", .choices = format_choices},
    {"source", "kind", KEY_CHOICE, SOURCE(kind), "maildir", .choices = source_kinds},
    {"source maildir", "path", KEY_TEXT, SOURCE(path), NULL, .refuse = refuse_path},
    {"source maildir", "done", KEY_CHOICE, SOURCE(done), "keep", .choices = done_choices},
    {"source maildir", "rescan", KEY_DURATION, SOURCE(rescan_ms), "60s", .min = SECOND, .max = 7 * DAY},
    {"source stream", "claim_after", KEY_DURATION, SOURCE(claim_ms), "60s", .min = SECOND, .max = DAY},
    {"source stream", "max_deliveries", KEY_NUMBER, SOURCE(max_deliveries), "10", .min = 1, .max = 1000000},
    {"source lmtp", "listen", KEY_TEXT, SOURCE(listen), "unix:/run/dsnd/lmtp.sock",
     .refuse = dsn_listener_refuse},
    {"source lmtp", "access", KEY_CHOICE, SOURCE(access), "group", .choices = access_choices},
    {"source lmtp", "clients", KEY_NUMBER, SOURCE(max_clients), "50", .min = 1, .max = 10000},
    {"limits", "max_bytes", KEY_SIZE, CONF(max_bytes), "4MiB", .min = KIB, .max = 1024 * MIB},
    {"limits", "max_parts", KEY_NUMBER, CONF(max_parts), "200", .min = 1, .max = 100000},
    {"limits", "max_depth", KEY_NUMBER, CONF(max_depth), "10", .min = 1, .max = 100},
    {"limits", "max_headers", KEY_NUMBER, CONF(max_headers), "1000", .min = 1, .max = 1000000},
    {"limits", "max_recipients", KEY_NUMBER, CONF(max_recipients), "10000", .min = 1, .max = 1000000},
    {"limits", "max_json_depth", KEY_NUMBER, CONF(max_json_depth), "16", .min = 1, .max = DSN_JSON_DEPTH_MAX},
    {"limits", "max_header_bytes", KEY_SIZE, CONF(max_header_bytes), "64KiB", .min = KIB, .max = 16 * MIB},
    {"limits", "max_field_bytes", KEY_SIZE, CONF(max_field_bytes), "8KiB", .min = 64, .max = 16 * MIB},
    {"limits", "max_time", KEY_DURATION, CONF(max_time_ms), "10s", .min = 10, .max = 3600 * SECOND},
    {"run", "workers", KEY_NUMBER, CONF(workers), "0", .min = 0, .max = 1024},
    {"run", "queue", KEY_NUMBER, CONF(queue), "256", .min = 1, .max = 100000},
    {"run", "queue_bytes", KEY_SIZE, CONF(queue_bytes), "32MiB", .min = KIB, .max = 65536 * MIB},
    {"run", "drain", KEY_DURATION, CONF(drain_ms), "10s", .min = 0, .max = 600 * SECOND},
    {"knowledge", "dir", KEY_TEXT, CONF(knowledge_dir), DSN_KNOWLEDGE_PATH, .refuse = refuse_path},
    {"log", "level", KEY_CHOICE, CONF(log_level), "info", .choices = log_levels},
    {"log", "mask_addresses", KEY_CHOICE, CONF(mask_addresses), "no", .choices = booleans},
    {"event", "headers", KEY_LIST, CONF(event_headers), .fallback = NULL},
    {"recipient", "order", KEY_LIST, CONF(order), .fallback = NULL, .refuse = refuse_source},
    {"recipient", "verp", KEY_LIST, CONF(verp), .fallback = NULL, .refuse = dsn_return_paths_refuse},
    {"guard", "bounces", KEY_NUMBER, CONF(guard_bounces), "50", .min = 1, .max = 1000000},
    {"guard", "factor", KEY_NUMBER, CONF(guard_factor), "3", .min = 0, .max = 1000},
    {"guard", "discard", KEY_DURATION, CONF(guard_discard_ms), "2d", .min = 60 * SECOND, .max = 365 * DAY},
    {"verp", "keys", KEY_TEXT, CONF(verp_keys), NULL, .refuse = refuse_path},
    {"verp", "domain", KEY_TEXT, CONF(verp_domain), NULL, .refuse = refuse_domain},
    {"verp", "user", KEY_TEXT, CONF(verp_user), "bounces", .refuse = dsn_conf_refuse_user},
    {"verp", "delimiter", KEY_CHOICE, CONF(verp_delimiter), "+", .choices = delimiters},
    {"verp", "lifetime", KEY_DURATION, CONF(verp_lifetime_ms), "30d", .min = 3600 * SECOND,
     .max = 3650 * DAY},
    {"trust", "message_id_domains", KEY_LIST, CONF(trust_message_id_domains), .fallback = NULL},
    {"trust", "relays", KEY_LIST, CONF(trust_relays), .fallback = NULL},
    {"trust", "weak", KEY_CHOICE, CONF(trust_weak), "unverified", .choices = trust_levels},
    {"trust", "unverified", KEY_CHOICE, CONF(trust_unverified), "count", .choices = trust_actions},
    {"trust", "unverified_complaints", KEY_CHOICE, CONF(trust_unverified_complaints), "count",
     .choices = trust_actions},
};
#define N_KEYS (sizeof keys / sizeof keys[0])

/* What is being read. */
struct reading {
    const struct dsn_keyfile *file;
    struct dsn_problems *problems;
    struct dsn_conf *conf;
};

/* Where a value stands, for problems; `group` NULL: it is a default. */
struct place {
    const struct dsn_keyfile_group *group;
    const char *key;
};

static void complain(const struct reading *reading, struct place place, const char *found,
                     const char *expected) {
    dsn_problems_add(reading->problems, reading->file->name, dsn_keyfile_line(place.group, place.key),
                     "%s = %s: %s", place.key, found, expected);
}

static void set_amount(const struct reading *reading, struct place place, const struct key *key,
                       const char *text, int64_t *out) {
    static const struct {
        bool (*parse)(const char *, int64_t *);
        const char *expected;
    } kinds[] = {
        [KEY_NUMBER] = {dsn_units_number, "no number; expected digits, as in 1000"},
        [KEY_SIZE] = {dsn_units_size,
                      "no size; expected a number with its unit, one of B, KiB, MiB, GiB, as in 4MiB"},
        [KEY_DURATION] =
            {dsn_units_duration,
             "no duration; expected a number with its unit, one of ms, s, m, h, d, w, as in 30s"},
    };
    int64_t amount;
    if (!kinds[key->type].parse(text, &amount)) {
        complain(reading, place, text, kinds[key->type].expected);
    } else if (amount < key->min || amount > key->max) {
        const char *unit = key->type == KEY_SIZE ? " bytes" : key->type == KEY_DURATION ? " ms" : "";
        char *expected = g_strdup_printf("out of range; expected %lld to %lld%s", (long long)key->min,
                                         (long long)key->max, unit);
        complain(reading, place, text, expected);
        g_free(expected);
    } else {
        *out = amount;
    }
}

static void set_choice(const struct reading *reading, struct place place, const struct key *key,
                       const char *text, int64_t *out) {
    for (size_t i = 0; key->choices[i]; i++)
        if (strcmp(text, key->choices[i]) == 0) {
            *out = (int64_t)i;
            return;
        }
    char *names = g_strjoinv(", ", (char **)key->choices);
    char *expected = g_strdup_printf("not a choice; expected one of %s", names);
    complain(reading, place, text, expected);
    g_free(expected);
    g_free(names);
}

static void set_text(const struct reading *reading, struct place place, const struct key *key,
                     const char *text, char **out) {
    const char *refusal = key->refuse ? key->refuse(text) : NULL;
    if (refusal) {
        complain(reading, place, text, refusal);
        return;
    }
    g_free(*out);
    *out = g_strdup(text);
}

static void set_list(const struct reading *reading, struct place place, const struct key *key, char ***out) {
    char **list = dsn_keyfile_get_list(place.group, place.key);
    if (g_strv_length(list) < key->min)
        complain(reading, place, "", key->refuse(""));
    for (size_t i = 0; list[i]; i++) {
        const char *refusal = key->refuse ? key->refuse(list[i]) : NULL;
        for (size_t k = 0; !refusal && k < i; k++)
            refusal = strcmp(list[i], list[k]) == 0 ? "it stands there twice; expected each once" : NULL;
        if (refusal)
            complain(reading, place, list[i], refusal);
    }
    *out = list;
}

static void set(const struct reading *reading, struct place place, const struct key *key, const char *text,
                void *base) {
    void *field = (char *)base + key->offset;
    switch (key->type) {
    case KEY_TEXT:
        set_text(reading, place, key, text, field);
        break;
    case KEY_CHOICE:
        set_choice(reading, place, key, text, field);
        break;
    case KEY_LIST:
        set_list(reading, place, key, field);
        break;
    default:
        set_amount(reading, place, key, text, field);
    }
}

static void set_defaults(const struct reading *reading, const char *section, void *base) {
    for (size_t i = 0; i < N_KEYS; i++)
        if (strcmp(keys[i].section, section) == 0 && keys[i].fallback)
            set(reading, (struct place){NULL, keys[i].name}, &keys[i], keys[i].fallback, base);
}

/* Reads the keys of `section` that a group has, and adds their names to `allowed`, which is ended by NULL. */
static void read_keys(const struct reading *reading, const struct dsn_keyfile_group *group,
                      const char *section, void *base, const char **allowed) {
    while (*allowed)
        allowed++;
    for (size_t i = 0; i < N_KEYS; i++) {
        if (strcmp(keys[i].section, section) != 0)
            continue;
        *allowed++ = keys[i].name;
        const char *text = dsn_keyfile_get(group, keys[i].name);
        if (text)
            set(reading, (struct place){group, keys[i].name}, &keys[i], text, base);
    }
}

static void read_group(const struct reading *reading, const struct dsn_keyfile_group *group) {
    const char *allowed[N_KEYS + 1] = {NULL};
    read_keys(reading, group, group->name, reading->conf, allowed);
    dsn_keyfile_only(reading->file, group, allowed, reading->problems);
}

static void complain_group(const struct reading *reading, const struct dsn_keyfile_group *group,
                           const char *text) {
    dsn_problems_add(reading->problems, reading->file->name, group->line, "[%s]: %s", group->name, text);
}

/* A maildir of its own, for the last source. */
static void check_path(const struct reading *reading, const struct dsn_keyfile_group *group) {
    const struct dsn_conf *conf = reading->conf;
    const struct dsn_conf_source *source = &conf->sources[conf->n_sources - 1];
    if (!dsn_keyfile_get(group, "path"))
        complain_group(reading, group, "there is no path; expected path = /PATH/OF/A/MAILDIR");
    for (size_t i = 0; source->path && i + 1 < conf->n_sources; i++)
        if (conf->sources[i].path && strcmp(conf->sources[i].path, source->path) == 0)
            complain_group(reading, group, "another source has the same path; expected a maildir each");
}

static void read_source(const struct reading *reading, const struct dsn_keyfile_group *group) {
    struct dsn_conf *conf = reading->conf;
    const char *name = group->name + strlen("source ");
    if (!is_word(name)) {
        complain_group(reading, group,
                       "no name of a source; expected [source NAME] of letters, digits, '.', '_', '-'");
        return;
    }
    const char *allowed[N_KEYS + 1] = {NULL};
    conf->sources = g_renew(struct dsn_conf_source, conf->sources, conf->n_sources + 1);
    struct dsn_conf_source *source = &conf->sources[conf->n_sources++];
    *source = (struct dsn_conf_source){.name = g_strdup(name)};
    set_defaults(reading, "source", source);
    read_keys(reading, group, "source", source, allowed);
    char *section = g_strconcat("source ", source_kinds[source->kind], NULL);
    set_defaults(reading, section, source);
    read_keys(reading, group, section, source, allowed);
    g_free(section);
    dsn_keyfile_only(reading->file, group, allowed, reading->problems);
    if (source->kind == DSN_CONF_MAILDIR)
        check_path(reading, group);
}

static bool is_of_source(const struct key *key) {
    return g_str_has_prefix(key->section, "source");
}

static bool is_section(const char *name) {
    for (size_t i = 0; i < N_KEYS; i++)
        if (strcmp(keys[i].section, name) == 0 && !is_of_source(&keys[i]))
            return true;
    return false;
}

/* The sections, in the order of the table, without those of a kind of source; ended by NULL. */
static void list_sections(const char *out[N_KEYS + 1]) {
    size_t n = 0;
    for (size_t i = 0; i < N_KEYS; i++) {
        if (!strchr(keys[i].section, ' ') && (n == 0 || strcmp(keys[i].section, out[n - 1]) != 0))
            out[n++] = keys[i].section;
    }
    out[n] = NULL;
}

static void complain_unknown_group(const struct reading *reading, const struct dsn_keyfile_group *group,
                                   const char *const *sections) {
    GString *text = g_string_new("no section; expected one of ");
    for (; *sections; sections++)
        g_string_append_printf(text, "[%s%s], ", *sections, strcmp(*sections, "source") == 0 ? " NAME" : "");
    g_string_append(text, "[policy], [policy NAME]");
    complain_group(reading, group, text->str);
    g_string_free(text, TRUE);
}

static void read_groups(const struct reading *reading) {
    const char *sections[N_KEYS + 1];
    list_sections(sections);
    for (size_t i = 0; sections[i]; i++) {
        if (strcmp(sections[i], "source") != 0)
            set_defaults(reading, sections[i], reading->conf);
    }
    for (size_t i = 0; i < reading->file->n; i++) {
        const struct dsn_keyfile_group *group = &reading->file->groups[i];
        if (g_str_has_prefix(group->name, "source "))
            read_source(reading, group);
        else if (dsn_policies_has_group(group->name))
            continue; /* they are read all together */
        else if (is_section(group->name))
            read_group(reading, group);
        else
            complain_unknown_group(reading, group, sections);
    }
    reading->conf->has_feed = dsn_keyfile_find(reading->file, "feed") != NULL;
    reading->conf->has_lookup = dsn_keyfile_find(reading->file, "lookup") != NULL;
    reading->conf->has_http = dsn_keyfile_find(reading->file, "http") != NULL;
    reading->conf->policies = dsn_policies_read(reading->file, reading->problems);
    if (reading->conf->n_sources == 0)
        dsn_problems_add(reading->problems, reading->file->name, 0,
                         "there is no source; expected at least one [source NAME]");
}

static void read_password(const struct reading *reading) {
    char text[DSN_SECRET_SIZE];
    size_t n;
    struct dsn_conf *conf = reading->conf;
    const struct dsn_keyfile_group *redis = dsn_keyfile_find(reading->file, "redis");
    if (!conf->redis_password_file) {
        if (conf->redis_user)
            complain(reading, (struct place){redis, "user"}, conf->redis_user,
                     "a user without a password; expected password_file, too");
        return;
    }
    const char *refusal = dsn_secret_read(conf->redis_password_file, false, text, &n);
    text[strcspn(text, "\r\n")] = '\0';
    if (!refusal && !*text)
        refusal = "is empty; expected a password";
    if (refusal)
        complain(reading, (struct place){redis, "password_file"}, conf->redis_password_file, refusal);
    else
        conf->redis_password = g_strdup(text);
    sodium_memzero(text, sizeof text);
}

/* A feed that leaves the host is encrypted, unless somebody says in so many words that it need not be. */
static void check_feed(const struct reading *reading) {
    const struct dsn_conf *conf = reading->conf;
    const struct dsn_keyfile_group *feed = dsn_keyfile_find(reading->file, "feed");
    const struct {
        const char *key, *endpoint;
    } listeners[] = {{"bind", conf->feed_bind}, {"replay", conf->feed_replay}};
    for (size_t i = 0; i < G_N_ELEMENTS(listeners); i++)
        if (listeners[i].endpoint && !conf->feed_keys && !conf->feed_insecure &&
            !dsn_feed_is_local(listeners[i].endpoint))
            complain(reading, (struct place){feed, listeners[i].key}, listeners[i].endpoint,
                     "not the loopback interface, and not encrypted; expected tcp://127.0.0.1:PORT, "
                     "tcp://[::1]:PORT or "
                     "ipc:///PATH, or keys and clients, or insecure = anyone-may-read");
    if (feed && !conf->feed_keys != !conf->feed_clients)
        complain_group(reading, feed, "keys and clients go together; expected both, or neither");
}

enum dsn_error dsn_conf_parse(const char *name, struct dsn_strview text, struct dsn_problems *problems,
                              struct dsn_conf **out) {
    struct dsn_keyfile *file = NULL;
    enum dsn_error error = dsn_keyfile_new(name, text, true, problems, &file);
    if (error)
        return error;
    size_t before = dsn_problems_count(problems);
    struct dsn_conf *conf = g_new0(struct dsn_conf, 1);
    struct reading reading = {file, problems, conf};
    read_groups(&reading);
    check_feed(&reading);
    read_password(&reading);
    dsn_keyfile_free(file);
    if (dsn_problems_count(problems) > before) {
        dsn_conf_free(conf);
        return DSN_ERR_SYNTAX;
    }
    *out = conf;
    return DSN_OK;
}

enum dsn_error dsn_conf_load(const char *path, struct dsn_problems *problems, struct dsn_conf **out) {
    GError *failure = NULL;
    gsize n;
    char *text;
    if (!g_file_get_contents(path, &text, &n, &failure)) {
        dsn_problems_add(problems, path, 0, "%s", failure->message);
        g_error_free(failure);
        return DSN_ERR_SYNTAX;
    }
    enum dsn_error error = dsn_conf_parse(path, (struct dsn_strview){text, n}, problems, out);
    g_free(text);
    return error;
}

static void clear_fields(void *base, bool of_source) {
    for (size_t i = 0; i < N_KEYS; i++) {
        void *field = (char *)base + keys[i].offset;
        if (is_of_source(&keys[i]) != of_source)
            continue;
        if (keys[i].type == KEY_TEXT)
            g_free(*(char **)field);
        else if (keys[i].type == KEY_LIST)
            g_strfreev(*(char ***)field);
    }
}

void dsn_conf_free(struct dsn_conf *conf) {
    if (!conf)
        return;
    for (size_t i = 0; i < conf->n_sources; i++) {
        clear_fields(&conf->sources[i], true);
        g_free(conf->sources[i].name);
    }
    clear_fields(conf, false);
    g_free(conf->redis_password);
    dsn_policies_free(conf->policies);
    g_free(conf->sources);
    g_free(conf);
}

struct dsn_redis_settings dsn_conf_redis(const struct dsn_conf *conf) {
    return (struct dsn_redis_settings){
        .server = conf->redis_server,
        .user = conf->redis_user,
        .password = conf->redis_password,
        .sentinels = (const char *const *)(conf->redis_cluster ? NULL : conf->redis_sentinels),
        .master = conf->redis_master,
        .cluster = (const char *const *)conf->redis_cluster,
        .replicas = (unsigned)conf->redis_wait_replicas,
        .timeout_ms = conf->redis_timeout_ms};
}

const char *dsn_conf_redis_name(const struct dsn_conf *conf) {
    const struct dsn_redis_settings settings = dsn_conf_redis(conf);
    return dsn_redis_name(&settings);
}

struct dsn_options dsn_conf_options(const struct dsn_conf *conf) {
    struct dsn_options options = {
        .limits =
            {
                .max_bytes = (size_t)conf->max_bytes,
                .max_parts = (unsigned)conf->max_parts,
                .max_depth = (unsigned)conf->max_depth,
                .max_headers = (unsigned)conf->max_headers,
                .max_recipients = (unsigned)conf->max_recipients,
                .max_json_depth = (unsigned)conf->max_json_depth,
                .max_header_bytes = (size_t)conf->max_header_bytes,
                .max_field_bytes = (size_t)conf->max_field_bytes,
            },
        .verp = (const char *const *)conf->verp,
    };
    for (size_t i = 0; conf->order && conf->order[i]; i++)
        options.order[i] = source_of(conf->order[i]); /* each stands there once: there is room for all */
    return options;
}

struct dsn_verp_form dsn_conf_verp_form(const struct dsn_conf *conf) {
    return (struct dsn_verp_form){.user = conf->verp_user,
                                  .delimiter = delimiters[conf->verp_delimiter][0],
                                  .domain = conf->verp_domain};
}
