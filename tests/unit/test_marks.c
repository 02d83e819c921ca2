/* marks: what the next process finds of what was being read. */
#include "unit.h"

#include "source/marks.h"

#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <unistd.h>

static char *folder;
static int dir;

static void add(const char *path) {
    char *full = g_build_filename(folder, path, NULL);
    ck_assert(g_file_set_contents(full, "x", 1, NULL));
    g_free(full);
}

static void set_up(void) {
    folder = g_dir_make_tmp("dsnd-marks-XXXXXX", NULL);
    dir = open(folder, O_RDONLY | O_DIRECTORY);
    ck_assert_int_eq(mkdirat(dir, "new", 0700), 0);
    add("new/a");
    add("new/b");
}

static void tear_down(void) {
    static const char *const names[] = {"new/a", "new/b", "marks", "elsewhere"};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        unlinkat(dir, names[i], 0);
    ck_assert_int_eq(unlinkat(dir, "new", AT_REMOVEDIR), 0);
    close(dir);
    ck_assert_int_eq(g_rmdir(folder), 0);
    g_free(folder);
}

static struct dsn_marks *open_marks(size_t n_workers) {
    struct dsn_marks *marks = NULL;
    ck_assert_int_eq(dsn_marks_open(dir, "marks", "new", n_workers, &marks), DSN_OK);
    return marks;
}

static void begin(struct dsn_marks *marks, size_t worker, const char *name) {
    const struct dsn_item item = {.mark = name, .deaths = dsn_marks_deaths(marks, name)};
    dsn_marks_begin(marks, worker, &item);
}

/* The memory goes with the process; what was written stays in the file. */
static struct dsn_marks *die(struct dsn_marks *marks, size_t n_workers) {
    dsn_marks_close(marks);
    return open_marks(n_workers);
}

START_TEST(what_was_being_read_is_found_and_counted) {
    struct dsn_marks *marks = open_marks(2);
    ck_assert_uint_eq(dsn_marks_deaths(marks, "a"), 0);
    for (unsigned deaths = 1; deaths < 5; deaths++) {
        begin(marks, 1, "a");
        marks = die(marks, 2);
        ck_assert_uint_eq(dsn_marks_deaths(marks, "a"), deaths);
        ck_assert_uint_eq(dsn_marks_deaths(marks, "b"), 0);
    }
    dsn_marks_close(marks);
}
END_TEST

START_TEST(what_was_read_to_its_end_is_not_found) {
    struct dsn_marks *marks = open_marks(2);
    begin(marks, 0, "a");
    dsn_marks_end(marks, 0);
    begin(marks, 1, "a");
    begin(marks, 0, "b");
    dsn_marks_end(marks, 1);
    marks = die(marks, 2);
    ck_assert_uint_eq(dsn_marks_deaths(marks, "a"), 0);
    ck_assert_uint_eq(dsn_marks_deaths(marks, "b"), 1);
    dsn_marks_close(marks);
}
END_TEST

START_TEST(what_is_not_read_again_keeps_its_count_until_it_is_put_away) {
    struct dsn_marks *marks = open_marks(2);
    begin(marks, 0, "a");
    begin(marks, 1, "b");
    marks = die(die(marks, 1), 3); /* a process that reads nothing */
    ck_assert_uint_eq(dsn_marks_deaths(marks, "a"), 1);
    ck_assert_uint_eq(dsn_marks_deaths(marks, "b"), 1);
    begin(marks, 2, "b");
    dsn_marks_end(marks, 2);
    dsn_marks_forget(marks, "b");
    begin(marks, 2, "a");
    marks = die(marks, 2);
    ck_assert_uint_eq(dsn_marks_deaths(marks, "a"), 2);
    ck_assert_uint_eq(dsn_marks_deaths(marks, "b"), 0);
    dsn_marks_close(marks);
}
END_TEST

START_TEST(what_is_not_there_any_more_is_forgotten) {
    struct dsn_marks *marks = open_marks(1);
    begin(marks, 0, "a");
    ck_assert_int_eq(unlinkat(dir, "new/a", 0), 0);
    marks = die(marks, 1);
    ck_assert_uint_eq(dsn_marks_deaths(marks, "a"), 0);
    add("new/a"); /* another one, or the same put back by somebody */
    marks = die(marks, 1);
    ck_assert_uint_eq(dsn_marks_deaths(marks, "a"), 0);
    dsn_marks_close(marks);
}
END_TEST

START_TEST(a_file_that_is_none_of_ours_says_nothing_and_is_not_written_to) {
    char *path = g_build_filename(folder, "marks", NULL), *text = NULL;
    for (size_t n = 0; n < 2000; n += 111) {
        char *rubbish = g_strnfill(n, 'a'), *name = g_strnfill(255, 'a');
        ck_assert(g_file_set_contents(path, rubbish, (gssize)n, NULL));
        struct dsn_marks *marks = open_marks(2);
        ck_assert_uint_eq(dsn_marks_deaths(marks, name), 0);
        dsn_marks_close(marks);
        g_free(rubbish);
        g_free(name);
    }
    add("elsewhere");
    ck_assert_int_eq(unlinkat(dir, "marks", 0), 0);
    ck_assert_int_eq(symlinkat("elsewhere", dir, "marks"), 0);
    struct dsn_marks *marks = open_marks(1);
    begin(marks, 0, "a");
    dsn_marks_close(marks);
    char *elsewhere = g_build_filename(folder, "elsewhere", NULL);
    ck_assert(g_file_get_contents(elsewhere, &text, NULL, NULL));
    ck_assert_str_eq(text, "x");
    g_free(elsewhere);
    g_free(text);
    g_free(path);
}
END_TEST

/* What was read is in a file of the source's own, whoever has the message. */
START_TEST(a_source_without_a_folder_has_its_marks_elsewhere) {
    char *folders[] = {folder, folder, NULL};
    for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
        struct dsn_source source = {.name = (char[]){"handed"}};
        dsn_marks_keep(&source, folders[i], 2);
        ck_assert_int_eq(source.marks != NULL, folders[i] != NULL);
        ck_assert_uint_eq(dsn_marks_deaths(source.marks, "0123"), i == 1);
        begin(source.marks, 1, "0123");
        dsn_marks_close(source.marks);
    }
    ck_assert_int_eq(unlinkat(dir, "handed.reading", 0), 0);
}
END_TEST

START_TEST(no_more_are_taken_over_than_there_is_room_for_and_these_are_the_last) {
    enum { MORE = 5000, KEPT = 4096 };
    char name[16];
    struct dsn_marks *marks = NULL;
    ck_assert_int_eq(dsn_marks_open(dir, "marks", NULL, MORE, &marks), DSN_OK);
    for (size_t i = 0; i < MORE; i++) {
        snprintf(name, sizeof name, "%zu", i);
        begin(marks, i, name);
    }
    for (size_t round = 0; round < 3; round++) {
        dsn_marks_close(marks);
        ck_assert_int_eq(dsn_marks_open(dir, "marks", NULL, 1, &marks), DSN_OK);
        ck_assert_uint_eq(dsn_marks_deaths(marks, "4095") > 0, round == 0);
        ck_assert_uint_eq(dsn_marks_deaths(marks, "4000"), 1);
        ck_assert_uint_eq(dsn_marks_deaths(marks, "last"), round > 0 ? 1 : 0);
        ck_assert_uint_eq(dsn_marks_deaths(marks, "4096"), 0);
        begin(marks, 0, round == 0 ? "last" : "another");
    }
    dsn_marks_close(marks);
}
END_TEST

START_TEST(where_it_cannot_be_written_is_an_error) {
    struct dsn_marks *marks = NULL;
    ck_assert_int_eq(dsn_marks_open(dir, "nowhere/marks", "new", 1, &marks), DSN_ERR_IO);
    ck_assert_ptr_null(marks);
}
END_TEST

RUN_SUITE_WITH("marks", set_up, tear_down, what_was_being_read_is_found_and_counted,
               what_was_read_to_its_end_is_not_found,
               what_is_not_read_again_keeps_its_count_until_it_is_put_away,
               what_is_not_there_any_more_is_forgotten,
               a_file_that_is_none_of_ours_says_nothing_and_is_not_written_to,
               a_source_without_a_folder_has_its_marks_elsewhere,
               no_more_are_taken_over_than_there_is_room_for_and_these_are_the_last,
               where_it_cannot_be_written_is_an_error)
