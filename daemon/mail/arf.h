#ifndef MAIL_ARF_H
#define MAIL_ARF_H
#include "report.h"
bool dsn_arf_read(struct dsn_draft *draft);
#endif
