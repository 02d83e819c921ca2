/* subscriber: two sockets, SUB and DEALER, and a position. While a replay goes on, what comes by the feed
 * waits in its socket; if that is not enough, the next gap shows. */
#include "subscriber.h"

#include "base/clock.h"
#include "base/sv.h"
#include "wire.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

#define RECEIVE_HWM 100000
#define ANSWER_TIMEOUT_MS 5000 /* then the question is asked again: whoever had it is gone */
#define AGAIN_MS 500           /* after an error that passes */

enum state {
    LIVE,    /* what comes by the feed is new */
    ASKING,  /* for a replay; the answer is due */
    WAITING, /* to ask again */
};

struct dsn_subscriber {
    const struct dsn_subscriber_settings *settings;
    void *context, *feed, *replay;
    enum state state;
    int64_t due_ms; /* monotonic; of the answer, or of the next question */
    bool knows_numbers;
    uint64_t epoch, sequence;     /* of the last message */
    struct dsn_position position; /* of what was told; n is 0: not known yet */
    bool told_trouble, finished;
    uint64_t lost;
    struct dsn_wire_message message;
};

static void notice(struct dsn_subscriber *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void notice(struct dsn_subscriber *s, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *text = g_strdup_vprintf(format, args);
    va_end(args);
    s->settings->notice(s->settings->context, text);
    g_free(text);
}

/* Sockets */

static void *connect_socket(struct dsn_subscriber *s, int type, const char *endpoint) {
    const int linger = 0, on = 1, hwm = RECEIVE_HWM, retry_ms = 100, retry_max_ms = 2000;
    const struct dsn_subscriber_settings *settings = s->settings;
    void *socket = zmq_socket(s->context, type);
    bool good = socket && zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger) == 0 &&
                zmq_setsockopt(socket, ZMQ_IPV6, &on, sizeof on) == 0 &&
                zmq_setsockopt(socket, ZMQ_RCVHWM, &hwm, sizeof hwm) == 0 &&
                zmq_setsockopt(socket, ZMQ_RECONNECT_IVL, &retry_ms, sizeof retry_ms) == 0 &&
                zmq_setsockopt(socket, ZMQ_RECONNECT_IVL_MAX, &retry_max_ms, sizeof retry_max_ms) == 0 &&
                (!settings->keys || dsn_curve_connect(socket, settings->keys, settings->server_key)) &&
                (type != ZMQ_SUB || zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0) == 0) &&
                zmq_connect(socket, endpoint) == 0;
    if (!good && socket) {
        zmq_close(socket);
        socket = NULL;
    }
    return socket;
}

/* Asks for what comes after the position. A new socket each time that an answer did not come: what was asked
 * before is not answered any more. */
static void ask(struct dsn_subscriber *s) {
    char *position = s->position.n > 0 ? dsn_position_text(&s->position) : g_strdup("$");
    const struct dsn_strview frames[] = {DSN_LIT(""), DSN_WIRE_REPLAY, dsn_sv_str(position)};
    if (!s->replay)
        s->replay = connect_socket(s, ZMQ_DEALER, s->settings->replay);
    bool asked = s->replay && dsn_wire_send(s->replay, frames, G_N_ELEMENTS(frames));
    s->state = asked ? ASKING : WAITING;
    s->due_ms = dsn_clock_monotonic_ms() + (asked ? ANSWER_TIMEOUT_MS : AGAIN_MS);
    g_free(position);
}

static void ask_anew(struct dsn_subscriber *s) {
    if (s->state == ASKING) {
        if (!s->told_trouble)
            notice(s, "the replay at %s does not answer; asking on", s->settings->replay);
        s->told_trouble = true;
        zmq_close(s->replay);
        s->replay = NULL;
    }
    ask(s);
}

/* Events */

static void tell(struct dsn_subscriber *s, struct dsn_strview topic, struct dsn_strview entry,
                 struct dsn_strview event) {
    unsigned shard;
    struct dsn_entry_id id;
    if (!dsn_entry_name_parse(entry, &shard, &id))
        return;
    if (shard < s->position.n) {
        if (dsn_entry_id_compare(id, s->position.ids[shard]) <= 0)
            return; /* a replay had it */
        s->position.ids[shard] = id;
    }
    s->finished = !s->settings->event(s->settings->context, topic, entry, event);
}

/* Returns whether the message follows the one before. */
static bool follows(const struct dsn_subscriber *s, uint64_t epoch, uint64_t sequence, bool is_beat) {
    return s->knows_numbers && epoch == s->epoch && sequence == s->sequence + !is_beat;
}

/* People are told of each gap; it counts as a loss where nobody mends it. */
static void tell_gap(struct dsn_subscriber *s, uint64_t epoch, uint64_t sequence, bool is_beat) {
    bool same = epoch == s->epoch, mended = s->settings->replay;
    const char *then = mended ? "asking for a replay" : "there is no replay";
    uint64_t missing = same ? sequence - s->sequence - !is_beat : 1;
    if (!s->knows_numbers)
        return;
    s->lost += mended ? 0 : missing;
    if (same)
        notice(s, "a gap of %" G_GUINT64_FORMAT " events; %s", missing, then);
    else
        notice(s, "dsnd was started again; %s", then);
}

static void take_message(struct dsn_subscriber *s, struct dsn_wire_message *m) {
    uint64_t epoch, sequence;
    struct dsn_strview topic = dsn_wire_frame(m, 0), entry = dsn_wire_frame(m, 2);
    bool is_beat = dsn_sv_eq(topic, DSN_WIRE_HEARTBEAT);
    if (m->n < 4 || !dsn_wire_get_numbers(dsn_wire_frame(m, 1), &epoch, &sequence))
        return;
    bool whole = follows(s, epoch, sequence, is_beat);
    if (!whole)
        tell_gap(s, epoch, sequence, is_beat);
    s->knows_numbers = true;
    s->epoch = epoch;
    s->sequence = sequence;
    if (!whole && s->settings->replay)
        ask(s); /* this one is in the replay, too */
    else if (!is_beat)
        tell(s, topic, entry, dsn_wire_frame(m, 3));
}

/* Answers */

/* A position of one id stands for all shards: now it is known how many there are. */
static void spread_position(struct dsn_subscriber *s, struct dsn_strview answer) {
    struct dsn_position other = {0};
    if (s->position.n == 1 && dsn_position_parse(answer, 0, &other) && other.n > 1) {
        char *text = dsn_position_text(&s->position);
        dsn_position_parse(dsn_sv_str(text), other.n, &s->position);
        g_free(text);
    }
    dsn_position_clear(&other);
}

static void take_events(struct dsn_subscriber *s, struct dsn_wire_message *m, size_t head) {
    if (dsn_sv_eq(dsn_wire_frame(m, head + 2), DSN_WIRE_TRIMMED)) {
        s->lost++;
        notice(s, "the stream was trimmed: events after the position are gone");
    }
    size_t n = (m->n - head - 3) / 3;
    spread_position(s, dsn_wire_frame(m, head + 1));
    for (size_t i = head + 3; i + 2 < m->n && !s->finished; i += 3)
        tell(s, dsn_wire_frame(m, i), dsn_wire_frame(m, i + 1), dsn_wire_frame(m, i + 2));
    if (!s->finished)
        dsn_position_parse(dsn_wire_frame(m, head + 1), 0, &s->position);
    s->told_trouble = false;
    if (n > 0)
        ask(s);
    else
        s->state = LIVE;
}

/* Only "away" passes by itself; but whoever follows a feed goes on in every case. */
static void take_error(struct dsn_subscriber *s, struct dsn_strview text) {
    if (!s->told_trouble)
        notice(s, "the replay says: %.*s", (int)MIN(text.n, 500), text.n ? text.p : "");
    s->told_trouble = true;
    s->state = WAITING;
    s->due_ms = dsn_clock_monotonic_ms() + AGAIN_MS;
}

static void take_answer(struct dsn_subscriber *s, struct dsn_wire_message *m) {
    const size_t head = 1; /* after the envelope */
    struct dsn_strview what = dsn_wire_frame(m, head);
    if (dsn_sv_eq(what, DSN_WIRE_EVENTS) && m->n >= head + 3)
        take_events(s, m, head);
    else
        take_error(s, dsn_sv_eq(what, DSN_WIRE_ERROR) ? dsn_wire_frame(m, head + 2)
                                                      : DSN_LIT("an unknown answer"));
}

/* Running */

static void receive(struct dsn_subscriber *s, void *socket,
                    void (*take)(struct dsn_subscriber *s, struct dsn_wire_message *m)) {
    enum state before = s->state;
    while (!s->finished && s->state == before && dsn_wire_receive(socket, &s->message) == DSN_OK) {
        take(s, &s->message);
        dsn_wire_clear(&s->message);
    }
    dsn_wire_clear(&s->message);
}

/* The feed is read while nothing is asked; the replay while something is. */
static void step(struct dsn_subscriber *s) {
    bool live = s->state == LIVE;
    int64_t left_ms = live ? -1 : MAX(s->due_ms - dsn_clock_monotonic_ms(), 0);
    zmq_pollitem_t items[] = {
        {.fd = s->settings->stop_fd, .events = ZMQ_POLLIN},
        {.socket = live ? s->feed : s->replay, .events = ZMQ_POLLIN},
    };
    int n = s->state == WAITING ? 1 : 2;
    if (zmq_poll(items, n, left_ms) == 0 && !live)
        ask_anew(s);
    if (items[0].revents)
        s->finished = true;
    else if (n == 2 && items[1].revents)
        receive(s, items[1].socket, live ? take_message : take_answer);
}

void dsn_subscriber_run(struct dsn_subscriber *s) {
    if (s->settings->replay)
        ask(s);
    while (!s->finished)
        step(s);
}

enum dsn_error dsn_subscriber_open(const struct dsn_subscriber_settings *settings, char *why, size_t why_size,
                                   struct dsn_subscriber **out) {
    struct dsn_subscriber *s = g_new0(struct dsn_subscriber, 1);
    s->settings = settings;
    s->context = zmq_ctx_new();
    if (settings->from && !dsn_position_parse(dsn_sv_str(settings->from), 0, &s->position)) {
        snprintf(why, why_size, "%s: no position; expected an id of the stream, as in 1795559331645-0",
                 settings->from);
        dsn_subscriber_close(s);
        return DSN_ERR_INVALID;
    }
    s->feed = connect_socket(s, ZMQ_SUB, settings->feed);
    s->replay = settings->replay ? connect_socket(s, ZMQ_DEALER, settings->replay) : NULL;
    if (!s->feed || (settings->replay && !s->replay)) {
        snprintf(why, why_size, "%s: %s", s->feed ? settings->replay : settings->feed,
                 zmq_strerror(zmq_errno()));
        dsn_subscriber_close(s);
        return DSN_ERR_IO;
    }
    *out = s;
    return DSN_OK;
}

void dsn_subscriber_close(struct dsn_subscriber *s) {
    if (!s)
        return;
    if (s->feed)
        zmq_close(s->feed);
    if (s->replay)
        zmq_close(s->replay);
    zmq_ctx_term(s->context);
    dsn_position_clear(&s->position);
    g_free(s);
}

uint64_t dsn_subscriber_lost(const struct dsn_subscriber *s) {
    return s->lost;
}

char *dsn_subscriber_position(const struct dsn_subscriber *s) {
    return s->position.n > 0 ? dsn_position_text(&s->position) : NULL;
}
