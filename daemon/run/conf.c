/* conf: reads the configuration by a table of its keys. Knows what each key may be, and does no more I/O than
 * reading the file and the password file. */
#include "conf.h"

#include "base/keyfile.h"
#include "base/log.h"
#include "redis/connection.h"
#include "sink/feed.h"
#include "units.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

enum key_type { KEY_TEXT, KEY_NUMBER, KEY_SIZE, KEY_DURATION, KEY_CHOICE, KEY_LIST };

struct key {
    const char *section, *name;
    enum key_type type;
    size_t
        offset; /* of a char *, int64_t or char ** in struct dsn_conf (struct dsn_conf_source in "source") */
    const char *fallback;                /* as it would stand in the file; NULL: none */
    int64_t min, max;                    /* of an amount, in its smallest unit */
    const char *const *choices;          /* of a choice, ended by NULL */
    const char *(*refuse)(const char *); /* of a text: what is wrong with it, NULL where nothing is */
};

static const char *const log_levels[] = {"error", "warning", "info", "debug", NULL};
static const char *const booleans[] = {"no", "yes", NULL};
static const char *const source_kinds[] = {"maildir", NULL};
static const char *const done_choices[] = {"keep", "delete", NULL};

static const char *refuse_server(const char *text) {
    struct dsn_redis_address address;
    if (!dsn_redis_address_parse(text, &address))
        return "no address of a server; expected unix:/PATH, HOST:PORT or [IPV6]:PORT";
    g_free(address.host);
    return NULL;
}

static const char *refuse_prefix(const char *text) {
    return text[0] && !strpbrk(text, "{} \t") ? NULL : "no prefix for keys; expected a word without braces";
}

static const char *refuse_path(const char *text) {
    return text[0] == '/' ? NULL : "no absolute path; expected one that begins with /";
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
    {"redis", "password_file", KEY_TEXT, CONF(redis_password_file), NULL, .refuse = refuse_path},
    {"redis", "timeout", KEY_DURATION, CONF(redis_timeout_ms), "5s", .min = 100, .max = 600 * SECOND},
    {"redis", "stream_maxlen", KEY_NUMBER, CONF(stream_maxlen), "1000000", .min = 1, .max = INT64_C(1) << 40},
    {"redis", "seen_expiry", KEY_DURATION, CONF(seen_expiry_ms), "30d", .min = SECOND, .max = 36500 * DAY},
    {"redis", "address_expiry", KEY_DURATION, CONF(address_expiry_ms), "180d", .min = SECOND,
     .max = 36500 * DAY},
    {"redis", "stats_expiry", KEY_DURATION, CONF(stats_expiry_ms), "400d", .min = SECOND, .max = 36500 * DAY},
    {"redis", "stats_domains", KEY_NUMBER, CONF(max_domains), "1000", .min = 0, .max = 1000000},
    {"feed", "bind", KEY_TEXT, CONF(feed_bind), "tcp://127.0.0.1:5556", .refuse = dsn_feed_refuse},
    {"feed", "hwm", KEY_NUMBER, CONF(feed_hwm), "100000", .min = 1, .max = 100000000},
    {"feed", "heartbeat", KEY_DURATION, CONF(feed_heartbeat_ms), "1s", .min = 10, .max = 3600 * SECOND},
    {"source", "kind", KEY_CHOICE, SOURCE(kind), "maildir", .choices = source_kinds},
    {"source", "path", KEY_TEXT, SOURCE(path), NULL, .refuse = refuse_path},
    {"source", "done", KEY_CHOICE, SOURCE(done), "keep", .choices = done_choices},
    {"source", "rescan", KEY_DURATION, SOURCE(rescan_ms), "60s", .min = SECOND, .max = 7 * DAY},
    {"limits", "max_bytes", KEY_SIZE, CONF(max_bytes), "4MiB", .min = KIB, .max = 1024 * MIB},
    {"limits", "max_parts", KEY_NUMBER, CONF(max_parts), "200", .min = 1, .max = 100000},
    {"limits", "max_depth", KEY_NUMBER, CONF(max_depth), "10", .min = 1, .max = 100},
    {"limits", "max_headers", KEY_NUMBER, CONF(max_headers), "1000", .min = 1, .max = 1000000},
    {"limits", "max_recipients", KEY_NUMBER, CONF(max_recipients), "10000", .min = 1, .max = 1000000},
    {"limits", "max_field_bytes", KEY_SIZE, CONF(max_field_bytes), "8KiB", .min = 64, .max = 16 * MIB},
    {"run", "workers", KEY_NUMBER, CONF(workers), "0", .min = 0, .max = 1024},
    {"run", "queue", KEY_NUMBER, CONF(queue), "256", .min = 1, .max = 100000},
    {"run", "queue_bytes", KEY_SIZE, CONF(queue_bytes), "32MiB", .min = KIB, .max = 65536 * MIB},
    {"run", "drain", KEY_DURATION, CONF(drain_ms), "10s", .min = 0, .max = 600 * SECOND},
    {"knowledge", "dir", KEY_TEXT, CONF(knowledge_dir), "/etc/dsnd", .refuse = refuse_path},
    {"log", "level", KEY_CHOICE, CONF(log_level), "info", .choices = log_levels},
    {"log", "mask_addresses", KEY_CHOICE, CONF(mask_addresses), "no", .choices = booleans},
    {"event", "headers", KEY_LIST, CONF(event_headers), .fallback = NULL},
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
    const char *group, *key;
};

static void complain(const struct reading *reading, struct place place, const char *found,
                     const char *expected) {
    dsn_problems_add(reading->problems, dsn_keyfile_name(reading->file),
                     dsn_keyfile_line(reading->file, place.group, place.key), "%s = %s: %s", place.key, found,
                     expected);
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
        *(char ***)field = dsn_keyfile_get_list(reading->file, place.group, place.key);
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

/* Reads the keys of a group that has the keys of `section`. */
static void read_group(const struct reading *reading, const char *group, const char *section, void *base) {
    const char *allowed[N_KEYS + 1] = {NULL};
    for (size_t i = 0, n = 0; i < N_KEYS; i++) {
        if (strcmp(keys[i].section, section) != 0)
            continue;
        allowed[n++] = keys[i].name;
        char *text = dsn_keyfile_get(reading->file, group, keys[i].name);
        if (text)
            set(reading, (struct place){group, keys[i].name}, &keys[i], text, base);
        g_free(text);
    }
    dsn_keyfile_only(reading->file, group, allowed, reading->problems);
}

static void complain_group(const struct reading *reading, const char *group, const char *text) {
    dsn_problems_add(reading->problems, dsn_keyfile_name(reading->file),
                     dsn_keyfile_line(reading->file, group, NULL), "[%s]: %s", group, text);
}

static bool is_word(const char *text) {
    const char *allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    return text[0] && text[strspn(text, allowed)] == '\0';
}

static void read_source(const struct reading *reading, const char *group) {
    struct dsn_conf *conf = reading->conf;
    const char *name = group + strlen("source ");
    if (!is_word(name)) {
        complain_group(reading, group,
                       "no name of a source; expected [source NAME] of letters, digits, '.', '_', '-'");
        return;
    }
    conf->sources = g_renew(struct dsn_conf_source, conf->sources, conf->n_sources + 1);
    struct dsn_conf_source *source = &conf->sources[conf->n_sources++];
    *source = (struct dsn_conf_source){.name = g_strdup(name)};
    set_defaults(reading, "source", source);
    read_group(reading, group, "source", source);
    char *path = dsn_keyfile_get(reading->file, group, "path");
    if (!path)
        complain_group(reading, group, "there is no path; expected path = /PATH/OF/A/MAILDIR");
    g_free(path);
    for (size_t i = 0; source->path && i + 1 < conf->n_sources; i++)
        if (conf->sources[i].path && strcmp(conf->sources[i].path, source->path) == 0)
            complain_group(reading, group, "another source has the same path; expected a maildir each");
}

static bool is_section(const char *name) {
    for (size_t i = 0; i < N_KEYS; i++)
        if (strcmp(keys[i].section, name) == 0 && strcmp(name, "source") != 0)
            return true;
    return false;
}

static void read_groups(const struct reading *reading) {
    static const char *const sections[] = {"redis", "feed", "limits", "run", "knowledge", "log", "event"};
    size_t n;
    char **groups = dsn_keyfile_groups(reading->file, &n);
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++)
        set_defaults(reading, sections[i], reading->conf);
    for (size_t i = 0; i < n; i++) {
        if (g_str_has_prefix(groups[i], "source "))
            read_source(reading, groups[i]);
        else if (is_section(groups[i]))
            read_group(reading, groups[i], groups[i], reading->conf);
        else
            complain_group(
                reading, groups[i],
                "no section; expected one of [redis], [feed], [source NAME], [limits], [run], [knowledge], "
                "[log], [event]");
        if (strcmp(groups[i], "feed") == 0)
            reading->conf->has_feed = true;
    }
    if (reading->conf->n_sources == 0)
        dsn_problems_add(reading->problems, dsn_keyfile_name(reading->file), 0,
                         "there is no source; expected at least one [source NAME]");
}

static void read_password(const struct reading *reading) {
    GError *error = NULL;
    struct dsn_conf *conf = reading->conf;
    if (!conf->redis_password_file)
        return;
    if (g_file_get_contents(conf->redis_password_file, &conf->redis_password, NULL, &error)) {
        g_strchomp(conf->redis_password);
        return;
    }
    complain(reading, (struct place){"redis", "password_file"}, conf->redis_password_file, error->message);
    g_error_free(error);
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
        if ((strcmp(keys[i].section, "source") == 0) != of_source)
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
    g_free(conf->sources);
    g_free(conf);
}

struct dsn_limits dsn_conf_limits(const struct dsn_conf *conf) {
    return (struct dsn_limits){
        .max_bytes = (size_t)conf->max_bytes,
        .max_parts = (unsigned)conf->max_parts,
        .max_depth = (unsigned)conf->max_depth,
        .max_headers = (unsigned)conf->max_headers,
        .max_recipients = (unsigned)conf->max_recipients,
        .max_field_bytes = (size_t)conf->max_field_bytes,
    };
}
