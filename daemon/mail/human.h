/* human: the part of a report that is meant for people, as one text. */
#ifndef MAIL_HUMAN_H
#define MAIL_HUMAN_H

#include "base/arena.h"
#include "message.h"

/* The text of a message: put together once. */
struct dsn_human {
    const struct dsn_message *message; /* whose it is; NULL: nobody's yet */
    struct dsn_strview text;
    bool cut; /* there was more than DSN_HUMAN_MAX bytes */
};

/* The text parts up to the returned original, joined; HTML where there is no plain text. Never absent, at
 * most DSN_HUMAN_MAX bytes. Kept in `human` for the next call. */
struct dsn_strview dsn_human_text(struct dsn_human *human, struct dsn_arena *arena,
                                  const struct dsn_message *message);

/* A subject without the marks that gateways put before it, such as "[EXTERNAL]"; itself where there is
 * nothing else.
 */
struct dsn_strview dsn_subject_unmarked(struct dsn_strview subject);

#define DSN_HUMAN_MAX (64 * 1024)

#endif
