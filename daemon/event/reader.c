/* reader: a message in, its report with verdicts out. Ties mail/ and verdict/ together; does no I/O. */
#include "reader.h"
#include "base/sv.h"
#include "base/utf8.h"
#include "mail/answer.h"
#include "mail/report.h"
#include "verdict/knowledge.h"

#include <gmime/gmime.h>

static const struct dsn_limits default_limits = {
    .max_bytes = 4 * 1024 * 1024,
    .max_parts = 200,
    .max_depth = 10,
    .max_headers = 1000,
    .max_recipients = 10000,
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
    enum dsn_error error = dsn_matcher_scratch_new(dsn_rules_matcher(c->rules), &c->rules_scratch);
    if (!error)
        error = dsn_matcher_scratch_new(dsn_provider_texts(c->providers), &c->providers_scratch);
    if (!error)
        error = dsn_formats_scratch_new(dsn_knowledge_formats(reader->knowledge), &reader->formats_scratch);
    return error;
}

enum dsn_error dsn_reader_new(struct dsn_knowledge *knowledge, const struct dsn_limits *limits,
                              struct dsn_reader **out) {
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
        .max_field_bytes = OR_DEFAULT(limits, max_field_bytes),
    };
    reader->arena = dsn_arena_new();
    reader->json = yajl_gen_alloc(NULL);
    enum dsn_error error = alloc_scratch(reader);
    if (!error && (!reader->arena || !reader->json))
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
    dsn_matcher_scratch_free(reader->classifier.rules_scratch);
    dsn_matcher_scratch_free(reader->classifier.providers_scratch);
    dsn_formats_scratch_free(reader->formats_scratch);
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

/* A message suppresses nobody where it names no address that could be, or was cut off: the rest may say
 * otherwise, or name somebody else. */
static void withhold(const struct dsn_report *report, struct dsn_recipient *recipient) {
    bool unsafe = report->incomplete || !recipient->recipient.n;
    if (unsafe && recipient->verdict.action == DSN_ACTION_SUPPRESS)
        recipient->verdict.action = DSN_ACTION_COUNT;
}

enum dsn_error dsn_reader_read(struct dsn_reader *reader, struct dsn_strview message,
                               const struct dsn_report **out) {
    dsn_arena_reset(reader->arena);
    reader->report = (struct dsn_report){0};
    if (message.n > reader->limits.max_bytes)
        message.n = reader->limits.max_bytes;
    reader->bytes = dsn_message_canonical(reader->arena, message);
    if (!reader->bytes.p)
        return DSN_ERR_MEMORY;
    struct dsn_message parts;
    enum dsn_error error = read_parts(reader, &parts);
    if (!error)
        error = dsn_report_read(reader->arena, &reader->limits, dsn_knowledge_formats(reader->knowledge),
                                reader->formats_scratch, &parts, &reader->report);
    if (error)
        return error;
    for (size_t i = 0; i < reader->report.n_recipients; i++) {
        struct dsn_recipient *recipient = (struct dsn_recipient *)(guintptr)&reader->report.recipients[i];
        dsn_classify(&reader->classifier, &reader->report, recipient, NULL);
        withhold(&reader->report, recipient);
    }
    *out = &reader->report;
    return DSN_OK;
}

enum dsn_error dsn_reader_classify(struct dsn_reader *reader, struct dsn_strview diagnostic,
                                   const struct dsn_recipient **out) {
    dsn_arena_reset(reader->arena);
    reader->report = (struct dsn_report){.arrival_date = DSN_NO_TIME};
    struct dsn_recipient *recipient = dsn_arena_alloc(reader->arena, sizeof *recipient);
    struct dsn_strview text =
        dsn_utf8_repair(reader->arena, dsn_utf8_cut(diagnostic, reader->limits.max_field_bytes));
    if (!recipient || !text.p)
        return DSN_ERR_MEMORY;
    *recipient = (struct dsn_recipient){.last_attempt_date = DSN_NO_TIME, .will_retry_until = DSN_NO_TIME};
    recipient->diagnostic = dsn_answer_unfold(reader->arena, text);
    struct dsn_answer answer = dsn_answer_read(recipient->diagnostic);
    recipient->smtp_code = answer.smtp_code;
    recipient->status = answer.status;
    recipient->verdict.kind = DSN_KIND_BOUNCE;
    dsn_classify(&reader->classifier, &reader->report, recipient, &reader->reasoning);
    reader->report.recipients = recipient;
    reader->report.n_recipients = 1;
    *out = recipient;
    return DSN_OK;
}

void dsn_reader_explain(struct dsn_reader *reader, const struct dsn_recipient *recipient,
                        struct dsn_reasoning *reasoning) {
    struct dsn_recipient copy = *recipient;
    dsn_classify(&reader->classifier, &reader->report, &copy, reasoning);
}
