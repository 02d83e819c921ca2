/* keyfile: a key file as groups of keys. Knows GLib's key file syntax, knows no particular file. */
#include "keyfile.h"

#include "sv.h"

#include <string.h>

/* Where things stand in a file that is being read: GKeyFile forgets it. */
struct scan {
    const char *name; /* of the file */
    struct dsn_problems *problems;
    GHashTable *lines; /* "group\nkey" or "group" -> line number */
    GStringChunk *ids; /* what `lines` is looked up by */
    GString *id;       /* one of them */
    GString *clean;    /* the lines, without what surrounds them */
};

/* "group\nkey", or "group"; borrowed until the next one. */
static const char *line_id(const struct scan *scan, const char *group, const char *key) {
    g_string_assign(scan->id, group);
    if (key) {
        g_string_append_c(scan->id, '\n');
        g_string_append(scan->id, key);
    }
    return scan->id->str;
}

static unsigned line_of(const struct scan *scan, const char *group, const char *key) {
    return GPOINTER_TO_UINT(g_hash_table_lookup(scan->lines, line_id(scan, group, key)));
}

static bool remember(struct scan *scan, const char *group, const char *key, unsigned line) {
    unsigned before = line_of(scan, group, key);
    if (before) {
        dsn_problems_add(scan->problems, scan->name, line,
                         "%s stands here a second time; the first is on line %u", key ? key : group, before);
        return false;
    }
    const char *id = g_string_chunk_insert(scan->ids, line_id(scan, group, key));
    g_hash_table_insert(scan->lines, (gpointer)(guintptr)id, GUINT_TO_POINTER(line));
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
static bool scan_line(struct scan *scan, char *line, unsigned number, char **group) {
    if (*line == '\0' || *line == '#')
        return true;
    if (*line == '[') {
        char *end = strrchr(line, ']');
        if (!end || end == line + 1 || end[1] != '\0') {
            dsn_problems_add(scan->problems, scan->name, number,
                             "found \"%s\"; expected a section such as [name]", line);
            return false;
        }
        g_free(*group);
        *group = g_strndup(line + 1, (size_t)(end - line - 1));
        return remember(scan, *group, NULL, number);
    }
    char *equals = strchr(line, '=');
    if (!equals || equals == line || !*group) {
        dsn_problems_add(scan->problems, scan->name, number, "found \"%.60s\"; expected %s", line,
                         *group ? "key = value" : "a section such as [name] first");
        return false;
    }
    char *key = g_strstrip(g_strndup(line, (size_t)(equals - line)));
    bool good = remember(scan, *group, key, number);
    g_free(key);
    return good;
}

static bool scan_text(struct scan *scan, struct dsn_strview text, bool trailing_comments) {
    bool good = true;
    char *group = NULL;
    GString *line = g_string_new(NULL);
    struct dsn_strview bytes;
    for (unsigned number = 1; dsn_sv_next_line(&text, &bytes); number++) {
        if (!g_utf8_validate_len(bytes.p, bytes.n, NULL)) {
            dsn_problems_add(scan->problems, scan->name, number,
                             "found bytes that are not UTF-8; save the file as UTF-8");
            good = false;
            continue;
        }
        g_string_assign(line, "");
        g_string_append_len(line, bytes.p, (gssize)bytes.n);
        if (trailing_comments)
            cut_comment(line->str);
        g_strstrip(line->str);
        good &= scan_line(scan, line->str, number, &group);
        g_string_append(scan->clean, line->str);
        g_string_append_c(scan->clean, '\n');
    }
    g_string_free(line, TRUE);
    g_free(group);
    return good;
}

static struct dsn_keyfile_group take_group(const struct scan *scan, GKeyFile *keys, const char *name,
                                           GStringChunk *texts) {
    gsize n = 0;
    char **names = g_key_file_get_keys(keys, name, &n, NULL);
    struct dsn_keyfile_key *list = g_new0(struct dsn_keyfile_key, n);
    for (gsize i = 0; i < n; i++) {
        char *value = g_key_file_get_value(keys, name, names[i], NULL);
        list[i] = (struct dsn_keyfile_key){g_string_chunk_insert_const(texts, names[i]),
                                           g_string_chunk_insert(texts, g_strstrip(value)),
                                           line_of(scan, name, names[i])};
        g_free(value);
    }
    g_strfreev(names);
    return (struct dsn_keyfile_group){g_string_chunk_insert(texts, name), line_of(scan, name, NULL), list, n};
}

static struct dsn_keyfile *take_file(const struct scan *scan, GKeyFile *keys) {
    gsize n = 0;
    char **names = g_key_file_get_groups(keys, &n);
    struct dsn_keyfile_group *groups = g_new0(struct dsn_keyfile_group, n);
    struct dsn_keyfile *kf = g_new(struct dsn_keyfile, 1);
    GStringChunk *texts = g_string_chunk_new(4096);
    for (gsize i = 0; i < n; i++)
        groups[i] = take_group(scan, keys, names[i], texts);
    *kf = (struct dsn_keyfile){g_string_chunk_insert(texts, scan->name), groups, n, texts};
    g_strfreev(names);
    return kf;
}

enum dsn_error dsn_keyfile_new(const char *name, struct dsn_strview text, bool trailing_comments,
                               struct dsn_problems *problems, struct dsn_keyfile **out) {
    struct scan scan = {.name = name, .problems = problems};
    scan.lines = g_hash_table_new(g_str_hash, g_str_equal);
    scan.ids = g_string_chunk_new(4096);
    scan.id = g_string_new(NULL);
    scan.clean = g_string_sized_new(text.n + 1);
    GKeyFile *keys = g_key_file_new();
    enum dsn_error error = scan_text(&scan, text, trailing_comments) ? DSN_OK : DSN_ERR_SYNTAX;
    GError *why = NULL;
    if (!error && !g_key_file_load_from_data(keys, scan.clean->str, scan.clean->len, G_KEY_FILE_NONE, &why)) {
        dsn_problems_add(problems, name, 0, "%s", why->message);
        g_error_free(why);
        error = DSN_ERR_SYNTAX;
    }
    if (!error)
        *out = take_file(&scan, keys);
    g_key_file_free(keys);
    g_string_free(scan.clean, TRUE);
    g_string_free(scan.id, TRUE);
    g_string_chunk_free(scan.ids);
    g_hash_table_destroy(scan.lines);
    return error;
}

void dsn_keyfile_free(struct dsn_keyfile *kf) {
    if (!kf)
        return;
    for (size_t i = 0; i < kf->n; i++)
        g_free((gpointer)(guintptr)kf->groups[i].keys);
    g_free((gpointer)(guintptr)kf->groups);
    g_string_chunk_free(kf->texts);
    g_free(kf);
}

const struct dsn_keyfile_group *dsn_keyfile_find(const struct dsn_keyfile *kf, const char *name) {
    for (size_t i = 0; i < kf->n; i++) {
        if (strcmp(kf->groups[i].name, name) == 0)
            return &kf->groups[i];
    }
    return NULL;
}

static const struct dsn_keyfile_key *find_key(const struct dsn_keyfile_group *group, const char *name) {
    for (size_t i = 0; i < group->n; i++) {
        if (strcmp(group->keys[i].name, name) == 0)
            return &group->keys[i];
    }
    return NULL;
}

const char *dsn_keyfile_get(const struct dsn_keyfile_group *group, const char *key) {
    const struct dsn_keyfile_key *found = find_key(group, key);
    return found ? found->value : NULL;
}

char **dsn_keyfile_get_list(const struct dsn_keyfile_group *group, const char *key) {
    const char *value = dsn_keyfile_get(group, key);
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
    return parts;
}

unsigned dsn_keyfile_line(const struct dsn_keyfile_group *group, const char *key) {
    const struct dsn_keyfile_key *found = group && key ? find_key(group, key) : NULL;
    return found ? found->line : group ? group->line : 0;
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

bool dsn_keyfile_only(const struct dsn_keyfile *kf, const struct dsn_keyfile_group *group,
                      const char *const *allowed, struct dsn_problems *problems) {
    bool good = true;
    for (size_t i = 0; i < group->n; i++) {
        const struct dsn_keyfile_key *key = &group->keys[i];
        if (is_allowed(key->name, allowed))
            continue;
        char *list = g_strjoinv(", ", (char **)(guintptr)allowed);
        dsn_problems_add(problems, kf->name, key->line,
                         "found unknown key \"%s\" in [%s]; expected one of: %s", key->name, group->name,
                         list);
        g_free(list);
        good = false;
    }
    return good;
}
