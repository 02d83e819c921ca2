/* queue: what Redis may give to one who reads the queue, through hiredis, up to the messages of its entries.
 * The input is a tree of values: 0 and a length (two bytes, the lower one first) is a text, 1 and a number an
 * array of so many, 2 a number, 3 nil. */
#include "envelope.h"
#include "reader.h"
#include "redis/queue.h"
#include "source/letter.h"

#include <hiredis/hiredis.h>

enum { MAX_DEPTH = 6, MAX_BYTES = 1 << 20 };

static unsigned take_byte(struct dsn_strview *rest) {
    unsigned byte = rest->n ? (unsigned char)rest->p[0] : 0;
    *rest = dsn_sv_from(*rest, rest->n > 0);
    return byte;
}

/* Writes the next value as Redis does. */
static void write_value(struct dsn_strview *rest, unsigned depth, GString *out) {
    unsigned kind = rest->n ? take_byte(rest) % 4 : 3;
    if (kind == 0) {
        size_t n = take_byte(rest);
        n += 256 * take_byte(rest);
        n = MIN(n, rest->n);
        g_string_append_printf(out, "$%zu\r\n", n);
        g_string_append_len(out, rest->p, (gssize)n);
        g_string_append(out, "\r\n");
        *rest = dsn_sv_from(*rest, n);
    } else if (kind == 1 && depth < MAX_DEPTH) {
        unsigned n = take_byte(rest);
        g_string_append_printf(out, "*%u\r\n", n);
        for (unsigned i = 0; i < n; i++)
            write_value(rest, depth + 1, out);
    } else {
        g_string_append(out, kind == 2 ? ":1\r\n" : "$-1\r\n");
    }
}

static void check_entry(const redisReply *entry) {
    if (!dsn_queue_id(entry) || entry->element[1]->type != REDIS_REPLY_ARRAY)
        return;
    const redisReply *fields = entry->element[1];
    struct dsn_strview message = dsn_queue_field(fields, DSN_QUEUE_MESSAGE);
    struct dsn_bytes bytes = {0};
    enum dsn_error error = dsn_letter_write(fields, MAX_BYTES, &bytes);
    PROMISE(error == (message.n ? DSN_OK : DSN_ERR_INVALID));
    struct dsn_strview *to = g_new(struct dsn_strview, fields->elements + 1);
    struct dsn_envelope envelope = {.from = dsn_queue_field(fields, DSN_QUEUE_FROM), .to = to};
    for (size_t i = 0; i + 1 < fields->elements; i += 2)
        if (g_strcmp0(fields->element[i]->str, DSN_QUEUE_TO) == 0 && fields->element[i + 1]->str)
            to[envelope.n_to++] = dsn_sv(fields->element[i + 1]->str, fields->element[i + 1]->len);
    if (!error) {
        check_front(dsn_sv(bytes.p, bytes.n), &envelope, message);
        check_message(dsn_sv(bytes.p, bytes.n));
    }
    dsn_bytes_clear(&bytes);
    g_free(to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct dsn_strview rest = dsn_sv((const char *)data, size);
    GString *text = g_string_new(NULL);
    redisReader *redis = redisReaderCreate();
    void *reply = NULL;
    const char *cursor = NULL;
    write_value(&rest, 0, text);
    PROMISE(redisReaderFeed(redis, text->str, text->len) == REDIS_OK);
    PROMISE(redisReaderGetReply(redis, &reply) == REDIS_OK && reply);
    redisReply *lists[] = {dsn_queue_read(reply), dsn_queue_claimed(reply, &cursor)};
    PROMISE(!lists[1] || cursor);
    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++)
        for (size_t e = 0; lists[i] && e < lists[i]->elements; e++)
            check_entry(lists[i]->element[e]);
    freeReplyObject(reply);
    redisReaderFree(redis);
    g_string_free(text, TRUE);
    return 0;
}
