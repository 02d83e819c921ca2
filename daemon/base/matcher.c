/* matcher: many regular expressions in one pass. Knows Hyperscan, and is the only module that does. */
#include "matcher.h"
#include "prebuilt.h"

#include <glib.h>
#include <hs/hs.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

struct dsn_matcher {
    hs_database_t *database; /* NULL where there are no patterns */
};

struct dsn_matcher_scratch {
    hs_scratch_t *scratch;
};

/* Hyperscan refuses a pattern that matches the empty text, and so do we: it would match everything. */
enum { FLAGS = HS_FLAG_CASELESS | HS_FLAG_DOTALL | HS_FLAG_SINGLEMATCH };

/* A pattern of ASCII needs no UTF-8 mode, which is many times as costly to compile. */
static unsigned flags_for(const char *pattern) {
    for (const char *p = pattern; *p; p++) {
        if (*p & 0x80)
            return FLAGS | HS_FLAG_UTF8;
    }
    return FLAGS;
}

static enum dsn_error compile(const char *const *patterns, size_t n, hs_database_t **database, size_t *bad,
                              char **why) {
    unsigned *flags = g_new(unsigned, n);
    unsigned *ids = g_new(unsigned, n);
    for (size_t i = 0; i < n; i++) {
        flags[i] = flags_for(patterns[i]);
        ids[i] = (unsigned)i;
    }
    hs_compile_error_t *error = NULL;
    /* What the build compiles has to run on machines that it does not know. */
    const hs_platform_info_t any = {.tune = HS_TUNE_FAMILY_GENERIC};
    hs_error_t status = hs_compile_multi(patterns, flags, ids, (unsigned)n, HS_MODE_BLOCK,
                                         dsn_prebuilt_wanted() ? &any : NULL, database, &error);
    if (status != HS_SUCCESS && bad)
        *bad = error && error->expression >= 0 ? (size_t)error->expression : n;
    if (status != HS_SUCCESS && why)
        *why = g_strdup(error ? error->message : "cannot be compiled");
    hs_free_compile_error(error);
    g_free(flags);
    g_free(ids);
    return status == HS_SUCCESS ? DSN_OK : status == HS_NOMEM ? DSN_ERR_MEMORY : DSN_ERR_SYNTAX;
}

static void make_key(const char *const *patterns, size_t n, unsigned char key[DSN_PREBUILT_KEY]) {
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, DSN_PREBUILT_KEY);
    crypto_generichash_update(&state, (const unsigned char *)hs_version(), strlen(hs_version()) + 1);
    for (size_t i = 0; i < n; i++) {
        unsigned flags = flags_for(patterns[i]);
        crypto_generichash_update(&state, (const unsigned char *)&flags, sizeof flags);
        crypto_generichash_update(&state, (const unsigned char *)patterns[i], strlen(patterns[i]) + 1);
    }
    crypto_generichash_final(&state, key, DSN_PREBUILT_KEY);
}

static void tell_compiled(const unsigned char key[DSN_PREBUILT_KEY], const hs_database_t *database) {
    char *bytes = NULL;
    size_t n = 0;
    if (hs_serialize_database(database, &bytes, &n) == HS_SUCCESS)
        dsn_prebuilt_add(key, (struct dsn_strview){bytes, n});
    free(bytes);
}

/* The database that the build made of these patterns, where there is one that this Hyperscan takes; else a
 * new one. */
static enum dsn_error find_or_compile(const char *const *patterns, size_t n, hs_database_t **database,
                                      size_t *bad, char **why) {
    unsigned char key[DSN_PREBUILT_KEY];
    make_key(patterns, n, key);
    struct dsn_strview built = dsn_prebuilt_find(key);
    if (built.p && hs_deserialize_database(built.p, built.n, database) == HS_SUCCESS)
        return DSN_OK;
    enum dsn_error error = compile(patterns, n, database, bad, why);
    if (!error && dsn_prebuilt_wanted())
        tell_compiled(key, *database);
    return error;
}

enum dsn_error dsn_matcher_new(const char *const *patterns, size_t n, struct dsn_matcher **out, size_t *bad,
                               char **why) {
    hs_database_t *database = NULL;
    enum dsn_error error = n ? find_or_compile(patterns, n, &database, bad, why) : DSN_OK;
    if (error)
        return error;
    struct dsn_matcher *matcher = g_try_new0(struct dsn_matcher, 1);
    if (!matcher) {
        hs_free_database(database);
        return DSN_ERR_MEMORY;
    }
    matcher->database = database;
    *out = matcher;
    return DSN_OK;
}

void dsn_matcher_free(struct dsn_matcher *matcher) {
    if (!matcher)
        return;
    hs_free_database(matcher->database);
    g_free(matcher);
}

enum dsn_error dsn_matcher_scratch_new(const struct dsn_matcher *matcher, struct dsn_matcher_scratch **out) {
    struct dsn_matcher_scratch *scratch = g_try_new0(struct dsn_matcher_scratch, 1);
    if (!scratch ||
        (matcher->database && hs_alloc_scratch(matcher->database, &scratch->scratch) != HS_SUCCESS)) {
        g_free(scratch);
        return DSN_ERR_MEMORY;
    }
    *out = scratch;
    return DSN_OK;
}

void dsn_matcher_scratch_free(struct dsn_matcher_scratch *scratch) {
    if (!scratch)
        return;
    hs_free_scratch(scratch->scratch);
    g_free(scratch);
}

struct relay {
    void (*hit)(size_t pattern, void *data);
    void *data;
};

static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                    void *context) {
    (void)from, (void)to, (void)flags;
    const struct relay *relay = context;
    relay->hit(id, relay->data);
    return 0;
}

enum dsn_error dsn_matcher_scan(const struct dsn_matcher *matcher, struct dsn_matcher_scratch *scratch,
                                struct dsn_strview text, void (*hit)(size_t pattern, void *data),
                                void *data) {
    if (!matcher->database || !text.n)
        return DSN_OK;
    struct relay relay = {hit, data};
    hs_error_t status =
        hs_scan(matcher->database, text.p, (unsigned)text.n, 0, scratch->scratch, on_match, &relay);
    return status == HS_SUCCESS ? DSN_OK : DSN_ERR_INVALID;
}
