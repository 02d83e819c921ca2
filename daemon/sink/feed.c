/* feed: publishes committed events on a ZeroMQ PUB socket. Four frames: topic; epoch and sequence, two
 * big-endian 64-bit integers; id of the Redis stream's entry; the event. The sequence counts events from 1; a
 * heartbeat (topic "heartbeat", last frame empty) carries that of the last event. */
#include "feed.h"

#include "base/clock.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define LINGER_MS 1000 /* how long leaving may take */
#define NEVER_MS INT64_MAX

struct feed {
    struct dsn_sink sink; /* first */
    void *context, *socket;
    uint64_t epoch;    /* microseconds since 1970 when the feed was opened: sequences of two runs never mix */
    uint64_t sequence; /* of the last event */
    char entry[DSN_RECORD_ENTRY_SIZE]; /* of the last event */
    int64_t heartbeat_ms, heartbeat_at_ms;
    bool failed; /* logged already */
};

/* "127.0.0.1:5556" or "[::1]:5556": an address of the loopback interface, written out (names can change), and
 * a port. */
static bool is_loopback(const char *text) {
    struct in_addr v4;
    char host[64] = "";
    const char *colon = strrchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : 0;
    if (n == 0 || n >= sizeof host || !colon[1] || colon[1 + strspn(colon + 1, "0123456789")] != '\0')
        return false;
    memcpy(host, text, n);
    if (strcmp(host, "[::1]") == 0)
        return true;
    return inet_pton(AF_INET, host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}

const char *dsn_feed_refuse(const char *endpoint) {
    if (strncmp(endpoint, "ipc://", 6) == 0)
        return endpoint[6] == '/' ? NULL : "no absolute path; expected ipc:///PATH";
    if (strncmp(endpoint, "tcp://", 6) != 0)
        return "no endpoint; expected tcp://127.0.0.1:PORT or ipc:///PATH";
    if (is_loopback(endpoint + 6))
        return NULL;
    return "not the loopback interface: the feed is not encrypted and must not leave the host; expected "
           "tcp://127.0.0.1:PORT, tcp://[::1]:PORT or ipc:///PATH";
}

static void put_uint64(unsigned char out[8], uint64_t n) {
    for (int i = 7; i >= 0; i--, n >>= 8)
        out[i] = (unsigned char)n;
}

static bool send_frame(struct feed *feed, const void *p, size_t n, int flags) {
    return zmq_send(feed->socket, p, n, flags | ZMQ_DONTWAIT) >= 0;
}

static void send_frames(struct feed *feed, struct dsn_strview topic, struct dsn_strview body) {
    unsigned char numbers[16];
    put_uint64(numbers, feed->epoch);
    put_uint64(numbers + 8, feed->sequence);
    bool sent = send_frame(feed, topic.p, topic.n, ZMQ_SNDMORE) &&
                send_frame(feed, numbers, sizeof numbers, ZMQ_SNDMORE) &&
                send_frame(feed, feed->entry, strlen(feed->entry), ZMQ_SNDMORE) &&
                send_frame(feed, body.p, body.n, 0);
    if (!sent && !feed->failed)
        DSN_LOG(DSN_LOG_ERROR, "feed-failed", dsn_log_str("error", zmq_strerror(errno)));
    feed->failed = !sent;
}

static void publish(struct dsn_sink *sink, const struct dsn_record *record) {
    struct feed *feed = (struct feed *)(void *)sink;
    feed->sequence++;
    memcpy(feed->entry, record->entry, sizeof feed->entry);
    send_frames(feed, record->topic, record->json);
}

static int64_t idle(struct dsn_sink *sink, int64_t now_ms) {
    struct feed *feed = (struct feed *)(void *)sink;
    if (feed->heartbeat_ms == 0)
        return NEVER_MS;
    if (now_ms >= feed->heartbeat_at_ms) {
        send_frames(feed, DSN_LIT("heartbeat"), DSN_LIT(""));
        feed->heartbeat_at_ms = now_ms + feed->heartbeat_ms;
    }
    return feed->heartbeat_at_ms;
}

static void close_feed(struct dsn_sink *sink) {
    struct feed *feed = (struct feed *)(void *)sink;
    if (feed->socket)
        zmq_close(feed->socket);
    if (feed->context)
        zmq_ctx_term(feed->context);
    free(feed);
}

static const struct dsn_sink_ops feed_ops = {
    .kind = "feed", .publish = publish, .idle = idle, .close = close_feed};

static bool set_up(struct feed *feed, const struct dsn_feed_settings *settings) {
    const int linger = LINGER_MS, on = 1;
    feed->context = zmq_ctx_new();
    feed->socket = feed->context ? zmq_socket(feed->context, ZMQ_PUB) : NULL;
    return feed->socket &&
           zmq_setsockopt(feed->socket, ZMQ_SNDHWM, &settings->hwm, sizeof settings->hwm) == 0 &&
           zmq_setsockopt(feed->socket, ZMQ_LINGER, &linger, sizeof linger) == 0 &&
           zmq_setsockopt(feed->socket, ZMQ_IPV6, &on, sizeof on) == 0 &&
           zmq_bind(feed->socket, settings->bind) == 0;
}

enum dsn_error dsn_feed_open(const struct dsn_feed_settings *settings, char *why, size_t why_size,
                             struct dsn_sink **out) {
    struct feed *feed = calloc(1, sizeof *feed);
    if (!feed)
        return DSN_ERR_MEMORY;
    feed->sink.ops = &feed_ops;
    feed->epoch = (uint64_t)dsn_clock_real_us();
    feed->heartbeat_ms = settings->heartbeat_ms;
    if (!set_up(feed, settings)) {
        snprintf(why, why_size, "feed %s: %s", settings->bind, zmq_strerror(zmq_errno()));
        close_feed(&feed->sink);
        return DSN_ERR_IO;
    }
    char endpoint[256] = "";
    size_t size = sizeof endpoint;
    zmq_getsockopt(feed->socket, ZMQ_LAST_ENDPOINT, endpoint, &size);
    DSN_LOG(DSN_LOG_INFO, "feed-open", dsn_log_str("endpoint", endpoint));
    *out = &feed->sink;
    return DSN_OK;
}
