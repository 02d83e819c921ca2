/* suppress_write: a format is a table of its columns, a column a name and where its text comes from. */
#include "suppress_write.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/sv.h"
#include "policy/policy.h"

/* An entry, and its story read. */
struct row {
    const struct dsn_roster_entry *entry;
    yajl_val story; /* NULL: it cannot be read */
};

typedef void write_value(const struct row *row, GString *out);

static void append_time(GString *out, int64_t ms) {
    char text[DSN_CLOCK_RFC3339_SIZE];
    if (ms > 0)
        g_string_append(out, dsn_clock_rfc3339(ms, text));
}

static void append_story(const struct row *row, const char *key, GString *out) {
    const char *path[] = {key, NULL};
    const char *text = YAJL_GET_STRING(yajl_tree_get(row->story, path, yajl_t_string));
    g_string_append(out, text ? text : "");
}

static bool is_complaint(const struct row *row) {
    return strcmp(row->entry->reason, "complaint") == 0;
}

static void address(const struct row *row, GString *out) {
    g_string_append_len(out, row->entry->address.p, (gssize)row->entry->address.n);
}
static void scope(const struct row *row, GString *out) {
    g_string_append(out, row->entry->scope ? row->entry->scope : "");
}
static void reason(const struct row *row, GString *out) {
    g_string_append(out, row->entry->reason);
}
static void rule(const struct row *row, GString *out) {
    g_string_append(out, row->entry->rule);
}
static void policy(const struct row *row, GString *out) {
    g_string_append(out, row->entry->policy);
}
static void provider(const struct row *row, GString *out) {
    g_string_append(out, row->entry->provider);
}
static void event(const struct row *row, GString *out) {
    g_string_append(out, row->entry->event);
}
static void since(const struct row *row, GString *out) {
    append_time(out, row->entry->since_ms);
}
static void until(const struct row *row, GString *out) {
    if (row->entry->until_ms == DSN_FOR_GOOD)
        g_string_append(out, "never");
    else
        append_time(out, row->entry->until_ms);
}
static void status(const struct row *row, GString *out) {
    append_story(row, "status", out);
}
static void diagnostic(const struct row *row, GString *out) {
    append_story(row, "diagnostic", out);
}
static void created_epoch(const struct row *row, GString *out) {
    g_string_append_printf(out, "%lld", (long long)(row->entry->since_ms / 1000));
}
static void created_rfc2822(const struct row *row, GString *out) {
    GDateTime *at = g_date_time_new_from_unix_utc(row->entry->since_ms / 1000);
    static const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"},
                             *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    g_string_append_printf(out, "%s, %02d %s %04d %02d:%02d:%02d UTC",
                           days[g_date_time_get_day_of_week(at) - 1], g_date_time_get_day_of_month(at),
                           months[g_date_time_get_month(at) - 1], g_date_time_get_year(at),
                           g_date_time_get_hour(at), g_date_time_get_minute(at), g_date_time_get_second(at));
    g_date_time_unref(at);
}
static void bounce_or_complaint(const struct row *row, GString *out) {
    g_string_append(out, is_complaint(row) ? "COMPLAINT" : "BOUNCE");
}
/* The reply code that the diagnostic begins with; 550, as Mailgun has it, where there is none. */
static void code(const struct row *row, GString *out) {
    GString *text = g_string_new(NULL);
    unsigned number;
    diagnostic(row, text);
    bool known = dsn_sv_read_uint(dsn_sv_str(text->str), 3, &number) == 3;
    g_string_append_printf(out, "%u", known ? number : 550);
    g_string_free(text, TRUE);
}

struct column {
    const char *name;
    write_value *write;
};

static const struct column own[] = {{"address", address}, {"scope", scope},          {"reason", reason},
                                    {"since", since},     {"until", until},          {"policy", policy},
                                    {"rule", rule},       {"provider", provider},    {"status", status},
                                    {"event", event},     {"diagnostic", diagnostic}};
static const struct column mailgun[] = {
    {"address", address}, {"code", code}, {"error", diagnostic}, {"created_at", created_rfc2822}};
static const struct column ses[] = {
    {"EmailAddress", address}, {"Reason", bounce_or_complaint}, {"LastUpdateTime", since}};
static const struct column sendgrid[] = {
    {"status", status}, {"reason", diagnostic}, {"email", address}, {"created", created_epoch}};

static const struct dsn_suppress_format {
    const char *name;
    bool json;
    const struct column *columns;
    size_t n;
} formats[] = {
    {"csv", false, own, G_N_ELEMENTS(own)},
    {"ndjson", true, own, G_N_ELEMENTS(own)},
    {"mailgun", false, mailgun, G_N_ELEMENTS(mailgun)},
    {"ses", false, ses, G_N_ELEMENTS(ses)},
    {"sendgrid", false, sendgrid, G_N_ELEMENTS(sendgrid)},
};
const char dsn_suppress_format_names[] = "csv, ndjson, mailgun, ses, sendgrid";

const struct dsn_suppress_format *dsn_suppress_format(const char *name) {
    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}

/* RFC 4180. */
static void write_csv(FILE *out, const char *text) {
    bool quoted = text[strcspn(text, ",\"\r\n")] != '\0';
    if (quoted)
        fputc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    if (quoted)
        fputc('"', out);
}

void dsn_suppress_write_head(FILE *out, const struct dsn_suppress_format *format) {
    for (size_t i = 0; i < format->n && !format->json; i++)
        fprintf(out, "%s%s", format->columns[i].name, i + 1 < format->n ? "," : "\r\n");
}

static void write_json_row(FILE *out, const struct dsn_suppress_format *format, const struct row *row) {
    GString *value = g_string_new(NULL);
    const unsigned char *text;
    size_t n;
    yajl_gen json = yajl_gen_alloc(&dsn_json_memory);
    yajl_gen_map_open(json);
    for (size_t i = 0; i < format->n; i++) {
        g_string_truncate(value, 0);
        format->columns[i].write(row, value);
        dsn_json_put(json, format->columns[i].name,
                     value->len > 0 ? dsn_sv(value->str, value->len) : DSN_NONE);
    }
    yajl_gen_map_close(json);
    yajl_gen_get_buf(json, &text, &n);
    fprintf(out, "%.*s\n", (int)n, (const char *)text);
    yajl_gen_free(json);
    g_string_free(value, TRUE);
}

void dsn_suppress_write(FILE *out, const struct dsn_suppress_format *format,
                        const struct dsn_roster_entry *entry) {
    struct row row = {entry, dsn_json_object(dsn_sv_str(entry->story))};
    if (format->json) {
        write_json_row(out, format, &row);
    } else {
        GString *value = g_string_new(NULL);
        for (size_t i = 0; i < format->n; i++) {
            g_string_truncate(value, 0);
            format->columns[i].write(&row, value);
            write_csv(out, value->str);
            fputs(i + 1 < format->n ? "," : "\r\n", out);
        }
        g_string_free(value, TRUE);
    }
    yajl_tree_free(row.story);
}
