/* human: the part of a report that is meant for people. Knows part roles, nothing of what the text says. */
#include "human.h"
#include "base/sv.h"
#include "base/utf8.h"
#include "html.h"

/* Whether everything that follows belongs to the machines, or to the returned message. */
static bool is_border(const struct dsn_part *part, bool begun) {
    return begun && part->role >= DSN_PART_DELIVERY_STATUS;
}

static struct dsn_strview join_parts(struct dsn_arena *arena, const struct dsn_message *message,
                                     enum dsn_part_role role) {
    struct dsn_strview text = DSN_NONE;
    for (size_t i = 0; i < message->n_parts && !is_border(&message->parts[i], text.n > 0); i++) {
        const struct dsn_part *part = &message->parts[i];
        if (part->role != role || !dsn_sv_trim(part->text).n)
            continue;
        struct dsn_strview next = dsn_utf8_cut(part->text, DSN_HUMAN_MAX);
        if (role == DSN_PART_HTML)
            next = dsn_html_text(arena, next);
        text = text.n ? dsn_arena_join(arena, text, DSN_LIT("\n"), next) : next;
    }
    return text;
}

struct dsn_strview dsn_human_text(struct dsn_arena *arena, const struct dsn_message *message) {
    struct dsn_strview text = join_parts(arena, message, DSN_PART_TEXT);
    if (!text.n)
        text = join_parts(arena, message, DSN_PART_HTML);
    return text.p ? dsn_utf8_cut(text, DSN_HUMAN_MAX) : dsn_sv("", 0);
}
