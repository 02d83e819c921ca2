/* report: what a bounce message says, field by field, and the verdict on each of its recipients.
 * Every strview points into memory of the reader that made the report and is valid UTF-8; it lives until that
 * reader's next message. Absent fields have `p` NULL, absent times are DSN_NO_TIME: nothing is ever made up.
 */
#ifndef DSN_REPORT_H
#define DSN_REPORT_H

#include "strview.h"
#include "trust.h"
#include "verdict.h"

#include <stdint.h>

#define DSN_NO_TIME INT64_MIN

/* A header field or an extension field: name as written, value unfolded and decoded. */
struct dsn_field {
    struct dsn_strview name, value;
};

/* Where the address to act on was found, best first. */
enum dsn_provenance {
    DSN_FROM_NOTHING = 0,
    DSN_FROM_VERP,
    DSN_FROM_ORIGINAL,
    DSN_FROM_HEADER,
    DSN_FROM_FINAL,
    DSN_FROM_PROSE,
    DSN_PROVENANCES, /* how many there are */
};
const char *dsn_provenance_name(enum dsn_provenance provenance); /* NULL for DSN_FROM_NOTHING */

/* One recipient of a report (RFC 3464 2.3). */
struct dsn_recipient {
    struct dsn_verdict verdict;
    struct dsn_strview recipient; /* the address to act on: the one that we mailed */
    enum dsn_provenance recipient_from;
    struct dsn_strview told[DSN_PROVENANCES]; /* the address as each source tells it */
    enum dsn_trust_level trust;               /* of dsn_reader_authenticate */
    enum dsn_evidence trust_by;               /* what it rests on */
    struct dsn_strview final_recipient;       /* RFC 3464 2.3.2 */
    struct dsn_strview original_recipient;    /* RFC 3464 2.3.1 */
    struct dsn_status status;                 /* RFC 3464 2.3.4, or from the diagnostic text */
    uint16_t smtp_code;                       /* 0: none */
    enum dsn_smtp_command smtp_command;       /* that the diagnostic answered, as the report tells */
    struct dsn_strview diagnostic;            /* RFC 3464 2.3.6, unfolded */
    bool names_sender;                        /* the diagnostic does so, and not the recipient */
    bool reached;                             /* others behind the same address were, or may still be */
    struct dsn_strview diagnostic_type;       /* "smtp", "x-postfix" */
    struct dsn_strview dsn_action;            /* RFC 3464 2.3.3, as written */
    struct dsn_strview remote_mta;            /* RFC 3464 2.3.5 */
    struct dsn_strview final_log_id;          /* RFC 3464 2.3.8 */
    int64_t last_attempt_date;                /* seconds since 1970, UTC; RFC 3464 2.3.7 */
    int64_t will_retry_until;                 /* RFC 3464 2.3.9 */
    const struct dsn_field *extensions;       /* fields that RFC 3464 does not know */
    size_t n_extensions;
};

/* Headers of the returned original. */
struct dsn_original {
    struct dsn_strview message_id, from, to, subject, date, list_id, feedback_id;
    const struct dsn_field *headers; /* all of them, in order */
    size_t n_headers;
};

struct dsn_report {
    struct dsn_strview envelope_id;       /* RFC 3464 2.2.1 */
    struct dsn_strview reporting_mta;     /* RFC 3464 2.2.2 */
    struct dsn_strview dsn_gateway;       /* RFC 3464 2.2.3 */
    struct dsn_strview received_from_mta; /* RFC 3464 2.2.4 */
    int64_t arrival_date;                 /* RFC 3464 2.2.5 */
    struct dsn_original original;
    struct dsn_strview scope; /* the list or stream that the mail was of, where a pattern of struct
                               * dsn_options tells it by the return address */
    struct dsn_strview feedback_type, source_ip; /* of a complaint, RFC 5965 */
    struct dsn_strview format; /* how the report was written: "rfc3464", or the name of a format file */
    const struct dsn_recipient *recipients; /* none: the message is no report */
    size_t n_recipients;
    bool truncated;  /* a limit was reached: there may be more recipients than these */
    bool incomplete; /* the message was cut off before the returned one: nobody is suppressed on its word */
    bool forwarded;  /* it stood in the text of somebody who sent it on */
    bool guessed;    /* read from prose that no format describes: the verdicts are less sure */
};

#endif
