/* prose: the last resort for a text that is evidently a report but of no known form. */
#ifndef MAIL_PROSE_H
#define MAIL_PROSE_H

#include "report.h"

/* The first address in `text` that can be the one that failed: one whose neighbourhood is a report's, and that is not the
 * report's own sender or addressee, nor a postmaster. Returns 1, or 0 where there is none. */
size_t dsn_prose_address(struct dsn_draft *draft, struct dsn_strview text, struct dsn_strview *out);

#endif
