/* autoreply: reports that never tell of a bounce. Knows RFC 8098 and RFC 3886 by their media types. */
#include "autoreply.h"

bool dsn_autoreply_read(struct dsn_draft *draft) {
    for (size_t i = 0; i < draft->message->n_parts; i++) {
        enum dsn_part_role role = draft->message->parts[i].role;
        if (role == DSN_PART_DISPOSITION || role == DSN_PART_TRACKING)
            return true;
    }
    return false;
}
