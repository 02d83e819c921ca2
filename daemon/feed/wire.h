/* wire: what goes over the feed's sockets, see dsnd-feed(7), and messages of several frames. */
#ifndef FEED_WIRE_H
#define FEED_WIRE_H

#include "dsn/error.h"
#include "dsn/strview.h"

#include <stdbool.h>
#include <stdint.h>
#include <zmq.h>

#define DSN_WIRE_NUMBERS_SIZE 16
#define DSN_WIRE_HEARTBEAT DSN_LIT("heartbeat")
#define DSN_WIRE_REPLAY DSN_LIT("REPLAY")
#define DSN_WIRE_SNAPSHOT DSN_LIT("SNAPSHOT")
#define DSN_WIRE_EVENTS DSN_LIT("EVENTS")
#define DSN_WIRE_SUPPRESSED DSN_LIT("SUPPRESSED")
#define DSN_WIRE_ERROR DSN_LIT("ERROR")
#define DSN_WIRE_TRIMMED DSN_LIT("trimmed")
#define DSN_WIRE_END DSN_LIT("$")

/* Of a message that is received: enough for the longest reply, and its envelope. */
#define DSN_WIRE_MAX_FRAMES 1024

/* Two big-endian 64-bit integers. */
void dsn_wire_put_numbers(unsigned char out[DSN_WIRE_NUMBERS_SIZE], uint64_t epoch, uint64_t sequence);
bool dsn_wire_get_numbers(struct dsn_strview frame, uint64_t *epoch, uint64_t *sequence);

/* Sends the frames as one message, without waiting. False: it could not be sent, see zmq_errno. */
bool dsn_wire_send(void *socket, const struct dsn_strview *frames, size_t n);

/* A message that came. */
struct dsn_wire_message {
    size_t n;
    zmq_msg_t frames[DSN_WIRE_MAX_FRAMES];
};

/* Takes the next message, without waiting; cleared by dsn_wire_clear, also before it takes the place of
 * another. DSN_ERR_BUSY: there is none. DSN_ERR_LIMIT: there was one of too many frames: the first ones are
 * kept. */
enum dsn_error dsn_wire_receive(void *socket, struct dsn_wire_message *message);
void dsn_wire_clear(struct dsn_wire_message *message);
/* Borrowed from the message; absent past its end. */
struct dsn_strview dsn_wire_frame(struct dsn_wire_message *message, size_t i);

#endif
