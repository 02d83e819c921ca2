/* explain: `dsnd explain`, what the catalogue knows of a code or a reason, and why each recipient of a
 * message got its verdict. Knows what a subject may be; how it is said is explain_text's and explain_json's.
 */
#include "explain.h"
#include "base/sv.h"
#include "cli.h"
#include "inputs.h"
#include "mail/answer.h"
#include "output.h"

#include <stdio.h>

typedef enum dsn_error (*explain_fn)(const struct dsn_explanation *explanation);

struct explain {
    struct dsn_reader *reader;
    explain_fn say;
    char *remote_mta; /* of answers; NULL: not told */
    bool begun;       /* something was said */
    bool good;
};

/* Hyperscan does not tell where a match begins, so the one expression is matched once more, by GLib. */
char *dsn_explain_words(const struct dsn_rule *rule, struct dsn_strview text) {
    char *words = NULL;
    GMatchInfo *info = NULL;
    text = dsn_answer_own(text);
    GRegex *regex =
        rule->match && text.n ? g_regex_new(rule->match, G_REGEX_CASELESS | G_REGEX_DOTALL, 0, NULL) : NULL;
    if (regex && g_regex_match_full(regex, text.p, (gssize)text.n, 0, 0, &info, NULL))
        words = g_match_info_fetch(info, 0);
    g_match_info_free(info);
    g_clear_pointer(&regex, g_regex_unref);
    return words;
}

static bool say(struct explain *e, const struct dsn_explanation *explanation) {
    if (e->begun && e->say == dsn_explain_text)
        fputc('\n', stdout);
    e->begun = true;
    enum dsn_error error = e->say(explanation);
    if (error)
        fprintf(stderr, "dsnd explain: %s\n", dsn_error_text(error));
    return !error;
}

static bool explain_message(struct dsn_input input, void *data) {
    struct explain *e = data;
    gsize n;
    const char *p = g_bytes_get_data(input.bytes, &n);
    struct dsn_explanation explanation = {
        .subject = input.name, .source = input.kind, .number = input.number, .reader = e->reader};
    enum dsn_error error = dsn_reader_read(e->reader, dsn_sv(p, n), &explanation.report);
    if (error) {
        char *name = dsn_output_shown(dsn_sv_str(input.name));
        fprintf(stderr, "dsnd explain: %s: %s\n", name, dsn_error_text(error));
        g_free(name);
    }
    e->good &= !error && say(e, &explanation);
    g_free(input.name);
    g_bytes_unref(input.bytes);
    return true;
}

/* The codes in it, and what it means as the answer of a server. */
static bool explain_answer(struct explain *e, const char *subject) {
    const struct dsn_catalogue *catalogue = e->reader->classifier.catalogue;
    const struct dsn_recipient *recipient;
    bool exact;
    enum dsn_error error =
        dsn_reader_classify(e->reader, dsn_sv_str(subject), dsn_sv_str(e->remote_mta), &recipient);
    if (error) {
        fprintf(stderr, "dsnd explain: %s\n", dsn_error_text(error));
        return false;
    }
    struct dsn_explanation explanation = {
        .subject = subject, .reader = e->reader, .report = &e->reader->report};
    const struct dsn_code *codes[] = {
        dsn_catalogue_reply(catalogue, recipient->smtp_code),
        dsn_catalogue_status(catalogue, recipient->status, &exact),
    };
    for (size_t i = 0; i < G_N_ELEMENTS(codes); i++) {
        if (codes[i])
            explanation.codes[explanation.n_codes++] = codes[i];
    }
    return say(e, &explanation);
}

/* A reason, a file, or an answer: a code, both codes, or more of it. */
static bool explain(struct explain *e, const char *subject) {
    const struct dsn_reason *reason = dsn_catalogue_reason(e->reader->classifier.catalogue, subject);
    if (reason)
        return say(e, &(struct dsn_explanation){.subject = subject, .reason = reason});
    struct dsn_answer answer = dsn_answer_read(dsn_sv_str(subject));
    bool coded = answer.smtp_code || answer.status.cls;
    bool input = strcmp(subject, "-") == 0 || g_file_test(subject, G_FILE_TEST_EXISTS);
    if (coded && !input)
        return explain_answer(e, subject);
    if (!input) {
        fprintf(
            stderr,
            "dsnd explain: \"%s\" is no code, no reason, no answer with a code, and there is no such file; "
            "dsnd classify takes answers without a code\n",
            subject);
        return false;
    }
    e->good = true;
    return dsn_inputs_read(subject, explain_message, e) && e->good;
}

static int explain_all(explain_fn how, const char *directory, char *remote_mta, char **subjects, int n) {
    struct explain e = {.say = how, .remote_mta = remote_mta};
    struct dsn_knowledge *knowledge = dsn_cli_knowledge(directory);
    bool good = knowledge && dsn_reader_new(knowledge, NULL, &e.reader) == DSN_OK;
    for (int i = 0; e.reader && i < n; i++)
        good &= explain(&e, subjects[i]);
    dsn_reader_free(e.reader);
    dsn_knowledge_unref(knowledge);
    return good ? DSN_EXIT_OK : DSN_EXIT_FAILED;
}

int dsn_cli_explain(int argc, char **argv) {
    static const struct {
        const char *name;
        explain_fn say;
    } formats[] = {{"text", dsn_explain_text}, {"json", dsn_explain_json}};
    char *format = NULL, *directory = NULL, *remote_mta = NULL;
    const GOptionEntry entries[] = {
        {"format", 0, 0, G_OPTION_ARG_STRING, &format, "text (the default) for people, or json", "FORMAT"},
        dsn_cli_remote_mta_option(&remote_mta),
        dsn_cli_knowledge_option(&directory),
        {0},
    };
    if (!dsn_cli_options(
            &argc, &argv, entries, "CODE|REASON|ANSWER|FILE...",
            "Explains a reply code (550), an enhanced code (5.1.1), both (\"550 5.1.1\"), a reason\n"
            "(user-unknown), an answer of a server, or why the recipients of a message FILE got their "
            "verdicts."))
        return DSN_EXIT_USAGE;
    size_t how = 0;
    while (format && how < G_N_ELEMENTS(formats) && strcmp(formats[how].name, format) != 0)
        how++;
    int status;
    if (how == G_N_ELEMENTS(formats))
        status = dsn_cli_usage("explain", "unknown format \"%s\"; expected text or json", format);
    else if (argc < 2)
        status = dsn_cli_usage("explain", "nothing to explain given");
    else
        status = explain_all(formats[how].say, directory, remote_mta, argv + 1, argc - 1);
    g_free(format);
    g_free(directory);
    g_free(remote_mta);
    return status;
}
