/* sv: small work on struct dsn_strview. */
#include "sv.h"

#include <stdint.h>
#include <strings.h>

bool dsn_sv_eq_nocase(struct dsn_strview a, struct dsn_strview b) {
    return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

bool dsn_sv_starts_nocase(struct dsn_strview s, struct dsn_strview prefix) {
    return s.n >= prefix.n && dsn_sv_eq_nocase(dsn_sv(s.p, prefix.n), prefix);
}

bool dsn_sv_ends_nocase(struct dsn_strview s, struct dsn_strview suffix) {
    return s.n >= suffix.n && dsn_sv_eq_nocase(dsn_sv(s.p + s.n - suffix.n, suffix.n), suffix);
}

size_t dsn_sv_find_nocase(struct dsn_strview s, struct dsn_strview needle, size_t from) {
    for (size_t i = from; needle.n && i + needle.n <= s.n; i++) {
        if (dsn_to_lower(s.p[i]) == dsn_to_lower(needle.p[0]) &&
            strncasecmp(s.p + i, needle.p, needle.n) == 0)
            return i;
    }
    return SIZE_MAX;
}

size_t dsn_sv_find_char(struct dsn_strview s, char c, size_t from) {
    const char *hit = from < s.n ? memchr(s.p + from, c, s.n - from) : NULL;
    return hit ? (size_t)(hit - s.p) : SIZE_MAX;
}

bool dsn_sv_is_one_of(struct dsn_strview s, const char *const *words, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (dsn_sv_eq_nocase(s, dsn_sv_str(words[i])))
            return true;
    }
    return false;
}

struct dsn_strview dsn_sv_trim(struct dsn_strview s) {
    while (s.n && dsn_is_space(s.p[0]))
        s = dsn_sv_from(s, 1);
    while (s.n && dsn_is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool dsn_sv_next_line(struct dsn_strview *rest, struct dsn_strview *line) {
    if (!rest->n)
        return false;
    size_t end = 0;
    while (end < rest->n && rest->p[end] != '\n' && rest->p[end] != '\r')
        end++;
    *line = dsn_sv(rest->p, end);
    if (end < rest->n)
        end += rest->p[end] == '\r' && end + 1 < rest->n && rest->p[end + 1] == '\n' ? 2 : 1;
    *rest = dsn_sv_from(*rest, end);
    return true;
}

size_t dsn_sv_read_uint(struct dsn_strview s, size_t max_digits, unsigned *out) {
    unsigned value = 0;
    size_t n = 0;
    for (; n < s.n && n < max_digits && dsn_is_digit(s.p[n]); n++)
        value = value * 10 + (unsigned)(s.p[n] - '0');
    if (n)
        *out = value;
    return n;
}
