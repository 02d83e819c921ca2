/* lmtp_session: commands by a table, the message by a state machine. Only CR LF ends a line, also before and
 * after the last dot: a lone LF is a part of the message, so that nobody can end it early (SMTP smuggling).
 */
#include "lmtp_session.h"
#include "envelope.h"

#include "base/sv.h"

#include <string.h>

static void reply(struct dsn_lmtp_session *session, const char *text) {
    g_string_append(session->out, text);
    g_string_append(session->out, "\r\n");
}

static void forget_message(struct dsn_lmtp_session *session) {
    g_free(session->from);
    session->from = NULL;
    g_ptr_array_set_size(session->to, 0);
    g_byte_array_set_size(session->message, 0);
    if (session->state != DSN_LMTP_NEW)
        session->state = DSN_LMTP_IDLE;
}

struct dsn_lmtp_session *dsn_lmtp_session_new(const char *host, size_t max_bytes) {
    struct dsn_lmtp_session *session = g_new0(struct dsn_lmtp_session, 1);
    session->out = g_string_new(NULL);
    session->to = g_ptr_array_new_with_free_func(g_free);
    session->message = g_byte_array_new();
    session->max_bytes = max_bytes;
    session->host = g_strdup(host);
    session->line = g_string_new(NULL);
    g_string_append_printf(session->out, "220 %s LMTP dsnd\r\n", host);
    return session;
}

void dsn_lmtp_session_free(struct dsn_lmtp_session *session) {
    if (!session)
        return;
    g_string_free(session->out, TRUE);
    g_ptr_array_unref(session->to);
    g_byte_array_unref(session->message);
    g_free(session->from);
    g_free(session->host);
    g_string_free(session->line, TRUE);
    g_free(session);
}

void dsn_lmtp_session_end(struct dsn_lmtp_session *session, const char *text) {
    reply(session, text);
    session->state = DSN_LMTP_OVER;
}

/* What the client did is wrong. One that does nothing else is sent away. */
static void refuse(struct dsn_lmtp_session *session, const char *text) {
    if (++session->errors < DSN_LMTP_ERRORS_MAX)
        reply(session, text);
    else
        dsn_lmtp_session_end(session, "421 4.7.0 too many errors");
}

/* Commands */

/* Where an address in angle brackets ends; what is quoted may have brackets. SIZE_MAX: nowhere. */
static size_t find_end(struct dsn_strview s) {
    bool quoted = false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\' && quoted)
            i++;
        else if (s.p[i] == '"')
            quoted = !quoted;
        else if (s.p[i] == '>' && !quoted)
            return i;
    }
    return SIZE_MAX;
}

/* Reads "FROM:<address> parameters", without a source route. */
static bool read_path(struct dsn_strview s, struct dsn_strview word, struct dsn_strview *address,
                      struct dsn_strview *parameters) {
    if (!dsn_sv_starts_nocase(s, word))
        return false;
    s = dsn_sv_trim(dsn_sv_from(s, word.n));
    size_t end = s.n > 0 && s.p[0] == '<' ? find_end(s) : SIZE_MAX;
    if (end == SIZE_MAX)
        return false;
    *address = dsn_sv(s.p + 1, end - 1);
    *parameters = dsn_sv_trim(dsn_sv_from(s, end + 1));
    size_t route = address->n > 0 && address->p[0] == '@' ? dsn_sv_find_char(*address, ':', 0) : SIZE_MAX;
    if (route != SIZE_MAX)
        *address = dsn_sv_from(*address, route + 1);
    return dsn_envelope_accepts(*address);
}

/* A message may be as large as it likes (what is too much is not kept), and 8-bit and UTF-8 are fine. */
static bool knows_parameters(struct dsn_strview parameters) {
    static const char *const known[] = {"SIZE=", "BODY=7BIT", "BODY=8BITMIME", "SMTPUTF8"};
    char *text = g_strndup(parameters.n ? parameters.p : "", parameters.n);
    char **words = g_strsplit(text, " ", -1);
    bool good = true;
    for (size_t i = 0; words[i] && good; i++) {
        good = !words[i][0];
        for (size_t k = 0; k < G_N_ELEMENTS(known) && !good; k++)
            good = g_str_has_suffix(known[k], "=")
                       ? dsn_sv_starts_nocase(dsn_sv_str(words[i]), dsn_sv_str(known[k]))
                       : g_ascii_strcasecmp(words[i], known[k]) == 0;
    }
    g_strfreev(words);
    g_free(text);
    return good;
}

static void lhlo(struct dsn_lmtp_session *session, struct dsn_strview rest) {
    if (rest.n == 0) {
        refuse(session, "501 5.5.4 expected LHLO and a name");
        return;
    }
    session->state = DSN_LMTP_IDLE;
    forget_message(session);
    g_string_append_printf(session->out,
                           "250-%s\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-SIZE\r\n"
                           "250 ENHANCEDSTATUSCODES\r\n",
                           session->host);
}

static void mail(struct dsn_lmtp_session *session, struct dsn_strview rest) {
    struct dsn_strview address, parameters;
    if (session->state != DSN_LMTP_IDLE) {
        refuse(session, session->state == DSN_LMTP_NEW ? "503 5.5.1 LHLO first"
                                                       : "503 5.5.1 there is a sender already");
    } else if (!read_path(rest, DSN_LIT("FROM:"), &address, &parameters)) {
        refuse(session, "501 5.1.7 expected MAIL FROM:<address>");
    } else if (!knows_parameters(parameters)) {
        refuse(session, "555 5.5.4 a parameter is not known");
    } else {
        session->from = g_strndup(address.p, address.n);
        session->state = DSN_LMTP_MAIL;
        reply(session, "250 2.1.0 ok");
    }
}

static void rcpt(struct dsn_lmtp_session *session, struct dsn_strview rest) {
    struct dsn_strview address, parameters;
    if (session->state != DSN_LMTP_MAIL) {
        refuse(session, "503 5.5.1 MAIL first");
    } else if (!read_path(rest, DSN_LIT("TO:"), &address, &parameters) || address.n == 0) {
        refuse(session, "501 5.1.3 expected RCPT TO:<address>");
    } else if (parameters.n > 0) {
        refuse(session, "555 5.5.4 a parameter is not known");
    } else if (session->to->len >= DSN_LMTP_RECIPIENTS_MAX) {
        reply(session, "452 4.5.3 too many recipients");
    } else {
        g_ptr_array_add(session->to, g_strndup(address.p, address.n));
        reply(session, "250 2.1.5 ok");
    }
}

static void data(struct dsn_lmtp_session *session, struct dsn_strview rest) {
    (void)rest;
    if (session->to->len == 0) {
        refuse(session, "503 5.5.1 no recipients");
        return;
    }
    session->state = DSN_LMTP_DATA;
    session->place = DSN_LMTP_LINE_START;
    reply(session, "354 go ahead");
}

static void rset(struct dsn_lmtp_session *session, struct dsn_strview rest) {
    (void)rest;
    forget_message(session);
    reply(session, "250 2.0.0 ok");
}

static void noop(struct dsn_lmtp_session *session, struct dsn_strview rest) {
    (void)rest;
    reply(session, "250 2.0.0 ok");
}

static void vrfy(struct dsn_lmtp_session *session, struct dsn_strview rest) {
    (void)rest;
    reply(session, "252 2.1.5 send it, and see");
}

static void quit(struct dsn_lmtp_session *session, struct dsn_strview rest) {
    (void)rest;
    dsn_lmtp_session_end(session, "221 2.0.0 bye");
}

/* HELO and EHLO must not be known (RFC 2033 4.1). */
static const struct {
    const char *name;
    void (*run)(struct dsn_lmtp_session *session, struct dsn_strview rest);
} commands[] = {
    {"LHLO", lhlo}, {"MAIL", mail}, {"RCPT", rcpt}, {"DATA", data},
    {"RSET", rset}, {"NOOP", noop}, {"VRFY", vrfy}, {"QUIT", quit},
};

static void obey(struct dsn_lmtp_session *session, struct dsn_strview line) {
    line = dsn_sv_trim(line);
    size_t space = dsn_sv_find_char(line, ' ', 0);
    struct dsn_strview name = space == SIZE_MAX ? line : dsn_sv(line.p, space);
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
        if (dsn_sv_eq_nocase(name, dsn_sv_str(commands[i].name))) {
            commands[i].run(session, dsn_sv_trim(dsn_sv_from(line, name.n)));
            return;
        }
    refuse(session, "500 5.5.2 there is no such command");
}

/* Takes what belongs to one line; obeys when it is whole. */
static size_t feed_line(struct dsn_lmtp_session *session, struct dsn_strview bytes) {
    size_t end = dsn_sv_find_char(bytes, '\n', 0);
    size_t n = end == SIZE_MAX ? bytes.n : end;
    session->too_long = session->too_long || session->line->len + n > DSN_LMTP_LINE_MAX;
    if (!session->too_long)
        g_string_append_len(session->line, bytes.p, (gssize)n);
    if (end == SIZE_MAX)
        return n;
    if (session->too_long)
        refuse(session, "500 5.5.6 the line is too long");
    else
        obey(session, dsn_sv(session->line->str, session->line->len));
    g_string_truncate(session->line, 0);
    session->too_long = false;
    return n + 1;
}

/* The message */

static void keep(struct dsn_lmtp_session *session, const char *bytes, size_t n) {
    size_t room = session->max_bytes - session->message->len;
    g_byte_array_append(session->message, (const guint8 *)bytes, (guint)MIN(n, room));
}

/* A byte at a place where it matters. */
static void feed_byte(struct dsn_lmtp_session *session, char c) {
    switch (session->place) {
    case DSN_LMTP_LINE_START:
        if (c == '.')
            session->place = DSN_LMTP_DOT;
        else if (c == '\r')
            session->place = DSN_LMTP_CR;
        else
            session->place = DSN_LMTP_IN_LINE;
        if (session->place == DSN_LMTP_IN_LINE)
            keep(session, &c, 1);
        break;
    case DSN_LMTP_DOT: /* which SMTP added, or which ends the message */
        session->place = c == '\r' ? DSN_LMTP_DOT_CR : DSN_LMTP_IN_LINE;
        if (c != '\r')
            keep(session, &c, 1);
        break;
    case DSN_LMTP_DOT_CR:
        if (c == '\n') {
            session->state = DSN_LMTP_WAITING;
            break;
        }
        /* fall through */
    case DSN_LMTP_CR:
        keep(session, "\r", 1);
        session->place = c == '\r' ? DSN_LMTP_CR : c == '\n' ? DSN_LMTP_LINE_START : DSN_LMTP_IN_LINE;
        if (c != '\r')
            keep(session, &c, 1);
        break;
    case DSN_LMTP_IN_LINE:
        session->place = DSN_LMTP_CR; /* feed_data has taken all before */
    }
}

static size_t feed_data(struct dsn_lmtp_session *session, struct dsn_strview bytes) {
    size_t i = 0;
    while (i < bytes.n && session->state == DSN_LMTP_DATA) {
        if (session->place == DSN_LMTP_IN_LINE) {
            size_t end = dsn_sv_find_char(bytes, '\r', i);
            size_t n = (end == SIZE_MAX ? bytes.n : end) - i;
            keep(session, bytes.p + i, n);
            i += n;
        }
        if (i < bytes.n)
            feed_byte(session, bytes.p[i++]);
    }
    return i;
}

size_t dsn_lmtp_session_feed(struct dsn_lmtp_session *session, const char *bytes, size_t n) {
    size_t i = 0;
    while (i < n && session->state != DSN_LMTP_WAITING && session->state != DSN_LMTP_OVER) {
        struct dsn_strview rest = dsn_sv(bytes + i, n - i);
        i += session->state == DSN_LMTP_DATA ? feed_data(session, rest) : feed_line(session, rest);
    }
    return i;
}

void dsn_lmtp_session_answer(struct dsn_lmtp_session *session, const char *text) {
    for (guint i = 0; i < session->to->len; i++)
        reply(session, text);
    forget_message(session);
}
