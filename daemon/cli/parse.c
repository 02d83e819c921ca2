/* parse: `dsnd parse`, the events of messages on standard output, in the order of the input, made on all
 * cores. Knows threads and order; needs no server. */
#include "base/clock.h"
#include "base/sv.h"
#include "cli.h"
#include "inputs.h"
#include "output.h"

#include <stdio.h>
#include <unistd.h>

enum { RING = 512, PROGRESS_MS = 200 };

struct job {
    struct dsn_input input;
    GString *text; /* what to print */
    enum dsn_error error;
    bool done;
};

/* A ring of jobs: [printed, taken) are in work or done, [taken, added) wait for a worker. */
struct parse {
    GMutex lock;
    GCond changed;
    struct job ring[RING];
    size_t added, taken, printed;
    bool closed;
    bool good;
    enum dsn_output format;
    struct dsn_knowledge *knowledge;
    bool progress;
    bool begun; /* something was printed */
    int64_t shown_ms;
};

static void run_job(struct parse *parse, struct dsn_reader *reader, struct job *job) {
    gsize n;
    const char *p = g_bytes_get_data(job->input.bytes, &n);
    const struct dsn_report *report;
    struct dsn_event_source source = {
        .kind = job->input.kind,
        .name = dsn_sv_str(job->input.name),
        .number = job->input.number,
        .observed_at_ms = dsn_clock_real_ms(),
    };
    job->error = dsn_reader_read(reader, dsn_sv(p, n), &report);
    if (!job->error)
        job->error = dsn_output_events(job->text, parse->format, reader, report, &source);
}

static gpointer work(gpointer data) {
    struct parse *parse = data;
    struct dsn_reader *reader = NULL;
    enum dsn_error error = dsn_reader_new(parse->knowledge, NULL, &reader);
    g_mutex_lock(&parse->lock);
    for (;;) {
        while (parse->taken == parse->added && !parse->closed)
            g_cond_wait(&parse->changed, &parse->lock);
        if (parse->taken == parse->added)
            break;
        struct job *job = &parse->ring[parse->taken++ % RING];
        g_mutex_unlock(&parse->lock);
        job->error = error;
        if (!error)
            run_job(parse, reader, job);
        g_mutex_lock(&parse->lock);
        job->done = true;
        g_cond_broadcast(&parse->changed);
    }
    g_mutex_unlock(&parse->lock);
    dsn_reader_free(reader);
    return NULL;
}

static void show_progress(struct parse *parse, bool last) {
    int64_t now = dsn_clock_monotonic_ms();
    if (!parse->progress || (!last && now - parse->shown_ms < PROGRESS_MS))
        return;
    parse->shown_ms = now;
    fprintf(stderr, last ? "\r\033[K" : "\r%zu messages", parse->printed);
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

/* Prints the oldest job, waiting for it. Called with the lock held. */
static void print_one(struct parse *parse) {
    struct job *job = &parse->ring[parse->printed % RING];
    while (!job->done)
        g_cond_wait(&parse->changed, &parse->lock);
    g_mutex_unlock(&parse->lock);
    if (job->error) {
        char *name = g_strescape(job->input.name, NULL);
        fprintf(stderr, "dsnd: %s: %s\n", name, dsn_error_text(job->error));
        g_free(name);
        parse->good = false;
    }
    print_text(parse, job->text);
    g_free(job->input.name);
    g_bytes_unref(job->input.bytes);
    job->done = false;
    parse->printed++;
    show_progress(parse, false);
    g_mutex_lock(&parse->lock);
}

static bool add_job(struct dsn_input input, void *data) {
    struct parse *parse = data;
    g_mutex_lock(&parse->lock);
    while (parse->added - parse->printed == RING ||
           (parse->printed < parse->taken && parse->ring[parse->printed % RING].done))
        print_one(parse);
    parse->ring[parse->added++ % RING].input = input;
    g_cond_broadcast(&parse->changed);
    g_mutex_unlock(&parse->lock);
    return !ferror(stdout);
}

static void run(struct parse *parse, char **paths, int n) {
    guint n_workers = g_get_num_processors();
    GThread **workers = g_new(GThread *, n_workers);
    for (guint i = 0; i < n_workers; i++)
        workers[i] = g_thread_new("parse", work, parse);
    fputs(dsn_output_begin(parse->format), stdout);
    for (int i = 0; i < n; i++)
        parse->good &= dsn_inputs_read(paths[i], add_job, parse);
    g_mutex_lock(&parse->lock);
    parse->closed = true;
    g_cond_broadcast(&parse->changed);
    while (parse->printed < parse->added)
        print_one(parse);
    g_mutex_unlock(&parse->lock);
    show_progress(parse, true);
    fputs(dsn_output_end(parse->format), stdout);
    for (guint i = 0; i < n_workers; i++)
        g_thread_join(workers[i]);
    g_free(workers);
}

static int parse_paths(struct dsn_knowledge *knowledge, enum dsn_output format, char **paths, int n) {
    struct parse *parse = g_new0(struct parse, 1);
    parse->good = true;
    parse->format = format;
    parse->knowledge = knowledge;
    parse->progress = isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO);
    g_mutex_init(&parse->lock);
    g_cond_init(&parse->changed);
    for (size_t i = 0; i < RING; i++)
        parse->ring[i].text = g_string_sized_new(2048);
    run(parse, paths, n);
    bool good = parse->good && fflush(stdout) == 0;
    if (ferror(stdout))
        perror("dsnd: standard output");
    for (size_t i = 0; i < RING; i++)
        g_string_free(parse->ring[i].text, TRUE);
    g_mutex_clear(&parse->lock);
    g_cond_clear(&parse->changed);
    g_free(parse);
    return good ? DSN_EXIT_OK : DSN_EXIT_FAILED;
}

int dsn_cli_parse(int argc, char **argv) {
    char *format_name = NULL, *directory = NULL;
    const GOptionEntry entries[] = {
        {"format", 0, 0, G_OPTION_ARG_STRING, &format_name, "ndjson (the default), json, or table for people",
         "FORMAT"},
        {"knowledge", 0, 0, G_OPTION_ARG_FILENAME, &directory, "your own codes, rules and formats", "DIR"},
        {NULL, 0, 0, 0, NULL, NULL, NULL},
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
