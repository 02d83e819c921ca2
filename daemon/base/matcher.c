/* matcher: many regular expressions in one pass. Knows Hyperscan, and is the only module that does.
 *
 * Compiling is slow (seconds for the built-in rules), so patterns that the build has compiled are taken from
 * its databases, whatever else is asked for, and only the others are compiled: files of somebody's own cost
 * what they hold. What a pass over a text costs goes by what the patterns of a database find in it, and by
 * how much of the database is not in the cache: each has a hundred or so, and most texts need but some of
 * them. */
#include "matcher.h"
#include "prebuilt.h"

#include <glib.h>
#include <hs/hs.h>
#include <stdlib.h>
#include <string.h>

enum { PATTERNS_A_PART = 96 }; /* at least, where there are as many */

/* A database of Hyperscan's, and whose its patterns are. */
struct part {
    hs_database_t *database;
    size_t *owners; /* pattern of the database -> the caller's, or NOBODY */
    size_t first;   /* of the caller's patterns */
};

struct dsn_matcher {
    GArray *parts; /* of struct part, by `first` */
    size_t *next;  /* pattern -> the next one of the same text, or NOBODY */
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
    if (error && error->expression >= 0)
        *bad = (size_t)error->expression;
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

/* Has the database; `owners` is copied. */
static void add_part(struct dsn_matcher *matcher, hs_database_t *database, const size_t *owners, size_t n) {
    struct part part = {database, g_memdup2(owners, n * sizeof *owners), NOBODY};
    for (size_t i = 0; i < n; i++)
        part.first = MIN(part.first, owners[i]);
    g_array_append_val(matcher->parts, part);
}

/* Those that are found leave `wanted`. */
static void take_built(struct dsn_matcher *matcher, GHashTable *wanted) {
    const struct dsn_prebuilt *built;
    while (g_hash_table_size(wanted) > 0 && (built = choose_built(wanted))) {
        hs_database_t *database = NULL;
        if (hs_deserialize_database(built->bytes.p, built->bytes.n, &database) != HS_SUCCESS)
            return;
        size_t *owners = g_new(size_t, built->n);
        for (size_t i = 0; i < built->n; i++) {
            gpointer owner;
            bool found = g_hash_table_steal_extended(wanted, built->patterns[i], NULL, &owner);
            owners[i] = found ? GPOINTER_TO_SIZE(owner) : NOBODY;
        }
        add_part(matcher, database, owners, built->n);
        g_free(owners);
    }
}

/* Compiles patterns into one part; `owners` as in a part. */
static enum dsn_error compile_part(struct dsn_matcher *matcher, const char *const *patterns,
                                   const size_t *owners, size_t n, size_t *bad, char **why) {
    hs_database_t *database = NULL;
    size_t culprit = n;
    enum dsn_error error = compile(patterns, n, &database, &culprit, why);
    if (culprit < n)
        *bad = owners[culprit];
    if (error)
        return error;
    if (dsn_prebuilt_wanted())
        tell_compiled(patterns, n, database);
    add_part(matcher, database, owners, n);
    return DSN_OK;
}

/* How many of `n` patterns that have to be compiled share a database. Those that come on top of the build's
 * are somebody's own, few of which ever match, and mostly go before all of the build's: one pass is the
 * cheapest. */
static size_t size_of_part(const struct dsn_matcher *matcher, size_t n) {
    size_t n_parts = matcher->parts->len ? 1 : MAX(n / PATTERNS_A_PART, 1);
    return (n + n_parts - 1) / n_parts;
}

/* Compiles what is left in `wanted`. */
static enum dsn_error compile_rest(struct dsn_matcher *matcher, GHashTable *wanted,
                                   const char *const *patterns, size_t n, size_t *bad, char **why) {
    size_t n_left = g_hash_table_size(wanted), size = size_of_part(matcher, n_left), n_rest = 0;
    const char **rest = g_new(const char *, n_left);
    size_t *owners = g_new(size_t, n_left);
    for (size_t i = 0; i < n; i++) {
        if (!g_hash_table_remove(wanted, patterns[i]))
            continue;
        owners[n_rest] = i;
        rest[n_rest++] = patterns[i];
    }
    enum dsn_error error = DSN_OK;
    for (size_t i = 0; i < n_rest && !error; i += size)
        error = compile_part(matcher, rest + i, owners + i, MIN(size, n_rest - i), bad, why);
    g_free(rest);
    g_free(owners);
    return error;
}

static gint compare_parts(gconstpointer a, gconstpointer b) {
    const struct part *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

static void clear_part(gpointer p) {
    struct part *part = p;
    hs_free_database(part->database);
    g_free(part->owners);
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
    matcher->parts = g_array_new(FALSE, FALSE, sizeof(struct part));
    g_array_set_clear_func(matcher->parts, clear_part);
    GHashTable *wanted = index_patterns(patterns, n, matcher->next);
    take_built(matcher, wanted);
    size_t culprit = n;
    enum dsn_error error = compile_rest(matcher, wanted, patterns, n, &culprit, why);
    g_array_sort(matcher->parts, compare_parts);
    g_hash_table_destroy(wanted);
    if (error && bad)
        *bad = culprit;
    if (error)
        dsn_matcher_free(matcher);
    else
        *out = matcher;
    return error;
}

void dsn_matcher_free(struct dsn_matcher *matcher) {
    if (!matcher)
        return;
    g_array_free(matcher->parts, TRUE);
    g_free(matcher->next);
    g_free(matcher);
}

enum dsn_error dsn_matcher_scratch_fit(const struct dsn_matcher *matcher,
                                       struct dsn_matcher_scratch **scratch) {
    if (!*scratch)
        *scratch = g_new0(struct dsn_matcher_scratch, 1);
    for (guint i = 0; i < matcher->parts->len; i++) {
        const struct part *part = &g_array_index(matcher->parts, struct part, i);
        if (hs_alloc_scratch(part->database, &(*scratch)->scratch) != HS_SUCCESS)
            return DSN_ERR_MEMORY;
    }
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
    dsn_matcher_hit hit;
    void *data;
    size_t matter; /* as many patterns */
};

static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                    void *context) {
    (void)from, (void)to, (void)flags;
    struct relay *relay = context;
    for (size_t i = relay->owners[id]; i != NOBODY; i = relay->next[i]) {
        size_t matter = relay->hit(i, relay->data);
        relay->matter = MIN(relay->matter, matter);
    }
    return 0;
}

enum dsn_error dsn_matcher_scan(const struct dsn_matcher *matcher, struct dsn_matcher_scratch *scratch,
                                struct dsn_strview text, dsn_matcher_hit hit, void *data) {
    struct relay relay = {.next = matcher->next, .hit = hit, .data = data, .matter = SIZE_MAX};
    for (guint i = 0; text.n && i < matcher->parts->len; i++) {
        const struct part *part = &g_array_index(matcher->parts, struct part, i);
        if (part->first >= relay.matter)
            break;
        relay.owners = part->owners;
        if (hs_scan(part->database, text.p, (unsigned)text.n, 0, scratch->scratch, on_match, &relay) !=
            HS_SUCCESS)
            return DSN_ERR_INVALID;
    }
    return DSN_OK;
}
