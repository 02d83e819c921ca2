/* follow: prints every event of dsnd's feed, once and in order, whatever happens in between: see
 * dsnd-feed(7), "How to miss nothing".
 *
 * usage: follow FEED REPLAY [POSITION]     as in: follow tcp://127.0.0.1:5556 tcp://127.0.0.1:5557 0
 *
 * Begins after POSITION; with what is new where none is given. For a Redis without shards.
 * cc -o follow follow.c $(pkg-config --cflags --libs libzmq) */
#include <endian.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#define TIMEOUT_MS 5000 /* then it is asked again */

static char position[64] = "$";

/* Takes a frame, the first `size - 1` bytes of it, as a text. Returns its length; -1: none came. `*more`:
 * others follow. */
static int receive(void *socket, char *out, size_t size, bool *more) {
    int n = zmq_recv(socket, out, size - 1, 0), value = 0;
    out[n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1] = '\0';
    zmq_getsockopt(socket, ZMQ_RCVMORE, &value, &(size_t){sizeof value});
    *more = n >= 0 && value;
    return n;
}

static void print_frame(void *socket, bool *more) {
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    if (zmq_msg_recv(&frame, socket, 0) >= 0) {
        fwrite(zmq_msg_data(&frame), 1, zmq_msg_size(&frame), stdout);
        puts("");
        fflush(stdout);
    }
    *more = zmq_msg_more(&frame);
    zmq_msg_close(&frame);
}

static bool is_new(const char *entry) {
    uint64_t a[2] = {0}, b[2] = {0};
    sscanf(entry, "%" SCNu64 "-%" SCNu64, &a[0], &a[1]);
    sscanf(position, "%" SCNu64 "-%" SCNu64, &b[0], &b[1]);
    return a[0] > b[0] || (a[0] == b[0] && a[1] > b[1]);
}

/* Takes an answer. Returns how many events were in it; -1: it did not come; -2: events are missing. */
static int print_answer(void *replay) {
    char what[64], trimmed[256], skipped[512] = "";
    bool more;
    int n = 0;
    if (receive(replay, what, sizeof what, &more) < 0)
        return -1;
    receive(replay, what[0] == 'E' && what[1] == 'V' ? position : skipped, sizeof position, &more);
    receive(replay, trimmed, sizeof trimmed, &more);
    if (strcmp(what, "EVENTS") != 0 || trimmed[0])
        return strcmp(skipped, "away") == 0 ? -1 : (fprintf(stderr, "events are missing: %s\n", trimmed), -2);
    for (; more; n++) {
        receive(replay, skipped, sizeof skipped, &more);
        receive(replay, skipped, sizeof skipped, &more);
        print_frame(replay, &more);
    }
    return n;
}

static bool print_missed(void *context, const char *endpoint) {
    int n = 1;
    while (n > 0 || n == -1) {
        void *replay = zmq_socket(context, ZMQ_REQ);
        zmq_setsockopt(replay, ZMQ_RCVTIMEO, &(int){TIMEOUT_MS}, sizeof(int));
        zmq_setsockopt(replay, ZMQ_LINGER, &(int){0}, sizeof(int));
        zmq_connect(replay, endpoint);
        zmq_send(replay, "REPLAY", 6, ZMQ_SNDMORE);
        zmq_send(replay, position, strlen(position), 0);
        n = print_answer(replay);
        zmq_close(replay);
    }
    return n == 0;
}

int main(int argc, char **argv) {
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: follow FEED REPLAY [POSITION]\n");
        return 2;
    }
    snprintf(position, sizeof position, "%s", argc > 3 ? argv[3] : "$");
    void *context = zmq_ctx_new(), *feed = zmq_socket(context, ZMQ_SUB);
    zmq_setsockopt(feed, ZMQ_SUBSCRIBE, "", 0);
    zmq_connect(feed, argv[1]);
    bool good = print_missed(context, argv[2]), more;
    uint64_t last[2] = {0};
    while (good) {
        char topic[1024], entry[64], skipped[8];
        uint64_t numbers[3] = {0};
        receive(feed, topic, sizeof topic, &more);
        receive(feed, (char *)numbers, sizeof numbers, &more);
        receive(feed, entry, sizeof entry, &more);
        bool beat = strcmp(topic, "heartbeat") == 0;
        bool whole = be64toh(numbers[0]) == last[0] && be64toh(numbers[1]) == last[1] + !beat;
        last[0] = be64toh(numbers[0]);
        last[1] = be64toh(numbers[1]);
        if (whole && !beat && is_new(entry)) {
            memcpy(position, entry, sizeof position);
            print_frame(feed, &more);
        } else {
            receive(feed, skipped, sizeof skipped, &more);
        }
        if (!whole)
            good = print_missed(context, argv[2]);
    }
    return 1;
}
