/* dead: `dsnd dead`, the messages that nobody could process: look at them, put them back into the queue, or
 * throw them away. */
#include "cli.h"
#include "output.h"
#include "redis/queue.h"
#include "server.h"

#include "base/clock.h"
#include "base/json.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>
#include <yajl/yajl_gen.h>

#define PAGE "16" /* entries in one answer of Redis */
#define TABLE_ROW "%-22s %-24s %-16s %8s %s\n"

struct dead {
    struct dsn_conf *conf;
    struct dsn_server *server;
    char *inbox, *key;
    enum dsn_output format;
    bool all;
};

/* Looking */

static void text(yajl_gen json, struct dsn_strview s) {
    char *valid = g_utf8_make_valid(s.n ? s.p : "", (gssize)s.n);
    dsn_json_str(json, valid);
    g_free(valid);
}

static char *died_at(const char *id, char out[DSN_CLOCK_RFC3339_SIZE]) {
    return dsn_clock_rfc3339(g_ascii_strtoll(id, NULL, 10), out);
}

static void print_json(const char *id, const struct redisReply *fields) {
    static const char *const texts[] = {DSN_QUEUE_SOURCE, DSN_QUEUE_ENTRY, DSN_QUEUE_FROM, DSN_QUEUE_ERROR};
    char at[DSN_CLOCK_RFC3339_SIZE];
    const unsigned char *line;
    size_t n;
    struct dsn_strview to;
    yajl_gen json = yajl_gen_alloc(&dsn_json_memory);
    yajl_gen_map_open(json);
    dsn_json_str(json, "id");
    dsn_json_str(json, id);
    dsn_json_str(json, "died_at");
    dsn_json_str(json, died_at(id, at));
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        struct dsn_strview value = dsn_queue_field(fields, texts[i]);
        dsn_json_str(json, texts[i]);
        if (value.p)
            text(json, value);
        else
            yajl_gen_null(json);
    }
    dsn_json_str(json, DSN_QUEUE_TO);
    yajl_gen_array_open(json);
    for (size_t next = 0; (to = dsn_queue_next(fields, DSN_QUEUE_TO, &next)).p;)
        text(json, to);
    yajl_gen_array_close(json);
    dsn_json_str(json, "bytes");
    yajl_gen_integer(json, (long long)dsn_queue_field(fields, DSN_QUEUE_MESSAGE).n);
    yajl_gen_map_close(json);
    yajl_gen_get_buf(json, &line, &n);
    printf("%.*s\n", (int)n, (const char *)line);
    yajl_gen_free(json);
}

static void print_row(const char *id, const struct redisReply *fields) {
    char at[DSN_CLOCK_RFC3339_SIZE], bytes[24];
    char *source = dsn_output_shown(dsn_queue_field(fields, DSN_QUEUE_SOURCE)),
         *error = dsn_output_shown(dsn_queue_field(fields, DSN_QUEUE_ERROR));
    snprintf(bytes, sizeof bytes, "%zu", dsn_queue_field(fields, DSN_QUEUE_MESSAGE).n);
    printf(TABLE_ROW, id, died_at(id, at), source, bytes, error);
    g_free(source);
    g_free(error);
}

/* A page of entries from `from` on; NULL: there is no answer. */
static struct redisReply *read_page(struct dead *dead, const char *from, const char *to) {
    const char *argv[] = {"XRANGE", dead->key, from, to, "COUNT", PAGE};
    return dsn_server_ask(dead->server, G_N_ELEMENTS(argv), argv, NULL);
}

/* Calls `each` with every entry, oldest first. False: Redis does not answer. */
static bool for_each(struct dead *dead, void (*each)(const char *id, const struct redisReply *fields)) {
    char *from = g_strdup("-");
    bool good = true, more = true;
    while (good && more) {
        struct redisReply *page = read_page(dead, from, "+");
        good = page != NULL;
        more = good && page->elements > 0;
        for (size_t i = 0; more && i < page->elements; i++) {
            const char *id = dsn_queue_id(page->element[i]);
            each(id, page->element[i]->element[1]);
            g_free(from);
            from = g_strconcat("(", id, NULL);
        }
        freeReplyObject(page);
    }
    g_free(from);
    return good;
}

static int list(struct dead *dead, int n, char **ids) {
    if (n > 0)
        return dsn_cli_usage("dead", "there is nothing to be listed of \"%s\"", ids[0]);
    bool table = dead->format == DSN_OUTPUT_TABLE;
    if (table)
        printf(TABLE_ROW, "ID", "DIED", "SOURCE", "BYTES", "ERROR");
    return for_each(dead, table ? print_row : print_json) ? DSN_EXIT_OK : DSN_EXIT_FAILED;
}

static int show(struct dead *dead, int n, char **ids) {
    if (n != 1)
        return dsn_cli_usage("dead", "show takes the id of one message");
    struct redisReply *page = read_page(dead, ids[0], ids[0]);
    bool found = page && page->elements == 1;
    if (found) {
        struct dsn_strview message = dsn_queue_field(page->element[0]->element[1], DSN_QUEUE_MESSAGE);
        fwrite(message.p, 1, message.n, stdout);
    } else if (page) {
        fprintf(stderr, "%s: there is no message %s\n", g_get_prgname(), ids[0]);
    }
    freeReplyObject(page);
    return found ? DSN_EXIT_OK : DSN_EXIT_FAILED;
}

/* Doing */

static bool retry_one(struct dead *dead, const char *id, long long *done) {
    const char *argv[] = {"2", dead->inbox, dead->key, "revive", id};
    struct redisReply *reply = dsn_server_call(dead->server, 0, G_N_ELEMENTS(argv), argv);
    *done = reply ? reply->integer : 0;
    freeReplyObject(reply);
    return reply != NULL;
}

static bool drop_one(struct dead *dead, const char *id, long long *done) {
    const char *argv[] = {"XDEL", dead->key, id};
    struct redisReply *reply = dsn_server_ask(dead->server, G_N_ELEMENTS(argv), argv, NULL);
    *done = reply ? reply->integer : 0;
    freeReplyObject(reply);
    return reply != NULL;
}

/* The last id there is now, so that what dies meanwhile is left alone; NULL: there is none, or no answer. */
static char *last_id(struct dead *dead, bool *answered) {
    const char *argv[] = {"XREVRANGE", dead->key, "+", "-", "COUNT", "1"};
    struct redisReply *reply = dsn_server_ask(dead->server, G_N_ELEMENTS(argv), argv, NULL);
    char *id = reply && reply->elements == 1 ? g_strdup(dsn_queue_id(reply->element[0])) : NULL;
    *answered = reply != NULL;
    freeReplyObject(reply);
    return id;
}

static bool do_all(struct dead *dead, bool (*one)(struct dead *, const char *, long long *),
                   long long *total) {
    bool good, more = true;
    char *last = last_id(dead, &good);
    while (last && good && more) {
        struct redisReply *page = read_page(dead, "-", last);
        good = page != NULL;
        more = good && page->elements > 0;
        for (size_t i = 0; more && good && i < page->elements; i++) {
            long long done;
            good = one(dead, dsn_queue_id(page->element[i]), &done);
            *total += done;
        }
        freeReplyObject(page);
    }
    g_free(last);
    return good;
}

static bool do_some(struct dead *dead, int n, char **ids,
                    bool (*one)(struct dead *, const char *, long long *), long long *total) {
    bool good = true, found = true;
    for (int i = 0; i < n && good; i++) {
        long long done;
        good = one(dead, ids[i], &done);
        *total += done;
        if (good && !done) {
            fprintf(stderr, "%s: there is no message %s\n", g_get_prgname(), ids[i]);
            found = false;
        }
    }
    return good && found;
}

static int change(struct dead *dead, int n, char **ids, const char *did,
                  bool (*one)(struct dead *, const char *, long long *)) {
    long long total = 0;
    if (dead->all == (n > 0))
        return dsn_cli_usage("dead", "expected the ids of messages, or --all");
    bool good = dead->all ? do_all(dead, one, &total) : do_some(dead, n, ids, one, &total);
    printf("%lld %s\n", total, did);
    return good ? DSN_EXIT_OK : DSN_EXIT_FAILED;
}

static int retry(struct dead *dead, int n, char **ids) {
    return change(dead, n, ids, "put back into the queue", retry_one);
}

static int drop(struct dead *dead, int n, char **ids) {
    return change(dead, n, ids, "dropped", drop_one);
}

static const struct {
    const char *name;
    int (*run)(struct dead *dead, int n, char **ids);
} actions[] = {{"list", list}, {"show", show}, {"retry", retry}, {"drop", drop}};

static int act(struct dead *dead, const char *path, int n, char **words) {
    size_t i = 0;
    while (n > 0 && i < G_N_ELEMENTS(actions) && strcmp(actions[i].name, words[0]) != 0)
        i++;
    if (n == 0 || i == G_N_ELEMENTS(actions))
        return dsn_cli_usage("dead", "found \"%s\"; expected one of list, show, retry, drop",
                             n ? words[0] : "");
    dead->conf = dsn_server_conf(path);
    if (!dead->conf)
        return DSN_EXIT_FAILED;
    dead->server = dsn_server_open(dead->conf, dsn_queue_scripts);
    dead->inbox = dsn_queue_inbox(dead->conf->redis_prefix);
    dead->key = dsn_queue_dead(dead->conf->redis_prefix);
    int status = actions[i].run(dead, n - 1, words + 1);
    dsn_server_close(dead->server);
    dsn_conf_free(dead->conf);
    g_free(dead->inbox);
    g_free(dead->key);
    return status;
}

int dsn_cli_dead(int argc, char **argv) {
    char *path = NULL, *format = NULL;
    gboolean all = FALSE;
    struct dead dead = {.format = DSN_OUTPUT_NDJSON};
    const GOptionEntry entries[] = {
        {"config", 'c', 0, G_OPTION_ARG_FILENAME, &path, "the configuration (" DSN_CONF_PATH ")", "FILE"},
        {"format", 0, 0, G_OPTION_ARG_STRING, &format, "of list: ndjson (the default) or table", "FORMAT"},
        {"all", 0, 0, G_OPTION_ARG_NONE, &all, "retry or drop all there are now", NULL},
        {0},
    };
    int status = DSN_EXIT_USAGE;
    if (dsn_cli_options(
            &argc, &argv, entries, "list|show|retry|drop [ID...]",
            "The messages of the queue that could not be processed: list them, print one, put some back\n"
            "into the queue, or drop them.")) {
        dead.all = all;
        if (!dsn_output_parse(format, &dead.format) || dead.format == DSN_OUTPUT_JSON)
            status = dsn_cli_usage("dead", "unknown format \"%s\"; expected ndjson or table", format);
        else
            status = act(&dead, path, argc - 1, argv + 1);
    }
    g_free(path);
    g_free(format);
    return status;
}
