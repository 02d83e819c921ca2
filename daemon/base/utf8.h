/* utf8: makes any bytes valid UTF-8. What cannot be read becomes U+FFFD. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "arena.h"

bool dsn_utf8_valid(struct dsn_strview s);
/* Whether it is nothing but ASCII, and no NUL among it. */
bool dsn_utf8_ascii(struct dsn_strview s);
/* `s` itself where it is valid, else a repaired copy; NUL bytes become U+FFFD. */
struct dsn_strview dsn_utf8_repair(struct dsn_arena *arena, struct dsn_strview s);
/* `s` with ASCII's apostrophes, quotes, hyphens and spaces for those of typography, and without what has no
 * width; but addresses as they are. Itself where it has none of these. */
struct dsn_strview dsn_utf8_plain(struct dsn_arena *arena, struct dsn_strview s);
/* `s` cut to at most `max` bytes, never inside a character. */
struct dsn_strview dsn_utf8_cut(struct dsn_strview s, size_t max);

#endif
