/* event: a report's recipient as a versioned JSON object, as the sinks publish it (dsnd-events(7)). */
#ifndef DSN_EVENT_H
#define DSN_EVENT_H

#include "reader.h"

#define DSN_EVENT_ID_LEN 32

struct dsn_event_source {
    const char *kind; /* "maildir", "stream", "file" */
    struct dsn_strview name;
    size_t number;              /* of the message in an mbox, from 1; 0: it is no mbox */
    int64_t observed_at_ms;     /* milliseconds since 1970 */
    const char *const *headers; /* names of the original's headers to publish, ended by NULL; or NULL */
};

/* What the event says, for sinks that need it beside the JSON. Lives until the next dsn_event_write with this
 * reader. */
struct dsn_event {
    char id[DSN_EVENT_ID_LEN + 1]; /* from message bytes, recipient and kind */
    struct dsn_strview json;       /* one line, no newline at its end, valid UTF-8 */
    struct dsn_strview topic;      /* "bounce.hard.user-unknown.example.com", without control characters */
    struct dsn_strview address; /* the recipient folded to lower case, for keys; absent where there is none */
    struct dsn_strview domain;  /* of the address, lower case; absent where there is none */
};

/* Writes the event of recipient `i` of the report that this reader read last; for a report without recipients
 * `i` is 0 and the event's kind is "none". */
enum dsn_error dsn_event_write(struct dsn_reader *reader, size_t i, const struct dsn_event_source *source,
                               struct dsn_event *out);

#endif
