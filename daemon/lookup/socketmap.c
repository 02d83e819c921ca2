/* socketmap: questions read, answers written. Knows no socket and no Redis. */
#include "socketmap.h"

#include "base/sv.h"
#include "base/utf8.h"
#include "mail/address.h"
#include "netstring.h"

#include <stdio.h>
#include <string.h>

static void reply(struct dsn_socketmap *talk, const char *text) {
    talk->n_out = dsn_netstring_write(dsn_sv_str(text), talk->out, sizeof talk->out);
}

/* "suppressed", or with a scope "suppressed/news.example.net". */
static bool read_map(struct dsn_arena *arena, struct dsn_strview name, struct dsn_strview *scope) {
    const struct dsn_strview map = DSN_LIT("suppressed");
    bool scoped = name.n > map.n + 1 && name.p[map.n] == '/';
    if (!dsn_sv_eq(dsn_sv(name.p, name.n < map.n ? name.n : map.n), map) || (name.n > map.n && !scoped) ||
        !dsn_utf8_valid(name))
        return false;
    *scope = scoped ? dsn_arena_lower(arena, dsn_sv_from(name, map.n + 1)) : DSN_NONE;
    return true;
}

/* Answers at once what is no question for Redis. */
static enum dsn_socketmap_result read_question(struct dsn_socketmap *talk, struct dsn_arena *arena,
                                               struct dsn_strview question) {
    size_t space = dsn_sv_find_char(question, ' ', 0);
    talk->query = (struct dsn_suppressed_query){0};
    if (space == SIZE_MAX || !read_map(arena, dsn_sv(question.p, space), &talk->query.scope)) {
        reply(talk, "PERM there is no such map; expected suppressed or suppressed/SCOPE");
        return DSN_SOCKETMAP_ANSWERED;
    }
    struct dsn_strview key = dsn_sv_from(question, space + 1);
    struct dsn_strview address = dsn_utf8_valid(key) ? dsn_address_read(arena, key, false) : DSN_NONE;
    if (dsn_address_usable(address))
        talk->query.address = dsn_address_fold(arena, address);
    if (talk->query.address.p)
        return DSN_SOCKETMAP_ASKED;
    reply(talk, "NOTFOUND ");
    return DSN_SOCKETMAP_ANSWERED;
}

enum dsn_socketmap_result dsn_socketmap_take(struct dsn_socketmap *talk, struct dsn_arena *arena) {
    struct dsn_strview question;
    size_t taken;
    enum dsn_netstring_result frame =
        dsn_netstring_read(dsn_sv(talk->in, talk->n_in), DSN_SOCKETMAP_QUESTION_MAX, &question, &taken);
    if (frame != DSN_NETSTRING_WHOLE)
        return frame == DSN_NETSTRING_BAD ? DSN_SOCKETMAP_BAD : DSN_SOCKETMAP_MORE;
    enum dsn_socketmap_result result = read_question(talk, arena, question);
    memmove(talk->in, talk->in + taken, talk->n_in - taken);
    talk->n_in -= taken;
    return result;
}

void dsn_socketmap_answer(struct dsn_socketmap *talk) {
    char text[DSN_SOCKETMAP_OUT_SIZE / 2];
    const struct dsn_suppressed_query *query = &talk->query;
    snprintf(text, sizeof text, "OK 550 5.7.1 suppressed by dsnd%s%s", query->reason[0] ? ": " : "",
             query->reason);
    reply(talk, query->suppressed ? text : "NOTFOUND ");
}
