/* wire: messages of several frames over ZeroMQ. Knows no socket's meaning. */
#include "wire.h"

#include "base/sv.h"

#include <endian.h>
#include <string.h>

void dsn_wire_put_numbers(unsigned char out[DSN_WIRE_NUMBERS_SIZE], uint64_t epoch, uint64_t sequence) {
    const uint64_t numbers[] = {htobe64(epoch), htobe64(sequence)};
    memcpy(out, numbers, sizeof numbers);
}

bool dsn_wire_get_numbers(struct dsn_strview frame, uint64_t *epoch, uint64_t *sequence) {
    uint64_t numbers[2];
    if (frame.n != sizeof numbers)
        return false;
    memcpy(numbers, frame.p, sizeof numbers);
    *epoch = be64toh(numbers[0]);
    *sequence = be64toh(numbers[1]);
    return true;
}

bool dsn_wire_send(void *socket, const struct dsn_strview *frames, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (zmq_send(socket, frames[i].n > 0 ? frames[i].p : "", frames[i].n,
                     ZMQ_DONTWAIT | (i + 1 < n ? ZMQ_SNDMORE : 0)) < 0)
            return false;
    return true;
}

static enum dsn_error receive_frame(void *socket, zmq_msg_t *frame) {
    zmq_msg_init(frame);
    if (zmq_msg_recv(frame, socket, ZMQ_DONTWAIT) >= 0)
        return DSN_OK;
    zmq_msg_close(frame);
    return zmq_errno() == EAGAIN || zmq_errno() == EINTR ? DSN_ERR_BUSY : DSN_ERR_IO;
}

/* The frames of a message come together: where there is one, the others are there. */
enum dsn_error dsn_wire_receive(void *socket, struct dsn_wire_message *message) {
    message->n = 0;
    enum dsn_error error;
    bool more;
    do {
        error = receive_frame(socket, &message->frames[message->n]);
        more = !error && zmq_msg_more(&message->frames[message->n]);
        message->n += !error;
    } while (more && message->n < DSN_WIRE_MAX_FRAMES);
    if (!more)
        return error;
    while (more) {
        zmq_msg_t excess;
        more = !receive_frame(socket, &excess) && zmq_msg_more(&excess);
        zmq_msg_close(&excess);
    }
    return DSN_ERR_LIMIT;
}

void dsn_wire_clear(struct dsn_wire_message *message) {
    for (size_t i = 0; i < message->n; i++)
        zmq_msg_close(&message->frames[i]);
    message->n = 0;
}

struct dsn_strview dsn_wire_frame(struct dsn_wire_message *message, size_t i) {
    return i < message->n ? dsn_sv(zmq_msg_data(&message->frames[i]), zmq_msg_size(&message->frames[i]))
                          : DSN_NONE;
}
