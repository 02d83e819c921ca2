/* original: what the header of the returned message tells. */
#ifndef MAIL_ORIGINAL_H
#define MAIL_ORIGINAL_H

#include "message.h"

/* Fills `out` from the header of the returned message. */
void dsn_original_read(const struct dsn_field *headers, size_t n, struct dsn_original *out);

/* The same from the first returned message of `message` that has a header; `out` stays as it is where none
 * has. */
void dsn_original_of(const struct dsn_message *message, struct dsn_original *out);

#endif
