/* bounds: how much of a mail GMime may see, which has no limits of its own. Knows no GMime. */
#ifndef MAIL_BOUNDS_H
#define MAIL_BOUNDS_H

#include "base/arena.h"
#include "dsn/reader.h"

/* A view of canonical `bytes`, or, cut off where GMime would take too long and with long fields shortened, a
 * copy in the arena: then `*truncated` is set. `p` is NULL when memory runs out. */
struct dsn_strview dsn_bounds_cut(struct dsn_arena *arena, const struct dsn_limits *limits,
                                  struct dsn_strview bytes, bool *truncated);

#endif
