/* Requests to the replay, as frames. */
#include "feed/request.h"
#include "unit.h"

#include <glib.h>

enum { SHARDS = 2, MAX_FRAMES = 16 };

static struct dsn_strview frames[MAX_FRAMES];

/* "a|b" is two frames. */
static size_t set_frames(const char *text) {
    size_t n = 0;
    for (const char *end; (end = strchr(text, '|')); text = end + 1)
        frames[n++] = dsn_sv_range(text, end);
    frames[n++] = dsn_sv_str(text);
    return n;
}

static const char *read_request(const char *text, struct dsn_request *out) {
    return dsn_request_read(frames, set_frames(text), SHARDS, out);
}

START_TEST(an_envelope_ends_with_an_empty_frame) {
    ck_assert_uint_eq(dsn_request_envelope(frames, set_frames("id||REPLAY|$")), 2);
    ck_assert_uint_eq(dsn_request_envelope(frames, set_frames("id|proxy||REPLAY|$")), 3);
    ck_assert_uint_eq(dsn_request_envelope(frames, set_frames("id|2|3|4|5|6|7|8||x")), 9);
    ck_assert_uint_eq(dsn_request_envelope(frames, set_frames("id|2|3|4|5|6|7|8|9||x")), 0);
    ck_assert_uint_eq(dsn_request_envelope(frames, set_frames("id|REPLAY|$")), 0);
    ck_assert_uint_eq(dsn_request_envelope(frames, set_frames("id")), 0);
}
END_TEST

START_TEST(a_replay_has_a_position_and_how_many_events) {
    struct dsn_request request;
    ck_assert_ptr_null(read_request("REPLAY|7-1,8|12", &request));
    ck_assert_int_eq(request.kind, DSN_REQUEST_REPLAY);
    ck_assert_uint_eq(request.max, 12);
    ck_assert_uint_eq(request.position.n, SHARDS);
    ck_assert_uint_eq(request.position.ids[0].sequence, 1);
    ck_assert_uint_eq(request.position.ids[1].ms, 8);
    dsn_request_clear(&request);
    ck_assert_ptr_null(read_request("REPLAY|$|999999", &request));
    ck_assert_uint_eq(request.position.n, 0);
    ck_assert_uint_eq(request.max, DSN_REQUEST_MAX_EVENTS);
}
END_TEST

START_TEST(a_snapshot_goes_on_from_a_cursor) {
    struct dsn_request request;
    ck_assert_ptr_null(read_request("SNAPSHOT", &request));
    ck_assert(request.kind == DSN_REQUEST_SNAPSHOT && request.begins && request.cursor == 0);
    ck_assert_ptr_null(read_request("SNAPSHOT|", &request));
    ck_assert(request.begins);
    ck_assert_ptr_null(read_request("SNAPSHOT|1:18446744073709551615", &request));
    ck_assert(!request.begins && request.shard == 1 && request.cursor == UINT64_MAX);
}
END_TEST

START_TEST(what_is_wrong_is_said) {
    static const struct {
        const char *frames, *says;
    } wrong[] = {
        {"", "no request"},
        {"replay|$", "no request"},
        {"REPLAY", "too few"},
        {"REPLAY|$|1|x", "too few or too many"},
        {"REPLAY|$|0", "third frame"},
        {"REPLAY|$|1x", "third frame"},
        {"REPLAY|", "second frame"},
        {"REPLAY|1,2,3", "second frame"},
        {"REPLAY|1-2-3,4", "second frame"},
        {"REPLAY|18446744073709551616,1", "second frame"},
        {"SNAPSHOT|0:1|x", "too few or too many"},
        {"SNAPSHOT|2:0", "cursor"},
        {"SNAPSHOT|4294967296:0", "cursor"}, /* not shard 0 */
        {"SNAPSHOT|0:", "cursor"},
        {"SNAPSHOT|0:-1", "cursor"},
        {"SNAPSHOT|-1:0", "cursor"},
        {"SNAPSHOT|0:18446744073709551616", "cursor"},
        {"SNAPSHOT|0:000000000000000000000000000000000000000000000000000000000000000001", "cursor"},
    };
    struct dsn_request request;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const char *says = read_request(wrong[i].frames, &request);
        ck_assert_msg(says && strstr(says, wrong[i].says), "%s: %s", wrong[i].frames,
                      says ? says : "nothing");
        dsn_request_clear(&request);
    }
    frames[0] = DSN_LIT("SNAPSHOT");
    frames[1] = DSN_LIT("0:5\0x");
    ck_assert_ptr_nonnull(dsn_request_read(frames, 2, SHARDS, &request));
    /* What lies behind a frame in memory is not looked at. */
    char *zeros = g_malloc(100);
    memset(zeros, '0', 100);
    frames[1] = dsn_sv(zeros, 100);
    ck_assert_ptr_nonnull(dsn_request_read(frames, 2, SHARDS, &request));
    g_free(zeros);
}
END_TEST

RUN_SUITE("request", an_envelope_ends_with_an_empty_frame, a_replay_has_a_position_and_how_many_events,
          a_snapshot_goes_on_from_a_cursor, what_is_wrong_is_said)
