/* stored: an event as Redis has it, judged again, and put into an envelope. */
#include "event/cloudevent.h"
#include "event/stored.h"
#include "reader.h"

/* What is no JSON goes on as it came. */
static void check_envelope(struct dsn_strview event) {
    GString *text = g_string_new(NULL);
    dsn_cloudevent_append(text, "/dsnd/fuzz", DSN_LIT("0123456789abcdef0123456789abcdef"), event);
    struct dsn_strview envelope = dsn_sv(text->str, text->len);
    PROMISE((is_json(envelope) && dsn_utf8_valid(envelope)) || dsn_sv_eq(envelope, event));
    g_string_free(text, TRUE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct dsn_trust trust = {
        .verp = fuzz_keys(), .bounce = DSN_ACTION_COUNT, .complaint = DSN_ACTION_COUNT};
    struct dsn_strview event = dsn_sv((const char *)data, size);
    struct dsn_stored stored;
    check_envelope(event);
    if (dsn_reader_stored(reader, event, &trust, &stored) != DSN_OK)
        return 0;
    const struct dsn_recipient *recipient = &stored.report->recipients[0];
    PROMISE(stored.report->n_recipients == 1 && stored.id.n > 0 && dsn_utf8_valid(recipient->diagnostic));
    check_recipient(stored.report, recipient);
    PROMISE(recipient->trust != DSN_TRUST_UNVERIFIED || recipient->verdict.action != DSN_ACTION_SUPPRESS);
    return 0;
}
