/* keyfile: mistakes are named by file and line; the build reads as we do. */
#include "base/prebuilt.h"
#include "unit.h"
#include "verdict/builtin.h"

static struct dsn_problems *problems_of(const char *text) {
    struct dsn_problems *problems = dsn_problems_new();
    struct dsn_keyfile *kf = NULL;
    enum dsn_error error = dsn_keyfile_new("x.conf", dsn_sv_str(text), true, problems, &kf);
    ck_assert_int_eq(error, DSN_ERR_SYNTAX);
    ck_assert_ptr_null(kf);
    return problems;
}

static void assert_problem(const char *text, const char *begins) {
    struct dsn_problems *problems = problems_of(text);
    ck_assert_uint_ge(dsn_problems_count(problems), 1);
    const char *first = dsn_problems_get(problems, 0);
    ck_assert_msg(strncmp(first, begins, strlen(begins)) == 0, "got %s", first);
    dsn_problems_free(problems);
}

START_TEST(mistakes_are_named_by_line) {
    assert_problem("[a]\nx = 1\n[a]\ny = 2\n",
                   "x.conf:3: a stands here a second time; the first is on line 1");
    assert_problem("[a]\nx = 1\nx = 2\n", "x.conf:3: x stands here a second time; the first is on line 2");
    assert_problem("x = 1\n", "x.conf:1: found \"x = 1\"; expected a section");
    assert_problem("[a]\n\nwhatever\n", "x.conf:3: found \"whatever\"; expected key = value");
    assert_problem("[a\n", "x.conf:1: found \"[a\"; expected a section");
    assert_problem("[a]\nx = \xff\n", "x.conf:2: found bytes that are not UTF-8");
}
END_TEST

START_TEST(values_are_read_as_written) {
    struct dsn_keyfile *kf = NULL;
    const char *text =
        "# head\n[source bounces]\npath = /var/mail   # or elsewhere\nlist = a; b ;;c\nraw = \\d+#x\n";
    ck_assert_int_eq(dsn_keyfile_new("x.conf", dsn_sv_str(text), true, NULL, &kf), DSN_OK);
    const struct dsn_keyfile_group *group = dsn_keyfile_find(kf, "source bounces");
    char **list = dsn_keyfile_get_list(group, "list");
    ck_assert_str_eq(dsn_keyfile_get(group, "path"), "/var/mail");
    ck_assert_str_eq(dsn_keyfile_get(group, "raw"), "\\d+#x");
    ck_assert_uint_eq(g_strv_length(list), 3);
    ck_assert_str_eq(list[1], "b");
    ck_assert_uint_eq(dsn_keyfile_line(group, "list"), 4);
    ck_assert_uint_eq(dsn_keyfile_line(group, NULL), 2);
    ck_assert_ptr_null(dsn_keyfile_get(group, "none"));
    ck_assert_ptr_null(dsn_keyfile_find(kf, "none"));
    g_strfreev(list);
    dsn_keyfile_free(kf);
}
END_TEST

START_TEST(unknown_keys_are_refused) {
    struct dsn_keyfile *kf = NULL;
    struct dsn_problems *problems = dsn_problems_new();
    static const char *const allowed[] = {"match", "example*", NULL};
    ck_assert_int_eq(
        dsn_keyfile_new("r.rules", DSN_LIT("[a]\nmatch = x\nexample2 = y\nmach = z\n"), false, problems, &kf),
        DSN_OK);
    ck_assert(!dsn_keyfile_only(kf, dsn_keyfile_find(kf, "a"), allowed, problems));
    ck_assert_uint_eq(dsn_problems_count(problems), 1);
    ck_assert_str_eq(dsn_problems_get(problems, 0),
                     "r.rules:4: found unknown key \"mach\" in [a]; expected one of: match, example*");
    dsn_keyfile_free(kf);
    dsn_problems_free(problems);
}
END_TEST

static void assert_same_group(const struct dsn_keyfile_group *a, const struct dsn_keyfile_group *b) {
    ck_assert_str_eq(a->name, b->name);
    ck_assert_uint_eq(a->line, b->line);
    ck_assert_uint_eq(a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        ck_assert_str_eq(a->keys[i].name, b->keys[i].name);
        ck_assert_str_eq(a->keys[i].value, b->keys[i].value);
        ck_assert_uint_eq(a->keys[i].line, b->keys[i].line);
    }
}

START_TEST(what_the_build_has_read_is_what_stands_in_the_files) {
    size_t n_groups = 0;
    for (size_t i = 0; i < dsn_builtin_files_count; i++) {
        const struct dsn_knowledge_file *file = &dsn_builtin_files[i];
        const struct dsn_keyfile *built = &dsn_prebuilt_files()[i];
        struct dsn_keyfile *kf = NULL;
        ck_assert_int_eq(dsn_keyfile_new(file->name, file->text, false, NULL, &kf), DSN_OK);
        ck_assert_str_eq(built->name, file->name);
        ck_assert_uint_eq(built->n, kf->n);
        for (size_t k = 0; k < kf->n; k++)
            assert_same_group(&built->groups[k], &kf->groups[k]);
        n_groups += kf->n;
        dsn_keyfile_free(kf);
    }
    ck_assert_uint_gt(n_groups, 600);
}
END_TEST

RUN_SUITE("keyfile", mistakes_are_named_by_line, values_are_read_as_written, unknown_keys_are_refused,
          what_the_build_has_read_is_what_stands_in_the_files)
