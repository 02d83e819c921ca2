/* letter: from the fields of an entry to a message. Asks Redis nothing. */
#include "letter.h"
#include "envelope.h"

#include "redis/queue.h"

#include <glib.h>

enum dsn_error dsn_letter_write(const struct redisReply *fields, size_t max_bytes, struct dsn_bytes *out) {
    struct dsn_strview message = dsn_queue_field(fields, DSN_QUEUE_MESSAGE), address;
    if (!message.n)
        return DSN_ERR_INVALID;
    GArray *to = g_array_new(FALSE, FALSE, sizeof address);
    for (size_t at = 0; (address = dsn_queue_next(fields, DSN_QUEUE_TO, &at)).p;)
        g_array_append_val(to, address);
    const struct dsn_envelope envelope = {.from = dsn_queue_field(fields, DSN_QUEUE_FROM),
                                          .to = (const struct dsn_strview *)(const void *)to->data,
                                          .n_to = to->len};
    enum dsn_error error = dsn_envelope_write(&envelope, message, max_bytes, out);
    g_array_unref(to);
    return error;
}
