/* lmtp_session: the server's side of a conversation in LMTP (RFC 2033), with PIPELINING, 8BITMIME, SMTPUTF8,
 * SIZE and enhanced status codes. Bytes in, bytes out; does no I/O. A message is answered for each recipient
 * when it is known what became of it, and until then nothing more is read.
 *
 *     session = dsn_lmtp_session_new(host, max_bytes);      out has the greeting
 *     n = dsn_lmtp_session_feed(session, bytes, n);         out has the replies; stops after a message
 *     if (session->state == DSN_LMTP_WAITING) ... dsn_lmtp_session_answer(session, reply);
 */
#ifndef SOURCE_LMTP_SESSION_H
#define SOURCE_LMTP_SESSION_H

#include "dsn/strview.h"

#include <glib.h>

#define DSN_LMTP_LINE_MAX 4096 /* bytes; RFC 5321 4.5.3.1.4: 512, and what extensions add */
#define DSN_LMTP_RECIPIENTS_MAX 1000
#define DSN_LMTP_ERRORS_MAX 20 /* then the conversation ends */

enum dsn_lmtp_state {
    DSN_LMTP_NEW,     /* no LHLO yet */
    DSN_LMTP_IDLE,    /* no message */
    DSN_LMTP_MAIL,    /* there is a sender, perhaps recipients */
    DSN_LMTP_DATA,    /* the message comes */
    DSN_LMTP_WAITING, /* the message is whole: answer it */
    DSN_LMTP_OVER,    /* send `out`, and close */
};

enum dsn_lmtp_place { DSN_LMTP_LINE_START, DSN_LMTP_IN_LINE, DSN_LMTP_CR, DSN_LMTP_DOT, DSN_LMTP_DOT_CR };

struct dsn_lmtp_session {
    enum dsn_lmtp_state state;
    GString *out;        /* to be sent; whoever sends it erases it */
    char *from;          /* of the message */
    GPtrArray *to;       /* of char * */
    GByteArray *message; /* with CR LF, without the dots that SMTP adds; at most max_bytes of it */

    size_t max_bytes;
    char *host;
    GString *line;             /* of a command that is not whole */
    bool too_long;             /* that line */
    enum dsn_lmtp_place place; /* in the message */
    unsigned errors;
};

/* `host` names the server. More than `max_bytes` of a message are read, and not kept. */
struct dsn_lmtp_session *dsn_lmtp_session_new(const char *host, size_t max_bytes);
void dsn_lmtp_session_free(struct dsn_lmtp_session *session); /* NULL is fine */

/* Returns how many bytes were taken: all of them, unless a message is whole or the conversation over. */
size_t dsn_lmtp_session_feed(struct dsn_lmtp_session *session, const char *bytes, size_t n);
/* What became of the message: a reply for each of its recipients, "250 2.0.0 ..." say, without line end. */
void dsn_lmtp_session_answer(struct dsn_lmtp_session *session, const char *reply);
/* Ends it with a reply of its own. */
void dsn_lmtp_session_end(struct dsn_lmtp_session *session, const char *reply);

#endif
