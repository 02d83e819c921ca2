/* tail: `dsnd tail`, the events of a feed on standard output, as they come. What it shows is chosen here: it
 * subscribes to everything, so that every gap shows. */
#include "base/json.h"
#include "base/sv.h"
#include "cli.h"
#include "feed/subscriber.h"
#include "output.h"
#include "server.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct options {
    char *path, *feed, *replay, *from, *format_name, *keys, *server_key;
    char **topics, **kinds, **reasons, **domains; /* ended by NULL; NULL: all */
    gint64 count;                                 /* 0: any number */
};

struct tail {
    const struct options *options;
    enum dsn_output format;
    gint64 shown;
    GString *text;
};

/* What to show */

/* "kind.type.reason.domain". */
struct topic {
    struct dsn_strview kind, type, reason, domain;
};

static struct topic split_topic(struct dsn_strview text) {
    struct topic topic = {0};
    struct dsn_strview *const parts[] = {&topic.kind, &topic.type, &topic.reason};
    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        size_t dot = MIN(dsn_sv_find_char(text, '.', 0), text.n);
        *parts[i] = dsn_sv(text.p, dot);
        text = dsn_sv_from(text, MIN(dot + 1, text.n));
    }
    topic.domain = text;
    return topic;
}

static bool is_one_of(struct dsn_strview s, char **words) {
    return !words || dsn_sv_is_one_of(s, (const char *const *)words, g_strv_length(words));
}

static bool begins_with_one_of(struct dsn_strview s, char **prefixes) {
    bool found = !prefixes;
    for (size_t i = 0; prefixes && prefixes[i] && !found; i++)
        found = strncmp(prefixes[i], s.n ? s.p : "", MIN(strlen(prefixes[i]), s.n)) == 0 &&
                strlen(prefixes[i]) <= s.n;
    return found;
}

static bool is_wanted(const struct options *options, struct dsn_strview text) {
    struct topic topic = split_topic(text);
    return begins_with_one_of(text, options->topics) && is_one_of(topic.kind, options->kinds) &&
           is_one_of(topic.reason, options->reasons) && is_one_of(topic.domain, options->domains);
}

/* Showing it */

static const char *text_at(yajl_val tree, const char *a, const char *b) {
    const char *path[] = {a, b, NULL};
    yajl_val value = tree ? yajl_tree_get(tree, path, yajl_t_any) : NULL;
    return YAJL_IS_STRING(value)   ? YAJL_GET_STRING(value)
           : YAJL_IS_NUMBER(value) ? YAJL_GET_NUMBER(value)
                                   : NULL;
}

/* What is in the envelope of CloudEvents, or the event itself. */
static yajl_val without_envelope(yajl_val tree) {
    const char *path[] = {"data", NULL};
    yajl_val data = tree ? yajl_tree_get(tree, path, yajl_t_object) : NULL;
    return data ? data : tree;
}

static void add_row(GString *text, struct dsn_strview json) {
    yajl_val whole = dsn_json_object(json), tree = without_envelope(whole);
    const char *const columns[DSN_COLUMNS] = {
        text_at(tree, "kind", NULL),      text_at(tree, "type", NULL),      text_at(tree, "reason", NULL),
        text_at(tree, "action", NULL),    text_at(tree, "smtp_code", NULL), text_at(tree, "status", NULL),
        text_at(tree, "recipient", NULL), text_at(tree, "source", "name")};
    dsn_output_row(text, columns);
    yajl_tree_free(whole);
}

static bool show(void *context, struct dsn_strview topic, struct dsn_strview entry,
                 struct dsn_strview event) {
    struct tail *tail = context;
    (void)entry;
    if (!is_wanted(tail->options, topic))
        return true;
    g_string_truncate(tail->text, 0);
    if (tail->format == DSN_OUTPUT_TABLE) {
        add_row(tail->text, event);
    } else {
        g_string_append_len(tail->text, event.p, (gssize)event.n);
        g_string_append_c(tail->text, '\n');
    }
    fwrite(tail->text->str, 1, tail->text->len, stdout);
    tail->shown++;
    return fflush(stdout) == 0 && tail->shown != tail->options->count;
}

static void notice(void *context, const char *text) {
    (void)context;
    fprintf(stderr, "dsnd tail: %s\n", text);
}

/* Following */

static int catch_signals(void) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int conclude(const struct dsn_subscriber *subscriber) {
    char *position = dsn_subscriber_position(subscriber);
    if (position)
        fprintf(stderr, "dsnd tail: go on with --from %s\n", position);
    g_free(position);
    return dsn_subscriber_lost(subscriber) == 0 ? DSN_EXIT_OK : DSN_EXIT_FAILED;
}

static int follow(struct tail *tail, const char *feed, const char *replay, const struct dsn_curve_keys *keys,
                  const char *server_key) {
    char why[512];
    const struct dsn_subscriber_settings settings = {
        .feed = feed,
        .replay = replay,
        .from = tail->options->from,
        .keys = keys,
        .server_key = server_key,
        .stop_fd = catch_signals(),
        .context = tail,
        .event = show,
        .notice = notice,
    };
    struct dsn_subscriber *subscriber;
    int status = DSN_EXIT_FAILED;
    tail->text = g_string_new(NULL);
    if (dsn_subscriber_open(&settings, why, sizeof why, &subscriber) == DSN_OK) {
        dsn_output_begin(stdout, tail->format);
        fflush(stdout);
        dsn_subscriber_run(subscriber);
        status = conclude(subscriber);
        dsn_subscriber_close(subscriber);
    } else {
        fprintf(stderr, "dsnd tail: %s\n", why);
    }
    g_string_free(tail->text, TRUE);
    close(settings.stop_fd);
    return status;
}

static int follow_with_keys(struct tail *tail, const char *feed, const char *replay) {
    struct dsn_problems *problems = dsn_problems_new();
    struct dsn_curve_keys keys;
    char server_key[DSN_CURVE_KEY_SIZE];
    enum dsn_error error = dsn_curve_keys_read(tail->options->keys, problems, &keys);
    if (!error)
        error = dsn_curve_public_key_read(tail->options->server_key, problems, server_key);
    dsn_cli_print_problems(problems);
    dsn_problems_free(problems);
    return error ? DSN_EXIT_FAILED : follow(tail, feed, replay, &keys, server_key);
}

static int run(struct tail *tail) {
    const struct options *options = tail->options;
    struct dsn_conf *conf = options->feed ? NULL : dsn_server_conf(options->path);
    const char *feed = options->feed ? options->feed : conf && conf->has_feed ? conf->feed_bind : NULL;
    const char *replay = options->replay ? options->replay : conf ? conf->feed_replay : NULL;
    int status = DSN_EXIT_FAILED;
    if (!feed && conf)
        fputs("dsnd tail: the configuration has no feed; expected a section [feed], or --feed\n", stderr);
    else if (feed && options->from && !replay)
        fputs("dsnd tail: --from needs a replay; expected [feed] replay in the configuration, or --replay\n",
              stderr);
    else if (feed)
        status =
            options->keys ? follow_with_keys(tail, feed, replay) : follow(tail, feed, replay, NULL, NULL);
    dsn_conf_free(conf);
    return status;
}

static int misuse(const struct options *options, char **operands, int n, enum dsn_output *format) {
    if (n > 0)
        return dsn_cli_usage("tail", "there is nothing to be done with \"%s\"", operands[0]);
    if (!dsn_output_parse(options->format_name, format) || *format == DSN_OUTPUT_JSON)
        return dsn_cli_usage("tail", "unknown format \"%s\"; expected ndjson or table", options->format_name);
    if (options->count < 0)
        return dsn_cli_usage("tail", "--count is below 0");
    if (!options->keys != !options->server_key)
        return dsn_cli_usage("tail", "--keys and --server-key go together");
    return DSN_EXIT_OK;
}

static void clear(struct options *options) {
    g_free(options->path);
    g_free(options->feed);
    g_free(options->replay);
    g_free(options->from);
    g_free(options->format_name);
    g_free(options->keys);
    g_free(options->server_key);
    g_strfreev(options->topics);
    g_strfreev(options->kinds);
    g_strfreev(options->reasons);
    g_strfreev(options->domains);
}

int dsn_cli_tail(int argc, char **argv) {
    struct options o = {0};
    struct tail tail = {.options = &o, .format = DSN_OUTPUT_NDJSON};
    const GOptionEntry entries[] = {
        {"config", 'c', 0, G_OPTION_ARG_FILENAME, &o.path, "whose feed (" DSN_CONF_PATH ")", "FILE"},
        {"feed", 0, 0, G_OPTION_ARG_STRING, &o.feed, "another feed than the configuration's", "ENDPOINT"},
        {"replay", 0, 0, G_OPTION_ARG_STRING, &o.replay, "and its replay", "ENDPOINT"},
        {"keys", 0, 0, G_OPTION_ARG_FILENAME, &o.keys, "our key pair, for an encrypted feed",
         "FILE.key_secret"},
        {"server-key", 0, 0, G_OPTION_ARG_FILENAME, &o.server_key, "the public key of that feed", "FILE.key"},
        {"from", 0, 0, G_OPTION_ARG_STRING, &o.from, "begin after this entry; 0: with all there is",
         "STREAM-ID"},
        {"topic", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.topics, "only topics that begin so, as in bounce.hard.",
         "BEGINNING"},
        {"kind", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.kinds, "only this kind", "KIND"},
        {"reason", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.reasons, "only this reason", "REASON"},
        {"domain", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.domains, "only recipients of this domain", "DOMAIN"},
        {"count", 'n', 0, G_OPTION_ARG_INT64, &o.count, "end after so many", "N"},
        {"format", 0, 0, G_OPTION_ARG_STRING, &o.format_name, "ndjson (the default), or table for people",
         "FORMAT"},
        {0},
    };
    int status = DSN_EXIT_USAGE;
    if (dsn_cli_options(
            &argc, &argv, entries, NULL,
            "Prints the events of a feed as they come, and asks for a replay of what it missed. Options that "
            "choose\nevents can be given several times. Exit status: 0 it was told to end and nothing is "
            "missing,\n1 something is missing or went wrong, 2 wrong use.")) {
        status = misuse(&o, argv + 1, argc - 1, &tail.format);
        if (!status)
            status = run(&tail);
    }
    clear(&o);
    return status;
}
