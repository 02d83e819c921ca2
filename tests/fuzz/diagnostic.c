/* diagnostic: a server's answer through the rules. */
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct dsn_recipient *recipient;
    PROMISE(dsn_reader_classify(reader, dsn_sv((const char *)data, size), &recipient) == DSN_OK);
    PROMISE(recipient->verdict.reason && dsn_utf8_valid(recipient->diagnostic));
    PROMISE(recipient->verdict.action != DSN_ACTION_SUPPRESS || recipient->verdict.confidence > DSN_LOW);
    return 0;
}
