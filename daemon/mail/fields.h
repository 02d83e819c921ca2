/* fields: groups of "Name: value" lines, as in a header or a delivery status. Forgives what real senders
 * write. */
#ifndef MAIL_FIELDS_H
#define MAIL_FIELDS_H

#include "base/arena.h"
#include "dsn/reader.h"

struct dsn_fields {
    struct dsn_field *items;
    size_t n, capacity;
    bool truncated; /* a limit was reached */
};

/* Takes the next group (up to a blank line) off `*rest`. Values are unfolded, a fold being one space; lines
 * that are no field are skipped. False when nothing is left. A group without fields is not handed out. */
bool dsn_fields_next_group(struct dsn_arena *arena, const struct dsn_limits *limits, struct dsn_strview *rest,
                           struct dsn_fields *out);

#endif
