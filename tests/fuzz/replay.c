/* replay: the frames of a request to the replay, as they come: a byte says of how many shards there are, then
 * a line is a frame. */
#include "feed/request.h"
#include "fuzz.h"

enum { MAX_FRAMES = 64 };

static void check_replay(const struct dsn_request *request, unsigned shards) {
    const struct dsn_position *position = &request->position;
    struct dsn_position again = {0};
    PROMISE(request->max >= 1 && request->max <= DSN_REQUEST_MAX_EVENTS);
    if (position->n == 0)
        return;
    char *text = dsn_position_text(position);
    PROMISE(position->n == shards && dsn_position_parse(dsn_sv_str(text), shards, &again));
    PROMISE(memcmp(again.ids, position->ids, position->n * sizeof *position->ids) == 0);
    dsn_position_clear(&again);
    g_free(text);
}

static void check_snapshot(const struct dsn_request *request, unsigned shards) {
    struct dsn_request again;
    char *text = dsn_request_cursor(request->shard, request->cursor);
    const struct dsn_strview frames[] = {DSN_LIT("SNAPSHOT"), dsn_sv_str(text)};
    PROMISE(request->shard < shards && (!request->begins || request->cursor == 0));
    PROMISE(!dsn_request_read(frames, G_N_ELEMENTS(frames), shards, &again));
    PROMISE(again.shard == request->shard && again.cursor == request->cursor && !again.begins);
    dsn_request_clear(&again);
    g_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct dsn_strview frames[MAX_FRAMES], rest = dsn_sv((const char *)data, size);
    size_t n = 0;
    if (!size)
        return 0;
    unsigned shards = data[0] % 16 + 1u;
    rest = dsn_sv_from(rest, 1);
    while (n < MAX_FRAMES && dsn_sv_next_line(&rest, &frames[n]))
        n++;
    size_t first = dsn_request_envelope(frames, n);
    PROMISE(first <= n && (!first || (first > 1 && frames[first - 1].n == 0)));
    struct dsn_request request;
    const char *wrong = dsn_request_read(frames + first, n - first, shards, &request);
    PROMISE(!wrong || *wrong);
    if (!wrong && request.kind == DSN_REQUEST_REPLAY)
        check_replay(&request, shards);
    if (!wrong && request.kind == DSN_REQUEST_SNAPSHOT)
        check_snapshot(&request, shards);
    dsn_request_clear(&request);
    return 0;
}
