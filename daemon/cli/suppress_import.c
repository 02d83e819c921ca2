/* suppress_import: columns are told by their names, whoever exported them: ours, Mailgun's (address, code,
 * error, created_at), SES's (EmailAddress, Reason), SendGrid's (status, reason, email, created), listmonk's
 * (email, status), Postal's (address, reason, keep_until) and Sisimai's (recipient, reason, diagnosticcode,
 * hardbounce). */
#include "suppress_import.h"

#include "base/sv.h"
#include "base/units.h"
#include "policy/policy.h"

#include <errno.h>
#include <glib.h>
#include <yajl/yajl_parse.h>

enum { MAX_RECORD_BYTES = 64 * 1024 };

/* RECORDS is no column: an array of records within an object. */
enum field { ADDRESS, REASON, NOTE, UNTIL, STATUS, HARD, SOFT, FIELDS, RECORDS = FIELDS, OTHER };

static const struct {
    const char *name; /* lower case */
    enum field field;
} columns[] = {
    {"address", ADDRESS},      {"email", ADDRESS},
    {"emailaddress", ADDRESS}, {"recipient", ADDRESS},
    {"reason", REASON},        {"error", NOTE},
    {"diagnostic", NOTE},      {"diagnosticcode", NOTE},
    {"until", UNTIL},          {"keep_until", UNTIL},
    {"status", STATUS},        {"hardbounce", HARD},
    {"softbounce", SOFT},      {"suppresseddestinationsummaries", RECORDS},
};

/* What is exported, but not suppressed: listmonk's subscribers, and what Sisimai says is no hard bounce
 * (`softbounce` before its version 5, where -1 is neither). */
static const struct {
    enum field field;
    const char *value;
} passed_over[] = {{STATUS, "enabled"}, {STATUS, "disabled"}, {HARD, "false"},
                   {HARD, "0"},         {SOFT, "1"},          {SOFT, "-1"}};

/* The words of others for our reasons. NULL: it says no more than that it is suppressed. */
static const struct {
    const char *theirs, *ours;
} reasons[] = {{"bounce", NULL},
               {"userunknown", "user-unknown"},
               {"hostunknown", "host-unknown"},
               {"hasmoved", "user-moved"},
               {"notaccept", "not-accepting"}};

static enum field field_of(const char *name) {
    for (size_t i = 0; i < G_N_ELEMENTS(columns); i++)
        if (g_ascii_strcasecmp(columns[i].name, name) == 0)
            return columns[i].field;
    return OTHER;
}

static bool is_passed_over(char *const values[FIELDS]) {
    for (size_t i = 0; i < G_N_ELEMENTS(passed_over); i++)
        if (g_strcmp0(values[passed_over[i].field], passed_over[i].value) == 0)
            return true;
    return false;
}

static const char *our_reason(const char *word) {
    for (size_t i = 0; i < G_N_ELEMENTS(reasons); i++)
        if (strcmp(reasons[i].theirs, word) == 0)
            return reasons[i].ours;
    return word;
}

bool dsn_suppress_is_reason(const char *text) {
    return *text && strlen(text) <= 40 && text[strspn(text, "abcdefghijklmnopqrstuvwxyz-")] == '\0';
}

/* A date (RFC 3339) or, as Postal has it, seconds since 1970. */
static int64_t until_of(const char *text) {
    char *end;
    if (!text || !*text)
        return 0;
    double seconds = g_ascii_strtod(text, &end);
    if (*end == '\0' && seconds >= 0 && seconds < (double)(INT64_MAX / 1000))
        return (int64_t)(seconds * 1000);
    int64_t ms;
    return dsn_units_instant(text, &ms) ? ms : DSN_FOR_GOOD;
}

/* A word is a reason ("complaint", SES's "COMPLAINT"), a sentence (SendGrid's) a note. */
static bool give(char *const values[FIELDS], unsigned line, dsn_suppress_import_visit *visit, void *context) {
    char *reason = values[REASON] ? g_ascii_strdown(values[REASON], -1) : NULL;
    bool word = reason && dsn_suppress_is_reason(reason);
    const char *note = values[NOTE] && *values[NOTE] ? values[NOTE] : NULL;
    const struct dsn_suppress_imported imported = {
        .address = dsn_sv_trim(dsn_sv_str(values[ADDRESS])),
        .reason = word ? our_reason(reason) : NULL,
        .note = note                         ? note
                : reason && !word && *reason ? values[REASON]
                                             : NULL,
        .until_ms = until_of(values[UNTIL]),
    };
    bool goes_on = imported.address.n == 0 || is_passed_over(values) || visit(context, line, &imported);
    g_free(reason);
    return goes_on;
}

/* Reads a record of CSV (RFC 4180). Returns its fields, freed by the caller; NULL: no more, or `*too_long`.
 */
static char **read_record(FILE *in, unsigned *line, bool *too_long) {
    GStrvBuilder *fields = g_strv_builder_new();
    GString *field = g_string_new(NULL);
    bool quoted = false, some = false;
    size_t bytes = 0;
    for (int c = getc(in); c != EOF && !(*too_long = ++bytes > MAX_RECORD_BYTES); c = getc(in)) {
        some = true;
        *line += c == '\n';
        if (c == '"' && quoted && (c = getc(in)) != '"') {
            quoted = false;
            ungetc(c, in);
        } else if (c == '"' && !quoted && field->len == 0) {
            quoted = true;
        } else if (c == ',' && !quoted) {
            g_strv_builder_add(fields, field->str);
            g_string_truncate(field, 0);
        } else if (c == '\n' && !quoted) {
            break;
        } else if (c != '\r' || quoted) {
            g_string_append_c(field, (char)c);
        }
    }
    g_strv_builder_add(fields, field->str);
    char **record = g_strv_builder_end(fields);
    g_strv_builder_unref(fields);
    g_string_free(field, TRUE);
    if (!some || *too_long)
        g_clear_pointer(&record, g_strfreev);
    return record;
}

/* The columns as the first record names them. False: it is no header, but an address. */
static bool read_header(char **record, GArray *order) {
    bool header = false;
    for (; *record; record++) {
        enum field field = field_of(g_strstrip(*record));
        header = header || field == ADDRESS;
        g_array_append_val(order, field);
    }
    return header;
}

static bool import_csv(FILE *in, const char *name, dsn_suppress_import_visit *visit, void *context) {
    static const enum field bare[] = {ADDRESS, REASON};
    GArray *order = g_array_new(FALSE, FALSE, sizeof(enum field));
    unsigned line = 1, begin = 1;
    bool good = true, too_long = false, first = true;
    for (char **record; good && (record = read_record(in, &line, &too_long)); begin = line, first = false) {
        char *values[FIELDS] = {NULL};
        bool header = first && read_header(record, order);
        if (first && !header) {
            g_array_set_size(order, 0);
            g_array_append_vals(order, bare, G_N_ELEMENTS(bare));
        }
        for (guint i = 0; i < order->len && record[i] && !header; i++) {
            enum field field = g_array_index(order, enum field, i);
            if (field < FIELDS)
                values[field] = record[i];
        }
        good = header || give(values, begin, visit, context);
        g_strfreev(record);
    }
    if (too_long)
        fprintf(stderr, "%s: %s:%u: a record of more than 64 KiB\n", g_get_prgname(), name, begin);
    g_array_unref(order);
    return good && !too_long;
}

/* JSON: objects one after another, in an array, or in an object's array of RECORDS. */
struct json {
    unsigned depth, record_depth; /* of objects and arrays that are open; how many are open around a record */
    enum field field;             /* of the last key */
    char *values[FIELDS];
    unsigned line, begin;
    bool stopped; /* by the visitor */
    dsn_suppress_import_visit *visit;
    void *context;
};

static void clear_values(struct json *json) {
    for (size_t i = 0; i < FIELDS; i++)
        g_clear_pointer(&json->values[i], g_free);
}

/* yajl's callbacks: 0 stops. */

/* A value that is no object, where a record should be, stops. */
static int on_text(void *context, const unsigned char *text, size_t n) {
    struct json *json = context;
    if (json->depth == json->record_depth + 1 && json->field < FIELDS) {
        g_free(json->values[json->field]);
        json->values[json->field] = g_strndup((const char *)text, n);
    }
    return json->depth > json->record_depth;
}

static int on_number(void *context, const char *text, size_t n) {
    return on_text(context, (const unsigned char *)text, n);
}

static int on_boolean(void *context, int value) {
    const char *text = value ? "true" : "false";
    return on_number(context, text, strlen(text));
}

static int on_null(void *context) {
    const struct json *json = context;
    return json->depth > json->record_depth;
}

static int on_key(void *context, const unsigned char *text, size_t n) {
    struct json *json = context;
    if (json->depth == json->record_depth + 1) {
        char *name = g_strndup((const char *)text, n);
        json->field = field_of(name);
        g_free(name);
    }
    return 1;
}

static int on_object(void *context) {
    struct json *json = context;
    if (json->depth++ == json->record_depth) {
        clear_values(json);
        json->begin = json->line;
    }
    return 1;
}

static int on_object_end(void *context) {
    struct json *json = context;
    if (--json->depth == json->record_depth)
        json->stopped = !give(json->values, json->begin, json->visit, json->context);
    return !json->stopped;
}

static int on_array(void *context) {
    struct json *json = context;
    bool holds_records =
        json->depth == 0 || (json->depth == 1 && json->record_depth == 0 && json->field == RECORDS);
    json->depth++;
    if (holds_records)
        json->record_depth = json->depth;
    return holds_records || json->depth > json->record_depth + 1;
}

static int on_array_end(void *context) {
    struct json *json = context;
    if (json->depth-- == json->record_depth) {
        clear_values(json);
        json->record_depth = 0;
    }
    return 1;
}

/* Of one line at most, so that the line of whatever begins in it is known. */
static size_t read_piece(FILE *in, char *piece, size_t size) {
    size_t n = 0;
    for (int c = 0; n < size && c != '\n' && (c = getc(in)) != EOF;)
        piece[n++] = (char)c;
    return n;
}

static bool import_json(FILE *in, const char *name, dsn_suppress_import_visit *visit, void *context) {
    static const yajl_callbacks callbacks = {
        .yajl_null = on_null,
        .yajl_boolean = on_boolean,
        .yajl_number = on_number,
        .yajl_string = on_text,
        .yajl_start_map = on_object,
        .yajl_map_key = on_key,
        .yajl_end_map = on_object_end,
        .yajl_start_array = on_array,
        .yajl_end_array = on_array_end,
    };
    struct json json = {.line = 1, .visit = visit, .context = context};
    yajl_handle parser = yajl_alloc(&callbacks, NULL, &json);
    yajl_config(parser, yajl_allow_multiple_values, 1);
    yajl_status status = yajl_status_ok;
    char piece[4096];
    for (size_t n; status == yajl_status_ok && (n = read_piece(in, piece, sizeof piece)) > 0;) {
        status = yajl_parse(parser, (const unsigned char *)piece, n);
        json.line += status == yajl_status_ok && piece[n - 1] == '\n';
    }
    if (status == yajl_status_ok)
        status = yajl_complete_parse(parser);
    if (status != yajl_status_ok && !json.stopped)
        fprintf(stderr, "%s: %s:%u: no JSON object\n", g_get_prgname(), name, json.line);
    yajl_free(parser);
    clear_values(&json);
    return status == yajl_status_ok;
}

/* What programs of Windows put in front of UTF-8; it would be part of the first column's name. */
static void skip_byte_order_mark(FILE *in) {
    static const unsigned char mark[] = {0xEF, 0xBB, 0xBF};
    size_t n = 0;
    int c = EOF;
    while (n < sizeof mark && (c = getc(in)) == mark[n])
        n++;
    if (n == sizeof mark)
        return;
    ungetc(c, in);
    while (n > 0)
        ungetc(mark[--n], in);
}

bool dsn_suppress_import(FILE *in, const char *name, dsn_suppress_import_visit *visit, void *context) {
    skip_byte_order_mark(in);
    int c = getc(in);
    if (c != EOF)
        ungetc(c, in);
    bool json = c == '{' || c == '[';
    bool good = json ? import_json(in, name, visit, context) : import_csv(in, name, visit, context);
    if (ferror(in))
        fprintf(stderr, "%s: %s: %s\n", g_get_prgname(), name, g_strerror(errno));
    return good && !ferror(in);
}
