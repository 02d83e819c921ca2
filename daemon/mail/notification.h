/* notification: what mail services report as JSON instead of mail (Amazon SES, through SNS). */
#ifndef MAIL_NOTIFICATION_H
#define MAIL_NOTIFICATION_H

#include "report.h"

/* Reads a mail whose text is such a notification. */
bool dsn_notification_read(struct dsn_draft *draft);

/* Reads the JSON itself, with or without SNS's envelope around it, and whatever text behind it. */
bool dsn_notification_read_json(struct dsn_draft *draft, struct dsn_strview text);

#endif
