/* answer: codes inside a server's answer. */
#include "mail/answer.h"
#include "unit.h"

static const struct {
    const char *text;
    unsigned code;
    const char *status;
} answers[] = {
    {"550 5.1.1 <x@example.com>: user unknown", 550, "5.1.1"},
    {"550-5.1.1 The account\n550-5.1.1 does not exist\n550 5.1.1 at all", 550, "5.1.1"},
    {"550 no such user", 550, ""},
    {"550 #5.1.0 Address rejected", 550, "5.1.0"},
    {"550 (5.7.25) no PTR", 550, "5.7.25"},
    {"host mx.example.com[192.0.2.5] said: 452 4.2.2 over quota (in reply to RCPT TO)", 452, "4.2.2"},
    {"5.1.10 RESOLVER.ADR.RecipientNotFound", 0, "5.1.10"},
    {"5.1.0 - Unknown address error 550 '5.2.2 mailbox full' (delivery attempts: 0)", 550, "5.2.2"},
    {"250 2.1.5 Ok", 250, "2.1.5"},
    {"smtp; 550 5.7.1 after 250 2.1.0 ok", 550, "5.7.1"},
    {"connect to mx.example.com[5.1.1.2]:25: Connection timed out", 0, ""},
    {"message of 552 KB by Exim 4.94.2 at 10.5.1.1", 552, ""},
    {"build 5501 user550 550x a-550", 0, ""},
    {"", 0, ""},
};

START_TEST(codes_are_found_where_they_stand) {
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        char status[16];
        struct dsn_answer answer = dsn_answer_read(dsn_sv_str(answers[i].text));
        ck_assert_msg(answer.smtp_code == answers[i].code, "%s: code %u", answers[i].text, answer.smtp_code);
        dsn_status_format(answer.status, status);
        ck_assert_msg(strcmp(status, answers[i].status) == 0, "%s: status %s", answers[i].text, status);
    }
}
END_TEST

START_TEST(multi_line_reply_becomes_one_text) {
    struct dsn_arena *arena = dsn_arena_new();
    assert_sv(dsn_answer_unfold(
                  arena, DSN_LIT("550-5.1.1 The account that\n 550-5.1.1 you tried\n550 5.1.1  is gone")),
              "550 5.1.1 The account that you tried is gone");
    assert_sv(dsn_answer_unfold(arena, DSN_LIT("  550   no\tsuch\r\n user ")), "550 no such user");
    assert_sv(dsn_answer_unfold(arena, DSN_LIT("552-a 552-b 552 c")), "552 a b c");
    assert_sv(dsn_answer_unfold(arena, DSN_LIT("room 550 is not 550 again")), "room 550 is not 550 again");
    dsn_arena_free(arena);
}
END_TEST

START_TEST(an_answer_is_told_from_who_quotes_it) {
    static const struct {
        const char *text, *own;
    } cases[] = {
        {"550 5.1.1 no such user", "550 5.1.1 no such user"},
        {"host mx.example[192.0.2.1] said: 550 5.1.1 no (in reply to RCPT TO command)", "550 5.1.1 no"},
        {"192.0.2.1 does not like recipient. Remote host said: 5.7.1 no Giving up on 192.0.2.1.", "5.7.1 no"},
        {"SMTP error from remote mail server after end of data: host mx.example [192.0.2.1]: 550 no",
         "550 no"},
        {"Remote Server returned '<mx.example #5.1.1 smtp; 550 no>'", "550 no"},
        {"5.1.0 - Unknown address error 550-'no' (delivery attempts: 0)", "550-'no"},
        {"host mx.example[192.0.2.1] refused to talk to me: 421 busy", NULL},
        {"Connected to 192.0.2.1 but sender was rejected. Remote host said: 553 no", NULL},
        {"<a@b.example>: Sender address rejected: undeliverable address: host mx.example said: 550 no", NULL},
        {"Callback to <a@b.example> failed: mx.example said: 550 no", NULL},
        {"550 mailbox of host: 554 is full", NULL},
        {"said: nothing", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_sv(dsn_answer_own(dsn_sv_str(cases[i].text)), cases[i].own ? cases[i].own : cases[i].text);
}
END_TEST

START_TEST(status_is_three_numbers) {
    size_t length = 0;
    struct dsn_status status = dsn_status_read(DSN_LIT("5.7.509 (policy)"), &length);
    ck_assert_int_eq(status.cls, 5);
    ck_assert_int_eq(status.subject, 7);
    ck_assert_int_eq(status.detail, 509);
    ck_assert_uint_eq(length, 7);
    ck_assert_int_eq(dsn_status_read(DSN_LIT("5.7.5.1"), NULL).cls, 0);
    ck_assert_int_eq(dsn_status_read(DSN_LIT("3.1.1"), NULL).cls, 0);
    ck_assert_int_eq(dsn_status_read(DSN_LIT("5.1."), NULL).cls, 0);
}
END_TEST

RUN_SUITE("answer", codes_are_found_where_they_stand, multi_line_reply_becomes_one_text,
          an_answer_is_told_from_who_quotes_it, status_is_three_numbers)
