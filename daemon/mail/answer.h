/* answer: the reply code and the enhanced status code inside a server's answer. */
#ifndef MAIL_ANSWER_H
#define MAIL_ANSWER_H

#include "base/arena.h"
#include "dsn/verdict.h"

struct dsn_answer {
    uint16_t smtp_code;       /* 0: none */
    struct dsn_status status; /* cls 0: none */
    bool paired;              /* they stand together and agree: a server's own words */
};

/* Finds both in a text such as "550-5.1.1 <x@y>: user unknown"; a pair that stands together wins over loose
 * ones. */
struct dsn_answer dsn_answer_read(struct dsn_strview text);

/* Whether enhanced codes have that class (RFC 3463 2). */
bool dsn_status_is_class(unsigned cls);
/* Reads "5.1.1" (with a comment or more behind it) at the start of `text`; cls 0 where there is none. Any
 * subject and detail of up to three digits. `length` (may be NULL): how many bytes it took. */
struct dsn_status dsn_status_read(struct dsn_strview text, size_t *length);

/* A multi-line reply made one text: "550-5.1.1 no such 550 5.1.1 user" -> "550 5.1.1 no such user". White
 * space is folded to single spaces. Valid UTF-8 in, valid UTF-8 out. */
struct dsn_strview dsn_answer_unfold(struct dsn_arena *arena, struct dsn_strview text);

/* What the server itself said, of a text in which an MTA quotes it; the text itself where none does. */
struct dsn_strview dsn_answer_own(struct dsn_strview text);

#endif
