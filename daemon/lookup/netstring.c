/* netstring: frames. Knows no question and no socket. */
#include "netstring.h"

#include "base/sv.h"

#include <stdio.h>

enum { MAX_DIGITS = 9 };

enum dsn_netstring_result dsn_netstring_read(struct dsn_strview bytes, size_t max_content,
                                             struct dsn_strview *content, size_t *taken) {
    size_t n = 0, digits = 0;
    for (; digits < bytes.n && dsn_is_digit(bytes.p[digits]); digits++) {
        n = n * 10 + (size_t)(bytes.p[digits] - '0');
        /* No zeros in front; what is too long is known before it has come. */
        if (digits == MAX_DIGITS || n > max_content || (digits == 1 && bytes.p[0] == '0'))
            return DSN_NETSTRING_BAD;
    }
    if (digits == bytes.n)
        return DSN_NETSTRING_MORE;
    if (digits == 0 || bytes.p[digits] != ':')
        return DSN_NETSTRING_BAD;
    if (bytes.n - digits - 1 < n + 1)
        return DSN_NETSTRING_MORE;
    if (bytes.p[digits + 1 + n] != ',')
        return DSN_NETSTRING_BAD;
    *content = dsn_sv(bytes.p + digits + 1, n);
    *taken = digits + n + 2;
    return DSN_NETSTRING_WHOLE;
}

size_t dsn_netstring_write(struct dsn_strview content, char *out, size_t size) {
    int n = snprintf(out, size, "%zu:%.*s,", content.n, (int)content.n, content.n ? content.p : "");
    return n > 0 && (size_t)n < size ? (size_t)n : 0;
}
