/* sv: small work on struct dsn_strview. ASCII only where it folds case. */
#ifndef BASE_SV_H
#define BASE_SV_H

#include "dsn/strview.h"

#include <string.h>
#include <strings.h>

static inline struct dsn_strview dsn_sv(const char *p, size_t n) {
    return (struct dsn_strview){p, n};
}

static inline struct dsn_strview dsn_sv_str(const char *s) {
    return (struct dsn_strview){s, s ? strlen(s) : 0};
}

static inline struct dsn_strview dsn_sv_range(const char *begin, const char *end) {
    return (struct dsn_strview){begin, (size_t)(end - begin)};
}

static inline struct dsn_strview dsn_sv_from(struct dsn_strview s, size_t skip) {
    return skip <= s.n ? dsn_sv(s.p + skip, s.n - skip) : dsn_sv(s.p + s.n, 0);
}

static inline bool dsn_sv_eq(struct dsn_strview a, struct dsn_strview b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool dsn_is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\v' || c == '\f';
}

static inline bool dsn_is_digit(char c) {
    return c >= '0' && c <= '9';
}

static inline bool dsn_is_alpha(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool dsn_is_alnum(char c) {
    return dsn_is_alpha(c) || dsn_is_digit(c);
}

static inline char dsn_to_lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static inline char dsn_to_upper(char c) {
    return c >= 'a' && c <= 'z' ? (char)(c & ~0x20) : c;
}

static inline bool dsn_sv_eq_nocase(struct dsn_strview a, struct dsn_strview b) {
    return a.n == b.n &&
           (a.n == 0 || (dsn_to_lower(a.p[0]) == dsn_to_lower(b.p[0]) && strncasecmp(a.p, b.p, a.n) == 0));
}

static inline bool dsn_sv_starts_nocase(struct dsn_strview s, struct dsn_strview prefix) {
    return s.n >= prefix.n && dsn_sv_eq_nocase(dsn_sv(s.p, prefix.n), prefix);
}

static inline bool dsn_sv_ends_nocase(struct dsn_strview s, struct dsn_strview suffix) {
    return s.n >= suffix.n && dsn_sv_eq_nocase(dsn_sv(s.p + s.n - suffix.n, suffix.n), suffix);
}

/* Offset of the first `needle` at or after `from`, or SIZE_MAX. */
size_t dsn_sv_find_nocase(struct dsn_strview s, struct dsn_strview needle, size_t from);
size_t dsn_sv_find_char(struct dsn_strview s, char c, size_t from);
/* What stands at `from` up to the end of its line, LF included. */
struct dsn_strview dsn_sv_line_at(struct dsn_strview s, size_t from);
struct dsn_strview dsn_sv_trim(struct dsn_strview s);
/* Whether `s` is one of `n` words, whatever its case. */
bool dsn_sv_is_one_of(struct dsn_strview s, const char *const *words, size_t n);

/* Takes the next line off `*rest` (LF, CR LF or CR ends it, and is not part of it); false when nothing is
 * left. */
bool dsn_sv_next_line(struct dsn_strview *rest, struct dsn_strview *line);

/* Reads decimal digits at the start of `s`, at most `max_digits`; returns how many there were. */
size_t dsn_sv_read_uint(struct dsn_strview s, size_t max_digits, unsigned *out);

#endif
