/* base: arena, lines and UTF-8. */
#include "base/json.h"
#include "base/utf8.h"
#include "unit.h"

#include <stdint.h>

START_TEST(arena_memory_is_zeroed_and_aligned) {
    struct dsn_arena *arena = dsn_arena_new();
    for (size_t round = 0; round < 3; round++) {
        for (size_t n = 1; n < 200000; n = n * 3 + 1) {
            unsigned char *p = dsn_arena_alloc(arena, n);
            ck_assert_ptr_nonnull(p);
            ck_assert_uint_eq((uintptr_t)p % _Alignof(max_align_t), 0);
            for (size_t i = 0; i < n; i++)
                ck_assert_uint_eq(p[i], 0);
            memset(p, 0xAA, n);
        }
        dsn_arena_reset(arena);
    }
    ck_assert(!dsn_arena_failed(arena));
    ck_assert_ptr_null(dsn_arena_alloc(arena, SIZE_MAX));
    ck_assert(dsn_arena_failed(arena));
    dsn_arena_reset(arena);
    ck_assert(!dsn_arena_failed(arena));
    dsn_arena_free(arena);
}
END_TEST

START_TEST(every_line_end_ends_a_line) {
    struct dsn_strview rest = DSN_LIT("a\nb\r\nc\rd\n\ne"), line;
    static const char *const expected[] = {"a", "b", "c", "d", "", "e"};
    for (size_t i = 0; i < 6; i++) {
        ck_assert(dsn_sv_next_line(&rest, &line));
        assert_sv(line, expected[i]);
    }
    ck_assert(!dsn_sv_next_line(&rest, &line));
}
END_TEST

START_TEST(broken_utf8_is_repaired) {
    struct dsn_arena *arena = dsn_arena_new();
    assert_sv(dsn_utf8_repair(arena, DSN_LIT("gr\xC3\xBC\xC3\x9F")), "grüß");
    assert_sv(dsn_utf8_repair(arena, DSN_LIT("gr\xFC\xDF")), "gr\xEF\xBF\xBD\xEF\xBF\xBD");
    assert_sv(dsn_utf8_repair(arena, DSN_LIT("a\0b")), "a\xEF\xBF\xBD"
                                                       "b");
    assert_sv(dsn_utf8_cut(DSN_LIT("grü"), 3), "gr");
    assert_sv(dsn_utf8_cut(DSN_LIT("grü"), 4), "grü");
    dsn_arena_free(arena);
}
END_TEST

START_TEST(typography_is_read_as_ascii) {
    struct dsn_arena *arena = dsn_arena_new();
    struct dsn_strview plain = DSN_LIT("it's");
    ck_assert_ptr_eq(dsn_utf8_plain(arena, plain).p, plain.p);
    assert_sv(dsn_utf8_plain(arena, DSN_LIT("größer")), "größer");
    assert_sv(dsn_utf8_plain(arena, DSN_LIT("“n’existe\u00A0pas” – e\u2011mail\uFEFF\u3000宛先")),
              "\"n'existe pas\" - e-mail 宛先");
    assert_sv(dsn_utf8_plain(arena, DSN_LIT("a\xE2\x80")), "a\xE2\x80");
    assert_sv(dsn_utf8_plain(arena, DSN_LIT("it’s <o’brien\u200B@b.example>\u3000a–b@c.example – no")),
              "it's <o’brien\u200B@b.example> a–b@c.example - no");
    dsn_arena_free(arena);
}
END_TEST

START_TEST(json_has_nothing_that_a_terminal_obeys) {
    static const struct {
        const char *json, *shown;
    } cases[] = {
        {"\"gr\303\274\303\237 \360\237\230\200\"", NULL},
        {"\"plain\"", NULL},
        {"\"a\342\200\250b\342\200\251c\"", "\"a\\u2028b\\u2029c\""},
        {"\"\342\200\256evil\342\201\246\"", "\"\\u202eevil\\u2066\""},
        {"\"\177 \302\23331m\"", "\"\\u007f \\u009b31m\""},
        {"\330\234\342\200\217", "\\u061c\\u200f"},
    };
    struct dsn_arena *arena = dsn_arena_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dsn_strview json = dsn_sv_str(cases[i].json), shown = dsn_json_shown(arena, json);
        if (cases[i].shown)
            assert_sv(shown, cases[i].shown);
        else
            ck_assert_ptr_eq(shown.p, json.p);
    }
    dsn_arena_free(arena);
}
END_TEST

/* yajl takes more for JSON than is JSON, and frees what is nested recursively. */
START_TEST(an_object_is_read_only_where_json_has_one) {
    static const struct {
        struct dsn_strview text;
        size_t length; /* of the object; all of it is read where nothing is behind it */
    } cases[] = {
        {DSN_LIT("{\"a\":[1,{\"b\":\"}\\\"/\"}]}"), 22},
        {DSN_LIT("{}"), 2},
        {DSN_LIT("{} footer"), 2},
        {DSN_LIT(""), 0},
        {DSN_LIT("[]"), 0},
        {DSN_LIT("{\"a\":[1}"), 0},
        {DSN_LIT("{\"a\":\"}"), 0},
        {DSN_LIT("{\"a\":\"\\"), 0},
        {DSN_LIT("{/**/}"), 0},
        {DSN_LIT("{\"a\":/*\"*/[[[[1]]]]/*\"*/}"), 0},
        {DSN_LIT("{\"a\":\"b\0c\"}"), 0},
        {DSN_LIT("{\"a\":1}\0"), 7},
    };
    static const struct dsn_strview refused[] = {
        DSN_LIT("{\"a\" 1}"), DSN_LIT("{\"a\":\"\364\277\277\277\"}"), /* yajl lets the latter pass */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t n = cases[i].length, length = 0;
        ck_assert_int_eq(dsn_json_object_length(cases[i].text, DSN_JSON_DEPTH_MAX, &length),
                         n ? DSN_OK : DSN_ERR_SYNTAX);
        ck_assert_uint_eq(length, n);
        yajl_val tree = dsn_json_object(cases[i].text);
        ck_assert_msg((tree != NULL) == (n > 0 && n == cases[i].text.n), "%s", cases[i].text.p);
        yajl_tree_free(tree);
    }
    ck_assert_ptr_null(dsn_json_object(DSN_NONE));
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        ck_assert_ptr_null(dsn_json_object(refused[i]));
    yajl_tree_free(dsn_json_object(DSN_LIT(" {} \n")));
}
END_TEST

static struct dsn_strview nested(char *text, size_t depth) {
    memcpy(text, "{\"a\":", 5);
    memset(text + 5, '[', depth - 1);
    memset(text + 5 + depth - 1, ']', depth - 1);
    text[5 + 2 * (depth - 1)] = '}';
    return dsn_sv(text, 2 * depth + 4);
}

START_TEST(json_that_is_nested_deeply_is_not_read) {
    char text[200];
    yajl_val tree = dsn_json_object(nested(text, DSN_JSON_DEPTH_MAX));
    ck_assert_ptr_nonnull(tree);
    yajl_tree_free(tree);
    ck_assert_ptr_null(dsn_json_object(nested(text, DSN_JSON_DEPTH_MAX + 1)));
    size_t n = 0;
    ck_assert_int_eq(dsn_json_object_length(nested(text, 5), 5, &n), DSN_OK);
    ck_assert_int_eq(dsn_json_object_length(nested(text, 6), 5, &n), DSN_ERR_LIMIT);
}
END_TEST

START_TEST(searching_finds_either_case_anywhere) {
    char text[600];
    memset(text, 'n', sizeof text);
    for (size_t at = 0; at + 4 <= sizeof text; at++) {
        memcpy(text + at, at % 2 ? "NeeD" : "nEEd", 4);
        ck_assert_uint_eq(dsn_sv_find_nocase(dsn_sv(text, sizeof text), DSN_LIT("need"), 0), at);
        ck_assert_uint_eq(dsn_sv_find_nocase(dsn_sv(text, sizeof text), DSN_LIT("need"), at + 1), SIZE_MAX);
        ck_assert_uint_eq(dsn_sv_find_nocase(dsn_sv(text, at + 3), DSN_LIT("NEED"), 0), SIZE_MAX);
        memset(text + at, 'n', 4);
    }
}
END_TEST

START_TEST(ascii_is_told_from_everything_else) {
    char text[40];
    for (size_t at = 0; at < sizeof text; at++) {
        memset(text, 'a', sizeof text);
        ck_assert(dsn_utf8_ascii(dsn_sv(text, sizeof text)) && dsn_utf8_valid(dsn_sv(text, sizeof text)));
        text[at] = '\0';
        ck_assert(!dsn_utf8_ascii(dsn_sv(text, sizeof text)) && !dsn_utf8_valid(dsn_sv(text, sizeof text)));
        text[at] = '\200';
        ck_assert(!dsn_utf8_ascii(dsn_sv(text, sizeof text)) && !dsn_utf8_valid(dsn_sv(text, sizeof text)));
    }
}
END_TEST

RUN_SUITE("base", arena_memory_is_zeroed_and_aligned, every_line_end_ends_a_line, broken_utf8_is_repaired,
          typography_is_read_as_ascii, json_has_nothing_that_a_terminal_obeys,
          an_object_is_read_only_where_json_has_one, json_that_is_nested_deeply_is_not_read,
          searching_finds_either_case_anywhere, ascii_is_told_from_everything_else)
