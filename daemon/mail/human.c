/* human: the part of a report that is meant for people. Knows part roles, nothing of what the text says. */
#include "human.h"
#include "base/sv.h"
#include "base/utf8.h"
#include "html.h"

/* Whether everything that follows belongs to the machines, or to the returned message. */
static bool is_border(const struct dsn_part *part, bool begun) {
    return begun && part->role >= DSN_PART_DELIVERY_STATUS;
}

static struct dsn_strview join_parts(struct dsn_human *human, struct dsn_arena *arena,
                                     const struct dsn_message *message, enum dsn_part_role role) {
    struct dsn_strview text = DSN_NONE;
    for (size_t i = 0; i < message->n_parts && !is_border(&message->parts[i], text.n > 0); i++) {
        const struct dsn_part *part = &message->parts[i];
        if (part->role != role || !dsn_sv_trim(part->text).n)
            continue;
        if (text.n >= DSN_HUMAN_MAX) {
            human->cut = true;
            break;
        }
        struct dsn_strview next = dsn_utf8_cut(part->text, DSN_HUMAN_MAX);
        human->cut |= next.n < part->text.n;
        if (role == DSN_PART_HTML)
            next = dsn_html_text(arena, next);
        text = text.n ? dsn_arena_join(arena, text, DSN_LIT("\n"), next) : next;
    }
    return text;
}

/* Whether a person sent this on, as the subject says. */
static bool is_forward(const struct dsn_message *message) {
    static const char *const prefixes[] = {"fwd:", "fw:", "wg:", "tr:", "rv:", "i:", "転送:"};
    struct dsn_strview subject = dsn_header_get(message->headers, message->n_headers, "Subject");
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

struct dsn_strview dsn_human_text(struct dsn_human *human, struct dsn_arena *arena,
                                  const struct dsn_message *message) {
    if (human->message == message)
        return human->text;
    *human = (struct dsn_human){.message = message};
    struct dsn_strview text = join_parts(human, arena, message, DSN_PART_TEXT);
    if (!text.n)
        text = join_parts(human, arena, message, DSN_PART_HTML);
    if (text.n && is_forward(message))
        text = unquote(arena, text);
    human->text = text.p ? dsn_utf8_cut(text, DSN_HUMAN_MAX) : dsn_sv("", 0);
    human->cut |= human->text.n < text.n;
    return human->text;
}
