/* keyfile: a GKeyFile that remembers its lines. Knows GLib's key file syntax, knows no particular file. */
#include "keyfile.h"

#include "sv.h"

#include <string.h>

struct dsn_keyfile {
    GKeyFile *keys;
    char *name;
    char **groups;
    size_t n_groups;
    GHashTable *lines; /* "group\nkey" or "group" -> line number */
    GStringChunk *ids; /* what `lines` is looked up by */
    GString *id;       /* one of them */
};

/* "group\nkey", or "group"; borrowed until the next one. */
static const char *line_id(const struct dsn_keyfile *kf, const char *group, const char *key) {
    g_string_assign(kf->id, group);
    if (key) {
        g_string_append_c(kf->id, '\n');
        g_string_append(kf->id, key);
    }
    return kf->id->str;
}

static bool remember(struct dsn_keyfile *kf, const char *group, const char *key, unsigned line,
                     struct dsn_problems *problems) {
    const char *id = line_id(kf, group, key);
    gpointer before = g_hash_table_lookup(kf->lines, id);
    if (before) {
        dsn_problems_add(problems, kf->name, line, "%s stands here a second time; the first is on line %u",
                         key ? key : group, GPOINTER_TO_UINT(before));
        return false;
    }
    g_hash_table_insert(kf->lines, g_string_chunk_insert(kf->ids, id), GUINT_TO_POINTER(line));
    return true;
}

/* Cuts " # ..." off a value. */
static void cut_comment(char *line) {
    for (char *p = strchr(line, '='); p && *p; p++) {
        if (*p == '#' && g_ascii_isspace(p[-1])) {
            *p = '\0';
            return;
        }
    }
}

/* Looks at one line before GKeyFile does: notes where it is, and refuses what GKeyFile would merge or blame
 * without a line number. */
static bool scan_line(struct dsn_keyfile *kf, char *line, unsigned number, char **group,
                      struct dsn_problems *problems) {
    if (*line == '\0' || *line == '#')
        return true;
    if (*line == '[') {
        char *end = strrchr(line, ']');
        if (!end || end == line + 1 || end[1] != '\0') {
            dsn_problems_add(problems, kf->name, number, "found \"%s\"; expected a section such as [name]",
                             line);
            return false;
        }
        g_free(*group);
        *group = g_strndup(line + 1, (size_t)(end - line - 1));
        return remember(kf, *group, NULL, number, problems);
    }
    char *equals = strchr(line, '=');
    if (!equals || equals == line || !*group) {
        dsn_problems_add(problems, kf->name, number, "found \"%.60s\"; expected %s", line,
                         *group ? "key = value" : "a section such as [name] first");
        return false;
    }
    char *key = g_strstrip(g_strndup(line, (size_t)(equals - line)));
    bool good = remember(kf, *group, key, number, problems);
    g_free(key);
    return good;
}

/* Leaves the lines in `clean`, without what surrounds them. */
static bool scan(struct dsn_keyfile *kf, struct dsn_strview text, bool trailing_comments, GString *clean,
                 struct dsn_problems *problems) {
    bool good = true;
    char *group = NULL;
    GString *line = g_string_new(NULL);
    struct dsn_strview bytes;
    for (unsigned number = 1; dsn_sv_next_line(&text, &bytes); number++) {
        if (!g_utf8_validate_len(bytes.p, bytes.n, NULL)) {
            dsn_problems_add(problems, kf->name, number,
                             "found bytes that are not UTF-8; save the file as UTF-8");
            good = false;
            continue;
        }
        g_string_assign(line, "");
        g_string_append_len(line, bytes.p, (gssize)bytes.n);
        if (trailing_comments)
            cut_comment(line->str);
        g_strstrip(line->str);
        good &= scan_line(kf, line->str, number, &group, problems);
        g_string_append(clean, line->str);
        g_string_append_c(clean, '\n');
    }
    g_string_free(line, TRUE);
    g_free(group);
    return good;
}

enum dsn_error dsn_keyfile_new(const char *name, struct dsn_strview text, bool trailing_comments,
                               struct dsn_problems *problems, struct dsn_keyfile **out) {
    struct dsn_keyfile *kf = g_new0(struct dsn_keyfile, 1);
    kf->keys = g_key_file_new();
    kf->name = g_strdup(name);
    kf->lines = g_hash_table_new(g_str_hash, g_str_equal);
    kf->ids = g_string_chunk_new(4096);
    kf->id = g_string_new(NULL);
    GString *clean = g_string_sized_new(text.n + 1);
    enum dsn_error error = scan(kf, text, trailing_comments, clean, problems) ? DSN_OK : DSN_ERR_SYNTAX;
    GError *why = NULL;
    if (!error && !g_key_file_load_from_data(kf->keys, clean->str, clean->len, G_KEY_FILE_NONE, &why)) {
        dsn_problems_add(problems, name, 0, "%s", why->message);
        g_error_free(why);
        error = DSN_ERR_SYNTAX;
    }
    g_string_free(clean, TRUE);
    gsize n = 0;
    kf->groups = g_key_file_get_groups(kf->keys, &n);
    kf->n_groups = n;
    if (error) {
        dsn_keyfile_free(kf);
        return error;
    }
    *out = kf;
    return DSN_OK;
}

void dsn_keyfile_free(struct dsn_keyfile *kf) {
    if (!kf)
        return;
    g_key_file_free(kf->keys);
    g_strfreev(kf->groups);
    g_hash_table_destroy(kf->lines);
    g_string_chunk_free(kf->ids);
    g_string_free(kf->id, TRUE);
    g_free(kf->name);
    g_free(kf);
}

const char *dsn_keyfile_name(const struct dsn_keyfile *kf) {
    return kf->name;
}

char **dsn_keyfile_groups(const struct dsn_keyfile *kf, size_t *n) {
    if (n)
        *n = kf->n_groups;
    return kf->groups;
}

char **dsn_keyfile_keys(const struct dsn_keyfile *kf, const char *group) {
    char **keys = g_key_file_get_keys(kf->keys, group, NULL, NULL);
    return keys ? keys : g_new0(char *, 1);
}

char *dsn_keyfile_get(const struct dsn_keyfile *kf, const char *group, const char *key) {
    char *value = g_key_file_get_value(kf->keys, group, key, NULL);
    return value ? g_strstrip(value) : NULL;
}

char **dsn_keyfile_get_list(const struct dsn_keyfile *kf, const char *group, const char *key) {
    char *value = dsn_keyfile_get(kf, group, key);
    if (!value)
        return NULL;
    char **parts = g_strsplit(value, ";", -1);
    size_t kept = 0;
    for (size_t i = 0; parts[i]; i++) {
        if (*g_strstrip(parts[i]))
            parts[kept++] = parts[i];
        else
            g_free(parts[i]);
    }
    parts[kept] = NULL;
    g_free(value);
    return parts;
}

unsigned dsn_keyfile_line(const struct dsn_keyfile *kf, const char *group, const char *key) {
    gpointer line = g_hash_table_lookup(kf->lines, line_id(kf, group, key));
    if (!line && key)
        line = g_hash_table_lookup(kf->lines, group);
    return GPOINTER_TO_UINT(line);
}

static bool is_allowed(const char *key, const char *const *allowed) {
    for (; *allowed; allowed++) {
        size_t n = strlen(*allowed);
        bool prefix = (*allowed)[n - 1] == '*';
        if (prefix ? !strncmp(key, *allowed, n - 1) : !strcmp(key, *allowed))
            return true;
    }
    return false;
}

bool dsn_keyfile_only(const struct dsn_keyfile *kf, const char *group, const char *const *allowed,
                      struct dsn_problems *problems) {
    bool good = true;
    char **keys = dsn_keyfile_keys(kf, group);
    for (size_t i = 0; keys[i]; i++) {
        if (is_allowed(keys[i], allowed))
            continue;
        char *list = g_strjoinv(", ", (char **)(guintptr)allowed);
        dsn_problems_add(problems, kf->name, dsn_keyfile_line(kf, group, keys[i]),
                         "found unknown key \"%s\" in [%s]; expected one of: %s", keys[i], group, list);
        g_free(list);
        good = false;
    }
    g_strfreev(keys);
    return good;
}
