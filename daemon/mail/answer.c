/* answer: codes inside a server's answer. Knows RFC 5321 4.2 and RFC 3463 2, knows no code's meaning. */
#include "answer.h"
#include "base/sv.h"
#include "base/utf8.h"

#include <glib.h>
#include <stdint.h>

static char before(struct dsn_strview text, size_t i) {
    return i ? text.p[i - 1] : ' ';
}

static char at(struct dsn_strview text, size_t i) {
    return i < text.n ? text.p[i] : ' ';
}

bool dsn_status_is_class(unsigned cls) {
    return cls == 2 || cls == 4 || cls == 5;
}

struct dsn_status dsn_status_read(struct dsn_strview text, size_t *length) {
    const struct dsn_status none = {0};
    unsigned cls, subject, detail;
    if (text.n < 5 || dsn_sv_read_uint(text, 1, &cls) != 1 || !dsn_status_is_class(cls) || text.p[1] != '.')
        return none;
    size_t n = dsn_sv_read_uint(dsn_sv_from(text, 2), 3, &subject);
    if (!n || at(text, 2 + n) != '.')
        return none;
    size_t m = dsn_sv_read_uint(dsn_sv_from(text, 3 + n), 3, &detail);
    size_t end = 3 + n + m;
    if (!m || dsn_is_digit(at(text, end)) || (at(text, end) == '.' && dsn_is_digit(at(text, end + 1))))
        return none;
    if (length)
        *length = end;
    return (struct dsn_status){.cls = (uint8_t)cls, .subject = (int16_t)subject, .detail = (int16_t)detail};
}

/* An enhanced code in running text: not the tail of a longer number, not a version, of a registered subject.
 */
static struct dsn_status status_at(struct dsn_strview text, size_t i, size_t *length) {
    char c = before(text, i);
    struct dsn_status status = {0};
    if (dsn_is_alnum(c) || c == '.' || c == '/' || c == '_' ||
        (c == '-' && i > 1 && !dsn_is_digit(text.p[i - 2])))
        return status;
    status = dsn_status_read(dsn_sv_from(text, i), length);
    if (status.cls && status.subject > 7)
        status.cls = 0;
    return status;
}

/* A reply code in running text: 4yz or 5yz that stands alone. */
static unsigned code_at(struct dsn_strview text, size_t i) {
    if (i + 3 > text.n || (text.p[i] != '4' && text.p[i] != '5' && text.p[i] != '2'))
        return 0;
    char c = before(text, i), d = at(text, i + 3);
    if (dsn_is_alnum(c) || strchr("._/@#$%&+~-", c) || (c & 0x80) || dsn_is_alnum(d) || strchr("_/@%", d))
        return 0;
    if ((d == '.' || d == ',') && dsn_is_digit(at(text, i + 4)))
        return 0;
    unsigned code;
    return dsn_sv_read_uint(dsn_sv_from(text, i), 3, &code) == 3 && code % 100 < 80 ? code : 0;
}

/* The enhanced code right behind a reply code: "550 5.1.1", "550-5.1.1", "550 #5.1.1", "550 [5.1.1]". */
static struct dsn_status status_behind(struct dsn_strview text, size_t i) {
    for (size_t j = i + 3; j < text.n && j < i + 9; j++) {
        if (dsn_is_digit(text.p[j])) {
            struct dsn_status status = dsn_status_read(dsn_sv_from(text, j), NULL);
            return status;
        }
        if (!strchr(" -#([<:'\"", text.p[j]))
            break;
    }
    return (struct dsn_status){0};
}

/* Whether a reply is likely to begin at `i`: at the start, or after a mark that MTAs put before it. */
static bool begins_reply(struct dsn_strview text, size_t i) {
    while (i && (text.p[i - 1] == ' ' || text.p[i - 1] == '\n'))
        i--;
    return i == 0 || strchr(":;<>(\"'=|[,", text.p[i - 1]);
}

struct dsn_answer dsn_answer_read(struct dsn_strview text) {
    struct dsn_answer loose = {0}, positive = {0};
    bool begun = false;
    for (size_t i = 0; i < text.n; i++) {
        if (!dsn_is_digit(text.p[i]))
            continue;
        unsigned code = code_at(text, i);
        if (code) {
            struct dsn_status status = status_behind(text, i);
            struct dsn_answer pair = {.smtp_code = (uint16_t)code, .status = status, .paired = true};
            if (status.cls && status.cls == code / 100 && code >= 400)
                return pair;
            if (status.cls && status.cls == code / 100)
                positive = pair;
            bool begins = begins_reply(text, i);
            if (code >= 400 && (!loose.smtp_code || (begins && !begun))) {
                loose.smtp_code = (uint16_t)code;
                begun = begins;
            }
        } else if (!loose.status.cls) {
            size_t length;
            struct dsn_status status = status_at(text, i, &length);
            if (status.cls > 2)
                loose.status = status;
        }
        while (i + 1 < text.n && dsn_is_digit(text.p[i + 1]))
            i++;
    }
    return loose.smtp_code || loose.status.cls ? loose : positive;
}

/* Length of a repeated prefix ("550-5.1.1 ", "550 5.1.1 ", "550-") at `i` of a reply that began with `code`.
 */
static size_t repeated_prefix(struct dsn_strview text, size_t i, unsigned code) {
    if (!code || code_at(text, i) != code || !dsn_is_space(before(text, i)))
        return 0;
    size_t n = 3;
    if (at(text, i + n) != '-' && at(text, i + n) != ' ')
        return 0;
    n++;
    size_t length;
    struct dsn_status status = dsn_status_read(dsn_sv_from(text, i + n), &length);
    if (status.cls)
        n += length;
    while (at(text, i + n) == ' ' && i + n < text.n)
        n++;
    return n;
}

struct dsn_strview dsn_answer_unfold(struct dsn_arena *arena, struct dsn_strview text) {
    struct dsn_buffer out;
    dsn_buffer_init(&out, arena, text.n);
    unsigned code = 0; /* of the multi-line reply that we are in */
    text = dsn_sv_trim(dsn_utf8_plain(arena, text));
    for (size_t i = 0; i < text.n; i++) {
        size_t words = i;
        while (words < text.n && !dsn_is_digit(text.p[words]) && !dsn_is_space(text.p[words]))
            words++;
        if (words > i) {
            dsn_buffer_add(&out, dsn_sv_range(text.p + i, text.p + words));
            i = words - 1;
            continue;
        }
        size_t again = repeated_prefix(text, i, code);
        if (again) {
            if (at(text, i + 3) == ' ')
                code = 0; /* the last line of the reply */
            i += again - 1;
            continue;
        }
        unsigned here = code_at(text, i);
        if (here && at(text, i + 3) == '-') {
            code = here;
            dsn_buffer_add(&out, dsn_sv(text.p + i, 3));
            dsn_buffer_add_char(&out, ' ');
            i += 3;
        } else if (dsn_is_space(text.p[i])) {
            if (out.n && out.p[out.n - 1] != ' ')
                dsn_buffer_add_char(&out, ' ');
        } else {
            dsn_buffer_add_char(&out, text.p[i]);
        }
    }
    return dsn_sv_trim(dsn_buffer_view(&out));
}

/* How MTAs introduce an answer that they quote: in a text that begins so, what stands before the reply code.
 * Postfix, qmail, Exim; Gmail, Exchange, Cisco. */
static const struct {
    const char *begin, *mark;
} introductions[] = {
    {"", "said: "},
    {"host ", ": "},
    {"smtp error from remote ", ": "},
    {"", "returned was: "},
    {"", "gave this error: "},
    {"", "returned '"},
    {"", "smtp; "},
    {"", "smtp;"},
    {"", "unknown address error "},
};

/* What is more than an introduction: it says whom, or what, the answer is about. */
static const char *const statements[] = {"refused to talk", "sender",       "return path", "return-path",
                                         "return address",  "from address", "check",       "callback",
                                         "callout",         "verif",        "validat"};

/* And what MTAs put behind, in so many bytes at most. */
enum { CLOSING_MAX = 100 };
static const char *const closings[] = {" (in reply to ", " giving up on ", " (delivery attempts: "};

/* Whether an answer begins at `i`, with either code, and is introduced. */
static bool is_introduced(struct dsn_strview text, size_t i) {
    if (!code_at(text, i) && !dsn_status_read(dsn_sv_from(text, i), NULL).cls)
        return false;
    for (size_t k = 0; k < G_N_ELEMENTS(introductions); k++) {
        if (dsn_sv_ends_nocase(dsn_sv(text.p, i), dsn_sv_str(introductions[k].mark)) &&
            dsn_sv_starts_nocase(text, dsn_sv_str(introductions[k].begin)))
            return true;
    }
    return false;
}

/* Where the answer begins that is introduced; 0 where none is. */
static size_t introduction(struct dsn_strview text) {
    size_t i = 0;
    if (code_at(text, 0))
        return 0;
    while (i < text.n && !(dsn_is_digit(text.p[i]) && is_introduced(text, i)))
        i++;
    for (size_t k = 0; i < text.n && k < G_N_ELEMENTS(statements); k++) {
        if (dsn_sv_find_nocase(dsn_sv(text.p, i), dsn_sv_str(statements[k]), 0) != SIZE_MAX)
            return 0;
    }
    return i < text.n ? i : 0;
}

/* Whether nothing of the answer follows: the parenthesis, or the address, ends the text. */
static bool closes(struct dsn_strview rest, bool parenthesis) {
    return parenthesis ? rest.n && dsn_sv_find_char(rest, ')', 0) == rest.n - 1
                       : dsn_sv_find_char(rest, ' ', 0) == SIZE_MAX;
}

struct dsn_strview dsn_answer_own(struct dsn_strview text) {
    size_t begin = introduction(text);
    text = dsn_sv_from(text, begin);
    for (size_t i = 0; i < G_N_ELEMENTS(closings); i++) {
        struct dsn_strview mark = dsn_sv_str(closings[i]);
        size_t found = dsn_sv_find_nocase(text, mark, text.n > CLOSING_MAX ? text.n - CLOSING_MAX : 0);
        if (found != SIZE_MAX && closes(dsn_sv_from(text, found + mark.n), mark.p[1] == '('))
            text = dsn_sv(text.p, found);
    }
    while (begin && text.n &&
           strchr("'>\"", text.p[text.n - 1])) /* of "returned '...'", "<mx.example smtp; ...>" */
        text.n--;
    return text;
}
