/* classify: `dsnd classify`, what single answers of servers mean. */
#include "base/clock.h"
#include "base/sv.h"
#include "cli.h"
#include "output.h"

#include <stdio.h>
#include <stdlib.h>

struct classify {
    struct dsn_reader *reader;
    enum dsn_output format;
    char *remote_mta; /* NULL: not told */
    GString *text;
};

static enum dsn_error classify_one(struct classify *c, const char *answer) {
    const struct dsn_recipient *recipient;
    enum dsn_error error =
        dsn_reader_classify(c->reader, dsn_sv_str(answer), dsn_sv_str(c->remote_mta), &recipient);
    const struct dsn_report report = {.recipients = recipient, .n_recipients = 1};
    struct dsn_event_source source = {
        .kind = "text", .name = dsn_sv_str(answer), .observed_at_ms = dsn_clock_real_ms()};
    g_string_truncate(c->text, 0);
    if (!error)
        error = dsn_output_events(c->text, c->format, c->reader, &report, &source);
    if (error)
        fprintf(stderr, "dsnd classify: %s\n", dsn_error_text(error));
    else
        fwrite(c->text->str, 1, c->text->len, stdout);
    return error;
}

static bool classify_lines(struct classify *c) {
    char *line = NULL;
    size_t capacity = 0;
    bool good = true;
    while (getline(&line, &capacity, stdin) >= 0) {
        if (*g_strstrip(line))
            good &= classify_one(c, line) == DSN_OK;
    }
    free(line);
    return good && !ferror(stdin);
}

static int classify_all(struct classify *c, char **answers, int n) {
    bool good = true;
    dsn_output_begin(stdout, c->format);
    for (int i = 0; i < n; i++)
        good &= g_str_equal(answers[i], "-") ? classify_lines(c) : classify_one(c, answers[i]) == DSN_OK;
    return good ? DSN_EXIT_OK : DSN_EXIT_FAILED;
}

int dsn_cli_classify(int argc, char **argv) {
    char *format_name = NULL, *directory = NULL;
    struct classify c = {.format = DSN_OUTPUT_NDJSON};
    const GOptionEntry entries[] = {
        {"format", 0, 0, G_OPTION_ARG_STRING, &format_name, "ndjson (the default) or table for people",
         "FORMAT"},
        dsn_cli_remote_mta_option(&c.remote_mta),
        dsn_cli_knowledge_option(&directory),
        {0},
    };
    if (!dsn_cli_options(&argc, &argv, entries, "ANSWER...",
                         "Says what each ANSWER of a mail server means, as in \"550 5.1.1 <x@example.com>: "
                         "user unknown\";\n"
                         "- reads one a line from standard input."))
        return DSN_EXIT_USAGE;
    if (!dsn_output_parse(format_name, &c.format) || c.format == DSN_OUTPUT_JSON)
        return dsn_cli_usage("classify", "unknown format \"%s\"; expected ndjson or table", format_name);
    if (argc < 2)
        return dsn_cli_usage("classify", "no ANSWER given");
    struct dsn_knowledge *knowledge = dsn_cli_knowledge(directory);
    int status = DSN_EXIT_FAILED;
    if (knowledge && dsn_reader_new(knowledge, NULL, &c.reader) == DSN_OK) {
        c.text = g_string_new(NULL);
        status = classify_all(&c, argv + 1, argc - 1);
        g_string_free(c.text, TRUE);
    }
    dsn_reader_free(c.reader);
    dsn_knowledge_unref(knowledge);
    g_free(c.remote_mta);
    g_free(format_name);
    g_free(directory);
    return status;
}
