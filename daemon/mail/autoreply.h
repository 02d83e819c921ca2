#ifndef MAIL_AUTOREPLY_H
#define MAIL_AUTOREPLY_H
#include "report.h"
bool dsn_autoreply_read(struct dsn_draft *draft);
#endif
