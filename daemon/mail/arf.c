/* arf: complaints. Knows the fields of a feedback report and where older loops name the complainer; knows no
 * vendor by its addresses. */
#include "arf.h"
#include "address.h"
#include "base/sv.h"
#include "base/utf8.h"
#include "fields.h"
#include "human.h"
#include "original.h"

#include <glib.h>

enum { MAX_ADDRESSES = 200 };

/* RFC 5965 7.3, RFC 6430, RFC 6591: nobody complained. Opt-out is a wish that is to be honoured like a
 * complaint. */
static const char *const no_complaints[] = {"not-spam", "auth-failure", "virus",
                                            "not_spam", "not spam",     "notspam"};

bool dsn_arf_complains(struct dsn_strview feedback_type) {
    return !dsn_sv_is_one_of(feedback_type, no_complaints, G_N_ELEMENTS(no_complaints));
}

/* Fields of the report that name who complained, best first (RFC 5965 3.2; the others are older). */
static const char *const complainer_fields[] = {"Original-Rcpt-To", "Removal-Recipient", "Original-Recipient",
                                                "X-Original-Rcpt-To"};

/* Headers of the returned message in which loops without a report, or with a redacted one, name him. */
static const char *const complainer_headers[] = {"X-HmXmrOriginalRecipient", "X-Original-Rcpt-To"};
static const char *const envelope_headers[] = {"Delivered-To", "X-Original-To", "Envelope-To",
                                               "X-Apparently-To"};

/* Headers of a mail that a mail program wrote when somebody pressed its "unsubscribe". */
static const char *const unsubscribe_headers[] = {"X-Apple-Unsubscribe"};

static void add_complainer(struct dsn_draft *draft, struct dsn_strview address, enum dsn_provenance from) {
    if (!address.n || dsn_address_redacted(address) || dsn_draft_find(draft, address))
        return;
    struct dsn_recipient *recipient = dsn_draft_add(draft);
    if (!recipient)
        return;
    recipient->verdict.kind = DSN_KIND_COMPLAINT;
    recipient->final_recipient = address;
    recipient->recipient = address;
    recipient->recipient_from = from;
}

/* A value may list several, and may be redacted to something that is no address ("xxxx", "redacted@"). */
static void add_complainers(struct dsn_draft *draft, struct dsn_strview value, enum dsn_provenance from) {
    struct dsn_strview addresses[MAX_ADDRESSES];
    struct dsn_strview type;
    value = dsn_typed_split(draft->arena, dsn_utf8_repair(draft->arena, value), &type);
    size_t n = dsn_addresses_of(draft->arena, value, addresses, MAX_ADDRESSES);
    for (size_t i = 0; i < n && i < MAX_ADDRESSES; i++)
        add_complainer(draft, addresses[i], from);
}

static void add_all_fields(struct dsn_draft *draft, const struct dsn_field *fields, size_t n,
                           const char *name) {
    for (size_t i = 0; i < n; i++) {
        if (dsn_sv_eq_nocase(fields[i].name, dsn_sv_str(name)))
            add_complainers(draft, fields[i].value, DSN_FROM_ORIGINAL);
    }
}

static struct dsn_strview field_of(struct dsn_draft *draft, const struct dsn_fields *fields,
                                   const char *name) {
    struct dsn_strview value = dsn_header_get(fields->items, fields->n, name);
    return value.n ? dsn_utf8_repair(draft->arena, dsn_comments_cut(draft->arena, value)) : DSN_NONE;
}

static void read_report_fields(struct dsn_draft *draft, const struct dsn_fields *fields) {
    struct dsn_report *report = &draft->report;
    if (!report->feedback_type.n)
        report->feedback_type = dsn_arena_lower(draft->arena, field_of(draft, fields, "Feedback-Type"));
    if (!report->source_ip.n)
        report->source_ip = field_of(draft, fields, "Source-IP");
    if (!report->reporting_mta.n) {
        struct dsn_strview type;
        report->reporting_mta =
            dsn_typed_split(draft->arena, field_of(draft, fields, "Reporting-MTA"), &type);
    }
    if (report->arrival_date == DSN_NO_TIME)
        report->arrival_date = dsn_date_read(draft->arena, field_of(draft, fields, "Arrival-Date"));
    if (!draft->return_path.n)
        draft->return_path =
            dsn_address_read(draft->arena, field_of(draft, fields, "Original-Mail-From"), false);
    for (size_t i = 0; i < G_N_ELEMENTS(complainer_fields) && !draft->n; i++)
        add_all_fields(draft, fields->items, fields->n, complainer_fields[i]);
}

static const struct dsn_part *find_part(const struct dsn_message *message, enum dsn_part_role role) {
    for (size_t i = 0; i < message->n_parts; i++) {
        if (message->parts[i].role == role)
            return &message->parts[i];
    }
    return NULL;
}

/* The header of the returned message; the first text behind the report where it is not marked as what it is.
 */
static void find_original(struct dsn_draft *draft) {
    const struct dsn_message *message = draft->message;
    const struct dsn_part *original = find_part(message, DSN_PART_ORIGINAL);
    bool behind = false;
    if (original) {
        dsn_original_read(original->headers, original->n_headers, &draft->report.original);
        return;
    }
    for (size_t i = 0; i < message->n_parts; i++) {
        struct dsn_strview text = message->parts[i].text;
        struct dsn_fields fields;
        if (behind && text.n && dsn_fields_next_group(draft->arena, draft->limits, &text, &fields)) {
            for (size_t k = 0; k < fields.n; k++)
                fields.items[k].value = dsn_header_decode(draft->arena, fields.items[k].value);
            dsn_original_read(fields.items, fields.n, &draft->report.original);
            return;
        }
        behind |= message->parts[i].role == DSN_PART_FEEDBACK;
    }
}

/* The complainer as the returned message names him. */
static void add_from_original(struct dsn_draft *draft, const char *const *names, size_t n_names) {
    const struct dsn_original *original = &draft->report.original;
    for (size_t i = 0; i < n_names && !draft->n; i++) {
        struct dsn_strview value = dsn_header_get(original->headers, original->n_headers, names[i]);
        if (value.n)
            add_complainers(draft, value, DSN_FROM_HEADER);
    }
}

/* A complaint that names nobody is still one: the source address and the returned message tell whose mail it
 * was about, and its only addressee who complained. Of several, all but one did not. */
static void add_anonymous(struct dsn_draft *draft) {
    struct dsn_recipient *recipient = draft->n ? NULL : dsn_draft_add(draft);
    if (recipient)
        recipient->verdict.kind = DSN_KIND_COMPLAINT;
}

static bool read_feedback(struct dsn_draft *draft, const struct dsn_part *part) {
    struct dsn_strview text = part->text;
    struct dsn_fields fields;
    draft->report.format = DSN_LIT("arf");
    find_original(draft);
    while (dsn_fields_next_group(draft->arena, draft->limits, &text, &fields))
        read_report_fields(draft, &fields);
    if (!dsn_arf_complains(draft->report.feedback_type)) {
        dsn_draft_keep(draft, 0);
        return true;
    }
    const struct dsn_original *original = &draft->report.original;
    struct dsn_strview path = dsn_header_get(original->headers, original->n_headers, "Return-Path");
    if (!draft->return_path.n)
        draft->return_path = dsn_address_read(draft->arena, path, false);
    add_from_original(draft, complainer_headers, G_N_ELEMENTS(complainer_headers));
    add_from_original(draft, envelope_headers, G_N_ELEMENTS(envelope_headers));
    add_anonymous(draft);
    return true;
}

/* Feedback loops without a report: the returned message alone, with the complainer in a header of its own. */
static bool read_bare(struct dsn_draft *draft) {
    const struct dsn_part *original = find_part(draft->message, DSN_PART_ORIGINAL);
    if (!original || find_part(draft->message, DSN_PART_DELIVERY_STATUS))
        return false;
    dsn_original_read(original->headers, original->n_headers, &draft->report.original);
    add_from_original(draft, complainer_headers, G_N_ELEMENTS(complainer_headers));
    draft->report.format = DSN_LIT("arf-bare");
    draft->report.source_ip = dsn_header_get(original->headers, original->n_headers, "X-Originating-IP");
    return draft->n > 0;
}

static bool read_unsubscribe(struct dsn_draft *draft) {
    const struct dsn_message *message = draft->message;
    bool found = false;
    for (size_t i = 0; i < G_N_ELEMENTS(unsubscribe_headers); i++)
        found |= dsn_header_get(message->headers, message->n_headers, unsubscribe_headers[i]).n > 0;
    struct dsn_strview from = dsn_header_get(message->headers, message->n_headers, "From");
    if (!found || !from.n)
        return false;
    draft->report.format = DSN_LIT("unsubscribe");
    add_complainers(draft, from, DSN_FROM_FINAL);
    return draft->n > 0;
}

bool dsn_arf_read(struct dsn_draft *draft) {
    const struct dsn_part *part = find_part(draft->message, DSN_PART_FEEDBACK);
    if (part)
        return read_feedback(draft, part);
    return read_bare(draft) || read_unsubscribe(draft);
}
