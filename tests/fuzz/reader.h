/* reader: a reader with the built-in knowledge, and what has to hold of each report and event of it. */
#ifndef FUZZ_READER_H
#define FUZZ_READER_H

#include "fuzz.h"
#include "mail/address.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct dsn_reader *reader; /* made once a process */

/* Before the first input, whose time it does not take. */
int LLVMFuzzerInitialize(int *argc, char ***argv) {
    struct dsn_knowledge *knowledge;
    (void)argc;
    (void)argv;
    PROMISE(dsn_knowledge_new_builtin(&knowledge) == DSN_OK);
    PROMISE(dsn_reader_new(knowledge, NULL, &reader) == DSN_OK);
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

/* Where keys are known, nothing that anybody writes suppresses anyone. */
static inline void check_trust(const struct dsn_report *report) {
    const struct dsn_trust trust = {
        .verp = fuzz_keys(), .bounce = DSN_ACTION_COUNT, .complaint = DSN_ACTION_COUNT};
    dsn_reader_authenticate(reader, &trust, 0);
    for (size_t i = 0; i < report->n_recipients; i++) {
        PROMISE(report->recipients[i].trust == DSN_TRUST_UNVERIFIED);
        PROMISE(report->recipients[i].verdict.action != DSN_ACTION_SUPPRESS);
    }
}

/* Reads `message` and checks every event of it. */
static inline void check_message(struct dsn_strview message) {
    const struct dsn_event_source source = {.kind = "file", .name = DSN_LIT("fuzz")};
    const struct dsn_report *report;
    struct dsn_event event;
    if (dsn_reader_read(reader, message, &report) != DSN_OK)
        return;
    for (size_t i = 0; i < report->n_recipients; i++) {
        check_recipient(report, &report->recipients[i]);
        PROMISE(dsn_event_write(reader, i, &source, &event) == DSN_OK);
        check_event(&event);
    }
    check_trust(report);
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
