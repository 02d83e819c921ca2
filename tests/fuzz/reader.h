/* reader: a reader with the built-in knowledge, and what has to hold of each report and event of it. */
#ifndef FUZZ_READER_H
#define FUZZ_READER_H

#include "fuzz.h"
#include "mail/address.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Made once a process: one with the defaults, and one with limits that small inputs reach, other patterns of
 * return addresses and another order of addresses. */
static struct dsn_reader *reader, *strict_reader;
enum { STRICT_RECIPIENTS = 3 };

/* Before the first input, whose time it does not take. */
int LLVMFuzzerInitialize(int *argc, char ***argv) {
    struct dsn_knowledge *knowledge;
    (void)argc;
    (void)argv;
    PROMISE(dsn_knowledge_new_builtin(&knowledge) == DSN_OK);
    PROMISE(dsn_reader_new(knowledge, NULL, &reader) == DSN_OK);
    static const char *const patterns[] = {"^return-\\d+-(?<recipient>[^@]+=[^@=]+)@",
                                           "^(?<scope>[a-z]+)-owner@", NULL};
    const struct dsn_options strict = {
        .limits = {.max_bytes = 3000,
                   .max_parts = 6,
                   .max_depth = 3,
                   .max_headers = 12,
                   .max_recipients = STRICT_RECIPIENTS,
                   .max_json_depth = 4,
                   .max_header_bytes = 100,
                   .max_field_bytes = 40},
        .order = {DSN_FROM_PROSE, DSN_FROM_FINAL, DSN_FROM_VERP, DSN_FROM_NOTHING},
        .verp = patterns,
    };
    PROMISE(dsn_reader_new(knowledge, &strict, &strict_reader) == DSN_OK);
    dsn_knowledge_unref(knowledge);
    return 0;
}

/* One line of JSON, and nothing in it that a terminal or a log would act on. */
static inline void check_event(const struct dsn_event *event) {
    PROMISE(is_json(event->json));
    for (size_t i = 0; i < event->json.n; i++)
        PROMISE((unsigned char)event->json.p[i] >= 0x20);
    for (size_t i = 0; i < event->topic.n; i++)
        PROMISE((unsigned char)event->topic.p[i] > 0x20);
    PROMISE(dsn_utf8_valid(event->json) && dsn_utf8_valid(event->topic) && dsn_utf8_valid(event->address));
    PROMISE(strlen(event->id) == DSN_EVENT_ID_LEN);
}

/* Nobody is suppressed for a soft or doubtful verdict, nor without an address that mail could go to. */
static inline void check_recipient(const struct dsn_report *report, const struct dsn_recipient *r) {
    if (r->verdict.action != DSN_ACTION_SUPPRESS)
        return;
    PROMISE(r->verdict.reason && r->verdict.confidence > DSN_LOW && !report->incomplete);
    PROMISE(r->verdict.type != DSN_TYPE_SOFT && r->verdict.kind != DSN_KIND_DELAY);
    PROMISE(dsn_address_usable(r->recipient));
}

static inline void check_events(struct dsn_reader *by, const struct dsn_report *report) {
    const struct dsn_event_source source = {.kind = "file", .name = DSN_LIT("fuzz")};
    struct dsn_event event;
    for (size_t i = 0; i < report->n_recipients; i++) {
        check_recipient(report, &report->recipients[i]);
        PROMISE(dsn_event_write(by, i, &source, &event) == DSN_OK);
        check_event(&event);
    }
}

/* Where keys are known, nothing that anybody writes suppresses anyone; and what is signed speaks for nobody
 * but whom it was signed for. */
static inline void check_trust(struct dsn_reader *by, const struct dsn_report *report) {
    static const char *const domains[] = {"example.net", NULL}, *const relays[] = {"relay.example", NULL};
    struct dsn_trust trust = {.verp = fuzz_keys(),
                              .message_id_domains = domains,
                              .relays = relays,
                              .bounce = DSN_ACTION_COUNT,
                              .complaint = DSN_ACTION_COUNT};
    dsn_reader_authenticate(by, &trust, 0);
    for (size_t i = 0; i < report->n_recipients; i++) {
        PROMISE(report->recipients[i].trust == DSN_TRUST_UNVERIFIED);
        PROMISE(report->recipients[i].verdict.action != DSN_ACTION_SUPPRESS);
    }
    trust.verp = fuzz_signing_keys();
    dsn_reader_authenticate(by, &trust, 0);
    for (size_t i = 0; i < report->n_recipients; i++) {
        const struct dsn_recipient *r = &report->recipients[i];
        PROMISE(r->trust == DSN_TRUST_UNVERIFIED || dsn_sv_eq_nocase(r->recipient, DSN_LIT(FUZZ_SIGNED_FOR)));
    }
    check_events(by, report);
}

/* Reads `message` and checks every event of it. */
static inline void check_message(struct dsn_strview message) {
    bool strict = message.n % 4 == 3;
    struct dsn_reader *by = strict ? strict_reader : reader;
    const struct dsn_report *report;
    if (dsn_reader_read(by, message, &report) != DSN_OK)
        return;
    PROMISE(!strict || report->n_recipients <= STRICT_RECIPIENTS);
    check_events(by, report);
    check_trust(by, report);
}

/* The same with the input between two halves of a message. */
static inline int check_within(const char *before, const uint8_t *data, size_t size, const char *after) {
    GString *message = g_string_new(before);
    g_string_append_len(message, (const char *)data, (gssize)size);
    g_string_append(message, after);
    check_message(dsn_sv(message->str, message->len));
    g_string_free(message, TRUE);
    return 0;
}

#endif
