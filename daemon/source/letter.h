/* letter: what an entry of the queue says, as a message. */
#ifndef SOURCE_LETTER_H
#define SOURCE_LETTER_H

#include "source.h"

struct redisReply;

/* Writes the message of an entry with these fields, its envelope in front: at most `max_bytes`.
 * DSN_ERR_INVALID: there is none in it; DSN_ERR_MEMORY. */
enum dsn_error dsn_letter_write(const struct redisReply *fields, size_t max_bytes, struct dsn_bytes *out);

#endif
