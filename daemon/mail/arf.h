/* arf: complaints. Knows RFC 5965, RFC 6591, RFC 6650, and the feedback loops that are older than those. */
#ifndef MAIL_ARF_H
#define MAIL_ARF_H

#include "report.h"

/* Reads a complaint. Feedback of a type that is none (not-spam, an authentication failure) is claimed too,
 * and left without recipients. */
bool dsn_arf_read(struct dsn_draft *draft);

/* Whether feedback of that type says that somebody complained. Absent: it does. */
bool dsn_arf_complains(struct dsn_strview feedback_type);

#endif
