/* utf8: makes any bytes valid UTF-8. Knows no charsets but this one. */
#include "utf8.h"
#include "sv.h"

#include <glib.h>
#include <stdint.h>

/* Bits that are set where a word has a byte that is not ASCII, or is NUL. */
static inline uint64_t odd_bits(const char *p) {
    const uint64_t ones = UINT64_MAX / 255, highs = ones << 7;
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return (word | (word - ones)) & highs; /* a NUL borrows a high bit */
}

/* How many bytes at the start of `s` are ASCII and not NUL; up to seven more may be. */
static size_t plain_length(struct dsn_strview s) {
    enum { WORD = sizeof(uint64_t), BLOCK = 8 * WORD };
    size_t i = 0;
    for (uint64_t odd = 0; i + BLOCK <= s.n; i += BLOCK) {
        for (size_t k = 0; k < BLOCK; k += WORD)
            odd |= odd_bits(s.p + i + k);
        if (odd)
            break;
    }
    while (i + WORD <= s.n && !odd_bits(s.p + i))
        i += WORD;
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
    const char *typographic;
    const char *plain;
} typography[] = {
    {"\u00A0", " "}, {"\u00AD", ""},  {"\u2007", " "},  {"\u200B", ""},   {"\u2010", "-"},
    {"\u2011", "-"}, {"\u2012", "-"}, {"\u2013", "-"},  {"\u2014", "-"},  {"\u2018", "'"},
    {"\u2019", "'"}, {"\u201A", "'"}, {"\u201C", "\""}, {"\u201D", "\""}, {"\u201E", "\""},
    {"\u202F", " "}, {"\u2060", ""},  {"\u3000", " "},  {"\uFEFF", ""},
};

/* Whether one of them may stand here, by the bytes that they begin with: six to compare, where going through
 * them all costs one percent of all work. */
static bool may_be_typographic(struct dsn_strview s) {
    static const char begins[][3] = {"\xC2\xA0", "\xC2\xAD", "\xE2\x80", "\xE2\x81", "\xE3\x80", "\xEF\xBB"};
    for (size_t i = 0; s.n > 1 && i < G_N_ELEMENTS(begins); i++) {
        if (s.p[0] == begins[i][0] && s.p[1] == begins[i][1])
            return true;
    }
    return false;
}

/* Where the next of them stands, from `from` on; the text's length where none does. */
static size_t next_typographic(struct dsn_strview s, size_t from) {
    size_t i = from + plain_length(dsn_sv_from(s, from));
    while (i < s.n && !((s.p[i] & 0x80) && may_be_typographic(dsn_sv_from(s, i))))
        i++;
    return i;
}

enum { ADDRESS_MAX = 320 };

static bool ends_word(char c) {
    return dsn_is_space(c) || c == '<' || c == '>' || c == '"';
}

/* Whether what stands at `i` is part of an address, where it says whom, and not how somebody writes. */
static bool is_in_address(struct dsn_strview s, size_t i) {
    size_t begin = i, end = i;
    while (begin && i - begin < ADDRESS_MAX && !ends_word(s.p[begin - 1]))
        begin--;
    while (end < s.n && end - i < ADDRESS_MAX && !ends_word(s.p[end]))
        end++;
    return memchr(s.p + begin, '@', end - begin) != NULL;
}

/* How long the character at `i` is, and what is written for it: anything else is itself, a byte of it. */
static size_t read_typographic(struct dsn_strview s, size_t i, struct dsn_strview *plain) {
    for (size_t k = 0; k < G_N_ELEMENTS(typography); k++) {
        struct dsn_strview character = dsn_sv_str(typography[k].typographic);
        if (s.n - i < character.n || memcmp(s.p + i, character.p, character.n) != 0)
            continue;
        *plain = dsn_sv_str(typography[k].plain);
        if (!dsn_sv_eq(*plain, DSN_LIT(" ")) && is_in_address(s, i))
            *plain = dsn_sv(s.p + i, character.n);
        return character.n;
    }
    *plain = dsn_sv(s.p + i, 1);
    return 1;
}

struct dsn_strview dsn_utf8_plain(struct dsn_arena *arena, struct dsn_strview s) {
    struct dsn_buffer out;
    size_t at = next_typographic(s, 0), done = 0;
    if (at == s.n)
        return s;
    dsn_buffer_init(&out, arena, s.n);
    while (at < s.n) {
        struct dsn_strview plain;
        dsn_buffer_add(&out, dsn_sv(s.p + done, at - done));
        done = at + read_typographic(s, at, &plain);
        dsn_buffer_add(&out, plain);
        at = next_typographic(s, done);
    }
    dsn_buffer_add(&out, dsn_sv_from(s, done));
    return dsn_buffer_view(&out);
}
