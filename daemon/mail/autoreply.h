/* autoreply: reports of a kind that never tells of a bounce: disposition notifications and message tracking.
 * Replies in prose (vacation and the like) are formats, as all prose is. */
#ifndef MAIL_AUTOREPLY_H
#define MAIL_AUTOREPLY_H

#include "report.h"

/* Claims such a message and leaves the draft without recipients. */
bool dsn_autoreply_read(struct dsn_draft *draft);

#endif
