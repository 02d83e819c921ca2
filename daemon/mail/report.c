/* report: asks the readers of the single formats in turn and completes what they found. Knows which readers
 * there are and what the fields mean together; knows no GMime, no rules. */
#include "report.h"
#include "addressee.h"
#include "answer.h"
#include "arf.h"
#include "autoreply.h"
#include "base/sv.h"
#include "command.h"
#include "format.h"
#include "human.h"
#include "notification.h"
#include "original.h"
#include "rfc3464.h"

#include <glib.h>
#include <strings.h>

struct dsn_recipient *dsn_draft_add(struct dsn_draft *draft) {
    struct dsn_recipient *grown = NULL;
    if (draft->n < draft->limits->max_recipients)
        grown = dsn_arena_grow(draft->arena, draft->recipients, draft->n, &draft->capacity, sizeof *grown);
    if (!grown) {
        draft->report.truncated = true;
        return NULL;
    }
    draft->recipients = grown;
    struct dsn_recipient *recipient = &grown[draft->n++];
    *recipient = (struct dsn_recipient){.last_attempt_date = DSN_NO_TIME, .will_retry_until = DSN_NO_TIME};
    return recipient;
}

/* An order, not a hash: whoever writes the report could make all of these the same. */
static gint compare_addresses(gconstpointer a, gconstpointer b) {
    const struct dsn_strview *x = a, *y = b;
    size_t n = MIN(x->n, y->n); /* 0 where one is absent */
    int order = n ? strncasecmp(x->p, y->p, n) : 0;
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

/* Adds the recipients that are new since. */
static void complete_index(struct dsn_draft *draft) {
    if (!draft->index)
        draft->index = g_tree_new(compare_addresses);
    for (; draft->indexed < draft->n; draft->indexed++) {
        struct dsn_strview *key =
            dsn_arena_alloc(draft->arena, sizeof *key); /* recipients move as they grow */
        if (!key)
            return;
        *key = draft->recipients[draft->indexed].final_recipient;
        if (key->n && !g_tree_lookup(draft->index, key))
            g_tree_insert(draft->index, key, GSIZE_TO_POINTER(draft->indexed + 1));
    }
}

struct dsn_recipient *dsn_draft_find(struct dsn_draft *draft, struct dsn_strview address) {
    if (!address.n || !draft->n)
        return NULL;
    complete_index(draft);
    size_t number = GPOINTER_TO_SIZE(g_tree_lookup(draft->index, &address));
    return number ? &draft->recipients[number - 1] : NULL;
}

void dsn_draft_keep(struct dsn_draft *draft, size_t n) {
    draft->n = n;
    draft->indexed = 0;
    g_clear_pointer(&draft->index, g_tree_destroy);
}

/* A part without the line in which a message that was cut off ends: an address in it may be half of one. */
static struct dsn_strview whole_lines(const struct dsn_message *message, const struct dsn_part *part) {
    struct dsn_strview text = part->text;
    bool ends_there = part == &message->parts[message->n_parts - 1];
    while (message->cut_off && ends_there && text.n && text.p[text.n - 1] != '\n')
        text.n--;
    return text;
}

static bool read_delivery_status(struct dsn_draft *draft) {
    bool found = false;
    for (size_t i = 0; i < draft->message->n_parts; i++) {
        const struct dsn_part *part = &draft->message->parts[i];
        if (part->role == DSN_PART_DELIVERY_STATUS)
            found |= dsn_rfc3464_read(draft, whole_lines(draft->message, part));
    }
    draft->report.format = DSN_LIT("rfc3464");
    if (found && draft->n)
        dsn_format_supplement(draft->formats, draft->scratch, draft);
    return found && draft->n > 0;
}

static bool read_described(struct dsn_draft *draft) {
    return dsn_format_read(draft->formats, draft->scratch, draft, DSN_FORMAT_REPORT);
}

/* In this order: what says most surely what it is comes first. A reader returns whether the message is its
 * own; one that knows the message as no report at all leaves the draft without recipients. Some tell of a
 * refusal by a disposition notification, so that these come last. */
static bool (*const readers[])(struct dsn_draft *) = {
    dsn_arf_read, dsn_notification_read, read_delivery_status, read_described, dsn_autoreply_read,
};

static const struct {
    const char *begins;
    enum dsn_kind kind;
} actions[] = {
    {"fail", DSN_KIND_BOUNCE},       {"delayed", DSN_KIND_DELAY},      {"deliver", DSN_KIND_DELIVERED},
    {"relayed", DSN_KIND_DELIVERED}, {"expanded", DSN_KIND_DELIVERED}, {"delay", DSN_KIND_DELAY},
    {"deferred", DSN_KIND_DELAY},    {"warning", DSN_KIND_DELAY},
};

/* Action decides (RFC 3464 2.3.3), also in words that it should not use; where it is missing or no known
 * word, the class does. */
static enum dsn_kind kind_of(const struct dsn_recipient *recipient) {
    for (size_t i = 0; i < G_N_ELEMENTS(actions); i++) {
        if (dsn_sv_starts_nocase(recipient->dsn_action, dsn_sv_str(actions[i].begins)))
            return actions[i].kind;
    }
    return recipient->status.cls == 2 ? DSN_KIND_DELIVERED : DSN_KIND_BOUNCE;
}

static bool is_general(struct dsn_status status) {
    return status.cls && status.subject <= 0 && status.detail <= 0;
}

/* The server's own words come before the reporting MTA's Status, which may be a summary ("4.4.7" over
 * "450 4.7.1"); otherwise the diagnostic text fills in what the field lacks. Where only the class is known,
 * that is all that is said. */
static void complete_codes(struct dsn_recipient *recipient) {
    struct dsn_answer answer = dsn_answer_read(recipient->diagnostic);
    if (!recipient->smtp_code)
        recipient->smtp_code = answer.smtp_code;
    bool says_more = is_general(recipient->status) && answer.status.cls == recipient->status.cls;
    bool says_pair = answer.paired && (!is_general(answer.status) || is_general(recipient->status));
    if (answer.status.cls && (says_pair || says_more || !recipient->status.cls))
        recipient->status = answer.status;
    if (recipient->status.cls)
        return;
    unsigned cls = recipient->smtp_code / 100;
    if (!cls && recipient->verdict.kind == DSN_KIND_BOUNCE && recipient->dsn_action.n)
        cls = 5; /* RFC 3464 2.3.3: "failed" is final */
    if (!cls && recipient->verdict.kind == DSN_KIND_DELAY)
        cls = 4;
    recipient->status = (struct dsn_status){.cls = (uint8_t)cls, .subject = -1, .detail = -1};
}

/* Which commands were answered: by the answers themselves, or by the transcript of the session. */
static void complete_commands(struct dsn_draft *draft) {
    struct dsn_transcript transcript = {0};
    bool read = false;
    for (size_t i = 0; i < draft->n; i++) {
        struct dsn_recipient *recipient = &draft->recipients[i];
        if (!recipient->smtp_command)
            recipient->smtp_command = dsn_command_of_answer(recipient->diagnostic);
        if (recipient->smtp_command || !recipient->diagnostic.n)
            continue;
        if (!read)
            dsn_transcript_read(dsn_human_text(&draft->human, draft->arena, draft->message), &transcript);
        read = true;
        recipient->smtp_command = dsn_transcript_command(&transcript, recipient->diagnostic);
    }
}

static bool is_alive(const struct dsn_recipient *recipient) {
    return recipient->verdict.kind == DSN_KIND_DELIVERED || recipient->verdict.kind == DSN_KIND_DELAY;
}

/* Which of the addresses that failed have others behind them that mail got to, or still may: one of several
 * for whom an alias stands. */
static void note_reached(struct dsn_draft *draft) {
    GTree *alive = NULL;
    for (size_t i = 0; i < draft->n; i++) {
        struct dsn_recipient *recipient = &draft->recipients[i];
        if (!is_alive(recipient) || !recipient->recipient.n)
            continue;
        if (!alive)
            alive = g_tree_new(compare_addresses);
        g_tree_insert(alive, &recipient->recipient, recipient);
    }
    for (size_t i = 0; alive && i < draft->n; i++)
        draft->recipients[i].reached = g_tree_lookup(alive, &draft->recipients[i].recipient) != NULL;
    g_clear_pointer(&alive, g_tree_destroy);
}

static void complete(struct dsn_draft *draft, const struct dsn_addressing *addressing) {
    const struct dsn_message *message = draft->message;
    if (!draft->report.original.headers)
        dsn_original_of(message, &draft->report.original);
    for (size_t i = 0; i < draft->n; i++) {
        struct dsn_recipient *recipient = &draft->recipients[i];
        if (!recipient->verdict.kind)
            recipient->verdict.kind = kind_of(recipient);
        if (recipient->verdict.kind != DSN_KIND_COMPLAINT && recipient->verdict.kind != DSN_KIND_AUTO_REPLY)
            complete_codes(recipient);
    }
    complete_commands(draft);
    dsn_addressees_choose(draft, addressing);
    note_reached(draft);
    draft->report.recipients = draft->recipients;
    draft->report.n_recipients = draft->n;
    draft->report.truncated |= message->truncated;
}

static void reset(struct dsn_draft *draft, const struct dsn_message *message) {
    draft->message = message;
    draft->report = (struct dsn_report){.arrival_date = DSN_NO_TIME};
    draft->return_path = DSN_NONE;
    draft->recipients = NULL;
    draft->capacity = 0;
    dsn_draft_keep(draft, 0);
}

enum { MAX_FORWARDS = 3 }; /* how deep a report may be wrapped */

static bool read_format(struct dsn_draft *draft, const struct dsn_message *message,
                        enum dsn_format_rank rank) {
    reset(draft, message);
    return dsn_format_read(draft->formats, draft->scratch, draft, rank);
}

/* Reads `message` as what is surely a report. */
static bool read_report(struct dsn_draft *draft, const struct dsn_message *message) {
    for (size_t i = 0; i < G_N_ELEMENTS(readers); i++) {
        reset(draft, message);
        if (readers[i](draft))
            return true;
    }
    return false;
}

static bool read_other(struct dsn_draft *draft, const struct dsn_message *message) {
    return read_format(draft, message, DSN_FORMAT_OTHER) || read_format(draft, message, DSN_FORMAT_GUESS);
}

/* Tries `read` on the messages that are forwarded in `message`, attached or in its text. */
static bool read_forwarded(struct dsn_draft *draft, const struct dsn_message *message,
                           bool (*read)(struct dsn_draft *, const struct dsn_message *), unsigned depth) {
    if (depth >= MAX_FORWARDS)
        return false;
    for (size_t i = 0; i < message->n_parts; i++) {
        const struct dsn_message *inner = message->parts[i].inner;
        if (inner && ((read(draft, inner) && draft->n) || read_forwarded(draft, inner, read, depth + 1)))
            return true;
    }
    reset(draft, message);
    const struct dsn_message *inner = dsn_format_embedded(draft->formats, draft->scratch, draft);
    draft->report.forwarded = inner && read(draft, inner) && draft->n;
    return draft->report.forwarded;
}

/* Reads `message`, or the first message forwarded in it that is a report. What is sure comes before what is
 * guessed, so that a returned message is not taken for a forwarded report. */
static void read_message(struct dsn_draft *draft, const struct dsn_message *message) {
    if (read_report(draft, message) || read_format(draft, message, DSN_FORMAT_OTHER) ||
        read_forwarded(draft, message, read_report, 0) || read_format(draft, message, DSN_FORMAT_GUESS) ||
        read_forwarded(draft, message, read_other, 0))
        return;
    reset(draft, message);
}

/* Whether the report may not be all there. What is missing of the returned message's body is no loss. In a
 * plain text, a header without an addressee has not come to its end. */
static bool is_incomplete(struct dsn_draft *draft, const struct dsn_message *message) {
    const struct dsn_message *read = draft->message;
    const struct dsn_part *last = read->n_parts ? &read->parts[read->n_parts - 1] : NULL;
    if (last && last->role == DSN_PART_ORIGINAL)
        return message->cut_off && !last->ended;
    if (!last || last->role >= DSN_PART_DELIVERY_STATUS)
        return message->cut_off;
    enum dsn_returned returned = dsn_format_returned(draft->formats, draft->scratch, draft);
    return (returned == DSN_RETURNED_BEGUN && !draft->report.original.to.n) ||
           (returned != DSN_RETURNED_HEADER && message->cut_off);
}

enum dsn_error dsn_report_read(struct dsn_arena *arena, const struct dsn_limits *limits,
                               const struct dsn_formats *formats, struct dsn_formats_scratch *scratch,
                               const struct dsn_addressing *addressing, const struct dsn_message *message,
                               struct dsn_report *out) {
    struct dsn_draft draft = {.arena = arena, .limits = limits, .formats = formats, .scratch = scratch};
    dsn_formats_scratch_reset(scratch);
    read_message(&draft, message);
    complete(&draft, addressing);
    draft.report.incomplete = is_incomplete(&draft, message);
    draft.report.truncated |= draft.json_too_deep;
    draft.report.truncated |=
        draft.human.cut && dsn_format_returned(formats, scratch, &draft) == DSN_RETURNED_NOT;
    dsn_draft_keep(&draft, 0);
    *out = draft.report;
    return DSN_OK;
}
