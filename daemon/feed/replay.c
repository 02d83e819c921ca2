/* replay: one request, one answer, in the order in which they come. An answer is a piece, whatever there is:
 * who wants more asks again. */
#include "replay.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/sv.h"
#include "base/wake.h"
#include "event/cloudevent.h"
#include "request.h"
#include "wire.h"

#include <glib.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define LINGER_MS 1000
#define PIECE_MAX_BYTES (4u << 20)
#define PIECE_FRAMES (3 * DSN_REQUEST_MAX_EVENTS + 16)
#define REQUEST_MAX_BYTES (512 << 10) /* of a frame: a position of many shards is the longest */
#define REQUESTS_WAITING 16           /* of a client, in each direction */
#define ANSWERS_WAITING 4

struct dsn_replay {
    struct dsn_replay_settings settings;
    struct dsn_redis_waiter waiter;
    struct dsn_streams *streams;
    void *socket;
    pthread_t thread;
    bool started;
    int wake_fd;
    _Atomic bool stopping;
    int64_t deadline_ms; /* monotonic; of the request that is answered */

    struct dsn_wire_message request;
    struct dsn_strview frames[PIECE_FRAMES]; /* of the answer */
    size_t n_frames, bytes;
    GStringChunk *texts; /* of the answer */
};

/* The answer */

static void add(struct dsn_replay *replay, struct dsn_strview frame) {
    replay->frames[replay->n_frames++] = frame;
    replay->bytes += frame.n;
}

static void add_copy(struct dsn_replay *replay, struct dsn_strview s) {
    add(replay, dsn_sv(g_string_chunk_insert_len(replay->texts, s.n ? s.p : "", (gssize)s.n), s.n));
}

static void add_text(struct dsn_replay *replay, char *text) {
    add_copy(replay, dsn_sv_str(text));
    g_free(text);
}

static void add_error(struct dsn_replay *replay, const char *code, const char *text) {
    add(replay, DSN_WIRE_ERROR);
    add_copy(replay, dsn_sv_str(code));
    add_copy(replay, dsn_sv_str(text));
}

/* What Redis did not do. */
static void add_trouble(struct dsn_replay *replay, enum dsn_error error) {
    if (error == DSN_ERR_IO)
        add_error(replay, "failed", dsn_streams_why(replay->streams));
    else
        add_error(replay, "away", "Redis does not answer; ask again later");
}

/* REPLAY position [max] */

struct piece {
    struct dsn_replay *replay;
    size_t left;
};

static bool add_entry(void *context, const struct dsn_entry *entry) {
    struct piece *piece = context;
    struct dsn_replay *replay = piece->replay;
    char name[DSN_ENTRY_NAME_SIZE];
    if (piece->left == 0 || (replay->bytes > 0 && replay->bytes + entry->event.n > PIECE_MAX_BYTES))
        return false;
    dsn_entry_name_write(name, entry->shard, replay->settings.streams.shards, entry->id);
    add_copy(replay, entry->topic);
    add_copy(replay, dsn_sv_str(name));
    if (replay->settings.cloudevents) {
        GString *envelope = g_string_new(NULL);
        dsn_cloudevent_append(envelope, replay->settings.cloudevents, entry->event_id, entry->event);
        add_copy(replay, dsn_sv(envelope->str, envelope->len));
        g_string_free(envelope, TRUE);
    } else {
        add_copy(replay, entry->event);
    }
    piece->left--;
    return true;
}

/* The head of the answer comes before what it says: its frames are filled in at the end. */
static enum dsn_error read_piece(struct dsn_replay *replay, struct dsn_position *position, size_t max) {
    struct piece piece = {replay, max};
    bool trimmed = false;
    enum dsn_error error = dsn_streams_trimmed(replay->streams, position, &trimmed);
    size_t head = replay->n_frames;
    add(replay, DSN_WIRE_EVENTS);
    replay->n_frames += 2;
    replay->bytes = 0; /* of the events: one always goes, however large */
    if (!error)
        error = dsn_streams_read(replay->streams, position, max, add_entry, &piece);
    char *text = dsn_position_text(position);
    replay->frames[head + 1] = dsn_sv_str(g_string_chunk_insert(replay->texts, text));
    replay->frames[head + 2] = trimmed ? DSN_WIRE_TRIMMED : DSN_LIT("");
    g_free(text);
    return error;
}

static enum dsn_error answer_replay(struct dsn_replay *replay, struct dsn_request *request) {
    bool at_end = request->position.n == 0;
    enum dsn_error error = at_end ? dsn_streams_end(replay->streams, &request->position) : DSN_OK;
    return error ? error : read_piece(replay, &request->position, request->max);
}

/* SNAPSHOT [cursor] */

static void add_address(void *context, struct dsn_strview address, struct dsn_strview until) {
    GString *lines = context;
    g_string_append_len(lines, until.p, (gssize)until.n);
    g_string_append_c(lines, ' ');
    g_string_append_len(lines, address.p, (gssize)address.n);
    g_string_append_c(lines, '\n');
}

/* The position is read before the list: whatever changes from then on is in the events after it. */
static enum dsn_error answer_snapshot(struct dsn_replay *replay, struct dsn_request *request) {
    unsigned shard = request->shard;
    GString *lines = g_string_new(NULL);
    enum dsn_error error = request->begins ? dsn_streams_end(replay->streams, &request->position) : DSN_OK;
    if (!error)
        error = dsn_streams_suppressed(replay->streams, shard, &request->cursor, add_address, lines);
    shard += request->cursor == 0;
    if (!error) {
        bool more = shard < replay->settings.streams.shards;
        add(replay, DSN_WIRE_SUPPRESSED);
        add_text(replay, more ? dsn_request_cursor(shard, request->cursor) : g_strdup(""));
        add_text(replay, dsn_position_text(&request->position));
        add_copy(replay, dsn_sv(lines->str, lines->len));
    }
    g_string_free(lines, TRUE);
    return error;
}

/* Requests */

typedef enum dsn_error answer_fn(struct dsn_replay *replay, struct dsn_request *request);

static void answer(struct dsn_replay *replay, const struct dsn_strview *frames, size_t n) {
    static answer_fn *const answers[] = {
        [DSN_REQUEST_REPLAY] = answer_replay, [DSN_REQUEST_SNAPSHOT] = answer_snapshot};
    struct dsn_request request;
    size_t before = replay->n_frames;
    const char *wrong = dsn_request_read(frames, n, replay->settings.streams.shards, &request);
    enum dsn_error error = wrong ? DSN_OK : answers[request.kind](replay, &request);
    dsn_request_clear(&request);
    if (wrong) {
        add_error(replay, "malformed", wrong);
    } else if (error) {
        replay->n_frames = before;
        add_trouble(replay, error);
    }
}

/* The envelope goes back as it came. Where there is none, the sender is told that this is no request. */
static size_t return_envelope(struct dsn_replay *replay, const struct dsn_strview *frames, size_t n) {
    size_t length = dsn_request_envelope(frames, n);
    for (size_t i = 0; i + 1 < MAX(length, 2); i++)
        add(replay, frames[i]);
    add(replay, DSN_LIT(""));
    return length ? length : n;
}

static void serve(struct dsn_replay *replay) {
    enum dsn_error error = dsn_wire_receive(replay->socket, &replay->request);
    if (error == DSN_OK || error == DSN_ERR_LIMIT) {
        replay->n_frames = 0;
        replay->deadline_ms = dsn_clock_monotonic_ms() + replay->settings.streams.redis.timeout_ms;
        g_string_chunk_clear(replay->texts);
        struct dsn_strview frames[DSN_WIRE_MAX_FRAMES];
        size_t n = replay->request.n;
        for (size_t i = 0; i < n; i++)
            frames[i] = dsn_wire_frame(&replay->request, i);
        size_t first = return_envelope(replay, frames, n);
        answer(replay, frames + first, n - first);
        if (!dsn_wire_send(replay->socket, replay->frames, replay->n_frames))
            DSN_LOG(DSN_LOG_WARNING, "replay-failed", dsn_log_str("error", zmq_strerror(zmq_errno())));
    }
    dsn_wire_clear(&replay->request);
}

/* The thread */

static int64_t idle(void *context) {
    (void)context;
    return INT64_MAX;
}

/* Who asks is told that Redis is away, rather than kept waiting for ever. */
static bool give_up(void *context, bool away) {
    const struct dsn_replay *replay = context;
    return replay->stopping || (away && dsn_clock_monotonic_ms() >= replay->deadline_ms);
}

static void *run(void *argument) {
    struct dsn_replay *replay = argument;
    zmq_pollitem_t items[] = {{.socket = replay->socket, .events = ZMQ_POLLIN},
                              {.fd = replay->wake_fd, .events = ZMQ_POLLIN}};
    while (!replay->stopping) {
        if (zmq_poll(items, G_N_ELEMENTS(items), -1) > 0 && items[0].revents)
            serve(replay);
    }
    return NULL;
}

static bool bind_socket(struct dsn_replay *replay) {
    const int linger = LINGER_MS, on = 1, waiting = REQUESTS_WAITING, answers = ANSWERS_WAITING;
    const int64_t max_bytes = REQUEST_MAX_BYTES;
    void *socket = replay->socket = zmq_socket(replay->settings.context, ZMQ_ROUTER);
    return socket && (!replay->settings.keys || dsn_curve_serve(socket, replay->settings.keys)) &&
           zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger) == 0 &&
           zmq_setsockopt(socket, ZMQ_IPV6, &on, sizeof on) == 0 &&
           zmq_setsockopt(socket, ZMQ_RCVHWM, &waiting, sizeof waiting) == 0 &&
           zmq_setsockopt(socket, ZMQ_SNDHWM, &answers, sizeof answers) == 0 &&
           zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &max_bytes, sizeof max_bytes) == 0 &&
           zmq_bind(socket, replay->settings.bind) == 0;
}

enum dsn_error dsn_replay_open(const struct dsn_replay_settings *settings, char *why, size_t why_size,
                               struct dsn_replay **out) {
    struct dsn_replay *replay = g_new0(struct dsn_replay, 1);
    replay->settings = *settings;
    replay->settings.streams.redis.quiet = true;
    replay->texts = g_string_chunk_new(64 * 1024);
    replay->wake_fd = dsn_wake_open();
    replay->waiter = (struct dsn_redis_waiter){
        .context = replay, .wake_fd = replay->wake_fd, .idle = idle, .give_up = give_up};
    enum dsn_error error = dsn_streams_open(&replay->settings.streams, &replay->waiter, &replay->streams);
    if (!error && (replay->wake_fd < 0 || !bind_socket(replay))) {
        snprintf(why, why_size, "replay %s: %s", settings->bind, zmq_strerror(zmq_errno()));
        error = DSN_ERR_IO;
    }
    if (error)
        dsn_replay_close(replay);
    else
        *out = replay;
    return error;
}

enum dsn_error dsn_replay_start(struct dsn_replay *replay) {
    replay->started = pthread_create(&replay->thread, NULL, run, replay) == 0;
    if (!replay->started)
        return DSN_ERR_MEMORY;
    pthread_setname_np(replay->thread, "replay");
    return DSN_OK;
}

void dsn_replay_close(struct dsn_replay *replay) {
    if (!replay)
        return;
    replay->stopping = true;
    if (replay->started) {
        dsn_wake(replay->wake_fd);
        pthread_join(replay->thread, NULL);
    }
    if (replay->socket)
        zmq_close(replay->socket);
    dsn_streams_close(replay->streams);
    g_string_chunk_free(replay->texts);
    if (replay->wake_fd >= 0)
        close(replay->wake_fd);
    g_free(replay);
}
