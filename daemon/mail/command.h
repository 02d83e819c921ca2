/* command: which SMTP command an answer replied to. A "user unknown" after DATA comes from a server that had
 * taken the recipient before. */
#ifndef MAIL_COMMAND_H
#define MAIL_COMMAND_H

#include "dsn/verdict.h"

/* Reads "RCPT TO", "end of DATA", "initial connection" at the start of `text`. */
enum dsn_smtp_command dsn_command_read(struct dsn_strview text);

/* What an answer says of it: "(in reply to RCPT TO command)", "after end of data:", "SMTP:RCPT host". */
enum dsn_smtp_command dsn_command_of_answer(struct dsn_strview diagnostic);

#define DSN_TRANSCRIPT_MAX 64

/* A session as Sendmail and Courier print it: ">>> DATA", "<<< 550 ...". Points into the text. */
struct dsn_transcript {
    struct dsn_exchange {
        enum dsn_smtp_command command;
        struct dsn_strview reply;
    } exchanges[DSN_TRANSCRIPT_MAX];
    size_t n;
};

/* The first DSN_TRANSCRIPT_MAX replies of the session in `text`. */
void dsn_transcript_read(struct dsn_strview text, struct dsn_transcript *out);

/* The command that `diagnostic` answered; DSN_COMMAND_NONE where the transcript does not have that reply. */
enum dsn_smtp_command dsn_transcript_command(const struct dsn_transcript *transcript,
                                             struct dsn_strview diagnostic);

#endif
