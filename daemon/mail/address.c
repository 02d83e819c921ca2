/* address: mail addresses as reports write them. Knows no report. */
#include "address.h"
#include "base/sv.h"
#include "base/utf8.h"

#include <glib.h>
#include <stdint.h>

struct dsn_strview dsn_address_domain(struct dsn_strview address) {
    for (size_t i = address.n; i > 0; i--) {
        if (address.p[i - 1] == '@')
            return dsn_sv_from(address, i);
    }
    return DSN_NONE;
}

static bool is_domain_char(char c) {
    return dsn_is_alnum(c) || c == '-' || c == '.' || c == '_' || c == ':' || c == '[' || c == ']' ||
           (c & 0x80);
}

bool dsn_address_usable(struct dsn_strview address) {
    struct dsn_strview domain = dsn_address_domain(address);
    if (!domain.n || domain.n + 1 >= address.n || address.n > 320)
        return false;
    for (size_t i = 0; i < domain.n; i++) {
        if (!is_domain_char(domain.p[i]))
            return false;
    }
    struct dsn_strview local = dsn_sv(address.p, address.n - domain.n - 1);
    bool quoted = local.p[0] == '"';
    for (size_t i = 0; i < local.n; i++) {
        char c = local.p[i];
        if ((unsigned char)c < ' ' || c == 127 || (!quoted && strchr(" <>()[],;:\"", c)))
            return false;
    }
    return domain.p[0] != '.' && domain.p[0] != '-';
}

struct dsn_strview dsn_comments_cut(struct dsn_arena *arena, struct dsn_strview text) {
    if (dsn_sv_find_char(text, '(', 0) == SIZE_MAX)
        return dsn_sv_trim(text);
    struct dsn_buffer out;
    dsn_buffer_init(&out, arena, text.n);
    unsigned depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '"' && !depth)
            quoted = !quoted;
        if (c == '(' && !quoted)
            depth++;
        else if (c == ')' && !quoted && depth)
            depth--;
        else if (!depth)
            dsn_buffer_add_char(&out, c);
    }
    return dsn_sv_trim(dsn_buffer_view(&out));
}

struct dsn_strview dsn_typed_split(struct dsn_arena *arena, struct dsn_strview typed,
                                   struct dsn_strview *type) {
    typed = dsn_sv_trim(typed);
    size_t n = 0;
    while (n < typed.n && (dsn_is_alnum(typed.p[n]) || typed.p[n] == '-' || typed.p[n] == '_'))
        n++;
    size_t end = n;
    while (end < typed.n && dsn_is_space(typed.p[end]))
        end++;
    *type = DSN_NONE;
    if (n == 0 || end == typed.n || typed.p[end] != ';')
        return typed;
    *type = dsn_arena_lower(arena, dsn_sv(typed.p, n));
    return dsn_sv_trim(dsn_sv_from(typed, end + 1));
}

/* The inside of the last "<...>", else the text itself. */
static struct dsn_strview cut_brackets(struct dsn_strview text) {
    size_t open = SIZE_MAX, close = SIZE_MAX;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '<')
            open = i;
        else if (text.p[i] == '>' && open != SIZE_MAX)
            close = i;
    }
    if (open != SIZE_MAX && close != SIZE_MAX && close > open)
        return dsn_sv_trim(dsn_sv(text.p + open + 1, close - open - 1));
    while (text.n && strchr("<'\"", text.p[0]) && text.p[0] != '"')
        text = dsn_sv_from(text, 1);
    while (text.n && strchr(">',;.", text.p[text.n - 1]))
        text.n--;
    return text;
}

static bool is_ascii(struct dsn_strview text) {
    char seen = 0;
    for (size_t i = 0; i < text.n; i++)
        seen |= text.p[i];
    return !(seen & 0x80);
}

/* The character at `at`, and how many bytes it has: a byte that begins none is one by itself. */
static gunichar char_at(struct dsn_strview text, size_t at, size_t *n) {
    gunichar c = g_utf8_get_char_validated(text.p + at, (gssize)(text.n - at));
    bool valid = (gint32)c >= 0;
    *n = valid ? (size_t)g_utf8_skip[(guchar)text.p[at]] : 1;
    return valid ? c : 0;
}

/* Without what stands before the address in a script that sets no space there: "收件人：user@example.com". */
static struct dsn_strview cut_lead(struct dsn_strview text) {
    size_t begin = 0, domain = text.n - dsn_address_domain(text).n;
    for (size_t i = 0, n; i < domain; i += n) {
        gunichar c = char_at(text, i, &n);
        if (n > 1 && !g_unichar_isalnum(c) && !g_unichar_ismark(c) && i + n < domain)
            begin = i + n;
    }
    return dsn_sv_from(text, begin);
}

/* Without what stands behind it there: "user@example.com）不存在". Only such scripts have wide characters. No
 * top-level domain is in two of them, and no label has such signs. */
static struct dsn_strview cut_tail(struct dsn_strview text) {
    size_t label = text.n - dsn_address_domain(text).n;
    for (size_t i = label, n; i < text.n; i += n) {
        gunichar c = char_at(text, i, &n);
        if (c == '.')
            label = i + 1;
        if (!g_unichar_iswide(c) || label == i || (text.p[label] & 0x80))
            continue;
        if (!g_unichar_isalnum(c) || dsn_sv_find_char(text, '.', i) == SIZE_MAX)
            return dsn_sv(text.p, i);
    }
    return text;
}

static int hex_value(char c) {
    return g_ascii_xdigit_value(c);
}

/* RFC 3461 4: '+' and two upper-case hex digits. Many write addresses bare there, so that "bob+21@" must
 * stay: only what has to be written so, or often is, is decoded. */
static struct dsn_strview decode_xtext(struct dsn_arena *arena, struct dsn_strview text) {
    if (dsn_sv_find_char(text, '+', 0) == SIZE_MAX)
        return text;
    struct dsn_buffer out;
    dsn_buffer_init(&out, arena, text.n);
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '+' && i + 2 < text.n && hex_value(text.p[i + 1]) >= 0 &&
            hex_value(text.p[i + 2]) >= 0) {
            char c = (char)(hex_value(text.p[i + 1]) * 16 + hex_value(text.p[i + 2]));
            if (c && strchr("+=@ \"\\%", c)) {
                dsn_buffer_add_char(&out, c);
                i += 2;
                continue;
            }
        }
        dsn_buffer_add_char(&out, text.p[i]);
    }
    return dsn_buffer_view(&out);
}

/* RFC 6533 3: "\x{HEX}" is a character. */
static struct dsn_strview decode_unitext(struct dsn_arena *arena, struct dsn_strview text) {
    struct dsn_buffer out;
    dsn_buffer_init(&out, arena, text.n);
    for (size_t i = 0; i < text.n; i++) {
        size_t digits = 0;
        gunichar c = 0;
        if (text.n - i > 4 && text.p[i] == '\\' && text.p[i + 1] == 'x' && text.p[i + 2] == '{') {
            while (digits < 6 && i + 3 + digits < text.n && hex_value(text.p[i + 3 + digits]) >= 0)
                c = c * 16 + (gunichar)hex_value(text.p[i + 3 + digits++]);
        }
        char utf8[6];
        if (digits >= 2 && i + 3 + digits < text.n && text.p[i + 3 + digits] == '}' && c >= ' ' &&
            g_unichar_validate(c)) {
            dsn_buffer_add(&out, dsn_sv(utf8, (size_t)g_unichar_to_utf8(c, utf8)));
            i += 3 + digits;
        } else {
            dsn_buffer_add_char(&out, text.p[i]);
        }
    }
    return dsn_buffer_view(&out);
}

/* A copy with the domain in lower case and without a final dot. */
static struct dsn_strview lower_domain(struct dsn_arena *arena, struct dsn_strview address) {
    struct dsn_strview domain = dsn_address_domain(address);
    if (domain.n && domain.p[domain.n - 1] == '.')
        address.n--;
    struct dsn_strview copy = dsn_arena_copy(arena, address);
    domain = dsn_address_domain(copy);
    char *p = (char *)(uintptr_t)domain.p; /* our own copy */
    for (size_t i = 0; i < domain.n; i++)
        p[i] = dsn_to_lower(p[i]);
    return copy;
}

struct dsn_strview dsn_address_read(struct dsn_arena *arena, struct dsn_strview typed, bool xtext) {
    struct dsn_strview type;
    struct dsn_strview text = dsn_typed_split(arena, typed, &type);
    text = cut_brackets(dsn_comments_cut(arena, text));
    if (!is_ascii(text))
        text = cut_tail(cut_lead(text));
    if (!text.n)
        return DSN_NONE;
    if (dsn_sv_starts_nocase(text, DSN_LIT("mailto:")))
        text = dsn_sv_from(text, 7);
    if (dsn_sv_eq(type, DSN_LIT("utf-8")))
        text = decode_unitext(arena, text);
    if (xtext)
        text = decode_xtext(arena, text);
    return lower_domain(arena, dsn_utf8_repair(arena, text));
}

size_t dsn_addresses_of(struct dsn_arena *arena, struct dsn_strview header, struct dsn_strview *out,
                        size_t max) {
    size_t found = 0, begin = 0;
    bool quoted = false;
    header = dsn_comments_cut(arena, header);
    for (size_t i = 0; i <= header.n; i++) {
        if (i < header.n && header.p[i] == '"')
            quoted = !quoted;
        if (i < header.n && (quoted || (header.p[i] != ',' && header.p[i] != ';')))
            continue;
        struct dsn_strview one = cut_brackets(dsn_sv_trim(dsn_sv(header.p + begin, i - begin)));
        begin = i + 1;
        size_t space = dsn_sv_find_char(one, ' ', 0);
        if (space != SIZE_MAX || !dsn_address_usable(one))
            continue;
        if (found < max)
            out[found] = lower_domain(arena, one);
        found++;
    }
    return found;
}

struct dsn_strview dsn_address_fold(struct dsn_arena *arena, struct dsn_strview address) {
    struct dsn_strview lower = dsn_arena_lower(arena, address);
    for (size_t i = 0; i < lower.n; i++) {
        if (!(lower.p[i] & 0x80))
            continue;
        char *down = g_utf8_strdown(lower.p, (gssize)lower.n);
        char *normal = g_utf8_normalize(down, -1, G_NORMALIZE_NFC);
        lower = dsn_arena_copy(arena, dsn_sv_str(normal ? normal : down));
        g_free(normal);
        g_free(down);
        break;
    }
    return lower;
}

/* What providers write in place of an address that they do not want to tell. */
static const char *const redactions[] = {"redacted",
                                         "removed",
                                         "hidden",
                                         "undisclosed",
                                         "anonymous",
                                         "anonymized",
                                         "masked",
                                         "recipient-redacted",
                                         "undisclosed-recipients"};

bool dsn_address_redacted(struct dsn_strview address) {
    struct dsn_strview domain = dsn_address_domain(address);
    struct dsn_strview local = dsn_sv(address.p, address.n - domain.n - 1);
    size_t blanks = 0;
    while (blanks < local.n && strchr("xX*.", local.p[blanks]))
        blanks++;
    return (blanks == local.n && local.n > 1) ||
           dsn_sv_is_one_of(local, redactions, G_N_ELEMENTS(redactions));
}
