/* stored: an event read back. Knows its fields as event.c writes them. */
#include "stored.h"
#include "base/json.h"
#include "base/sv.h"
#include "base/units.h"
#include "base/utf8.h"
#include "mail/address.h"
#include "mail/answer.h"
#include "mail/format.h"
#include "reader.h"
#include "verdict/knowledge.h"
#include "verdict/words.h"

struct reading {
    struct dsn_arena *arena;
    yajl_val tree;
};

static yajl_val value_at(yajl_val object, const char *key) {
    const char *path[] = {key, NULL};
    return object ? yajl_tree_get(object, path, yajl_t_any) : NULL;
}

static struct dsn_strview copy_text(const struct reading *r, const char *text) {
    return dsn_arena_copy(r->arena, dsn_utf8_repair(r->arena, dsn_sv_str(text)));
}

static struct dsn_strview text_in(const struct reading *r, yajl_val object, const char *key) {
    return copy_text(r, YAJL_GET_STRING(value_at(object, key)));
}

static struct dsn_strview text_at(const struct reading *r, const char *key) {
    return text_in(r, r->tree, key);
}

/* The value whose word the field has; -1: none. */
static int word_at(const struct reading *r, const char *key, dsn_word_fn *word) {
    return dsn_word_find(word, text_at(r, key));
}

static int64_t seconds_at(const struct reading *r, const char *key) {
    int64_t ms;
    struct dsn_strview text = text_at(r, key);
    return text.n && dsn_units_instant(text.p, &ms) ? ms / 1000 : DSN_NO_TIME;
}

static void read_original(const struct reading *r, struct dsn_original *out) {
    yajl_val message = value_at(r->tree, "message"), headers = value_at(message, "headers");
    size_t n = YAJL_IS_OBJECT(headers) ? YAJL_GET_OBJECT(headers)->len : 0;
    out->message_id = text_in(r, message, "message_id");
    out->from = text_in(r, message, "from");
    out->to = text_in(r, message, "to");
    out->list_id = text_in(r, message, "list_id");
    struct dsn_field *fields = dsn_arena_alloc(r->arena, (n + 1) * sizeof *fields);
    for (size_t i = 0; fields && i < n; i++) {
        const char *name = YAJL_GET_OBJECT(headers)->keys[i];
        fields[i] = (struct dsn_field){copy_text(r, name), text_in(r, headers, name)};
    }
    if (fields && out->list_id.n)
        fields[n++] = (struct dsn_field){DSN_LIT("List-Id"), out->list_id};
    out->headers = fields;
    out->n_headers = fields ? n : 0;
}

/* In which the event counted then: its header may not be in the event, nor is its return address. */
static struct dsn_strview read_scope(const struct reading *r) {
    yajl_val decisions = value_at(r->tree, "decisions");
    struct dsn_strview scope = DSN_NONE;
    for (size_t i = 0; YAJL_IS_ARRAY(decisions) && i < YAJL_GET_ARRAY(decisions)->len && !scope.n; i++)
        scope = text_in(r, YAJL_GET_ARRAY(decisions)->values[i], "scope");
    return scope;
}

static bool is_reply_code(yajl_val value) {
    return YAJL_IS_INTEGER(value) && YAJL_GET_INTEGER(value) > 0 && YAJL_GET_INTEGER(value) <= 999;
}

static void read_recipient(const struct reading *r, struct dsn_recipient *out) {
    yajl_val code = value_at(r->tree, "smtp_code");
    struct dsn_strview address = text_at(r, "recipient");
    int command = word_at(r, "smtp_command", dsn_word_command), trust = word_at(r, "trust", dsn_word_trust);
    *out = (struct dsn_recipient){
        .recipient = dsn_address_usable(address) ? address : DSN_NONE,
        .told[DSN_FROM_VERP] = text_in(r, value_at(r->tree, "addresses"), "verp"),
        .trust = trust > 0 ? (enum dsn_trust_level)trust : DSN_TRUST_NONE,
        .status = dsn_status_read(text_at(r, "status"), NULL),
        .smtp_code = is_reply_code(code) ? (uint16_t)YAJL_GET_INTEGER(code) : 0,
        .smtp_command = command > 0 ? (enum dsn_smtp_command)command : DSN_COMMAND_NONE,
        .diagnostic = text_at(r, "diagnostic"),
        .dsn_action = text_at(r, "dsn_action"),
        .remote_mta = text_at(r, "remote_mta"),
        .last_attempt_date = seconds_at(r, "last_attempt_date"),
        .will_retry_until = DSN_NO_TIME,
    };
}

/* A message that was cut off or named nobody suppressed nobody, and the event does not say which: its reason
 * would have, and it only counted. */
static bool was_withheld(const struct reading *r, const struct dsn_knowledge *knowledge,
                         const struct dsn_stored *stored) {
    const struct dsn_reason *reason =
        stored->reason.n ? dsn_catalogue_reason(dsn_knowledge_catalogue(knowledge), stored->reason.p) : NULL;
    return reason && reason->action == DSN_ACTION_SUPPRESS && stored->action &&
           strcmp(stored->action, dsn_action_name(DSN_ACTION_COUNT)) == 0 &&
           dsn_sv_eq(text_at(r, "type"), DSN_LIT("hard")) &&
           !dsn_sv_eq(text_at(r, "confidence"), DSN_LIT("low")) &&
           !dsn_sv_eq(text_at(r, "trust"), DSN_LIT("unverified"));
}

static enum dsn_error read_event(struct dsn_reader *reader, const struct reading *r,
                                 const struct dsn_trust *trust, struct dsn_stored *out) {
    int kind = word_at(r, "kind", dsn_word_kind), action = word_at(r, "action", dsn_word_action);
    struct dsn_recipient *recipient = dsn_arena_alloc(r->arena, sizeof *recipient);
    *out = (struct dsn_stored){
        .id = text_at(r, "id"),
        .reason = text_at(r, "reason"),
        .rule = text_at(r, "rule"),
        .action = action >= 0 ? dsn_action_name((enum dsn_action)action) : NULL,
    };
    struct dsn_strview observed = text_at(r, "observed_at");
    if (!recipient)
        return DSN_ERR_MEMORY;
    if (kind <= DSN_KIND_NONE || !out->id.n || !observed.n ||
        !dsn_units_instant(observed.p, &out->observed_at_ms))
        return DSN_ERR_INVALID;
    read_recipient(r, recipient);
    recipient->verdict.kind = (enum dsn_kind)kind;
    reader->report = (struct dsn_report){
        .reporting_mta = text_at(r, "reporting_mta"),
        .arrival_date = seconds_at(r, "arrival_date"),
        .scope = read_scope(r),
        .recipients = recipient,
        .n_recipients = 1,
        .incomplete = was_withheld(r, reader->knowledge, out),
        .guessed = dsn_formats_guesses(dsn_knowledge_formats(reader->knowledge), text_at(r, "format")),
    };
    read_original(r, &reader->report.original);
    dsn_classify(&reader->classifier, &reader->report, recipient, NULL);
    dsn_reader_withhold(&reader->report, recipient->trust ? trust : NULL, recipient);
    out->report = &reader->report;
    return DSN_OK;
}

enum dsn_error dsn_reader_stored(struct dsn_reader *reader, struct dsn_strview event,
                                 const struct dsn_trust *trust, struct dsn_stored *out) {
    dsn_arena_reset(reader->arena);
    reader->message = (struct dsn_message){0};
    reader->report = (struct dsn_report){0};
    reader->bytes = DSN_NONE;
    reader->hashed = false;
    const struct reading r = {reader->arena, dsn_json_object(event)};
    enum dsn_error error = r.tree ? read_event(reader, &r, trust, out) : DSN_ERR_INVALID;
    yajl_tree_free(r.tree);
    return dsn_arena_failed(reader->arena) ? DSN_ERR_MEMORY : error;
}
