/* knowledge: finds and reads the operator's files of knowledge. What they say is libdsn's to understand. */
#include "knowledge.h"

#include <glib.h>
#include <string.h>

struct gather {
    GArray *files; /* of struct dsn_knowledge_file; names and texts are ours */
    struct dsn_problems *problems;
    bool failed;
};

/* What is not there need not be; what is there and cannot be read must not be passed over. Takes the error.
 */
static void complain(struct gather *gather, const char *path, GError *error) {
    if (!g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
        dsn_problems_add(gather->problems, path, 0, "%s", error->message);
        gather->failed = true;
    }
    g_error_free(error);
}

static void read_file(struct gather *gather, const char *path) {
    GError *error = NULL;
    char *text;
    gsize n;
    if (g_file_get_contents(path, &text, &n, &error)) {
        struct dsn_knowledge_file file = {g_strdup(path), {text, n}};
        g_array_append_val(gather->files, file);
    } else {
        complain(gather, path, error);
    }
}

static gint by_name(gconstpointer a, gconstpointer b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Every file of `dir`/`folder` with the suffix, by name: the order decides between rules. */
static void read_folder(struct gather *gather, const char *dir, const char *folder, const char *suffix) {
    char *path = g_build_filename(dir, folder, NULL);
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    GError *error = NULL;
    GDir *open = g_dir_open(path, 0, &error);
    if (!open)
        complain(gather, path, error);
    for (const char *name; open && (name = g_dir_read_name(open));)
        if (g_str_has_suffix(name, suffix) && name[0] != '.')
            g_ptr_array_add(names, g_build_filename(path, name, NULL));
    g_ptr_array_sort(names, by_name);
    for (guint i = 0; i < names->len; i++)
        read_file(gather, g_ptr_array_index(names, i));
    if (open)
        g_dir_close(open);
    g_ptr_array_unref(names);
    g_free(path);
}

static void read_all(struct gather *gather, const char *dir) {
    static const char *const names[] = {"codes.conf", "reasons.conf", "providers.conf"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = g_build_filename(dir, names[i], NULL);
        read_file(gather, path);
        g_free(path);
    }
    read_folder(gather, dir, "rules", ".rules");
    read_folder(gather, dir, "formats", ".format");
}

static void clear_file(void *data) {
    struct dsn_knowledge_file *file = data;
    g_free((char *)file->name);
    g_free((char *)file->text.p);
}

enum dsn_error dsn_knowledge_load(const char *dir, struct dsn_problems *problems,
                                  struct dsn_knowledge **out) {
    struct gather gather = {g_array_new(FALSE, FALSE, sizeof(struct dsn_knowledge_file)), problems, false};
    g_array_set_clear_func(gather.files, clear_file);
    if (dir && strcmp(dir, DSN_KNOWLEDGE_PATH) != 0 && !g_file_test(dir, G_FILE_TEST_IS_DIR)) {
        dsn_problems_add(problems, dir, 0, "is no directory; expected one with rules, formats or codes.conf");
        gather.failed = true;
    } else if (dir) {
        read_all(&gather, dir);
    }
    enum dsn_error error = DSN_ERR_SYNTAX;
    if (!gather.failed)
        error = dsn_knowledge_new((const struct dsn_knowledge_file *)(const void *)gather.files->data,
                                  gather.files->len, problems, out);
    g_array_unref(gather.files);
    return error;
}
