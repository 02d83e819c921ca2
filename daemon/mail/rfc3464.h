/* rfc3464: a delivery-status part, field by field. */
#ifndef MAIL_RFC3464_H
#define MAIL_RFC3464_H

#include "report.h"

/* Reads every group of `text` into `draft`; returns whether anything of a delivery status was found. */
bool dsn_rfc3464_read(struct dsn_draft *draft, struct dsn_strview text);

#endif
