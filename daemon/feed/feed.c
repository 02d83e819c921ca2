/* feed: publishes what is in the streams on a ZeroMQ PUB socket, dsnd-feed(7) has its contract. A subscriber
 * that is too slow loses messages, and nobody waits for it. */
#include "feed.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/sv.h"
#include "event/cloudevent.h"
#include "wire.h"

#include <arpa/inet.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

#define LINGER_MS 1000                  /* how long leaving may take */
#define TOPIC_MAX_BYTES ((int64_t)4096) /* of a subscription; topics are far shorter */

struct feed {
    struct dsn_sink sink; /* first */
    void *socket;
    unsigned shards;
    uint64_t epoch;    /* microseconds since 1970 when the feed was opened: sequences of two runs never mix */
    uint64_t sequence; /* of the last event */
    char *cloudevents; /* NULL: events as they are */
    GString *envelope;
    char *position; /* up to which all was published; NULL: not known yet */
    int64_t heartbeat_ms, heartbeat_at_ms;
    bool failed; /* logged already */
};

/* The host of "HOST:PORT": an address, written out (names can change), in brackets where it is one of IPv6,
 * or * for all. False: it is no such text. */
static bool read_host(const char *text, char host[64]) {
    struct in6_addr address;
    const char *colon = strrchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : 0;
    if (n == 0 || n >= 64 || !colon[1] || colon[1 + strspn(colon + 1, "0123456789")] != '\0')
        return false;
    memcpy(host, text, n);
    host[n] = '\0';
    if (host[0] != '[')
        return strcmp(host, "*") == 0 || inet_pton(AF_INET, host, &address) == 1;
    if (host[n - 1] != ']')
        return false;
    host[n - 1] = '\0';
    memmove(host, host + 1, n - 1);
    return inet_pton(AF_INET6, host, &address) == 1;
}

const char *dsn_feed_refuse(const char *endpoint) {
    char host[64];
    if (strncmp(endpoint, "ipc://", 6) == 0)
        return endpoint[6] == '/' ? NULL : "no absolute path; expected ipc:///PATH";
    if (strncmp(endpoint, "tcp://", 6) != 0 || !read_host(endpoint + 6, host))
        return "no endpoint; expected tcp://127.0.0.1:PORT, another address, tcp://*:PORT or ipc:///PATH";
    return NULL;
}

bool dsn_feed_is_local(const char *endpoint) {
    char host[64];
    struct in_addr v4;
    if (strncmp(endpoint, "tcp://", 6) != 0)
        return true;
    return read_host(endpoint + 6, host) &&
           (strcmp(host, "::1") == 0 ||
            (inet_pton(AF_INET, host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127));
}

static void send_frames(struct feed *feed, struct dsn_strview topic, struct dsn_strview entry,
                        struct dsn_strview body) {
    unsigned char numbers[DSN_WIRE_NUMBERS_SIZE];
    dsn_wire_put_numbers(numbers, feed->epoch, feed->sequence);
    const struct dsn_strview frames[] = {topic, dsn_sv((const char *)numbers, sizeof numbers), entry, body};
    bool sent = dsn_wire_send(feed->socket, frames, G_N_ELEMENTS(frames));
    if (!sent && !feed->failed)
        DSN_LOG(DSN_LOG_ERROR, "feed-failed", dsn_log_str("error", zmq_strerror(zmq_errno())));
    feed->failed = !sent;
}

static char *resume(struct dsn_sink *sink) {
    (void)sink;
    return NULL;
}

static void publish(struct dsn_sink *sink, const struct dsn_entry *entry) {
    struct feed *feed = (struct feed *)(void *)sink;
    char name[DSN_ENTRY_NAME_SIZE];
    dsn_entry_name_write(name, entry->shard, feed->shards, entry->id);
    feed->sequence++;
    struct dsn_strview event = entry->event;
    if (feed->cloudevents) {
        g_string_truncate(feed->envelope, 0);
        dsn_cloudevent_append(feed->envelope, feed->cloudevents, entry->event_id, event);
        event = dsn_sv(feed->envelope->str, feed->envelope->len);
    }
    send_frames(feed, entry->topic, dsn_sv_str(name), event);
}

static bool settle(struct dsn_sink *sink, const struct dsn_position *position) {
    struct feed *feed = (struct feed *)(void *)sink;
    g_free(feed->position);
    feed->position = dsn_position_text(position);
    return true;
}

/* Heartbeats begin when it is known from where on events are published. */
static int64_t idle(struct dsn_sink *sink, int64_t now_ms) {
    struct feed *feed = (struct feed *)(void *)sink;
    if (now_ms >= feed->heartbeat_at_ms) {
        if (feed->position)
            send_frames(feed, DSN_WIRE_HEARTBEAT, dsn_sv_str(feed->position), DSN_LIT(""));
        feed->heartbeat_at_ms = now_ms + feed->heartbeat_ms;
    }
    return feed->heartbeat_at_ms;
}

static void close_feed(struct dsn_sink *sink) {
    struct feed *feed = (struct feed *)(void *)sink;
    if (feed->socket)
        zmq_close(feed->socket);
    g_string_free(feed->envelope, TRUE);
    g_free(feed->cloudevents);
    g_free(feed->position);
    g_free(feed);
}

static const struct dsn_sink_ops feed_ops = {.kind = "feed",
                                             .resume = resume,
                                             .publish = publish,
                                             .settle = settle,
                                             .idle = idle,
                                             .close = close_feed};

static bool set_up(struct feed *feed, const struct dsn_feed_settings *settings) {
    const int linger = LINGER_MS, on = 1;
    const int64_t max_bytes = TOPIC_MAX_BYTES;
    feed->socket = zmq_socket(settings->context, ZMQ_PUB);
    return feed->socket && (!settings->keys || dsn_curve_serve(feed->socket, settings->keys)) &&
           zmq_setsockopt(feed->socket, ZMQ_SNDHWM, &settings->hwm, sizeof settings->hwm) == 0 &&
           zmq_setsockopt(feed->socket, ZMQ_LINGER, &linger, sizeof linger) == 0 &&
           zmq_setsockopt(feed->socket, ZMQ_MAXMSGSIZE, &max_bytes, sizeof max_bytes) == 0 &&
           zmq_setsockopt(feed->socket, ZMQ_IPV6, &on, sizeof on) == 0 &&
           zmq_bind(feed->socket, settings->bind) == 0;
}

enum dsn_error dsn_feed_open(const struct dsn_feed_settings *settings, char *why, size_t why_size,
                             struct dsn_sink **out) {
    struct feed *feed = g_new0(struct feed, 1);
    feed->sink.ops = &feed_ops;
    feed->epoch = (uint64_t)dsn_clock_real_us();
    feed->heartbeat_ms = settings->heartbeat_ms;
    feed->shards = settings->shards;
    feed->cloudevents = g_strdup(settings->cloudevents);
    feed->envelope = g_string_new(NULL);
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
