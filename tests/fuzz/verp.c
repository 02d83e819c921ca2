/* verp: a return address or a Message-ID, and the recipient that it could be for, on a line of its own. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct dsn_strview rest = dsn_sv((const char *)data, size), text = DSN_NONE, candidate = DSN_NONE;
    struct dsn_verp_check check;
    dsn_sv_next_line(&rest, &text);
    dsn_sv_next_line(&rest, &candidate);
    dsn_verp_check(fuzz_keys(), text, candidate, 0, &check);
    PROMISE(check.result < DSN_VERP_EXPIRED && check.address[0] == '\0');
    return 0;
}
