/* request: a table of the requests, and their frames. */
#include "request.h"

#include "base/sv.h"
#include "wire.h"

#include <glib.h>
#include <inttypes.h>
#include <string.h>

enum { ENVELOPE_MAX_FRAMES = 8 };

size_t dsn_request_envelope(const struct dsn_strview *frames, size_t n) {
    for (size_t i = 1; i < MIN(n, ENVELOPE_MAX_FRAMES + 1); i++) /* the first is the socket's */
        if (frames[i].n == 0)
            return i + 1;
    return 0;
}

/* A number from 1 to the most that an answer may hold; absent: as many as that. 0: it is none. */
static size_t read_max(struct dsn_strview text) {
    unsigned max = DSN_REQUEST_MAX_EVENTS;
    if (text.n > 0 && dsn_sv_read_uint(text, 6, &max) != text.n)
        return 0;
    return MIN(max, DSN_REQUEST_MAX_EVENTS);
}

static const char *read_replay(struct dsn_strview position, struct dsn_strview max, unsigned shards,
                               struct dsn_request *out) {
    out->max = read_max(max);
    if (out->max == 0)
        return "REPLAY: the third frame is no number; expected how many events at most";
    if (dsn_sv_eq(position, DSN_WIRE_END) || dsn_position_parse(position, shards, &out->position))
        return NULL;
    return "REPLAY: the second frame is no position; expected $, an id as in 1795559331645-0, or one for "
           "each shard, separated by commas";
}

static const char *read_snapshot(struct dsn_strview cursor, struct dsn_strview none, unsigned shards,
                                 struct dsn_request *out) {
    char copy[64] = "", *end;
    (void)none;
    out->begins = cursor.n == 0;
    if (out->begins)
        return NULL;
    if (cursor.n < sizeof copy)
        memcpy(copy, cursor.p, cursor.n);
    guint64 shard = g_ascii_strtoull(copy, &end, 10);
    if (strlen(copy) != cursor.n || !g_ascii_isdigit(copy[0]) || *end != ':' || shard >= shards ||
        !g_ascii_string_to_unsigned(end + 1, 10, 0, UINT64_MAX, &out->cursor, NULL))
        return "SNAPSHOT: the second frame is no cursor of ours; expected nothing to begin";
    out->shard = (unsigned)shard;
    return NULL;
}

char *dsn_request_cursor(unsigned shard, uint64_t cursor) {
    return g_strdup_printf("%u:%" PRIu64, shard, cursor);
}

static const struct {
    struct dsn_strview name;
    size_t min, max; /* frames, with the name */
    const char *(*read)(struct dsn_strview first, struct dsn_strview second, unsigned shards,
                        struct dsn_request *out);
} requests[] = {
    [DSN_REQUEST_REPLAY] = {{"REPLAY", 6}, 2, 3, read_replay},
    [DSN_REQUEST_SNAPSHOT] = {{"SNAPSHOT", 8}, 1, 2, read_snapshot},
};

const char *dsn_request_read(const struct dsn_strview *frames, size_t n, unsigned shards,
                             struct dsn_request *out) {
    *out = (struct dsn_request){0};
    for (size_t i = 0; n > 0 && i < G_N_ELEMENTS(requests); i++) {
        if (!dsn_sv_eq(frames[0], requests[i].name))
            continue;
        out->kind = (enum dsn_request_kind)i;
        if (n < requests[i].min || n > requests[i].max)
            return "too few or too many frames";
        return requests[i].read(n > 1 ? frames[1] : DSN_NONE, n > 2 ? frames[2] : DSN_NONE, shards, out);
    }
    return "no request; expected REPLAY or SNAPSHOT";
}

void dsn_request_clear(struct dsn_request *request) {
    dsn_position_clear(&request->position);
}
