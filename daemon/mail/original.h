/* original: what the header of the returned message tells. */
#ifndef MAIL_ORIGINAL_H
#define MAIL_ORIGINAL_H

#include "message.h"

/* Fills `out` from the header of the returned message. */
void dsn_original_read(const struct dsn_field *headers, size_t n, struct dsn_original *out);

#endif
