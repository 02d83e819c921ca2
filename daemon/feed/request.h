/* request: what a subscriber asks of the replay (dsnd-feed(7)), read from the frames of its message. Knows no
 * socket and no Redis. */
#ifndef FEED_REQUEST_H
#define FEED_REQUEST_H

#include "redis/position.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DSN_REQUEST_MAX_EVENTS 256 /* of one answer */

enum dsn_request_kind { DSN_REQUEST_REPLAY, DSN_REQUEST_SNAPSHOT };

struct dsn_request {
    enum dsn_request_kind kind;
    /* REPLAY position [max] */
    struct dsn_position position; /* a shard each; n 0: the end */
    size_t max;                   /* events; 1 to DSN_REQUEST_MAX_EVENTS */
    /* SNAPSHOT [cursor] */
    bool begins;
    unsigned shard;
    uint64_t cursor; /* of ZSCAN */
};

/* How many frames the envelope takes, with the empty one that ends it (RFC 28/REQREP of ZeroMQ); 0: there is
 * none. */
size_t dsn_request_envelope(const struct dsn_strview *frames, size_t n);
/* Reads the frames behind the envelope; cleared with dsn_request_clear, whatever comes of it. Returns what is
 * wrong with them, for people; NULL: nothing. */
const char *dsn_request_read(const struct dsn_strview *frames, size_t n, unsigned shards,
                             struct dsn_request *out);
void dsn_request_clear(struct dsn_request *request);

/* "SHARD:CURSOR", as a request to go on with a snapshot has it; freed with g_free. */
char *dsn_request_cursor(unsigned shard, uint64_t cursor);

#endif
