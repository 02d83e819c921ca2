/* The server's side of LMTP: what a client says, and what it is answered. */
#include "source/lmtp_session.h"
#include "unit.h"

static struct dsn_lmtp_session *session;

static void start(void) {
    dsn_lmtp_session_free(session);
    session = dsn_lmtp_session_new("mx.example.net", 1000);
    g_string_truncate(session->out, 0);
}

/* What is answered to `text`, which is taken as a whole. */
static const char *said(const char *text) {
    g_string_truncate(session->out, 0);
    ck_assert_uint_eq(dsn_lmtp_session_feed(session, text, strlen(text)), strlen(text));
    return session->out->str;
}

static void begin_message(void) {
    said("LHLO me\r\n");
    ck_assert_str_eq(said("MAIL FROM:<>\r\nRCPT TO:<a@example.net>\r\nDATA\r\n"),
                     "250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 go ahead\r\n");
}

static const char *message(void) {
    g_byte_array_append(session->message, (const guint8 *)"", 1);
    return (const char *)session->message->data;
}

START_TEST(lhlo_says_what_is_understood) {
    start();
    const char *reply = said("LHLO client.example.net\r\n");
    ck_assert(g_str_has_prefix(reply, "250-mx.example.net\r\n"));
    ck_assert(g_str_has_suffix(reply, "250 ENHANCEDSTATUSCODES\r\n"));
    for (const char *const *word = (const char *const[]){"PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE", NULL};
         *word; word++)
        ck_assert_ptr_nonnull(strstr(reply, *word));
}
END_TEST

START_TEST(a_message_is_answered_for_each_recipient_when_it_is_known_what_became_of_it) {
    start();
    said("LHLO me\r\n");
    said("mail from:<Some.One@example.org> BODY=8BITMIME SIZE=1234 SMTPUTF8\r\n");
    said("RCPT TO: <a@example.net>\r\nRCPT TO:<@relay.example:b@example.net>\r\nDATA\r\n");
    ck_assert_str_eq(said("Subject: x\r\n\r\nhello\r\n.\r\n"), "");
    ck_assert_int_eq(session->state, DSN_LMTP_WAITING);
    ck_assert_str_eq(session->from, "Some.One@example.org");
    ck_assert_str_eq(session->to->pdata[0], "a@example.net");
    ck_assert_str_eq(session->to->pdata[1], "b@example.net");
    ck_assert_str_eq(message(), "Subject: x\r\n\r\nhello\r\n");
    dsn_lmtp_session_answer(session, "250 2.0.0 ok");
    ck_assert_str_eq(session->out->str, "250 2.0.0 ok\r\n250 2.0.0 ok\r\n");
    ck_assert_int_eq(session->state, DSN_LMTP_IDLE);
}
END_TEST

START_TEST(what_comes_behind_a_message_is_left_until_that_is_answered) {
    const char text[] = "x\r\n.\r\nQUIT\r\n";
    start();
    begin_message();
    ck_assert_uint_eq(dsn_lmtp_session_feed(session, text, sizeof text - 1), strlen("x\r\n.\r\n"));
    ck_assert_uint_eq(dsn_lmtp_session_feed(session, "QUIT\r\n", 6), 0);
    dsn_lmtp_session_answer(session, "451 4.3.0 later");
    ck_assert_str_eq(said("QUIT\r\n"), "221 2.0.0 bye\r\n");
    ck_assert_int_eq(session->state, DSN_LMTP_OVER);
}
END_TEST

START_TEST(dots_are_unstuffed_and_only_cr_lf_dot_cr_lf_ends_a_message) {
    start();
    begin_message();
    said("..a\r\n.b\r\n\n.\n\r.\r\n.\rc\r\n.\n");
    ck_assert_int_eq(session->state, DSN_LMTP_DATA);
    said("\r\n.\r\n");
    ck_assert_int_eq(session->state, DSN_LMTP_WAITING);
    ck_assert_str_eq(message(), ".a\r\nb\r\n\n.\n\r.\r\n\rc\r\n\n\r\n");
}
END_TEST

START_TEST(bytes_may_come_one_by_one) {
    const char text[] = "LHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.c>\r\nDATA\r\n..\r\n\r\n.x\r\n\r\r\n.\r\n";
    start();
    for (const char *p = text; *p; p++)
        ck_assert_uint_eq(dsn_lmtp_session_feed(session, p, 1), 1);
    ck_assert_int_eq(session->state, DSN_LMTP_WAITING);
    ck_assert_str_eq(message(), ".\r\n\r\nx\r\n\r\r\n");
}
END_TEST

START_TEST(of_a_large_message_no_more_is_kept_than_wanted) {
    char *text = g_strnfill(5000, 'x');
    start();
    begin_message();
    said(text);
    said("\r\n.\r\n");
    ck_assert_int_eq(session->state, DSN_LMTP_WAITING);
    ck_assert_uint_eq(session->message->len, 1000);
    g_free(text);
}
END_TEST

START_TEST(a_line_that_is_too_long_is_refused_and_forgotten) {
    char *text = g_strnfill(10000, 'x');
    start();
    said("LHLO me\r\n");
    ck_assert_str_eq(said(text), "");
    ck_assert_uint_le(session->line->allocated_len, 2 * DSN_LMTP_LINE_MAX);
    ck_assert_str_eq(said("\r\n"), "500 5.5.6 the line is too long\r\n");
    ck_assert_str_eq(said("NOOP\r\n"), "250 2.0.0 ok\r\n");
    g_free(text);
}
END_TEST

static const struct {
    const char *text, *code;
} wrong[] = {
    {"HELO me\r\n", "500 "},
    {"EHLO me\r\n", "500 "},
    {"LHLO\r\n", "501 "},
    {"MAIL FROM:<a@b.c>\r\n", "503 "},
    {"RCPT TO:<a@b.c>\r\n", "503 "},
    {"DATA\r\n", "503 "},
    {"LHLO me\r\nDATA\r\n", "503 "},
    {"LHLO me\r\nMAIL FROM:a@b.c\r\n", "501 "},
    {"LHLO me\r\nMAIL FROM:<a@b.c\r\n", "501 "},
    {"LHLO me\r\nMAIL FROM:<a\tb@b.c>\r\n", "501 "},
    {"LHLO me\r\nMAIL FROM:<a@b.c> WHAT=ever\r\n", "555 "},
    {"LHLO me\r\nMAIL FROM:<>\r\nMAIL FROM:<>\r\n", "503 "},
    {"LHLO me\r\nMAIL FROM:<>\r\nDATA\r\n", "503 "},
    {"LHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<>\r\n", "501 "},
    {"LHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.c> NOTIFY=NEVER\r\n", "555 "},
    {"LHLO me\r\nMAIL FROM:<>\r\nRSET\r\nRCPT TO:<a@b.c>\r\n", "503 "},
};

START_TEST(what_is_wrong_is_refused) {
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        start();
        said(wrong[i].text);
        g_string_truncate(session->out, session->out->len - 2); /* the last line end */
        const char *last = strrchr(session->out->str, '\n');
        ck_assert_msg(g_str_has_prefix(last ? last + 1 : session->out->str, wrong[i].code), "%s -> %s",
                      wrong[i].text, session->out->str);
    }
}
END_TEST

START_TEST(a_quoted_local_part_may_have_a_bracket) {
    start();
    said("LHLO me\r\nMAIL FROM:<\"a>b\\\"\"@example.net> SIZE=1\r\n");
    ck_assert_str_eq(session->from, "\"a>b\\\"\"@example.net");
}
END_TEST

START_TEST(one_who_does_nothing_right_is_sent_away) {
    start();
    for (int i = 1; i < DSN_LMTP_ERRORS_MAX; i++)
        ck_assert(g_str_has_prefix(said("GET / HTTP/1.1\r\n"), "500 "));
    ck_assert(g_str_has_prefix(said("GET / HTTP/1.1\r\n"), "421 "));
    ck_assert_int_eq(session->state, DSN_LMTP_OVER);
}
END_TEST

RUN_SUITE("lmtp", lhlo_says_what_is_understood,
          a_message_is_answered_for_each_recipient_when_it_is_known_what_became_of_it,
          what_comes_behind_a_message_is_left_until_that_is_answered,
          dots_are_unstuffed_and_only_cr_lf_dot_cr_lf_ends_a_message, bytes_may_come_one_by_one,
          of_a_large_message_no_more_is_kept_than_wanted, a_line_that_is_too_long_is_refused_and_forgotten,
          what_is_wrong_is_refused, a_quoted_local_part_may_have_a_bracket,
          one_who_does_nothing_right_is_sent_away)
