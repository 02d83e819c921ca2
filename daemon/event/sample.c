/* sample: compares what a message says of itself with how it is read. Knows the header X-Expect. */
#include "sample.h"
#include "base/sv.h"
#include "mail/message.h"
#include "reader.h"

#define EXPECT "X-Expect"

static void add_word(GString *line, struct dsn_strview word) {
    if (line->len && line->str[line->len - 1] != '\n')
        g_string_append_c(line, ' ');
    g_string_append_len(line, word.n ? word.p : "-", word.n ? (gssize)word.n : 1);
}

/* Ends a line, without the absent words at its end. */
static void end_line(GString *line) {
    while (g_str_has_suffix(line->str, " -"))
        g_string_truncate(line, line->len - 2);
    g_string_append_c(line, '\n');
}

static GString *expected_of(const struct dsn_reader *reader) {
    GString *lines = g_string_new("");
    for (size_t i = 0; i < reader->message.n_headers; i++) {
        struct dsn_field header = reader->message.headers[i];
        if (!dsn_sv_eq_nocase(header.name, DSN_LIT(EXPECT)))
            continue;
        add_word(lines, header.value);
        end_line(lines);
    }
    return lines;
}

static void add_recipient(GString *lines, struct dsn_strview format, const struct dsn_recipient *r) {
    char status[16], code[8] = "";
    if (r->smtp_code)
        g_snprintf(code, sizeof code, "%u", r->smtp_code);
    add_word(lines, format);
    add_word(lines, dsn_sv_str(dsn_kind_name(r->verdict.kind)));
    add_word(lines, r->recipient);
    add_word(lines, dsn_sv_str(dsn_status_format(r->status, status)));
    add_word(lines, dsn_sv_str(code));
    end_line(lines);
}

static GString *found_in(const struct dsn_report *report) {
    static const struct dsn_recipient nobody;
    GString *lines = g_string_new("");
    for (size_t i = 0; i < report->n_recipients; i++)
        add_recipient(lines, report->format, &report->recipients[i]);
    if (!report->n_recipients)
        add_recipient(lines, report->format, &nobody);
    return lines;
}

char *dsn_sample_refuse(struct dsn_reader *reader, struct dsn_strview message, const char *format) {
    const struct dsn_report *report;
    char *refusal = NULL;
    enum dsn_error error = dsn_reader_read(reader, message, &report);
    if (error)
        return g_strdup(dsn_error_text(error));
    if (format && !dsn_sv_eq(report->format, dsn_sv_str(format)))
        return g_strdup_printf("it is read by \"%.*s\"; expected \"%s\"", (int)report->format.n,
                               report->format.n ? report->format.p : "", format);
    GString *expected = expected_of(reader), *found = found_in(report);
    if (!expected->len)
        refusal = g_strdup("it does not say how it is to be read; expected headers " EXPECT);
    else if (!g_string_equal(expected, found))
        refusal = g_strdup_printf("it gives \"%s\"; expected \"%s\"", g_strchomp(found->str),
                                  g_strchomp(expected->str));
    g_string_free(expected, TRUE);
    g_string_free(found, TRUE);
    return refusal;
}
