/* explain: `dsnd explain`, what the catalogue knows of a code or a reason, and why each recipient of a
 * message got its verdict. For people; the text of the catalogue is wrapped to the terminal. */
#include "base/sv.h"
#include "cli.h"
#include "event/reader.h"
#include "inputs.h"
#include "mail/answer.h"
#include "output.h"
#include "verdict/knowledge.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { MIN_WIDTH = 40, MAX_WIDTH = 100 };

struct page {
    unsigned width;
    bool colour;
};

static struct page open_page(void) {
    struct winsize size = {0};
    bool terminal = isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
    unsigned width = terminal && size.ws_col ? size.ws_col : 80;
    return (struct page){.width = CLAMP(width, MIN_WIDTH, MAX_WIDTH),
                         .colour = terminal && !getenv("NO_COLOR")};
}

static void heading(const struct page *page, const char *text) {
    printf(page->colour ? "\033[1m%s\033[0m\n" : "%s\n", text);
}

/* Prints a paragraph, its first line after `lead`, the others indented as far. */
static void paragraph(const struct page *page, const char *lead, const char *text) {
    size_t indent = (size_t)g_utf8_strlen(lead, -1), column = indent;
    char **words = g_strsplit(text, " ", -1);
    fputs(lead, stdout);
    for (size_t i = 0; words[i]; i++) {
        size_t n = (size_t)g_utf8_strlen(words[i], -1);
        if (!n)
            continue;
        if (column > indent && column + 1 + n > page->width) {
            printf("\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            fputc(' ', stdout);
            column++;
        }
        fputs(words[i], stdout);
        column += n;
    }
    fputc('\n', stdout);
    g_strfreev(words);
}

static void list(const struct page *page, const char *title, const char *items) {
    if (!items)
        return;
    heading(page, title);
    char **each = g_strsplit(items, ";", -1);
    for (size_t i = 0; each[i]; i++) {
        if (*g_strstrip(each[i]))
            paragraph(page, "  - ", each[i]);
    }
    g_strfreev(each);
}

static void explain_code(const struct page *page, const struct dsn_code *code) {
    char *title = g_strdup_printf("%s  %s", code->name, code->title);
    heading(page, title);
    g_free(title);
    printf("  %s, severity %s, reason %s, category %s%s%s%s\n\n", dsn_type_name(code->type),
           dsn_level_name(code->severity), code->reason->name, code->reason->category, code->rfc ? ", " : "",
           code->rfc ? code->rfc : "", code->vague ? "; says little by itself, the text decides" : "");
    if (code->meaning)
        paragraph(page, "  ", code->meaning);
    list(page, "\nCauses", code->causes);
    list(page, "\nWhat to do", code->remedies);
    for (size_t i = 0; i < code->n_questions; i++) {
        fputc('\n', stdout);
        paragraph(page, "  Q: ", code->questions[i]);
        paragraph(page, "  A: ", code->answers[i]);
    }
    if (code->related)
        printf("\n  See also: %s\n", code->related);
}

static void explain_reason(const struct page *page, const struct dsn_reason *reason) {
    char *title = g_strdup_printf("%s  %s", reason->name, reason->title);
    heading(page, title);
    g_free(title);
    printf("  category %s, blame %s, action %s, severity %s%s\n\n", reason->category, reason->blame,
           dsn_action_name(reason->action), dsn_level_name(reason->severity),
           reason->transient ? "; soft whatever the code says" : "");
    if (reason->meaning)
        paragraph(page, "  ", reason->meaning);
    list(page, "\nCauses", reason->causes);
    list(page, "\nWhat to do", reason->remedies);
}

/* A step of the explanation; the value comes from a message and may hold anything. */
static void step(const char *name, struct dsn_strview value) {
    char *shown = dsn_output_shown(value);
    printf("  %-18s %s\n", name, value.p ? shown : "-");
    g_free(shown);
}

static void step_text(const char *name, const char *value) {
    step(name, dsn_sv_str(value));
}

static void explain_verdict(const struct dsn_recipient *r, const struct dsn_reasoning *why) {
    const struct dsn_verdict *v = &r->verdict;
    if (why->rule) {
        char *rule = g_strdup_printf("%s (%s:%u): %s%s", why->rule->id, why->rule->file, why->rule->line,
                                     why->rule->reason->name, v->rule ? "" : "; weaker than the code");
        step_text("rule", rule);
        step_text("matches", why->rule->match);
        g_free(rule);
    } else {
        step_text("rule", "none matches");
    }
    const struct dsn_code *codes[] = {why->status_code, why->reply_code};
    for (size_t i = 0; i < G_N_ELEMENTS(codes); i++) {
        if (!codes[i])
            continue;
        char *line = g_strdup_printf("%s%s: %s%s", codes[i]->name,
                                     i == 0 && !why->status_exact ? " (stands in for the code's class)" : "",
                                     codes[i]->reason->name, codes[i]->vague ? ", says little" : "");
        step_text("catalogue", line);
        g_free(line);
    }
    printf("  => %s%s%s, reason %s, action %s, confidence %s, by %s\n", dsn_kind_name(v->kind),
           v->type ? " " : "", v->type ? dsn_type_name(v->type) : "", v->reason ? v->reason->name : "-",
           dsn_action_name(v->action), dsn_level_name(v->confidence),
           v->rule                      ? "the rule"
           : v->kind == DSN_KIND_BOUNCE ? "the code"
                                        : "its kind");
}

static void explain_recipient(struct dsn_reader *reader, const struct dsn_recipient *r) {
    struct dsn_reasoning why;
    char status[16], code[8] = "-";
    dsn_reader_explain(reader, r, &why);
    if (r->smtp_code)
        g_snprintf(code, sizeof code, "%u", r->smtp_code);
    step("recipient", r->recipient);
    step_text("  found in", dsn_provenance_name(r->recipient_from));
    step("action stated", r->dsn_action);
    step_text("status", *dsn_status_format(r->status, status) ? status : NULL);
    step_text("reply code", code);
    step("remote MTA", r->remote_mta);
    step_text("provider", r->verdict.provider);
    step("diagnostic", r->diagnostic);
    explain_verdict(r, &why);
}

struct explain {
    struct page page;
    struct dsn_reader *reader;
    bool good;
};

static bool explain_message(struct dsn_input input, void *data) {
    struct explain *e = data;
    gsize n;
    const char *p = g_bytes_get_data(input.bytes, &n);
    const struct dsn_report *report;
    enum dsn_error error = dsn_reader_read(e->reader, dsn_sv(p, n), &report);
    if (error) {
        char *name = dsn_output_shown(dsn_sv_str(input.name));
        fprintf(stderr, "dsnd explain: %s: %s\n", name, dsn_error_text(error));
        g_free(name);
        e->good = false;
    } else {
        char *name = dsn_output_shown(dsn_sv_str(input.name));
        heading(&e->page, name);
        g_free(name);
        step("format", report->format);
        step("reporting MTA", report->reporting_mta);
        if (!report->n_recipients)
            puts("  => none: this is no report");
        for (size_t i = 0; i < report->n_recipients; i++) {
            fputc('\n', stdout);
            explain_recipient(e->reader, &report->recipients[i]);
        }
    }
    g_free(input.name);
    g_bytes_unref(input.bytes);
    return true;
}

static bool explain_answer(struct explain *e, const char *text) {
    const struct dsn_recipient *recipient;
    enum dsn_error error = dsn_reader_classify(e->reader, dsn_sv_str(text), &recipient);
    if (error)
        return false;
    const struct dsn_catalogue *catalogue = e->reader->classifier.catalogue;
    bool exact;
    const struct dsn_code *codes[] = {
        dsn_catalogue_reply(catalogue, recipient->smtp_code),
        dsn_catalogue_status(catalogue, recipient->status, &exact),
    };
    for (size_t i = 0; i < G_N_ELEMENTS(codes); i++) {
        if (codes[i]) {
            explain_code(&e->page, codes[i]);
            fputc('\n', stdout);
        }
    }
    explain_verdict(recipient, &e->reader->reasoning);
    return true;
}

/* A reason, a code or both codes, a file, or an answer, in this order. */
static bool explain(struct explain *e, const char *subject) {
    const struct dsn_reason *reason = dsn_catalogue_reason(e->reader->classifier.catalogue, subject);
    if (reason) {
        explain_reason(&e->page, reason);
        return true;
    }
    struct dsn_strview text = dsn_sv_str(subject);
    struct dsn_answer answer = dsn_answer_read(text);
    bool known = answer.smtp_code || answer.status.cls;
    if (g_file_test(subject, G_FILE_TEST_EXISTS) || !known) {
        e->good &= dsn_inputs_read(subject, explain_message, e);
        return e->good;
    }
    return explain_answer(e, subject);
}

int dsn_cli_explain(int argc, char **argv) {
    char *directory = NULL;
    const GOptionEntry entries[] = {
        {"knowledge", 0, 0, G_OPTION_ARG_FILENAME, &directory, "your own codes, rules and formats", "DIR"},
        {NULL, 0, 0, 0, NULL, NULL, NULL},
    };
    if (!dsn_cli_options(
            &argc, &argv, entries, "CODE|REASON|ANSWER|FILE...",
            "Explains a reply code (550), an enhanced code (5.1.1), both (\"550 5.1.1\"), a reason\n"
            "(user-unknown), an answer of a server, or why the recipients of a message FILE got their "
            "verdicts."))
        return DSN_EXIT_USAGE;
    if (argc < 2)
        return dsn_cli_usage("explain", "nothing to explain given");
    struct explain e = {.page = open_page(), .good = true};
    struct dsn_knowledge *knowledge = dsn_cli_knowledge(directory);
    bool good = knowledge && dsn_reader_new(knowledge, NULL, &e.reader) == DSN_OK;
    for (int i = 1; good && i < argc; i++)
        good &= explain(&e, argv[i]);
    dsn_reader_free(e.reader);
    dsn_knowledge_unref(knowledge);
    g_free(directory);
    return good && fflush(stdout) == 0 ? DSN_EXIT_OK : DSN_EXIT_FAILED;
}
