/* stored: an event that was written before, read back and judged anew: by the knowledge and the trust of now,
 * as far as the event tells what its report said. */
#ifndef EVENT_STORED_H
#define EVENT_STORED_H

#include "dsn/reader.h"

/* What was decided then; the reader's memory, until its next call. */
struct dsn_stored {
    struct dsn_strview id, reason, rule; /* absent where there was none */
    const char *action;                  /* its name; NULL: none that is known */
    int64_t observed_at_ms;
    const struct dsn_report *report; /* with one recipient, and today's verdict on him */
};

/* `trust` says what unverified reports may do. DSN_ERR_INVALID: it is no event of a message (a retraction,
 * say), or not one that dsnd wrote. */
enum dsn_error dsn_reader_stored(struct dsn_reader *reader, struct dsn_strview event,
                                 const struct dsn_trust *trust, struct dsn_stored *out);

#endif
