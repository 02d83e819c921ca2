/* html: the text of an HTML page. Knows tags that break lines and entities, no style sheet. */
#include "html.h"
#include "base/sv.h"

#include <glib.h>
#include <stdint.h>

/* Elements that stand on lines of their own. */
static const char *const blocks[] = {
    "br", "p",   "div", "tr", "li", "ul", "ol",   "table", "h1", "h2", "h3",      "h4",         "h5",
    "h6", "pre", "hr",  "dt", "dd", "dl", "body", "title", "td", "th", "section", "blockquote", "center",
};

/* Elements whose content nobody sees. */
static const char *const hidden[] = {"style", "script", "head"};

static const struct {
    const char *name;
    const char *utf8;
} entities[] = {
    {"amp", "&"},    {"lt", "<"},    {"gt", ">"},    {"quot", "\""},  {"apos", "'"},   {"nbsp", " "},
    {"shy", ""},     {"copy", "©"},  {"auml", "ä"},  {"ouml", "ö"},   {"uuml", "ü"},   {"Auml", "Ä"},
    {"Ouml", "Ö"},   {"Uuml", "Ü"},  {"szlig", "ß"}, {"eacute", "é"}, {"egrave", "è"}, {"agrave", "à"},
    {"ccedil", "ç"}, {"ndash", "-"}, {"rsquo", "'"},
};

/* The name in "<td class=...": letters and digits behind '<' or '</'. */
static struct dsn_strview tag_name(struct dsn_strview html, size_t i) {
    size_t begin = i + 1;
    if (begin < html.n && html.p[begin] == '/')
        begin++;
    size_t end = begin;
    while (end < html.n && dsn_is_alnum(html.p[end]))
        end++;
    return dsn_sv(html.p + begin, end - begin);
}

/* Whether '<' begins a tag or a comment: reports put addresses into bare angle brackets. */
static bool is_tag(struct dsn_strview html, size_t i) {
    if (i + 1 >= html.n)
        return false;
    if (html.p[i + 1] == '!' || html.p[i + 1] == '?')
        return true;
    struct dsn_strview name = tag_name(html, i);
    const char *after = name.p + name.n;
    return name.n && after < html.p + html.n && (dsn_is_space(*after) || *after == '>' || *after == '/');
}

/* Offset behind the end of what begins with '<' at `i`: a tag, a comment, or a hidden element. `unclosed`:
 * the hidden ones that nothing closes any more, which are not to be searched for again and again. */
static size_t skip(struct dsn_strview html, size_t i, bool unclosed[G_N_ELEMENTS(hidden)]) {
    struct dsn_strview name = tag_name(html, i);
    size_t end;
    if (dsn_sv_starts_nocase(dsn_sv_from(html, i), DSN_LIT("<!--"))) {
        end = dsn_sv_find_nocase(html, DSN_LIT("-->"), i);
        return end == SIZE_MAX ? html.n : end + 3;
    }
    for (size_t k = 0; k < G_N_ELEMENTS(hidden) && html.p[i + 1] != '/'; k++) {
        char closing[16];
        if (unclosed[k] || !dsn_sv_eq_nocase(name, dsn_sv_str(hidden[k])))
            continue;
        g_snprintf(closing, sizeof closing, "</%s", hidden[k]);
        end = dsn_sv_find_nocase(html, dsn_sv_str(closing), i);
        unclosed[k] = end == SIZE_MAX;
        i = unclosed[k] ? i : end;
        break;
    }
    end = dsn_sv_find_char(html, '>', i);
    return end == SIZE_MAX ? html.n : end + 1;
}

static size_t add_number(struct dsn_buffer *out, struct dsn_strview html, size_t i) {
    bool hex = i < html.n && (html.p[i] | 0x20) == 'x';
    size_t at = i + hex;
    gunichar c = 0;
    for (int digits = 0; at < html.n && digits < 7; at++, digits++) {
        int value = hex ? g_ascii_xdigit_value(html.p[at]) : g_ascii_digit_value(html.p[at]);
        if (value < 0)
            break;
        c = c * (hex ? 16 : 10) + (gunichar)value;
    }
    char utf8[6];
    if (c == 0xA0)
        c = ' ';
    if (c >= ' ' && g_unichar_validate(c))
        dsn_buffer_add(out, dsn_sv(utf8, (size_t)g_unichar_to_utf8(c, utf8)));
    return at < html.n && html.p[at] == ';' ? at + 1 : at;
}

/* Adds the character that the entity at `i` ('&') means; returns the offset behind it. */
static size_t add_entity(struct dsn_buffer *out, struct dsn_strview html, size_t i) {
    if (i + 1 < html.n && html.p[i + 1] == '#')
        return add_number(out, html, i + 2);
    size_t end = i + 1;
    while (end < html.n && dsn_is_alnum(html.p[end]) && end - i < 10)
        end++;
    struct dsn_strview name = dsn_sv(html.p + i + 1, end - i - 1);
    for (size_t k = 0; k < G_N_ELEMENTS(entities); k++) {
        if (dsn_sv_eq(name, dsn_sv_str(entities[k].name))) {
            dsn_buffer_add(out, dsn_sv_str(entities[k].utf8));
            return end < html.n && html.p[end] == ';' ? end + 1 : end;
        }
    }
    dsn_buffer_add_char(out, '&');
    return i + 1;
}

/* Ends the line. `apart`: where it has ended, an empty one follows. */
static void break_line(struct dsn_buffer *out, bool apart) {
    while (out->n && out->p[out->n - 1] == ' ')
        out->n--;
    if (out->n && !dsn_sv_ends_nocase(dsn_sv(out->p, out->n), apart ? DSN_LIT("\n\n") : DSN_LIT("\n")))
        dsn_buffer_add_char(out, '\n');
}

/* White space: what stands in <pre> as it is, elsewhere a space. */
static void add_space(struct dsn_buffer *out, char c, bool preformatted) {
    if (preformatted || (out->n && !strchr(" \n", out->p[out->n - 1])))
        dsn_buffer_add_char(out, preformatted ? c : ' ');
}

struct dsn_strview dsn_html_text(struct dsn_arena *arena, struct dsn_strview html) {
    struct dsn_buffer out;
    bool unclosed[G_N_ELEMENTS(hidden)] = {false}, preformatted = false;
    dsn_buffer_init(&out, arena, html.n / 2 + 16);
    for (size_t i = 0; i < html.n && !out.failed;) {
        char c = html.p[i];
        if (c == '<' && is_tag(html, i)) {
            struct dsn_strview name = tag_name(html, i);
            if (dsn_sv_is_one_of(name, blocks, G_N_ELEMENTS(blocks)))
                break_line(&out, dsn_sv_eq_nocase(name, DSN_LIT("br")));
            if (dsn_sv_eq_nocase(name, DSN_LIT("pre")))
                preformatted = html.p[i + 1] != '/';
            i = skip(html, i, unclosed);
        } else if (c == '&') {
            i = add_entity(&out, html, i);
        } else if (dsn_is_space(c)) {
            add_space(&out, c, preformatted);
            i++;
        } else {
            dsn_buffer_add_char(&out, c);
            i++;
        }
    }
    return dsn_buffer_view(&out);
}
