/* verdict: what a report means for an address. The vocabulary is the same in events, rules and commands. */
#ifndef DSN_VERDICT_H
#define DSN_VERDICT_H

#include "error.h"
#include "strview.h"

#include <stdint.h>

enum dsn_kind {
    DSN_KIND_NONE = 0, /* no report at all */
    DSN_KIND_BOUNCE,
    DSN_KIND_DELAY,
    DSN_KIND_COMPLAINT,
    DSN_KIND_AUTO_REPLY,
    DSN_KIND_DELIVERED,
};

enum dsn_type { DSN_TYPE_NONE = 0, DSN_TYPE_HARD, DSN_TYPE_SOFT };

enum dsn_action {
    DSN_ACTION_NONE = 0,
    DSN_ACTION_SUPPRESS,
    DSN_ACTION_COUNT,
    DSN_ACTION_FIX,
    DSN_ACTION_HOLD,
};

/* The SMTP command that an answer replies to (RFC 5321 4.1.1); connect: the greeting, RFC 5321 4.3.2. */
enum dsn_smtp_command {
    DSN_COMMAND_NONE = 0, /* the report does not say */
    DSN_COMMAND_CONNECT,
    DSN_COMMAND_EHLO, /* and HELO, LHLO */
    DSN_COMMAND_STARTTLS,
    DSN_COMMAND_AUTH,
    DSN_COMMAND_MAIL,
    DSN_COMMAND_RCPT,
    DSN_COMMAND_DATA, /* and the end of data, BDAT */
};

enum dsn_level { DSN_LOW = 0, DSN_MEDIUM, DSN_HIGH }; /* of severity and of confidence */

/* An enhanced status code (RFC 3463). `cls` 0: there is none. `subject` -1: only the class is known,
 * written "5.*". Three numbers, so that 5.1.10 and 5.7.25 are no special case. */
struct dsn_status {
    uint8_t cls;     /* 2, 4 or 5 */
    int16_t subject; /* 0 to 999 */
    int16_t detail;  /* 0 to 999 */
};

/* A reason of config/reasons.conf. Lives as long as the knowledge it belongs to. */
struct dsn_reason {
    const char *name;     /* "user-unknown" */
    const char *category; /* "recipient" */
    const char *blame;    /* "recipient", "sender", "message", "infrastructure", "unknown" */
    const char *title, *meaning, *causes, *remedies; /* for people; lists separated by ';' */
    enum dsn_action action;                          /* the default one */
    enum dsn_level severity;
    bool transient;  /* soft whatever the class says */
    bool needs_code; /* not sure where words alone say so */
    bool needs_rcpt; /* never what an answer means that came before a recipient was named */
};

struct dsn_verdict {
    enum dsn_kind kind;
    enum dsn_type type;
    enum dsn_action action;
    enum dsn_level severity, confidence;
    const struct dsn_reason *reason; /* borrowed from the knowledge; NULL where there is none */
    const char *rule; /* id of the rule that decided; borrowed from the knowledge; NULL: the catalogue did */
    const char *provider; /* operator of the remote mail host, borrowed from the knowledge; NULL: not known */
};

const char *dsn_kind_name(enum dsn_kind kind);
const char *dsn_type_name(enum dsn_type type); /* NULL for DSN_TYPE_NONE */
const char *dsn_action_name(enum dsn_action action);
const char *dsn_smtp_command_name(enum dsn_smtp_command command); /* NULL for DSN_COMMAND_NONE */
const char *dsn_level_name(enum dsn_level level);

/* Writes "5.1.1", "5.7.*" or "5.*"; `out` holds at least 16 bytes. Returns `out`; empty for no status. */
char *dsn_status_format(struct dsn_status status, char out[16]);

#endif
