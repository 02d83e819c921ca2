/* envelope: what has to hold of a message that gets its envelope in front: whatever stands in the addresses,
 * it has a line for each that is accepted, and what follows is the message. */
#ifndef FUZZ_ENVELOPE_H
#define FUZZ_ENVELOPE_H

#include "fuzz.h"
#include "source/envelope.h"

static inline void check_front(struct dsn_strview rest, const struct dsn_envelope *envelope,
                               struct dsn_strview message) {
    struct dsn_strview line;
    if (envelope->from.p && dsn_envelope_accepts(envelope->from))
        PROMISE(dsn_sv_next_line(&rest, &line) && dsn_sv_starts_nocase(line, DSN_LIT("Return-Path: <")));
    for (size_t i = 0; i < envelope->n_to; i++)
        if (dsn_envelope_accepts(envelope->to[i]))
            PROMISE(dsn_sv_next_line(&rest, &line) && dsn_sv_starts_nocase(line, DSN_LIT("Delivered-To: ")));
    PROMISE(rest.n <= message.n && dsn_sv_eq(rest, dsn_sv_from(message, message.n - rest.n)));
}

static inline void check_envelope(const struct dsn_envelope *envelope, struct dsn_strview message) {
    struct dsn_bytes all = {0}, some = {0};
    PROMISE(dsn_envelope_write(envelope, message, SIZE_MAX, &all) == DSN_OK);
    check_front(dsn_sv(all.p, all.n), envelope, message);
    size_t limit = all.n / 2;
    PROMISE(dsn_envelope_write(envelope, message, limit, &some) == DSN_OK);
    PROMISE(dsn_sv_eq(dsn_sv(some.p, some.n), dsn_sv(all.p, limit)));
    dsn_bytes_clear(&all);
    dsn_bytes_clear(&some);
}

#endif
