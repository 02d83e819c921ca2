/* explain_text: `dsnd explain` for people: headings, and paragraphs wrapped to the terminal. */
#include "base/sv.h"
#include "explain.h"
#include "output.h"

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

static void put_entry(const struct page *page, const struct dsn_code *code) {
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

static void put_reason(const struct page *page, const struct dsn_reason *reason) {
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

/* A line of facts; the value comes from a message and may hold anything. */
static void fact(const struct page *page, const char *name, struct dsn_strview value) {
    char *lead = g_strdup_printf("  %-18s ", name);
    char *shown = dsn_output_shown(value);
    paragraph(page, lead, *shown ? shown : "-");
    g_free(shown);
    g_free(lead);
}

static void fact_text(const struct page *page, const char *name, const char *value) {
    fact(page, name, dsn_sv_str(value));
}

static void fact_because(const struct page *page, const char *name, const char *value, const char *why) {
    char *text = g_strdup_printf("%s: %s", value, why);
    fact_text(page, name, why ? text : value);
    g_free(text);
}

static void put_report(const struct page *page, const struct dsn_report *report) {
    fact(page, "format", report->format);
    fact(page, "reporting MTA", report->reporting_mta);
    if (report->incomplete)
        fact_text(page, "cut off", "yes: the message ends in the middle of a line");
    if (report->truncated)
        fact_text(page, "truncated", "yes: there may be more recipients than these");
}

/* What a source tells of the address, where it tells one. */
static void put_source(const struct page *page, enum dsn_provenance from, struct dsn_strview address) {
    char *name = g_strdup_printf("  %s tells", dsn_provenance_name(from));
    if (address.n)
        fact(page, name, address);
    g_free(name);
}

static void put_fields(const struct page *page, const struct dsn_recipient *r) {
    char status[16], code[8] = "";
    if (r->smtp_code)
        g_snprintf(code, sizeof code, "%u", r->smtp_code);
    fact(page, "recipient", r->recipient);
    fact_text(page, "  taken from", dsn_provenance_name(r->recipient_from));
    for (int from = DSN_FROM_NOTHING + 1; from < DSN_PROVENANCES; from++)
        put_source(page, (enum dsn_provenance)from, r->told[from]);
    fact(page, "final recipient", r->final_recipient);
    fact(page, "original recipient", r->original_recipient);
    fact(page, "action stated", r->dsn_action);
    fact_text(page, "status", dsn_status_format(r->status, status));
    fact_text(page, "reply code", code);
    fact(page, "remote MTA", r->remote_mta);
    fact(page, "diagnostic", r->diagnostic);
}

/* What rules may go by, beside codes and text. */
static void put_facts(const struct page *page, const struct dsn_recipient *r,
                      const struct dsn_reasoning *why) {
    if (r->smtp_command)
        fact_text(page, "SMTP command", dsn_smtp_command_name(r->smtp_command));
    if (r->verdict.provider)
        fact_because(page, "provider", r->verdict.provider, why->provider_from);
}

static char *conditions(const struct dsn_rule *rule, struct dsn_strview diagnostic) {
    GString *text = g_string_new(NULL);
    char *words = dsn_explain_words(rule, diagnostic);
    char status[16];
    if (rule->provider)
        g_string_append_printf(text, ", provider %s", rule->provider);
    for (const uint16_t *code = rule->codes; code && *code; code++)
        g_string_append_printf(text, "%s%u", code == rule->codes ? ", code " : " or ", *code);
    for (const struct dsn_status *s = rule->statuses; s && s->cls; s++)
        g_string_append_printf(text, "%s%s", s == rule->statuses ? ", status " : " or ",
                               dsn_status_format(*s, status));
    if (rule->command)
        g_string_append_printf(text, ", command %s", dsn_smtp_command_name(rule->command));
    if (rule->match)
        g_string_append_printf(text, words ? ", the words \"%s\"" : ", the text", words);
    g_free(words);
    return g_string_free(g_string_erase(text, 0, 2), FALSE);
}

static void put_rules(const struct page *page, const struct dsn_reasoning *why,
                      struct dsn_strview diagnostic) {
    for (guint i = 0; i < why->matched->len; i++) {
        const struct dsn_rule *rule = why->matched->pdata[i];
        char *place = g_strdup_printf("%s (%s:%u): %s%s", rule->id, rule->file, rule->line,
                                      rule->reason->name, rule->vague ? ", vague" : "");
        char *by = conditions(rule, diagnostic);
        fact_text(page, i ? "other rule" : "best rule", place);
        fact_text(page, "  goes by", by);
        if (i)
            fact_text(page, "  loses, as", dsn_rule_precedence(why->rule, rule));
        g_free(by);
        g_free(place);
    }
    if (!why->matched->len)
        fact_text(page, "rule", "none matches");
}

static void put_code(const struct page *page, const struct dsn_code *code, bool exact) {
    char *line =
        g_strdup_printf("%s%s: %s%s", code->name, exact ? "" : " (stands in for a code without an entry)",
                        code->reason->name, code->vague ? ", says little" : "");
    fact_text(page, "catalogue", line);
    g_free(line);
}

static void put_verdict(const struct page *page, const struct dsn_verdict *v, const struct dsn_because *why) {
    fact_text(page, "=> kind", dsn_kind_name(v->kind));
    if (!v->reason)
        return;
    fact_because(page, "=> reason", v->reason->name, why->reason);
    fact_because(page, "=> confidence", dsn_level_name(v->confidence), why->confidence);
    if (v->type)
        fact_because(page, "=> type", dsn_type_name(v->type), why->type);
    fact_because(page, "=> action", dsn_action_name(v->action), why->action);
}

static void put_recipient(const struct page *page, const struct dsn_explanation *e,
                          const struct dsn_recipient *r) {
    struct dsn_reasoning why;
    dsn_reader_explain(e->reader, r, &why);
    fputc('\n', stdout);
    if (e->source)
        put_fields(page, r);
    put_facts(page, r, &why);
    put_rules(page, &why, r->diagnostic);
    if (why.status_code)
        put_code(page, why.status_code, why.status_exact);
    if (why.reply_code)
        put_code(page, why.reply_code, true);
    put_verdict(page, &r->verdict, &why.because);
    dsn_reasoning_clear(&why);
}

static void put_message(const struct page *page, const struct dsn_explanation *e) {
    char *name = dsn_output_shown(dsn_sv_str(e->subject));
    char *title = e->number ? g_strdup_printf("%s, message %zu", name, e->number) : g_strdup(name);
    heading(page, title);
    put_report(page, e->report);
    if (!e->report->n_recipients)
        fact_text(page, "=> kind", "none: this is no report");
    g_free(title);
    g_free(name);
}

enum dsn_error dsn_explain_text(const struct dsn_explanation *e) {
    struct page page = open_page();
    if (e->reason)
        put_reason(&page, e->reason);
    for (size_t i = 0; i < e->n_codes; i++)
        put_entry(&page, e->codes[i]);
    if (e->source)
        put_message(&page, e);
    for (size_t i = 0; e->report && i < e->report->n_recipients; i++)
        put_recipient(&page, e, &e->report->recipients[i]);
    return DSN_OK;
}
