/* capture: regular expressions that pick named pieces out of a text (PCRE2). Case is ignored, '^' and '$'
 * stand at line breaks. How much work a match may be is limited: one that would cost more counts as no match.
 */
#ifndef MAIL_CAPTURE_H
#define MAIL_CAPTURE_H

#include "dsn/error.h"
#include "dsn/strview.h"

enum dsn_group {
    DSN_GROUP_RECIPIENT, /* (?<recipient>...): the address that failed */
    DSN_GROUP_ORIGINAL,  /* the address before it was forwarded or expanded */
    DSN_GROUP_DIAGNOSTIC,
    DSN_GROUP_HOST,
    DSN_GROUP_CODE,    /* 550 */
    DSN_GROUP_STATUS,  /* 5.1.1 */
    DSN_GROUP_COMMAND, /* RCPT TO: the SMTP command that was answered */
    DSN_GROUP_SCOPE,   /* of a return address: the list or stream that the mail was of */
    DSN_GROUP_COUNT,
};

struct dsn_capture;         /* immutable: threads may share it */
struct dsn_capture_scratch; /* one thread's */

/* What a match found; everything points into the text. Groups that took no part are absent. */
struct dsn_captured {
    size_t begin, end; /* of the whole match */
    struct dsn_strview groups[DSN_GROUP_COUNT];
};

/* DSN_ERR_SYNTAX: `why` (freed with g_free) says what is wrong: the expression itself, or a group of another
 * name. */
enum dsn_error dsn_capture_new(const char *pattern, struct dsn_capture **out, char **why);
void dsn_capture_free(struct dsn_capture *capture); /* NULL is fine */

enum dsn_error dsn_capture_scratch_new(struct dsn_capture_scratch **out);
void dsn_capture_scratch_free(struct dsn_capture_scratch *scratch); /* NULL is fine */
/* Gives each message the same allowance of work; once it is spent nothing matches any more. */
void dsn_capture_scratch_refill(struct dsn_capture_scratch *scratch);

/* Whether the expression has that group. */
bool dsn_capture_has(const struct dsn_capture *capture, enum dsn_group group);

/* Looks for the expression in `text` (valid UTF-8) at or after `from`. */
bool dsn_capture_find(const struct dsn_capture *capture, struct dsn_capture_scratch *scratch,
                      struct dsn_strview text, size_t from, struct dsn_captured *out);

#endif
