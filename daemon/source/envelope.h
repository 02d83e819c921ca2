/* envelope: what SMTP knew of a message, which its text does not say: from whom, and to whom. */
#ifndef SOURCE_ENVELOPE_H
#define SOURCE_ENVELOPE_H

#include "source.h"

#define DSN_ENVELOPE_ADDRESS_MAX 1000 /* bytes; longer than any real one (RFC 5321 4.5.3.1.3: 256) */

struct dsn_envelope {
    struct dsn_strview from; /* without angle brackets; empty: a bounce's null sender; p NULL: not known */
    const struct dsn_strview *to;
    size_t n_to;
};

/* Whether it can stand in a header: not too long, without control characters. */
bool dsn_envelope_accepts(struct dsn_strview address);

/* Writes the message with its envelope in front, as an MTA does that delivers to a mailbox (Return-Path, and
 * a Delivered-To for each recipient); at most `max_bytes`. Addresses that dsn_envelope_accepts refuses are
 * left out, and so is an mbox "From " line. DSN_ERR_MEMORY. */
enum dsn_error dsn_envelope_write(const struct dsn_envelope *envelope, struct dsn_strview message,
                                  size_t max_bytes, struct dsn_bytes *out);

#endif
