/* keyfile: mistakes are named by file and line. */
#include "base/keyfile.h"
#include "unit.h"

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
    char *path = dsn_keyfile_get(kf, "source bounces", "path"),
         *raw = dsn_keyfile_get(kf, "source bounces", "raw");
    char **list = dsn_keyfile_get_list(kf, "source bounces", "list");
    ck_assert_str_eq(path, "/var/mail");
    ck_assert_str_eq(raw, "\\d+#x");
    ck_assert_uint_eq(g_strv_length(list), 3);
    ck_assert_str_eq(list[1], "b");
    ck_assert_uint_eq(dsn_keyfile_line(kf, "source bounces", "list"), 4);
    ck_assert_uint_eq(dsn_keyfile_line(kf, "source bounces", NULL), 2);
    ck_assert_ptr_null(dsn_keyfile_get(kf, "source bounces", "none"));
    g_free(path);
    g_free(raw);
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
    ck_assert(!dsn_keyfile_only(kf, "a", allowed, problems));
    ck_assert_uint_eq(dsn_problems_count(problems), 1);
    ck_assert_str_eq(dsn_problems_get(problems, 0),
                     "r.rules:4: found unknown key \"mach\" in [a]; expected one of: match, example*");
    dsn_keyfile_free(kf);
    dsn_problems_free(problems);
}
END_TEST

RUN_SUITE("keyfile", mistakes_are_named_by_line, values_are_read_as_written, unknown_keys_are_refused)
