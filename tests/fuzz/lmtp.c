/* lmtp: a client's side of a whole conversation. The first byte says in how large pieces it comes, which must
 * not matter; and the same bytes as a message come out of it as they went in. */
#include "envelope.h"
#include "source/lmtp_session.h"

enum { MAX_BYTES = 2000 };

static void check_replies(struct dsn_strview replies) {
    while (replies.n > 0) {
        size_t end = dsn_sv_find_char(replies, '\r', 0);
        PROMISE(end >= 4 && end + 1 < replies.n && replies.p[end + 1] == '\n');
        for (size_t i = 0; i < end; i++)
            PROMISE(i < 3    ? dsn_is_digit(replies.p[i])
                    : i == 3 ? replies.p[i] == ' ' || replies.p[i] == '-'
                             : replies.p[i] >= ' ' && replies.p[i] < 0x7f);
        replies = dsn_sv_from(replies, end + 2);
    }
}

/* What the listener does with a message; it goes into what is said. */
static void take_message(struct dsn_lmtp_session *session) {
    struct dsn_strview message = dsn_sv((const char *)session->message->data, session->message->len);
    struct dsn_strview to[DSN_LMTP_RECIPIENTS_MAX];
    PROMISE(message.n <= MAX_BYTES && session->to->len > 0 && session->to->len <= G_N_ELEMENTS(to));
    for (guint i = 0; i < session->to->len; i++) {
        to[i] = dsn_sv_str(session->to->pdata[i]);
        PROMISE(to[i].n > 0 && dsn_envelope_accepts(to[i]));
    }
    const struct dsn_envelope envelope = {dsn_sv_str(session->from), to, session->to->len};
    check_envelope(&envelope, message);
    check_replies(dsn_sv(session->out->str, session->out->len));
    size_t said = session->out->len;
    dsn_lmtp_session_answer(session, "250 2.0.0 ok");
    PROMISE(session->out->len == said + envelope.n_to * strlen("250 2.0.0 ok\r\n"));
}

static GString *converse(struct dsn_strview bytes, size_t piece) {
    struct dsn_lmtp_session *session = dsn_lmtp_session_new("mx.example.net", MAX_BYTES);
    GString *heard = g_string_new(NULL);
    while (bytes.n > 0 && session->state != DSN_LMTP_OVER) {
        size_t n = MIN(piece, bytes.n), taken = dsn_lmtp_session_feed(session, bytes.p, n);
        PROMISE(taken == n || session->state == DSN_LMTP_WAITING || session->state == DSN_LMTP_OVER);
        PROMISE(session->line->len <= DSN_LMTP_LINE_MAX && session->errors <= DSN_LMTP_ERRORS_MAX);
        bytes = dsn_sv_from(bytes, taken);
        if (session->state != DSN_LMTP_WAITING)
            continue;
        g_string_append_printf(heard, "<%s> ", session->from);
        g_string_append_len(heard, (const char *)session->message->data, (gssize)session->message->len);
        take_message(session);
    }
    check_replies(dsn_sv(session->out->str, session->out->len));
    g_string_append_len(heard, session->out->str, (gssize)session->out->len);
    dsn_lmtp_session_free(session);
    return heard;
}

/* A message as RFC 5321 4.5.2 has it sent. */
static GString *stuffed(struct dsn_strview message) {
    GString *out = g_string_new("LHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.c>\r\nDATA\r\n");
    for (size_t i = 0; i < message.n; i++) {
        if (message.p[i] == '.' &&
            (i == 0 || (i > 1 && message.p[i - 2] == '\r' && message.p[i - 1] == '\n')))
            g_string_append_c(out, '.');
        g_string_append_c(out, message.p[i]);
    }
    return g_string_append(out, "\r\n.\r\n");
}

static void check_stuffing(struct dsn_strview message) {
    struct dsn_lmtp_session *session = dsn_lmtp_session_new("mx.example.net", message.n + 2);
    GString *sent = stuffed(message);
    PROMISE(dsn_lmtp_session_feed(session, sent->str, sent->len) == sent->len);
    PROMISE(session->state == DSN_LMTP_WAITING && session->message->len == message.n + 2);
    PROMISE(dsn_sv_eq(dsn_sv((const char *)session->message->data, message.n), message));
    g_string_free(sent, TRUE);
    dsn_lmtp_session_free(session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size)
        return 0;
    struct dsn_strview bytes = dsn_sv((const char *)data + 1, size - 1);
    GString *whole = converse(bytes, SIZE_MAX), *pieces = converse(bytes, data[0] + 1u);
    PROMISE(g_string_equal(whole, pieces));
    check_stuffing(bytes);
    g_string_free(whole, TRUE);
    g_string_free(pieces, TRUE);
    return 0;
}
