/* matcher: many regular expressions in one pass. Knows Hyperscan, and is the only module that does.
 *
 * Compiling is slow (seconds for the built-in rules), so patterns that the build has compiled are taken from
 * its databases, whatever else is asked for, and only the others are compiled: files of somebody's own cost
 * what they hold. Patterns with counted gaps ("( \\S+){0,5}") have a database of their own: among others they
 * would make all of them twice as slow. */
#include "matcher.h"
#include "prebuilt.h"

#include <glib.h>
#include <hs/hs.h>
#include <stdlib.h>
#include <string.h>

/* A database of Hyperscan's, and whose its patterns are. */
struct part {
    hs_database_t *database;
    size_t *owners; /* pattern of the database -> the caller's, or NOBODY */
};

enum { MAX_PARTS = 8 };

struct dsn_matcher {
    struct part parts[MAX_PARTS];
    size_t n_parts;
    size_t *next; /* pattern -> the next one of the same text, or NOBODY */
};

#define NOBODY G_MAXSIZE

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

enum kind { PLAIN, GAPS, N_KINDS };

static enum kind kind_of(const char *pattern) {
    return strstr(pattern, "{0,") ? GAPS : PLAIN;
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

static void tell_compiled(const char *const *patterns, size_t n, const hs_database_t *database) {
    char *bytes = NULL;
    size_t n_bytes = 0;
    if (hs_serialize_database(database, &bytes, &n_bytes) == HS_SUCCESS)
        dsn_prebuilt_add(&(struct dsn_prebuilt){patterns, n, {bytes, n_bytes}});
    free(bytes);
}

/* The database of the build that has most of the patterns; NULL where none has any. */
static const struct dsn_prebuilt *choose_built(GHashTable *wanted) {
    size_t n, most = 0;
    const struct dsn_prebuilt *all = dsn_prebuilt_all(&n), *best = NULL;
    for (size_t i = 0; i < n; i++) {
        if (all[i].n <= most) /* it cannot be better */
            continue;
        size_t found = 0;
        for (size_t j = 0; j < all[i].n; j++)
            found += g_hash_table_contains(wanted, all[i].patterns[j]);
        if (found > most) {
            most = found;
            best = &all[i];
        }
    }
    return best;
}

/* Those that are found leave `wanted`. */
static void take_built(struct dsn_matcher *matcher, GHashTable *wanted) {
    const struct dsn_prebuilt *built;
    while (g_hash_table_size(wanted) > 0 && matcher->n_parts < MAX_PARTS - N_KINDS &&
           (built = choose_built(wanted))) {
        struct part *part = &matcher->parts[matcher->n_parts];
        if (hs_deserialize_database(built->bytes.p, built->bytes.n, &part->database) != HS_SUCCESS)
            return;
        matcher->n_parts++;
        part->owners = g_new(size_t, built->n);
        for (size_t i = 0; i < built->n; i++) {
            gpointer owner;
            bool found = g_hash_table_steal_extended(wanted, built->patterns[i], NULL, &owner);
            part->owners[i] = found ? GPOINTER_TO_SIZE(owner) : NOBODY;
        }
    }
}

/* Compiles those of `wanted` that are of `kind`. */
static enum dsn_error compile_rest(struct dsn_matcher *matcher, GHashTable *wanted, enum kind kind,
                                   const char *const *patterns, size_t n, size_t *bad, char **why) {
    struct part part = {.owners = g_new(size_t, n)};
    const char **rest = g_new(const char *, n);
    size_t n_rest = 0, culprit = 0;
    for (size_t i = 0; i < n; i++) {
        if (kind_of(patterns[i]) != kind || !g_hash_table_remove(wanted, patterns[i]))
            continue;
        part.owners[n_rest] = i;
        rest[n_rest++] = patterns[i];
    }
    enum dsn_error error = n_rest ? compile(rest, n_rest, &part.database, &culprit, why) : DSN_OK;
    if (error)
        *bad = culprit < n_rest ? part.owners[culprit] : n;
    else if (n_rest && dsn_prebuilt_wanted())
        tell_compiled(rest, n_rest, part.database);
    if (part.database)
        matcher->parts[matcher->n_parts++] = part;
    else
        g_free(part.owners);
    g_free(rest);
    return error;
}

/* Each text once, with the first pattern that has it. */
static GHashTable *index_patterns(const char *const *patterns, size_t n, size_t *next) {
    GHashTable *index = g_hash_table_new(g_str_hash, g_str_equal);
    for (size_t i = n; i-- > 0;) {
        gpointer later;
        bool twice = g_hash_table_lookup_extended(index, patterns[i], NULL, &later);
        next[i] = twice ? GPOINTER_TO_SIZE(later) : NOBODY;
        g_hash_table_insert(index, (gpointer)(guintptr)patterns[i], GSIZE_TO_POINTER(i));
    }
    return index;
}

enum dsn_error dsn_matcher_new(const char *const *patterns, size_t n, struct dsn_matcher **out, size_t *bad,
                               char **why) {
    struct dsn_matcher *matcher = g_new0(struct dsn_matcher, 1);
    matcher->next = g_new(size_t, n);
    GHashTable *wanted = index_patterns(patterns, n, matcher->next);
    take_built(matcher, wanted);
    enum dsn_error error = DSN_OK;
    for (enum kind kind = PLAIN; kind < N_KINDS && !error; kind++)
        error = compile_rest(matcher, wanted, kind, patterns, n, bad, why);
    g_hash_table_destroy(wanted);
    if (error)
        dsn_matcher_free(matcher);
    else
        *out = matcher;
    return error;
}

void dsn_matcher_free(struct dsn_matcher *matcher) {
    if (!matcher)
        return;
    for (size_t i = 0; i < matcher->n_parts; i++) {
        hs_free_database(matcher->parts[i].database);
        g_free(matcher->parts[i].owners);
    }
    g_free(matcher->next);
    g_free(matcher);
}

enum dsn_error dsn_matcher_scratch_new(const struct dsn_matcher *matcher, struct dsn_matcher_scratch **out) {
    struct dsn_matcher_scratch *scratch = g_new0(struct dsn_matcher_scratch, 1);
    for (size_t i = 0; i < matcher->n_parts; i++) {
        if (hs_alloc_scratch(matcher->parts[i].database, &scratch->scratch) != HS_SUCCESS) {
            dsn_matcher_scratch_free(scratch);
            return DSN_ERR_MEMORY;
        }
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
    const size_t *owners, *next;
    void (*hit)(size_t pattern, void *data);
    void *data;
};

static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                    void *context) {
    (void)from, (void)to, (void)flags;
    const struct relay *relay = context;
    for (size_t i = relay->owners[id]; i != NOBODY; i = relay->next[i])
        relay->hit(i, relay->data);
    return 0;
}

enum dsn_error dsn_matcher_scan(const struct dsn_matcher *matcher, struct dsn_matcher_scratch *scratch,
                                struct dsn_strview text, void (*hit)(size_t pattern, void *data),
                                void *data) {
    for (size_t i = 0; text.n && i < matcher->n_parts; i++) {
        const struct part *part = &matcher->parts[i];
        struct relay relay = {part->owners, matcher->next, hit, data};
        if (hs_scan(part->database, text.p, (unsigned)text.n, 0, scratch->scratch, on_match, &relay) !=
            HS_SUCCESS)
            return DSN_ERR_INVALID;
    }
    return DSN_OK;
}
