/* utf8: makes any bytes valid UTF-8. Knows no charsets but this one. */
#include "utf8.h"
#include "sv.h"

#include <glib.h>
#include <stdint.h>

/* How many bytes at the start of `s` are ASCII and not NUL; up to seven more may be. */
static size_t plain_length(struct dsn_strview s) {
    const uint64_t ones = UINT64_MAX / 255, highs = ones << 7;
    size_t i = 0;
    for (uint64_t word; i + sizeof word <= s.n; i += sizeof word) {
        memcpy(&word, s.p + i, sizeof word);
        if ((word | (word - ones)) & highs) /* a high bit, or a NUL that borrows one */
            break;
    }
    return i;
}

bool dsn_utf8_valid(struct dsn_strview s) {
    s = dsn_sv_from(s, plain_length(s));
    return s.n == 0 || g_utf8_validate(s.p, (gssize)s.n, NULL); /* also refuses NUL */
}

bool dsn_utf8_ascii(struct dsn_strview s) {
    size_t i = plain_length(s);
    while (i < s.n && s.p[i] && !(s.p[i] & 0x80))
        i++;
    return i == s.n;
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

/* What word processors, and mail servers that talk like one, write in place of ASCII. */
static const struct {
    gunichar typographic;
    const char *plain;
} typography[] = {
    {0x00A0, " "}, {0x00AD, ""},  {0x2007, " "},  {0x200B, ""},   {0x2010, "-"},
    {0x2011, "-"}, {0x2012, "-"}, {0x2013, "-"},  {0x2014, "-"},  {0x2018, "'"},
    {0x2019, "'"}, {0x201A, "'"}, {0x201C, "\""}, {0x201D, "\""}, {0x201E, "\""},
    {0x202F, " "}, {0x2060, ""},  {0x3000, " "},  {0xFEFF, ""},
};

/* The character that `s` begins with, or a byte of none. */
static struct dsn_strview first_char(struct dsn_strview s) {
    size_t n = s.n > 0;
    while (n && n < s.n && (s.p[n] & 0xC0) == 0x80)
        n++;
    return dsn_sv(s.p, n);
}

static struct dsn_strview plain_char(struct dsn_strview c) {
    gunichar code = c.n > 1 ? g_utf8_get_char_validated(c.p, (gssize)c.n) : 0;
    for (size_t i = 0; i < G_N_ELEMENTS(typography); i++) {
        if (code == typography[i].typographic)
            return dsn_sv_str(typography[i].plain);
    }
    return c;
}

struct dsn_strview dsn_utf8_plain(struct dsn_arena *arena, struct dsn_strview s) {
    if (dsn_utf8_ascii(s))
        return s;
    struct dsn_buffer out;
    dsn_buffer_init(&out, arena, s.n);
    while (s.n) {
        struct dsn_strview ascii = dsn_sv(s.p, plain_length(s)), first = first_char(dsn_sv_from(s, ascii.n));
        dsn_buffer_add(&out, ascii);
        dsn_buffer_add(&out, plain_char(first));
        s = dsn_sv_from(s, ascii.n + first.n);
    }
    return dsn_buffer_view(&out);
}
