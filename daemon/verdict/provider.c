/* provider: who operates a mail host. Knows host name patterns and wordings, no rules. */
#include "provider.h"
#include "base/sv.h"

struct dsn_providers {
    GStringChunk *lower;   /* what `suffixes` is looked up by */
    GHashTable *names;     /* name -> itself */
    GHashTable *suffixes;  /* "google.com" of "*.google.com" -> name */
    GPtrArray *globs;      /* GPatternSpec: patterns that are no plain suffix ... */
    GPtrArray *glob_names; /* ... and whose they are */
    GPtrArray *wordings;   /* regular expressions ... */
    GPtrArray *wording_names;
    struct dsn_matcher *matcher;
};

static void add_host(struct dsn_providers *providers, const char *pattern, const char *name) {
    char *lower = g_ascii_strdown(pattern, -1);
    const char *suffix = g_str_has_prefix(lower, "*.") ? lower + 2 : lower;
    if (strpbrk(suffix, "*?")) {
        g_ptr_array_add(providers->globs, g_pattern_spec_new(lower));
        g_ptr_array_add(providers->glob_names, (gpointer)(guintptr)name);
    } else {
        g_hash_table_insert(providers->suffixes, g_string_chunk_insert_const(providers->lower, suffix),
                            (gpointer)(guintptr)name);
    }
    g_free(lower);
}

static bool load(struct dsn_providers *providers, const struct dsn_keyfile *kf,
                 const struct dsn_keyfile_group *group, struct dsn_problems *problems) {
    static const char *const keys[] = {"title", "host", "text", NULL};
    bool good = dsn_keyfile_only(kf, group, keys, problems);
    const char *name = group->name, *wording = dsn_keyfile_get(group, "text");
    g_hash_table_add(providers->names, (gpointer)(guintptr)name);
    char **hosts = dsn_keyfile_get_list(group, "host");
    for (size_t i = 0; hosts && hosts[i]; i++)
        add_host(providers, hosts[i], name);
    if (wording) {
        g_ptr_array_add(providers->wordings, (gpointer)(guintptr)wording);
        g_ptr_array_add(providers->wording_names, (gpointer)(guintptr)name);
    }
    if (!hosts && !wording) {
        dsn_problems_add(problems, kf->name, group->line,
                         "[%s] has neither host nor text; expected one of them", name);
        good = false;
    }
    g_strfreev(hosts);
    return good;
}

static bool compile(struct dsn_providers *providers, const struct dsn_keyfile *kf,
                    struct dsn_problems *problems) {
    size_t bad;
    char *why = NULL;
    if (!dsn_matcher_new((const char *const *)providers->wordings->pdata, providers->wordings->len,
                         &providers->matcher, &bad, &why))
        return true;
    const char *name = bad < providers->wordings->len ? g_ptr_array_index(providers->wording_names, bad) : "";
    dsn_problems_add(problems, kf->name, dsn_keyfile_line(dsn_keyfile_find(kf, name), "text"),
                     "[%s] text is no regular expression that can be used: %s", name,
                     why ? why : "out of memory");
    g_free(why);
    return false;
}

enum dsn_error dsn_providers_new(const struct dsn_keyfile *kf, struct dsn_problems *problems,
                                 struct dsn_providers **out) {
    struct dsn_providers *providers = g_new0(struct dsn_providers, 1);
    providers->lower = g_string_chunk_new(4096);
    providers->names = g_hash_table_new(g_str_hash, g_str_equal);
    providers->suffixes = g_hash_table_new(g_str_hash, g_str_equal);
    providers->globs = g_ptr_array_new_with_free_func((GDestroyNotify)g_pattern_spec_free);
    providers->glob_names = g_ptr_array_new();
    providers->wordings = g_ptr_array_new();
    providers->wording_names = g_ptr_array_new();
    bool good = true;
    for (size_t i = 0; i < kf->n; i++)
        good &= load(providers, kf, &kf->groups[i], problems);
    good = good && compile(providers, kf, problems);
    if (!good) {
        dsn_providers_free(providers);
        return DSN_ERR_SYNTAX;
    }
    *out = providers;
    return DSN_OK;
}

void dsn_providers_free(struct dsn_providers *providers) {
    if (!providers)
        return;
    dsn_matcher_free(providers->matcher);
    g_ptr_array_free(providers->wording_names, TRUE);
    g_ptr_array_free(providers->wordings, TRUE);
    g_ptr_array_free(providers->glob_names, TRUE);
    g_ptr_array_free(providers->globs, TRUE);
    g_hash_table_destroy(providers->suffixes);
    g_hash_table_destroy(providers->names);
    g_string_chunk_free(providers->lower);
    g_free(providers);
}

const char *dsn_provider_find(const struct dsn_providers *providers, const char *name) {
    return g_hash_table_lookup(providers->names, name);
}

const char *dsn_provider_of_host(const struct dsn_providers *providers, struct dsn_strview host) {
    char name[256];
    if (!host.n || host.n >= sizeof name)
        return NULL;
    for (size_t i = 0; i < host.n; i++)
        name[i] = dsn_to_lower(host.p[i]);
    name[host.n] = '\0';
    for (char *suffix = name; suffix && *suffix;) {
        const char *found = g_hash_table_lookup(providers->suffixes, suffix);
        if (found)
            return found;
        suffix = strchr(suffix, '.');
        suffix += suffix != NULL;
    }
    for (guint i = 0; i < providers->globs->len; i++) {
        if (g_pattern_spec_match_string(g_ptr_array_index(providers->globs, i), name))
            return g_ptr_array_index(providers->glob_names, i);
    }
    return NULL;
}

const struct dsn_matcher *dsn_provider_texts(const struct dsn_providers *providers) {
    return providers->matcher;
}

static size_t keep_first(size_t pattern, void *data) {
    size_t *first = data;
    *first = MIN(*first, pattern);
    return *first;
}

const char *dsn_provider_of_text(const struct dsn_providers *providers, struct dsn_matcher_scratch *scratch,
                                 struct dsn_strview text) {
    size_t first = G_MAXSIZE;
    dsn_matcher_scan(providers->matcher, scratch, text, keep_first, &first);
    return first < providers->wording_names->len ? g_ptr_array_index(providers->wording_names, first) : NULL;
}
