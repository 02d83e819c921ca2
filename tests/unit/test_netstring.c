/* netstring: frames are read as far as they have come, and what is none is known early. */
#include "lookup/netstring.h"
#include "unit.h"

#define MAX 20

static enum dsn_netstring_result read_frame(const char *text, struct dsn_strview *content, size_t *taken) {
    return dsn_netstring_read(dsn_sv_str(text), MAX, content, taken);
}

START_TEST(a_whole_frame_is_read_and_no_more) {
    struct dsn_strview content;
    size_t taken;
    ck_assert_int_eq(read_frame("5:hello,3:abc,", &content, &taken), DSN_NETSTRING_WHOLE);
    assert_sv(content, "hello");
    ck_assert_uint_eq(taken, 8);
    ck_assert_int_eq(read_frame("0:,", &content, &taken), DSN_NETSTRING_WHOLE);
    ck_assert_uint_eq(content.n, 0);
    ck_assert_int_eq(read_frame("20:01234567890123456789,", &content, &taken), DSN_NETSTRING_WHOLE);
    ck_assert_uint_eq(content.n, MAX);
}
END_TEST

START_TEST(every_beginning_of_a_frame_waits_for_more) {
    static const char frame[] = "12:hello world!,";
    struct dsn_strview content;
    size_t taken;
    for (size_t n = 0; n < sizeof frame - 1; n++)
        ck_assert_int_eq(dsn_netstring_read(dsn_sv(frame, n), MAX, &content, &taken), DSN_NETSTRING_MORE);
}
END_TEST

START_TEST(what_is_no_frame_is_bad_as_soon_as_that_shows) {
    static const char *const bad[] = {"x",
                                      ":",
                                      " 5:hello,",
                                      "-1:,",
                                      "+1:a,",
                                      "5;hello",
                                      "5:hellox",
                                      "05:hello,",
                                      "00:,",
                                      "21",
                                      "9999999999999999999999:",
                                      "5:hell,o,",
                                      "1 :a,",
                                      "\n1:a,"};
    struct dsn_strview content;
    size_t taken;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_int_eq(read_frame(bad[i], &content, &taken), DSN_NETSTRING_BAD);
}
END_TEST

START_TEST(frames_are_written_whole_or_not_at_all) {
    char out[10];
    ck_assert_uint_eq(dsn_netstring_write(DSN_LIT("hello"), out, sizeof out), 8);
    ck_assert_str_eq(out, "5:hello,");
    ck_assert_uint_eq(dsn_netstring_write(DSN_LIT(""), out, sizeof out), 3);
    ck_assert_uint_eq(dsn_netstring_write(DSN_LIT("hello, world"), out, sizeof out), 0);
}
END_TEST

RUN_SUITE("netstring", a_whole_frame_is_read_and_no_more, every_beginning_of_a_frame_waits_for_more,
          what_is_no_frame_is_bad_as_soon_as_that_shows, frames_are_written_whole_or_not_at_all)
