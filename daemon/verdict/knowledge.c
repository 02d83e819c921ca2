/* knowledge: puts the files of config/ together, those built in and those handed in. Knows which file is
 * what, not what stands in it. Reads no file itself. */
#include "knowledge.h"
#include "base/prebuilt.h"
#include "base/sv.h"
#include "builtin.h"

#include <sodium.h>

struct dsn_knowledge {
    gint refs;
    GPtrArray *own; /* struct dsn_keyfile: what was handed in, which the others point into */
    struct dsn_catalogue *catalogue;
    struct dsn_providers *providers;
    struct dsn_rules *rules;
    struct dsn_formats *formats;
    char ruleset[17];
};

enum role { CODES, REASONS, PROVIDERS, RULES, FORMATS, N_ROLES };

static const struct {
    const char *suffix;
    bool many;
} file_roles[N_ROLES] = {
    [CODES] = {"codes.conf", false},         [REASONS] = {"reasons.conf", false},
    [PROVIDERS] = {"providers.conf", false}, [RULES] = {".rules", true},
    [FORMATS] = {".format", true},
};

struct loader {
    GPtrArray *files[N_ROLES]; /* const struct dsn_keyfile: in order of precedence */
    GPtrArray *own;
    GHashTable *seen; /* base names: the first of a name replaces the later ones */
    crypto_generichash_state hash;
    struct dsn_problems *problems;
    bool good;
};

static int role_of(const char *base) {
    for (int role = 0; role < N_ROLES; role++) {
        if (file_roles[role].many ? g_str_has_suffix(base, file_roles[role].suffix)
                                  : strcmp(base, file_roles[role].suffix) == 0)
            return role;
    }
    return -1;
}

static const struct dsn_keyfile *read_file(struct loader *l, const struct dsn_knowledge_file *file) {
    struct dsn_keyfile *kf = NULL;
    if (dsn_keyfile_new(file->name, file->text, false, l->problems, &kf) == DSN_OK)
        g_ptr_array_add(l->own, kf);
    else
        l->good = false;
    return kf;
}

/* `kf` NULL: nobody has read it yet. */
static void add_file(struct loader *l, const struct dsn_knowledge_file *file, const struct dsn_keyfile *kf) {
    const char *slash = strrchr(file->name, '/');
    const char *base = slash ? slash + 1 : file->name;
    int role = role_of(base);
    if (role < 0) {
        dsn_problems_add(
            l->problems, file->name, 0,
            "is no file of knowledge; expected codes.conf, reasons.conf, providers.conf, *.rules or "
            "*.format");
        l->good = false;
        return;
    }
    if (!g_hash_table_add(l->seen, g_strdup(base)))
        return;
    crypto_generichash_update(&l->hash, (const unsigned char *)file->text.p, file->text.n);
    if (!kf)
        kf = read_file(l, file);
    if (kf)
        g_ptr_array_add(l->files[role], (gpointer)(guintptr)kf);
}

static enum dsn_error load(struct loader *l, struct dsn_knowledge *k) {
    const struct dsn_keyfile *single[N_ROLES] = {NULL};
    for (int role = CODES; role <= PROVIDERS; role++) {
        if (l->files[role]->len)
            single[role] = g_ptr_array_index(l->files[role], 0);
        else
            return DSN_ERR_SYNTAX;
    }
    const struct dsn_keyfile *const *rules = (const struct dsn_keyfile *const *)l->files[RULES]->pdata;
    const struct dsn_keyfile *const *formats = (const struct dsn_keyfile *const *)l->files[FORMATS]->pdata;
    enum dsn_error error = dsn_catalogue_new(single[CODES], single[REASONS], l->problems, &k->catalogue);
    if (!error)
        error = dsn_providers_new(single[PROVIDERS], l->problems, &k->providers);
    if (!error)
        error =
            dsn_rules_new(rules, l->files[RULES]->len, k->catalogue, k->providers, l->problems, &k->rules);
    if (!error)
        error = dsn_formats_new(formats, l->files[FORMATS]->len, l->problems, &k->formats);
    return error;
}

static void finish_hash(struct loader *l, char out[17]) {
    unsigned char digest[crypto_generichash_BYTES];
    crypto_generichash_final(&l->hash, digest, sizeof digest);
    sodium_bin2hex(out, 17, digest, 8);
}

enum dsn_error dsn_knowledge_new(const struct dsn_knowledge_file *files, size_t n_files,
                                 struct dsn_problems *problems, struct dsn_knowledge **out) {
    if (sodium_init() < 0)
        return DSN_ERR_MEMORY;
    struct dsn_knowledge *k = g_new0(struct dsn_knowledge, 1);
    k->refs = 1;
    k->own = g_ptr_array_new_with_free_func((GDestroyNotify)dsn_keyfile_free);
    struct loader l = {.own = k->own, .problems = problems, .good = true};
    l.seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    crypto_generichash_init(&l.hash, NULL, 0, crypto_generichash_BYTES);
    for (int role = 0; role < N_ROLES; role++)
        l.files[role] = g_ptr_array_new();
    for (size_t i = 0; i < n_files; i++)
        add_file(&l, &files[i], NULL);
    for (size_t i = 0; i < dsn_builtin_files_count; i++)
        add_file(&l, &dsn_builtin_files[i], &dsn_prebuilt_files()[i]);
    finish_hash(&l, k->ruleset);
    enum dsn_error error = l.good ? load(&l, k) : DSN_ERR_SYNTAX;
    for (int role = 0; role < N_ROLES; role++)
        g_ptr_array_free(l.files[role], TRUE);
    g_hash_table_destroy(l.seen);
    if (error) {
        dsn_knowledge_unref(k);
        return error;
    }
    *out = k;
    return DSN_OK;
}

enum dsn_error dsn_knowledge_new_builtin(struct dsn_knowledge **out) {
    return dsn_knowledge_new(NULL, 0, NULL, out);
}

struct dsn_knowledge *dsn_knowledge_ref(struct dsn_knowledge *knowledge) {
    g_atomic_int_inc(&knowledge->refs);
    return knowledge;
}

void dsn_knowledge_unref(struct dsn_knowledge *knowledge) {
    if (!knowledge || !g_atomic_int_dec_and_test(&knowledge->refs))
        return;
    dsn_formats_free(knowledge->formats);
    dsn_rules_free(knowledge->rules);
    dsn_providers_free(knowledge->providers);
    dsn_catalogue_free(knowledge->catalogue);
    g_ptr_array_unref(knowledge->own);
    g_free(knowledge);
}

const char *dsn_knowledge_ruleset(const struct dsn_knowledge *knowledge) {
    return knowledge->ruleset;
}

const struct dsn_catalogue *dsn_knowledge_catalogue(const struct dsn_knowledge *knowledge) {
    return knowledge->catalogue;
}

const struct dsn_rules *dsn_knowledge_rules(const struct dsn_knowledge *knowledge) {
    return knowledge->rules;
}

const struct dsn_providers *dsn_knowledge_providers(const struct dsn_knowledge *knowledge) {
    return knowledge->providers;
}

const struct dsn_formats *dsn_knowledge_formats(const struct dsn_knowledge *knowledge) {
    return knowledge->formats;
}
