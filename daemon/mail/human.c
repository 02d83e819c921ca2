/* human: the part of a report that is meant for people. Knows part roles, nothing of what the text says. */
#include "human.h"
#include "base/sv.h"
#include "base/utf8.h"
#include "html.h"

#include <stdint.h>

/* Whether everything that follows belongs to the machines, or to the returned message. */
static bool is_border(const struct dsn_part *part, bool begun) {
    return begun && part->role >= DSN_PART_DELIVERY_STATUS;
}

/* HTML counts where no plain text stands before it, of which it would be another form. */
static struct dsn_strview join_parts(struct dsn_human *human, struct dsn_arena *arena,
                                     const struct dsn_message *message) {
    struct dsn_strview text = DSN_NONE;
    bool plain = false;
    for (size_t i = 0; i < message->n_parts && !is_border(&message->parts[i], text.n > 0); i++) {
        const struct dsn_part *part = &message->parts[i];
        bool html = part->role == DSN_PART_HTML && !plain;
        if ((part->role != DSN_PART_TEXT && !html) || !dsn_sv_trim(part->text).n)
            continue;
        if (text.n >= DSN_HUMAN_MAX) {
            human->cut = true;
            break;
        }
        struct dsn_strview next = dsn_utf8_cut(part->text, DSN_HUMAN_MAX);
        human->cut |= next.n < part->text.n;
        if (html)
            next = dsn_html_text(arena, next);
        text = text.n ? dsn_arena_join(arena, text, DSN_LIT("\n"), next) : next;
        plain |= !html;
    }
    return text;
}

/* "[EXTERNAL] ", "***SPAM*** ", "{Spam?} ": what the mark at the start of `subject` takes; 0 where none is.
 */
static size_t mark_length(struct dsn_strview subject) {
    static const struct { const char *begin, *end; } marks[] = {{"[", "]"}, {"{", "}"}, {"***", "***"}};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        struct dsn_strview begin = dsn_sv_str(marks[i].begin), end = dsn_sv_str(marks[i].end);
        if (!dsn_sv_starts_nocase(subject, begin))
            continue;
        size_t at = dsn_sv_find_nocase(dsn_utf8_cut(subject, 40), end, begin.n);
        return at == SIZE_MAX ? 0 : at + end.n;
    }
    return 0;
}

struct dsn_strview dsn_subject_unmarked(struct dsn_strview subject) {
    struct dsn_strview rest = dsn_sv_trim(subject);
    for (size_t n = mark_length(rest); n; n = mark_length(rest))
        rest = dsn_sv_trim(dsn_sv_from(rest, n));
    return rest.n ? rest : subject;
}

/* Whether a person sent this on, as the subject says. */
static bool is_forward(const struct dsn_message *message) {
    static const char *const prefixes[] = {"fwd:", "fw:", "wg:", "tr:", "rv:", "i:", "転送:"};
    struct dsn_strview subject =
        dsn_subject_unmarked(dsn_header_get(message->headers, message->n_headers, "Subject"));
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (subject.n && dsn_sv_starts_nocase(subject, dsn_sv_str(prefixes[i])))
            return true;
    }
    return false;
}

/* "> text" -> "text", one level of it. */
static struct dsn_strview unquote(struct dsn_arena *arena, struct dsn_strview text) {
    struct dsn_buffer out;
    struct dsn_strview line;
    dsn_buffer_init(&out, arena, text.n);
    while (dsn_sv_next_line(&text, &line)) {
        if (line.n && line.p[0] == '>')
            line = dsn_sv_from(line, line.n > 1 && line.p[1] == ' ' ? 2 : 1);
        dsn_buffer_add(&out, line);
        dsn_buffer_add_char(&out, '\n');
    }
    return dsn_buffer_view(&out);
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/* Whether a line ends otherwise than with a LF alone behind a word. */
static bool is_untidy(struct dsn_strview text) {
    size_t end = dsn_sv_find_char(text, '\n', 0);
    while (end != SIZE_MAX && (end == 0 || !is_blank(text.p[end - 1])))
        end = dsn_sv_find_char(text, '\n', end + 1);
    return end != SIZE_MAX || dsn_sv_find_char(text, '\r', 0) != SIZE_MAX;
}

/* With LF at the ends of lines, whatever ends them in decoded text, and no white space before it. */
static struct dsn_strview tidy_lines(struct dsn_arena *arena, struct dsn_strview text) {
    struct dsn_buffer out;
    struct dsn_strview line;
    if (!is_untidy(text))
        return text;
    dsn_buffer_init(&out, arena, text.n);
    while (dsn_sv_next_line(&text, &line)) {
        while (line.n && is_blank(line.p[line.n - 1]))
            line.n--;
        dsn_buffer_add(&out, line);
        dsn_buffer_add_char(&out, '\n');
    }
    return dsn_buffer_view(&out);
}

struct dsn_strview dsn_human_text(struct dsn_human *human, struct dsn_arena *arena,
                                  const struct dsn_message *message) {
    if (human->message == message)
        return human->text;
    *human = (struct dsn_human){.message = message};
    struct dsn_strview text = tidy_lines(arena, dsn_utf8_plain(arena, join_parts(human, arena, message)));
    if (text.n && is_forward(message))
        text = unquote(arena, text);
    human->text = text.p ? dsn_utf8_cut(text, DSN_HUMAN_MAX) : dsn_sv("", 0);
    human->cut |= human->text.n < text.n;
    return human->text;
}
