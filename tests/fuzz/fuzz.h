/* fuzz: what the fuzzers share. A broken promise aborts, which libFuzzer reports like a crash. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include "base/sv.h"
#include "base/utf8.h"
#include "dsn/dsn.h"

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <yajl/yajl_parse.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PROMISE(condition)                                                                                   \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #condition);                  \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

/* What any reader of JSON accepts. */
static inline bool is_json(struct dsn_strview text) {
    yajl_handle parser = yajl_alloc(NULL, NULL, NULL);
    bool good = yajl_parse(parser, (const unsigned char *)text.p, text.n) == yajl_status_ok &&
                yajl_complete_parse(parser) == yajl_status_ok;
    yajl_free(parser);
    return good;
}

static inline struct dsn_verp *fuzz_read_keys(struct dsn_strview text) {
    struct dsn_verp *keys = NULL;
    PROMISE(dsn_verp_new("keys", text, NULL, &keys) == DSN_OK);
    return keys;
}

/* Keys that nothing was ever signed with. */
static inline const struct dsn_verp *fuzz_keys(void) {
    static struct dsn_verp *keys;
    if (!keys)
        keys =
            fuzz_read_keys(DSN_LIT("a = 3b0e8c1f5d2a49768c0b1e2d3f4a5b6c7d8e9fa0b1c2d3e4f5061728394a5b6c\n"));
    return keys;
}

/* Keys that seeds (tests/fuzz/run) are signed with, for FUZZ_SIGNED_FOR alone. */
#define FUZZ_SIGNED_FOR "jane@example.com"
static inline const struct dsn_verp *fuzz_signing_keys(void) {
    static struct dsn_verp *keys;
    if (!keys)
        keys =
            fuzz_read_keys(DSN_LIT("b = 0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0\n"));
    return keys;
}

#endif
