/* reader: a message in, its report with verdicts out. Ties mail/ and verdict/ together; does no I/O. */
#include "reader.h"
#include "base/json.h"
#include "base/sv.h"
#include "base/utf8.h"
#include "mail/answer.h"
#include "mail/command.h"
#include "mail/report.h"
#include "mail/trust.h"
#include "verdict/knowledge.h"

#include <gmime/gmime.h>

static const struct dsn_limits default_limits = {
    .max_bytes = 4 * 1024 * 1024,
    .max_parts = 200,
    .max_depth = 10,
    .max_headers = 1000,
    .max_recipients = 10000,
    .max_json_depth = 16,
    .max_header_bytes = 64 * 1024,
    .max_field_bytes = 8 * 1024,
};

#define OR_DEFAULT(limits, field) ((limits) && (limits)->field ? (limits)->field : default_limits.field)

static void init_gmime(void) {
    static gsize done = 0;
    if (g_once_init_enter(&done)) {
        g_mime_init();
        g_once_init_leave(&done, 1);
    }
}

static enum dsn_error alloc_scratch(struct dsn_reader *reader) {
    struct dsn_classifier *c = &reader->classifier;
    c->catalogue = dsn_knowledge_catalogue(reader->knowledge);
    c->providers = dsn_knowledge_providers(reader->knowledge);
    c->rules = dsn_knowledge_rules(reader->knowledge);
    enum dsn_error error = dsn_rules_scratch_fit(c->rules, &c->scratch);
    if (!error)
        error = dsn_matcher_scratch_fit(dsn_provider_texts(c->providers), &c->scratch);
    if (!error)
        error = dsn_formats_scratch_new(dsn_knowledge_formats(reader->knowledge), &reader->formats_scratch);
    return error;
}

/* All sources in the order of the enum, which is best first. */
static void set_order(struct dsn_reader *reader, const struct dsn_options *options) {
    enum dsn_provenance *order = reader->addressing.order;
    bool given = options && options->order[0];
    for (size_t i = 0; i + 1 < DSN_PROVENANCES; i++)
        order[i] = given ? options->order[i] : (enum dsn_provenance)(i + 1);
}

enum dsn_error dsn_reader_new(struct dsn_knowledge *knowledge, const struct dsn_options *options,
                              struct dsn_reader **out) {
    const struct dsn_limits *limits = options ? &options->limits : NULL;
    init_gmime();
    struct dsn_reader *reader = g_try_new0(struct dsn_reader, 1);
    if (!reader)
        return DSN_ERR_MEMORY;
    reader->knowledge = dsn_knowledge_ref(knowledge);
    reader->limits = (struct dsn_limits){
        .max_bytes = OR_DEFAULT(limits, max_bytes),
        .max_parts = OR_DEFAULT(limits, max_parts),
        .max_depth = OR_DEFAULT(limits, max_depth),
        .max_headers = OR_DEFAULT(limits, max_headers),
        .max_recipients = OR_DEFAULT(limits, max_recipients),
        .max_json_depth = OR_DEFAULT(limits, max_json_depth),
        .max_header_bytes = OR_DEFAULT(limits, max_header_bytes),
        .max_field_bytes = OR_DEFAULT(limits, max_field_bytes),
    };
    reader->arena = dsn_arena_new();
    reader->json = yajl_gen_alloc(&dsn_json_memory);
    set_order(reader, options);
    enum dsn_error error = alloc_scratch(reader);
    if (!error)
        error = dsn_return_paths_new(options ? options->verp : NULL, &reader->addressing.paths);
    if (!error && !reader->arena)
        error = DSN_ERR_MEMORY;
    if (error) {
        dsn_reader_free(reader);
        return error;
    }
    *out = reader;
    return DSN_OK;
}

void dsn_reader_free(struct dsn_reader *reader) {
    if (!reader)
        return;
    if (reader->json)
        yajl_gen_free(reader->json);
    dsn_matcher_scratch_free(reader->classifier.scratch);
    dsn_formats_scratch_free(reader->formats_scratch);
    dsn_return_paths_free(reader->addressing.paths);
    dsn_arena_free(reader->arena);
    dsn_knowledge_unref(reader->knowledge);
    g_free(reader);
}

/* A mail service's notification may come as bare JSON (from SQS, say): it stands for a mail of one part. */
static enum dsn_error read_parts(struct dsn_reader *reader, struct dsn_message *out) {
    struct dsn_strview text = dsn_sv_trim(reader->bytes);
    if (!text.n || text.p[0] != '{')
        return dsn_message_read(reader->arena, &reader->limits, reader->bytes, out);
    struct dsn_part *part = dsn_arena_alloc(reader->arena, sizeof *part);
    if (!part)
        return DSN_ERR_MEMORY;
    *part = (struct dsn_part){.role = DSN_PART_TEXT, .type = DSN_LIT("application/json")};
    part->text = dsn_utf8_repair(reader->arena, text);
    *out = (struct dsn_message){.type = part->type, .parts = part, .n_parts = 1};
    return DSN_OK;
}

/* Whether more than the text that was guessed at, or sent on, says that we mailed this address: a digest of a
 * log tells of bounces, too, and a customer of mail of his own. A mailing list's mail, and some that is
 * returned without its To, names no reader. */
static bool is_confirmed(const struct dsn_report *report, const struct dsn_recipient *recipient) {
    const struct dsn_original *original = &report->original;
    bool returned = original->from.n || original->message_id.n;
    return recipient->told[DSN_FROM_VERP].n || (returned && (!original->to.n || original->list_id.n)) ||
           dsn_sv_find_nocase(original->to, recipient->recipient, 0) != SIZE_MAX;
}

static const char *why_unsafe(const struct dsn_report *report, const struct dsn_recipient *recipient) {
    if (report->incomplete)
        return "the reason would suppress, but the message was cut off";
    if (!recipient->recipient.n)
        return "the reason would suppress, but no address is known";
    if (recipient->names_sender)
        return "the reason would suppress, but the answer names the sender";
    if (recipient->reached)
        return "the reason would suppress, but others behind the address were reached";
    if ((report->guessed || report->forwarded) && !is_confirmed(report, recipient))
        return report->guessed
                   ? "the reason would suppress, but this is a guess that returns no mail to the address"
                   : "the reason would suppress, but somebody sent this on without the returned mail";
    return NULL;
}

const char *dsn_reader_withhold(const struct dsn_report *report, const struct dsn_trust *trust,
                                struct dsn_recipient *recipient) {
    struct dsn_verdict *verdict = &recipient->verdict;
    const char *unsafe = why_unsafe(report, recipient);
    if (verdict->action != DSN_ACTION_SUPPRESS)
        return NULL;
    if (trust && recipient->trust != DSN_TRUST_VERIFIED)
        verdict->action = verdict->kind == DSN_KIND_COMPLAINT ? trust->complaint : trust->bounce;
    if (!unsafe || verdict->action != DSN_ACTION_SUPPRESS)
        return NULL;
    verdict->action = DSN_ACTION_COUNT;
    return unsafe;
}

/* The report is our own, in our arena. */
static struct dsn_recipient *recipient_at(struct dsn_reader *reader, size_t i) {
    return (struct dsn_recipient *)(guintptr)&reader->report.recipients[i];
}

enum dsn_error dsn_reader_read(struct dsn_reader *reader, struct dsn_strview message,
                               const struct dsn_report **out) {
    dsn_arena_reset(reader->arena);
    reader->message = (struct dsn_message){0};
    reader->report = (struct dsn_report){0};
    bool cut = message.n > reader->limits.max_bytes;
    if (cut)
        message.n = reader->limits.max_bytes;
    reader->bytes = dsn_message_canonical(reader->arena, message);
    reader->hashed = false;
    if (!reader->bytes.p)
        return DSN_ERR_MEMORY;
    enum dsn_error error = read_parts(reader, &reader->message);
    if (!error)
        error =
            dsn_report_read(reader->arena, &reader->limits, dsn_knowledge_formats(reader->knowledge),
                            reader->formats_scratch, &reader->addressing, &reader->message, &reader->report);
    reader->report.truncated |= cut;
    for (size_t i = 0; !error && i < reader->report.n_recipients; i++) {
        dsn_classify(&reader->classifier, &reader->report, recipient_at(reader, i), NULL);
        dsn_reader_withhold(&reader->report, NULL, recipient_at(reader, i));
    }
    if (dsn_arena_failed(reader->arena)) /* what is missing may be a recipient, or all that makes it a mail */
        error = DSN_ERR_MEMORY;
    if (error)
        return error;
    *out = &reader->report;
    return DSN_OK;
}

void dsn_reader_authenticate(struct dsn_reader *reader, const struct dsn_trust *trust, int64_t now_s) {
    struct dsn_signs signs;
    dsn_signs_read(&reader->message, &reader->report, trust, &signs);
    for (size_t i = 0; i < reader->report.n_recipients; i++) {
        struct dsn_recipient *recipient = recipient_at(reader, i);
        bool nameless = !recipient->recipient.n;
        dsn_signs_judge(reader->arena, &signs, trust, now_s, &reader->report, recipient);
        if (nameless && recipient->recipient.n) /* what was withheld for that */
            dsn_classify(&reader->classifier, &reader->report, recipient, NULL);
        dsn_reader_withhold(&reader->report, trust, recipient);
    }
}

/* No longer than a field may be, and valid UTF-8. */
static struct dsn_strview bounded(struct dsn_reader *reader, struct dsn_strview text) {
    return dsn_utf8_repair(reader->arena, dsn_utf8_cut(text, reader->limits.max_field_bytes));
}

enum dsn_error dsn_reader_classify(struct dsn_reader *reader, struct dsn_strview diagnostic,
                                   struct dsn_strview remote_mta, const struct dsn_recipient **out) {
    dsn_arena_reset(reader->arena);
    reader->report = (struct dsn_report){.arrival_date = DSN_NO_TIME};
    struct dsn_recipient *recipient = dsn_arena_alloc(reader->arena, sizeof *recipient);
    struct dsn_strview text = bounded(reader, diagnostic), host = bounded(reader, remote_mta);
    if (!recipient || !text.p)
        return DSN_ERR_MEMORY;
    reader->bytes = text; /* the last message may be gone */
    reader->hashed = false;
    reader->message = (struct dsn_message){0};
    *recipient = (struct dsn_recipient){.last_attempt_date = DSN_NO_TIME, .will_retry_until = DSN_NO_TIME};
    recipient->diagnostic = dsn_answer_unfold(reader->arena, text);
    recipient->remote_mta = host.n ? dsn_arena_copy(reader->arena, host) : DSN_NONE;
    struct dsn_answer answer = dsn_answer_read(recipient->diagnostic);
    recipient->smtp_code = answer.smtp_code;
    recipient->status = answer.status;
    recipient->smtp_command = dsn_command_of_answer(recipient->diagnostic);
    recipient->verdict.kind = DSN_KIND_BOUNCE;
    dsn_classify(&reader->classifier, &reader->report, recipient, NULL);
    reader->report.recipients = recipient;
    reader->report.n_recipients = 1;
    if (dsn_arena_failed(reader->arena))
        return DSN_ERR_MEMORY;
    *out = recipient;
    return DSN_OK;
}

static gint by_rank(gconstpointer a, gconstpointer b) {
    const struct dsn_rule *x = *(const struct dsn_rule *const *)a, *y = *(const struct dsn_rule *const *)b;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

void dsn_reader_explain(struct dsn_reader *reader, const struct dsn_recipient *recipient,
                        struct dsn_reasoning *reasoning) {
    struct dsn_recipient copy = *recipient;
    *reasoning = (struct dsn_reasoning){.matched = g_ptr_array_new()};
    dsn_classify(&reader->classifier, &reader->report, &copy, reasoning);
    g_ptr_array_sort(reasoning->matched, by_rank);
    const char *withheld = dsn_reader_withhold(&reader->report, NULL, &copy);
    /* An answer by itself has no address, and nothing is withheld from it. */
    if (withheld && copy.verdict.action == recipient->verdict.action)
        reasoning->because.action = withheld;
}

void dsn_reasoning_clear(struct dsn_reasoning *reasoning) {
    g_ptr_array_free(reasoning->matched, TRUE);
}
