/* verp: a return address or a Message-ID, the recipient that it could be for, on a line of its own, and then
 * a file of keys. */
#include "fuzz.h"

/* What is signed for an address is valid for it. */
static void check_signed(struct dsn_strview address) {
    static const struct dsn_verp_form form = {"bounces", '+', "bounce.example.net"};
    const struct dsn_verp *keys = fuzz_signing_keys();
    char text[DSN_VERP_SIZE];
    struct dsn_verp_check check;
    if (!dsn_verp_return_address(keys, &form, address, 3600, text)) {
        dsn_verp_check(keys, dsn_sv_str(text), address, 3600, &check);
        PROMISE(check.result == DSN_VERP_VALID && check.expires_at_s == 3600);
        dsn_verp_check(keys, dsn_sv_str(text), address, 3601, &check);
        PROMISE(check.result == DSN_VERP_EXPIRED);
        dsn_verp_check(fuzz_keys(), dsn_sv_str(text), address, 3600, &check);
        PROMISE(check.result < DSN_VERP_EXPIRED);
    }
    if (!dsn_verp_message_id(keys, form.domain, address, 3600, text)) {
        dsn_verp_check(keys, dsn_sv_str(text), address, 3600, &check);
        PROMISE(check.result == DSN_VERP_VALID);
    }
}

static void check_keys(struct dsn_strview text) {
    struct dsn_problems *problems = dsn_problems_new();
    struct dsn_verp *keys = NULL;
    enum dsn_error error = dsn_verp_new("keys", text, problems, &keys);
    PROMISE(!error == !dsn_problems_count(problems) && !error == (keys != NULL));
    dsn_verp_unref(keys);
    dsn_problems_free(problems);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct dsn_strview rest = dsn_sv((const char *)data, size), text = DSN_NONE, candidate = DSN_NONE;
    struct dsn_verp_check check;
    dsn_sv_next_line(&rest, &text);
    dsn_sv_next_line(&rest, &candidate);
    dsn_verp_check(fuzz_keys(), text, candidate, 0, &check);
    PROMISE(check.result < DSN_VERP_EXPIRED && check.address[0] == '\0');
    check_signed(candidate);
    check_keys(rest);
    return 0;
}
