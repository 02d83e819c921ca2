/* command: which SMTP command an answer replied to.
 */
#include "unit.h"

#include "mail/command.h"

#include <glib.h>

START_TEST(an_answer_tells_its_command) {
    static const struct {
        const char *text;
        enum dsn_smtp_command command;
    } answers[] = {
        {"550 5.1.1 <a@b.example>: User unknown (in reply to RCPT TO command)", DSN_COMMAND_RCPT},
        {"550 5.7.1 refused (in reply to end of DATA command)", DSN_COMMAND_DATA},
        {"SMTP error from remote mail server after RCPT TO:<a@b.example>: 550 no", DSN_COMMAND_RCPT},
        {"SMTP error from remote mail server after pipelined end of data: 550 no", DSN_COMMAND_DATA},
        {"SMTP error from remote mail server after initial connection: 554 no", DSN_COMMAND_CONNECT},
        {"SMTP error from remote mail server after EHLO mx.example: 550 no", DSN_COMMAND_EHLO},
        {"SMTP:RCPT host 192.0.2.1: 553 5.3.0 no such user", DSN_COMMAND_RCPT},
        {"530 5.7.0 Must issue a STARTTLS command first (in reply to MAIL FROM command)", DSN_COMMAND_MAIL},
        {"550 we shall look after mailboxes that are gone, after a while", DSN_COMMAND_NONE},
        {"550 after rcptless days", DSN_COMMAND_NONE},
        {"", DSN_COMMAND_NONE},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(answers); i++)
        ck_assert_msg(dsn_command_of_answer(dsn_sv_str(answers[i].text)) == answers[i].command, "%s",
                      answers[i].text);
}
END_TEST

static enum dsn_smtp_command in_session(const char *session, const char *diagnostic) {
    struct dsn_transcript transcript;
    dsn_transcript_read(dsn_sv_str(session), &transcript);
    return dsn_transcript_command(&transcript, dsn_sv_str(diagnostic));
}

START_TEST(a_transcript_tells_the_command_of_each_reply) {
    const char *session = "... while talking to mx.example.:\n"
                          ">>> RCPT To:<a@b.example>\n<<< 550 5.1.1 no such user\n"
                          ">>> DATA\n<<< 554 5.7.1 spam is not wanted\n";
    ck_assert_int_eq(in_session(session, "550 5.1.1 no such user"), DSN_COMMAND_RCPT);
    ck_assert_int_eq(in_session(session, "554 5.7.1 spam is not wanted"), DSN_COMMAND_DATA);
    ck_assert_int_eq(in_session(session, "452 something else"), DSN_COMMAND_NONE);
}
END_TEST

/* RFC 2920: RCPT and DATA travel together, Sendmail prints the last one only. */
START_TEST(a_pipelined_data_does_not_hide_the_rcpt) {
    const char *pipelined = ">>> DATA\n<<< 550 Unknown user a\n550 5.1.1 <a@b.example>... User unknown\n"
                            "<<< 503 5.0.0 Need RCPT (recipient)\n";
    const char *refused = "  >>> DATA\r\n  <<< 550 Unknown user a\r\n554 5.0.0 Service unavailable\r\n";
    ck_assert_int_eq(in_session(pipelined, "550 Unknown user a"), DSN_COMMAND_RCPT);
    ck_assert_int_eq(in_session(refused, "550 Unknown user a"), DSN_COMMAND_DATA);
}
END_TEST

START_TEST(a_long_session_is_read_up_to_its_limit) {
    GString *session = g_string_new(NULL);
    struct dsn_transcript transcript;
    for (unsigned i = 0; i < 2 * DSN_TRANSCRIPT_MAX; i++)
        g_string_append_printf(session, ">>> RCPT TO:<u%u@b.example>\n<<< 550 no user u%u!\n", i, i);
    dsn_transcript_read(dsn_sv(session->str, session->len), &transcript);
    ck_assert_uint_eq(transcript.n, DSN_TRANSCRIPT_MAX);
    g_string_free(session, TRUE);
}
END_TEST

RUN_SUITE("command", an_answer_tells_its_command, a_transcript_tells_the_command_of_each_reply,
          a_pipelined_data_does_not_hide_the_rcpt, a_long_session_is_read_up_to_its_limit)
