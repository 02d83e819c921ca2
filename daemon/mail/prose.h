/* prose: the last resort for a text that is evidently a report but of no known form. */
#ifndef MAIL_PROSE_H
#define MAIL_PROSE_H

#include "report.h"

enum { DSN_PROSE_MAX_OWN = 16 };

/* The addresses of the report itself: its sender and its addressee. */
struct dsn_prose_own {
    struct dsn_strview addresses[DSN_PROSE_MAX_OWN];
    size_t n;
};

void dsn_prose_own_read(struct dsn_draft *draft, struct dsn_prose_own *out);

/* Whether a usable address can be the one that failed: it is not the report's own, nor a postmaster's, nor
 * run together with a word before it. */
bool dsn_prose_may_fail(const struct dsn_prose_own *own, struct dsn_strview address);

/* The first address in `text` that can be the one that failed. Returns 1, or 0 where there is none. */
size_t dsn_prose_address(struct dsn_draft *draft, const struct dsn_prose_own *own, struct dsn_strview text,
                         struct dsn_strview *out);

#endif
