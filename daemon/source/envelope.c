/* envelope: writes Return-Path and Delivered-To. Knows no source. */
#include "envelope.h"

#include <string.h>

enum { HEADER_BYTES = 32 }; /* of a header but its address, at most */

bool dsn_envelope_accepts(struct dsn_strview address) {
    for (size_t i = 0; i < address.n; i++)
        if ((unsigned char)address.p[i] < ' ' || address.p[i] == 0x7f)
            return false;
    return address.n <= DSN_ENVELOPE_ADDRESS_MAX;
}

static void add(struct dsn_bytes *out, struct dsn_strview s) {
    size_t room = out->capacity - out->n, n = s.n < room ? s.n : room;
    if (n > 0)
        memcpy(out->p + out->n, s.p, n);
    out->n += n;
}

static void add_header(struct dsn_bytes *out, const char *name, const char *before,
                       struct dsn_strview address, const char *after) {
    if (!address.p || !dsn_envelope_accepts(address))
        return;
    add(out, (struct dsn_strview){name, strlen(name)});
    add(out, (struct dsn_strview){before, strlen(before)});
    add(out, address);
    add(out, (struct dsn_strview){after, strlen(after)});
}

static struct dsn_strview without_from_line(struct dsn_strview message) {
    const char *end =
        message.n > 5 && memcmp(message.p, "From ", 5) == 0 ? memchr(message.p, '\n', message.n) : NULL;
    if (!end)
        return message;
    size_t n = (size_t)(end - message.p) + 1;
    return (struct dsn_strview){message.p + n, message.n - n};
}

enum dsn_error dsn_envelope_write(const struct dsn_envelope *envelope, struct dsn_strview message,
                                  size_t max_bytes, struct dsn_bytes *out) {
    size_t n = message.n + envelope->from.n + HEADER_BYTES;
    for (size_t i = 0; i < envelope->n_to; i++)
        n += envelope->to[i].n + HEADER_BYTES;
    if (!dsn_bytes_reserve(out, n < max_bytes ? n : max_bytes))
        return DSN_ERR_MEMORY;
    out->n = 0;
    add_header(out, "Return-Path: ", "<", envelope->from, ">\n");
    for (size_t i = 0; i < envelope->n_to; i++)
        add_header(out, "Delivered-To: ", "", envelope->to[i], "\n");
    add(out, without_from_line(message));
    if (out->n > max_bytes)
        out->n = max_bytes;
    return DSN_OK;
}
