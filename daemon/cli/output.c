/* output: events as lines for people and for programs. Knows the events, not where they come from. */
#include "output.h"
#include "base/sv.h"

#include <string.h>

#define TABLE_ROW "%-10s %-4s %-20s %-8s %-5s %-7s %-40s "

bool dsn_output_parse(const char *name, enum dsn_output *out) {
    static const char *const names[] = {"ndjson", "json", "table"};
    for (size_t i = 0; name && i < G_N_ELEMENTS(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (enum dsn_output)i;
            return true;
        }
    }
    return name == NULL;
}

void dsn_output_begin(FILE *out, enum dsn_output format) {
    if (format == DSN_OUTPUT_JSON)
        fputs("[", out);
    if (format == DSN_OUTPUT_TABLE)
        fprintf(out, TABLE_ROW "%s\n", "KIND", "TYPE", "REASON", "ACTION", "CODE", "STATUS", "RECIPIENT",
                "SOURCE");
}

void dsn_output_end(FILE *out, enum dsn_output format) {
    if (format == DSN_OUTPUT_JSON)
        fputs("\n]\n", out);
}

char *dsn_output_shown(struct dsn_strview s) {
    GString *out = g_string_new(NULL);
    char *valid = g_utf8_make_valid(s.n ? s.p : "", (gssize)s.n); /* a file's name may be anything */
    for (const char *p = valid; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);
        GUnicodeType type = g_unichar_type(c);
        bool breaks = type == G_UNICODE_LINE_SEPARATOR || type == G_UNICODE_PARAGRAPH_SEPARATOR;
        g_string_append_unichar(out, g_unichar_isprint(c) && !breaks ? c : '?');
    }
    g_free(valid);
    return g_string_free(out, FALSE);
}

static const char *or_dash(const char *s) {
    return s && *s ? s : "-";
}

void dsn_output_row(GString *text, const char *const columns[DSN_COLUMNS]) {
    char *address = dsn_output_shown(dsn_sv_str(columns[DSN_COLUMN_RECIPIENT])),
         *source = dsn_output_shown(dsn_sv_str(columns[DSN_COLUMN_SOURCE]));
    g_string_append_printf(text, TABLE_ROW "%s\n", or_dash(columns[DSN_COLUMN_KIND]),
                           or_dash(columns[DSN_COLUMN_TYPE]), or_dash(columns[DSN_COLUMN_REASON]),
                           or_dash(columns[DSN_COLUMN_ACTION]), or_dash(columns[DSN_COLUMN_CODE]),
                           or_dash(columns[DSN_COLUMN_STATUS]), or_dash(address), source);
    g_free(address);
    g_free(source);
}

static void table_row(GString *text, const struct dsn_recipient *r, const struct dsn_event_source *source) {
    char status[16], code[8] = "";
    struct dsn_strview who = r->recipient.n ? r->recipient : r->final_recipient;
    char *address = g_strndup(who.n ? who.p : "", who.n),
         *name = g_strndup(source->name.n ? source->name.p : "", source->name.n);
    if (r->smtp_code)
        g_snprintf(code, sizeof code, "%u", r->smtp_code);
    const struct dsn_verdict *v = &r->verdict;
    const char *const columns[DSN_COLUMNS] = {dsn_kind_name(v->kind),
                                              dsn_type_name(v->type),
                                              v->reason ? v->reason->name : NULL,
                                              dsn_action_name(v->action),
                                              code,
                                              dsn_status_format(r->status, status),
                                              address,
                                              name};
    dsn_output_row(text, columns);
    g_free(address);
    g_free(name);
}

static enum dsn_error json_row(GString *text, enum dsn_output format, struct dsn_reader *reader, size_t i,
                               const struct dsn_event_source *source) {
    struct dsn_event event;
    enum dsn_error error = dsn_event_write(reader, i, source, &event);
    if (error)
        return error;
    if (format == DSN_OUTPUT_JSON)
        g_string_append(text, "\n");
    g_string_append_len(text, event.json.p, (gssize)event.json.n);
    g_string_append(text, format == DSN_OUTPUT_JSON ? "," : "\n");
    return DSN_OK;
}

enum dsn_error dsn_output_events(GString *text, enum dsn_output format, struct dsn_reader *reader,
                                 const struct dsn_report *report, const struct dsn_event_source *source) {
    static const struct dsn_recipient nobody = {0};
    size_t n = MAX(report->n_recipients, 1);
    for (size_t i = 0; i < n; i++) {
        enum dsn_error error = DSN_OK;
        if (format == DSN_OUTPUT_TABLE)
            table_row(text, report->n_recipients ? &report->recipients[i] : &nobody, source);
        else
            error = json_row(text, format, reader, i, source);
        if (error)
            return error;
    }
    return DSN_OK;
}
