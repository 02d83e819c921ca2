/* notification: reports as JSON. Knows the notifications and events that SES publishes, and SNS's envelope;
 * knows yajl. */
#include "notification.h"
#include "address.h"
#include "answer.h"
#include "arf.h"
#include "base/json.h"
#include "base/sv.h"
#include "base/utf8.h"
#include "human.h"
#include "original.h"

#include <glib.h>

enum { MAX_WRAPS = 2 };

/* The kinds of notification: where each has its recipients. Those that are not here report nothing. */
static const struct kind {
    const char *name, *object, *recipients;
    enum dsn_kind kind;
} kinds[] = {
    {"bounce", "bounce", "bouncedRecipients", DSN_KIND_BOUNCE},
    {"complaint", "complaint", "complainedRecipients", DSN_KIND_COMPLAINT},
    {"delivery", "delivery", "recipients", DSN_KIND_DELIVERED},
    {"deliverydelay", "deliveryDelay", "delayedRecipients", DSN_KIND_DELAY},
};

static yajl_val parse(struct dsn_draft *draft, struct dsn_strview text) {
    size_t n = 0; /* a footer may be behind it */
    text = dsn_sv_trim(text);
    enum dsn_error error = dsn_json_object_length(text, draft->limits->max_json_depth, &n);
    draft->json_too_deep |= error == DSN_ERR_LIMIT;
    return dsn_json_object(dsn_sv(text.p, n));
}

static yajl_val member(yajl_val object, const char *name, yajl_type type) {
    const char *path[] = {name, NULL};
    return object ? yajl_tree_get(object, path, type) : NULL;
}

/* A copy in the arena; absent where there is no such text. */
static struct dsn_strview text_of(struct dsn_draft *draft, yajl_val object, const char *name) {
    yajl_val value = member(object, name, yajl_t_string);
    const char *text = value ? YAJL_GET_STRING(value) : NULL;
    return text && *text ? dsn_arena_copy(draft->arena, dsn_utf8_repair(draft->arena, dsn_sv_str(text)))
                         : DSN_NONE;
}

/* "2016-11-23T12:00:59.530Z" */
static int64_t read_time(struct dsn_strview text) {
    char copy[40];
    g_snprintf(copy, sizeof copy, "%.*s", text.n < 39 ? (int)text.n : 39, text.n ? text.p : "");
    GDateTime *time = g_date_time_new_from_iso8601(copy, NULL);
    int64_t seconds = time ? g_date_time_to_unix(time) : DSN_NO_TIME;
    if (time)
        g_date_time_unref(time);
    return seconds;
}

static void read_mail(struct dsn_draft *draft, yajl_val mail) {
    struct dsn_original *original = &draft->report.original;
    yajl_val headers = member(mail, "headers", yajl_t_array);
    size_t n = headers ? YAJL_GET_ARRAY(headers)->len : 0;
    if (n > draft->limits->max_headers)
        n = draft->limits->max_headers;
    struct dsn_field *fields = n ? dsn_arena_alloc(draft->arena, n * sizeof *fields) : NULL;
    size_t kept = 0;
    for (size_t i = 0; fields && i < n; i++) {
        struct dsn_field field = {.name = text_of(draft, YAJL_GET_ARRAY(headers)->values[i], "name"),
                                  .value = text_of(draft, YAJL_GET_ARRAY(headers)->values[i], "value")};
        if (field.name.n && field.value.n)
            fields[kept++] = field;
    }
    if (kept)
        dsn_original_read(fields, kept, original);
    if (!original->message_id.n)
        original->message_id = text_of(draft, mail, "messageId");
    if (!original->from.n)
        original->from = text_of(draft, mail, "source");
    draft->report.arrival_date = read_time(text_of(draft, mail, "timestamp"));
}

/* A recipient is an object, or a bare address (delivery). */
static void add(struct dsn_draft *draft, const struct kind *kind, yajl_val object, yajl_val item) {
    struct dsn_strview text =
        YAJL_IS_STRING(item) ? dsn_sv_str(YAJL_GET_STRING(item)) : text_of(draft, item, "emailAddress");
    struct dsn_strview address = dsn_address_read(draft->arena, dsn_utf8_repair(draft->arena, text), false);
    struct dsn_recipient *recipient = dsn_address_usable(address) ? dsn_draft_add(draft) : NULL;
    if (!recipient)
        return;
    recipient->verdict.kind = kind->kind;
    recipient->final_recipient = recipient->recipient = address;
    recipient->recipient_from = DSN_FROM_FINAL;
    recipient->dsn_action = text_of(draft, item, "action");
    recipient->status = dsn_status_read(text_of(draft, item, "status"), NULL);
    struct dsn_strview diagnostic = text_of(draft, item, "diagnosticCode");
    if (!diagnostic.n)
        diagnostic = text_of(draft, object, "smtpResponse");
    diagnostic = dsn_typed_split(draft->arena, diagnostic, &recipient->diagnostic_type);
    if (diagnostic.n)
        recipient->diagnostic = dsn_answer_unfold(draft->arena, diagnostic);
    if (kind->kind != DSN_KIND_COMPLAINT) /* the time of a complaint is not that of a delivery */
        recipient->last_attempt_date = read_time(text_of(draft, object, "timestamp"));
    recipient->will_retry_until = read_time(text_of(draft, object, "expirationTime"));
    if (kind->kind != DSN_KIND_DELIVERED || !recipient->diagnostic.n)
        return;
    unsigned code; /* of an answer that was no failure */
    size_t length = dsn_sv_read_uint(recipient->diagnostic, 3, &code);
    if (length == 3)
        recipient->smtp_code = (uint16_t)code;
    if (length == 3 && !recipient->status.cls)
        recipient->status = dsn_status_read(dsn_sv_trim(dsn_sv_from(recipient->diagnostic, 3)), NULL);
}

/* SES says of bounces of its own making only what type they are. */
static void complete_type(struct dsn_draft *draft, yajl_val bounce) {
    struct dsn_strview type = text_of(draft, bounce, "bounceType"),
                       sub = text_of(draft, bounce, "bounceSubType");
    uint8_t cls = dsn_sv_eq_nocase(type, DSN_LIT("Permanent"))   ? 5
                  : dsn_sv_eq_nocase(type, DSN_LIT("Transient")) ? 4
                                                                 : 0;
    for (size_t i = 0; i < draft->n; i++) {
        struct dsn_recipient *recipient = &draft->recipients[i];
        struct dsn_answer answer = dsn_answer_read(recipient->diagnostic);
        if (cls && !recipient->status.cls && !answer.status.cls && !answer.smtp_code)
            recipient->status = (struct dsn_status){.cls = cls, .subject = -1, .detail = -1};
        if (!recipient->diagnostic.n && type.n)
            recipient->diagnostic = sub.n ? dsn_arena_join(draft->arena, type, DSN_LIT(": "), sub) : type;
    }
}

static void read_kind(struct dsn_draft *draft, const struct kind *kind, yajl_val root) {
    yajl_val object = member(root, kind->object, yajl_t_object);
    yajl_val recipients = member(object, kind->recipients, yajl_t_array);
    struct dsn_strview type;
    draft->report.feedback_type = text_of(draft, object, "complaintFeedbackType");
    if (!dsn_arf_complains(draft->report.feedback_type))
        return;
    draft->report.reporting_mta =
        dsn_typed_split(draft->arena, text_of(draft, object, "reportingMTA"), &type);
    for (size_t i = 0; recipients && i < YAJL_GET_ARRAY(recipients)->len; i++)
        add(draft, kind, object, YAJL_GET_ARRAY(recipients)->values[i]);
    if (kind->kind == DSN_KIND_BOUNCE)
        complete_type(draft, object);
}

static const struct kind *kind_of(struct dsn_strview name) {
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (dsn_sv_eq_nocase(name, dsn_sv_str(kinds[i].name)))
            return &kinds[i];
    }
    return NULL;
}

static bool read_json(struct dsn_draft *draft, struct dsn_strview text, unsigned wraps) {
    yajl_val root = parse(draft, text);
    struct dsn_strview name = text_of(draft, root, "notificationType");
    if (!name.n)
        name = text_of(draft, root, "eventType");
    struct dsn_strview wrapped = text_of(draft, root, "Message");
    bool found = name.n > 0;
    const struct kind *kind = kind_of(name);
    if (kind) {
        draft->report.format = DSN_LIT("ses-notification");
        read_mail(draft, member(root, "mail", yajl_t_object));
        read_kind(draft, kind, root);
    }
    yajl_tree_free(root);
    if (!found && wrapped.n && wraps < MAX_WRAPS)
        return read_json(draft, wrapped, wraps + 1);
    return found;
}

bool dsn_notification_read_json(struct dsn_draft *draft, struct dsn_strview text) {
    return read_json(draft, text, 0);
}

bool dsn_notification_read(struct dsn_draft *draft) {
    struct dsn_strview text = dsn_sv_trim(dsn_human_text(&draft->human, draft->arena, draft->message));
    return text.n && text.p[0] == '{' && dsn_notification_read_json(draft, text);
}
