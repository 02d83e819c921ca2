/* diagnostic: a server's answer through the rules, those of a provider, too. */
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const hosts[] = {"", "mx.google.com", "mx.protection.outlook.com", "mta.yahoodns.net",
                                        ""};
    const struct dsn_recipient *recipient;
    PROMISE(dsn_reader_classify(reader, dsn_sv((const char *)data, size),
                                dsn_sv_str(hosts[size % G_N_ELEMENTS(hosts)]), &recipient) == DSN_OK);
    PROMISE(recipient->verdict.reason && dsn_utf8_valid(recipient->diagnostic));
    PROMISE(recipient->verdict.action != DSN_ACTION_SUPPRESS || recipient->verdict.confidence > DSN_LOW);
    return 0;
}
