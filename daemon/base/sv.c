/* sv: small work on struct dsn_strview. */
#include "sv.h"

#include <stdint.h>
#include <strings.h>

/* The first `a` or `b`; `end` where there is none. It looks ahead no more than a chunk, so that a text full
 * of one of them and without the other takes no longer. */
static const char *find_either(const char *p, const char *end, char a, char b) {
    enum { CHUNK = 128 };
    while (p < end) {
        size_t n = end - p < CHUNK ? (size_t)(end - p) : CHUNK;
        const char *hit = memchr(p, a, n);
        const char *earlier = a == b ? NULL : memchr(p, b, hit ? (size_t)(hit - p) : n);
        if (hit || earlier)
            return earlier ? earlier : hit;
        p += n;
    }
    return end;
}

size_t dsn_sv_find_nocase(struct dsn_strview s, struct dsn_strview needle, size_t from) {
    if (!needle.n || s.n < needle.n || from > s.n - needle.n)
        return SIZE_MAX;
    char lower = dsn_to_lower(needle.p[0]), upper = dsn_to_upper(lower);
    const char *end = s.p + s.n - needle.n + 1; /* of where it may begin */
    for (const char *p = s.p + from; (p = find_either(p, end, lower, upper)) < end; p++) {
        if (strncasecmp(p, needle.p, needle.n) == 0)
            return (size_t)(p - s.p);
    }
    return SIZE_MAX;
}

size_t dsn_sv_find_char(struct dsn_strview s, char c, size_t from) {
    const char *hit = from < s.n ? memchr(s.p + from, c, s.n - from) : NULL;
    return hit ? (size_t)(hit - s.p) : SIZE_MAX;
}

struct dsn_strview dsn_sv_line_at(struct dsn_strview s, size_t from) {
    size_t end = dsn_sv_find_char(s, '\n', from);
    return end == SIZE_MAX ? dsn_sv_from(s, from) : dsn_sv(s.p + from, end + 1 - from);
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
    size_t end = (size_t)(find_either(rest->p, rest->p + rest->n, '\n', '\r') - rest->p);
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
