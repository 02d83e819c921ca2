/* position: how far the streams were read, as a text and back. */
#include "redis/position.h"
#include "base/sv.h"
#include "unit.h"

#include <glib.h>

static void assert_same(const char *text, size_t shards, const char *expected) {
    struct dsn_position position = {0};
    bool good = dsn_position_parse(dsn_sv_str(text), shards, &position);
    char *written = good ? dsn_position_text(&position) : NULL;
    ck_assert_msg(g_strcmp0(written, expected) == 0, "%s: %s", text, written ? written : "refused");
    g_free(written);
    dsn_position_clear(&position);
}

START_TEST(a_position_is_written_as_it_is_read) {
    assert_same("1795559331645-12", 1, "1795559331645-12");
    assert_same("5", 1, "5-0");
    assert_same("1-2,3-4,5", 3, "1-2,3-4,5-0");
    assert_same("18446744073709551615-18446744073709551615", 0, "18446744073709551615-18446744073709551615");
}
END_TEST

START_TEST(one_id_stands_for_all_shards) {
    assert_same("7-1", 3, "7-1,7-1,7-1");
    assert_same("1,2", 3, NULL);
    assert_same("1,2,3,4", 3, NULL);
    assert_same("1,2,3,4", 0, "1-0,2-0,3-0,4-0");
}
END_TEST

START_TEST(what_is_no_position_is_refused) {
    static const char *const texts[] = {"",
                                        "-",
                                        "1-",
                                        "-1",
                                        "1-2-3",
                                        "a",
                                        "1-a",
                                        "$",
                                        ",",
                                        "1,",
                                        ",1",
                                        "1,,2",
                                        " 1",
                                        "1 ",
                                        "+1",
                                        "0x1",
                                        "1.",
                                        "1-2 ",
                                        "18446744073709551616",
                                        "1-18446744073709551616"};
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        assert_same(texts[i], 0, NULL);
}
END_TEST

START_TEST(entries_are_named_with_their_shard_where_there_are_several) {
    char name[DSN_ENTRY_NAME_SIZE];
    unsigned shard = 99;
    struct dsn_entry_id id = {12, 34}, read = {0};
    dsn_entry_name_write(name, 0, 1, id);
    ck_assert_str_eq(name, "12-34");
    dsn_entry_name_write(name, 16383, 16384, (struct dsn_entry_id){UINT64_MAX, UINT64_MAX});
    ck_assert_str_eq(name, "16383/18446744073709551615-18446744073709551615");
    ck_assert(dsn_entry_name_parse(dsn_sv_str(name), &shard, &read));
    ck_assert_uint_eq(shard, 16383);
    ck_assert_int_gt(dsn_entry_id_compare(read, id), 0);
    ck_assert(dsn_entry_name_parse(dsn_sv_str("12-34"), &shard, &read));
    ck_assert_uint_eq(shard, 0);
    ck_assert_int_eq(dsn_entry_id_compare(read, id), 0);
    ck_assert(!dsn_entry_name_parse(dsn_sv_str("99999999/1-1"), &shard, &read));
    ck_assert(!dsn_entry_name_parse(dsn_sv_str("1/"), &shard, &read));
    ck_assert(!dsn_entry_name_parse(dsn_sv_str("/1-1"), &shard, &read));
}
END_TEST

START_TEST(ids_are_compared_by_time_and_then_by_sequence) {
    const struct dsn_entry_id ids[] = {{0, 0}, {0, 1}, {1, 0}, {1, 2}, {UINT64_MAX, 0}};
    for (size_t i = 0; i < G_N_ELEMENTS(ids); i++)
        for (size_t k = 0; k < G_N_ELEMENTS(ids); k++)
            ck_assert_int_eq(dsn_entry_id_compare(ids[i], ids[k]), (i > k) - (i < k));
}
END_TEST

RUN_SUITE("position", a_position_is_written_as_it_is_read, one_id_stands_for_all_shards,
          what_is_no_position_is_refused, entries_are_named_with_their_shard_where_there_are_several,
          ids_are_compared_by_time_and_then_by_sequence)
