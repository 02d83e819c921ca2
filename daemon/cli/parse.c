/* parse: `dsnd parse`, the events of messages on standard output, in the order of the input, made on all
 * cores. Knows threads and order; needs no server. */
#include "base/clock.h"
#include "base/sv.h"
#include "cli.h"
#include "inputs.h"
#include "output.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

/* Handing over one by one would cost more than reading a message does. */
enum { RING = 32, BATCH_MESSAGES = 32, BATCH_BYTES = 256 * 1024, PROGRESS_MS = 200 };

struct message {
    struct dsn_input input;
    enum dsn_error error;
};

struct batch {
    struct message messages[BATCH_MESSAGES];
    size_t n, bytes;
    GString *text;                                                  /* what to print */
    size_t kinds[DSN_KIND_DELIVERED + 1], types[DSN_TYPE_SOFT + 1]; /* how many events of each */
    bool done;
};

/* A ring of batches: [printed, taken) are in work or done, [taken, added) wait for a worker, `added` is being
 * filled. */
struct parse {
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    struct batch ring[RING];
    size_t added, taken, printed;
    size_t n_printed, n_failed; /* messages */
    size_t kinds[DSN_KIND_DELIVERED + 1], types[DSN_TYPE_SOFT + 1];
    bool closed;
    bool good;
    enum dsn_output format;
    struct dsn_knowledge *knowledge;
    bool progress;
    bool begun; /* something was printed */
    int64_t shown_ms;
};

static void count_events(const struct dsn_report *report, struct batch *batch) {
    for (size_t i = 0; i < report->n_recipients; i++) {
        batch->kinds[report->recipients[i].verdict.kind]++;
        batch->types[report->recipients[i].verdict.type]++;
    }
    batch->kinds[DSN_KIND_NONE] += report->n_recipients == 0;
}

static void read_message(const struct parse *parse, struct dsn_reader *reader, struct message *message,
                         struct batch *batch) {
    GString *text = batch->text;
    gsize n, before = text->len;
    const char *p = g_bytes_get_data(message->input.bytes, &n);
    const struct dsn_report *report;
    struct dsn_event_source source = {
        .kind = message->input.kind,
        .name = dsn_sv_str(message->input.name),
        .number = message->input.number,
        .observed_at_ms = dsn_clock_real_ms(),
    };
    message->error = dsn_reader_read(reader, dsn_sv(p, n), &report);
    if (!message->error)
        message->error = dsn_output_events(text, parse->format, reader, report, &source);
    if (message->error)
        g_string_truncate(text, before);
    else
        count_events(report, batch);
}

static void *work(void *data) {
    struct parse *parse = data;
    struct dsn_reader *reader = NULL;
    enum dsn_error error = dsn_reader_new(parse->knowledge, NULL, &reader);
    pthread_mutex_lock(&parse->lock);
    for (;;) {
        while (parse->taken == parse->added && !parse->closed)
            pthread_cond_wait(&parse->work, &parse->lock);
        if (parse->taken == parse->added)
            break;
        struct batch *batch = &parse->ring[parse->taken++ % RING];
        pthread_mutex_unlock(&parse->lock);
        for (size_t i = 0; i < batch->n; i++) {
            batch->messages[i].error = error;
            if (!error)
                read_message(parse, reader, &batch->messages[i], batch);
            g_bytes_unref(batch->messages[i].input.bytes);
        }
        pthread_mutex_lock(&parse->lock);
        batch->done = true;
        pthread_cond_signal(&parse->done);
    }
    pthread_mutex_unlock(&parse->lock);
    dsn_reader_free(reader);
    return NULL;
}

static void show_progress(struct parse *parse, bool last) {
    int64_t now = dsn_clock_monotonic_ms();
    if (!parse->progress || (!last && now - parse->shown_ms < PROGRESS_MS))
        return;
    parse->shown_ms = now;
    fprintf(stderr, last ? "\r\033[K" : "\r%zu messages", parse->n_printed);
}

static void print_text(struct parse *parse, GString *text) {
    gsize n = text->len;
    if (parse->format == DSN_OUTPUT_JSON && n) { /* the comma between events comes before the next one */
        if (parse->begun)
            fputc(',', stdout);
        n--;
    }
    parse->begun |= n > 0;
    fwrite(text->str, 1, n, stdout);
    g_string_truncate(text, 0);
}

static void print_errors(struct parse *parse, const struct batch *batch) {
    for (size_t i = 0; i < batch->n; i++) {
        const struct message *message = &batch->messages[i];
        if (message->error) {
            char *name = g_strescape(message->input.name, NULL);
            fprintf(stderr, "dsnd: %s: %s\n", name, dsn_error_text(message->error));
            g_free(name);
            parse->n_failed++;
            parse->good = false;
        }
        g_free(message->input.name);
    }
}

/* Adds to the sums, and begins again. */
static void take_counts(size_t *sums, size_t *counts, size_t n) {
    for (size_t i = 0; i < n; i++) {
        sums[i] += counts[i];
        counts[i] = 0;
    }
}

/* For people: on a terminal only, and not among the results. */
static void print_summary(const struct parse *parse) {
    if (!isatty(STDERR_FILENO))
        return;
    fprintf(stderr, "%zu message%s:", parse->n_printed, parse->n_printed == 1 ? "" : "s");
    const char *before = " ";
    for (size_t kind = G_N_ELEMENTS(parse->kinds); kind-- > 0;) {
        if (parse->kinds[kind] == 0)
            continue;
        fprintf(stderr, "%s%zu %s", before, parse->kinds[kind],
                kind == DSN_KIND_NONE ? "no report" : dsn_kind_name((enum dsn_kind)kind));
        before = ", ";
    }
    fprintf(stderr, "%s%zu hard, %zu soft", before, parse->types[DSN_TYPE_HARD], parse->types[DSN_TYPE_SOFT]);
    fprintf(stderr, parse->n_failed > 0 ? ", %zu could not be read\n" : "\n", parse->n_failed);
}

/* Prints the oldest batch, waiting for it. Called with the lock held. */
static void print_one(struct parse *parse) {
    struct batch *batch = &parse->ring[parse->printed % RING];
    while (!batch->done)
        pthread_cond_wait(&parse->done, &parse->lock);
    pthread_mutex_unlock(&parse->lock);
    print_errors(parse, batch);
    print_text(parse, batch->text);
    parse->n_printed += batch->n;
    take_counts(parse->kinds, batch->kinds, G_N_ELEMENTS(parse->kinds));
    take_counts(parse->types, batch->types, G_N_ELEMENTS(parse->types));
    batch->n = batch->bytes = 0;
    batch->done = false;
    parse->printed++;
    show_progress(parse, false);
    pthread_mutex_lock(&parse->lock);
}

/* Hands the batch that is being filled to the workers, and makes room for the next. */
static void hand_over(struct parse *parse) {
    pthread_mutex_lock(&parse->lock);
    parse->added++;
    pthread_cond_signal(&parse->work);
    while (parse->added - parse->printed == RING ||
           (parse->printed < parse->taken && parse->ring[parse->printed % RING].done))
        print_one(parse);
    pthread_mutex_unlock(&parse->lock);
}

static bool add_message(struct dsn_input input, void *data) {
    struct parse *parse = data;
    struct batch *batch = &parse->ring[parse->added % RING];
    batch->messages[batch->n++].input = input;
    batch->bytes += g_bytes_get_size(input.bytes);
    if (batch->n == BATCH_MESSAGES || batch->bytes >= BATCH_BYTES)
        hand_over(parse);
    return !ferror(stdout);
}

static void run(struct parse *parse, char **paths, int n) {
    guint n_workers = 0, n_wanted = g_get_num_processors();
    pthread_t *workers = g_new(pthread_t, n_wanted);
    while (n_workers < n_wanted && pthread_create(&workers[n_workers], NULL, work, parse) == 0)
        n_workers++;
    if (n_workers == 0) {
        fputs("dsnd: no thread can be started\n", stderr);
        parse->good = false;
        g_free(workers);
        return;
    }
    dsn_output_begin(stdout, parse->format);
    for (int i = 0; i < n; i++)
        parse->good &= dsn_inputs_read(paths[i], add_message, parse);
    if (parse->ring[parse->added % RING].n)
        hand_over(parse);
    pthread_mutex_lock(&parse->lock);
    parse->closed = true;
    pthread_cond_broadcast(&parse->work);
    while (parse->printed < parse->added)
        print_one(parse);
    pthread_mutex_unlock(&parse->lock);
    show_progress(parse, true);
    dsn_output_end(stdout, parse->format);
    fflush(stdout);
    print_summary(parse);
    for (guint i = 0; i < n_workers; i++)
        pthread_join(workers[i], NULL);
    g_free(workers);
}

static int parse_paths(struct dsn_knowledge *knowledge, enum dsn_output format, char **paths, int n) {
    struct parse *parse = g_new0(struct parse, 1);
    parse->good = true;
    parse->format = format;
    parse->knowledge = knowledge;
    parse->progress = isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO);
    pthread_mutex_init(&parse->lock, NULL);
    pthread_cond_init(&parse->work, NULL);
    pthread_cond_init(&parse->done, NULL);
    for (size_t i = 0; i < RING; i++)
        parse->ring[i].text = g_string_sized_new(2048);
    run(parse, paths, n);
    bool good = parse->good;
    for (size_t i = 0; i < RING; i++)
        g_string_free(parse->ring[i].text, TRUE);
    pthread_mutex_destroy(&parse->lock);
    pthread_cond_destroy(&parse->work);
    pthread_cond_destroy(&parse->done);
    g_free(parse);
    return good ? DSN_EXIT_OK : DSN_EXIT_FAILED;
}

int dsn_cli_parse(int argc, char **argv) {
    char *format_name = NULL, *directory = NULL;
    const GOptionEntry entries[] = {
        {"format", 0, 0, G_OPTION_ARG_STRING, &format_name, "ndjson (the default), json, or table for people",
         "FORMAT"},
        dsn_cli_knowledge_option(&directory),
        {0},
    };
    enum dsn_output format = DSN_OUTPUT_NDJSON;
    if (!dsn_cli_options(
            &argc, &argv, entries, "PATH...",
            "Prints the events of the messages in PATHs: files, directories, maildirs, mboxes, or - for\n"
            "standard input. Needs no server. Exit status: 0 all was read, 1 some was not, 2 wrong use."))
        return DSN_EXIT_USAGE;
    if (!dsn_output_parse(format_name, &format))
        return dsn_cli_usage("parse", "unknown format \"%s\"; expected ndjson, json or table", format_name);
    if (argc < 2)
        return dsn_cli_usage("parse", "no PATH given");
    struct dsn_knowledge *knowledge = dsn_cli_knowledge(directory);
    int status = knowledge ? parse_paths(knowledge, format, argv + 1, argc - 1) : DSN_EXIT_FAILED;
    dsn_knowledge_unref(knowledge);
    g_free(format_name);
    g_free(directory);
    return status;
}
