/* base: arena, lines and UTF-8. */
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
    ck_assert_ptr_null(dsn_arena_alloc(arena, SIZE_MAX));
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

RUN_SUITE("base", arena_memory_is_zeroed_and_aligned, every_line_end_ends_a_line, broken_utf8_is_repaired)
