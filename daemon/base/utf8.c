/* utf8: makes any bytes valid UTF-8. Knows no charsets but this one. */
#include "utf8.h"
#include "sv.h"

#include <glib.h>

bool dsn_utf8_valid(struct dsn_strview s) {
    return s.n == 0 || g_utf8_validate(s.p, (gssize)s.n, NULL); /* also refuses NUL */
}

struct dsn_strview dsn_utf8_repair(struct dsn_arena *arena, struct dsn_strview s) {
    if (dsn_utf8_valid(s))
        return s;
    struct dsn_buffer out;
    dsn_buffer_init(&out, arena, s.n + s.n / 2);
    while (s.n) {
        const char *bad;
        if (g_utf8_validate(s.p, (gssize)s.n, &bad)) {
            dsn_buffer_add(&out, s);
            break;
        }
        dsn_buffer_add(&out, dsn_sv_range(s.p, bad));
        dsn_buffer_add(&out, DSN_LIT("\xEF\xBF\xBD"));
        s = dsn_sv_from(s, (size_t)(bad - s.p) + 1);
    }
    return dsn_buffer_view(&out);
}

struct dsn_strview dsn_utf8_cut(struct dsn_strview s, size_t max) {
    if (s.n <= max)
        return s;
    while (max && ((unsigned char)s.p[max] & 0xC0) == 0x80)
        max--;
    return dsn_sv(s.p, max);
}
