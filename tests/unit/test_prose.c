/* prose: guesses, and whose address is never guessed.
 */
#include "read.h"

#include "mail/html.h"

#include <glib.h>

#define BOUNCE "Return-Path: <>\nFrom: postmaster@mx.example\nTo: us@shop.example\nSubject: Undeliverable\n\n"

START_TEST(a_guess_says_that_it_is_one) {
    const struct dsn_report *report = read_text(
        BOUNCE
        "us@shop.example, your mail could not be delivered: lena@post.example has no mailbox (550 5.1.1).\n"
        "Ask help@mx.example or postmaster@mx.example.\n");
    ck_assert_uint_eq(report->n_recipients, 1);
    assert_sv(report->recipients[0].recipient, "lena@post.example");
    ck_assert(report->guessed);
    ck_assert_int_ne(report->recipients[0].verdict.confidence, DSN_HIGH);
}
END_TEST

START_TEST(the_reports_own_addresses_are_never_the_recipient) {
    ck_assert_uint_eq(
        read_text(BOUNCE "Mail could not be delivered. Ask postmaster@mx.example for us@shop.example.\n")
            ->n_recipients,
        0);
}
END_TEST

START_TEST(a_message_id_is_no_recipient) {
    const struct dsn_report *report =
        read_text(BOUNCE "Your message <News> (ID <1.2@shop2.example>) for lena@post.example could not be\n"
                         "delivered. Message-ID: <3@shop3.example>. 552 5.2.2 Mailbox is full\n");
    ck_assert_uint_eq(report->n_recipients, 1);
    assert_sv(report->recipients[0].recipient, "lena@post.example");
}
END_TEST

/* Where it would be cut, somebody else's address may be left. */
START_TEST(an_address_that_runs_on_from_a_word_is_not_guessed) {
    ck_assert_uint_eq(read_text(BOUNCE "您发送给lena@post.example的邮件无法投递。\n")->n_recipients, 0);
    const struct dsn_report *report = read_text(BOUNCE "您发送给 lena@post.example的邮件无法投递。\n");
    ck_assert_uint_eq(report->n_recipients, 1);
    assert_sv(report->recipients[0].recipient, "lena@post.example");
}
END_TEST

/* A parcel service has a return path, and its mail no codes. */
START_TEST(a_parcel_is_no_mail) {
    ck_assert_uint_eq(read_text("Return-Path: <info@parcel.example>\nFrom: info@parcel.example\nTo: "
                                "us@shop.example\nSubject: Delivery failure: parcel 77\n\nYour parcel could "
                                "not be delivered. Ask service@parcel.example.\n")
                          ->n_recipients,
                      0);
}
END_TEST

START_TEST(html_is_read_as_text) {
    const struct dsn_report *report =
        read_text("Return-Path: <>\nFrom: postmaster@mx.example\nTo: us@shop.example\nSubject: "
                  "Undeliverable\nMIME-Version: 1.0\n"
                  "Content-Type: text/html; charset=utf-8\n\n<html><head><style>a@b.example "
                  "{}</style></head><body><!-- c@d.example "
                  "--><p>Your mail could not be delivered.</p><p>Recipient: <b>lena@post.example</b></p>"
                  "<p>550&nbsp;5.1.1 no&#32;such &lt;user&gt;</p></body></html>\n");
    ck_assert_uint_eq(report->n_recipients, 1);
    assert_sv(report->recipients[0].recipient, "lena@post.example");
    ck_assert_uint_eq(report->recipients[0].smtp_code, 550);
}
END_TEST

START_TEST(lines_of_html_are_those_that_a_browser_shows) {
    static const struct {
        const char *html, *text;
    } cases[] = {
        {"a\n b<br>c", "a b\nc"},
        {"<p>a</p>\n<p>b<br><br><br>c", "a\nb\n\nc"},
        {"<div>a </div><div>b</div>", "a\nb\n"},
        {"a<pre>b\r\n  c\n\nd</pre> e\nf", "a\nb\r\n  c\n\nd\ne f"},
    };
    struct dsn_arena *arena = dsn_arena_new();
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        assert_sv(dsn_html_text(arena, dsn_sv_str(cases[i].html)), cases[i].text);
    dsn_arena_free(arena);
}
END_TEST

/* Whether it ends in time is what this shows. */
START_TEST(hidden_elements_that_nothing_closes_take_no_longer) {
    enum { N = 600000 };
    struct dsn_arena *arena = dsn_arena_new();
    GString *html = g_string_new("<style>hidden</style>");
    for (size_t i = 0; i < N; i++)
        g_string_append(html, "<style>");
    g_string_append(html, "shown<script>hidden</script>");
    assert_sv(dsn_html_text(arena, dsn_sv(html->str, html->len)), "shown");
    g_string_free(html, TRUE);
    dsn_arena_free(arena);
}
END_TEST

START_TEST(a_delay_in_prose_is_a_delay) {
    const struct dsn_report *report = read_text(
        BOUNCE "Recipient: lena@post.example\nYour mail could not be delivered for the last 4 hours.\n"
               "No need to retry, we will keep trying.\n");
    ck_assert_uint_eq(report->n_recipients, 1);
    ck_assert_int_eq(report->recipients[0].verdict.kind, DSN_KIND_DELAY);
}
END_TEST

START_TEST(ordinary_mail_is_no_report) {
    ck_assert_uint_eq(
        read_text("Return-Path: <lena@post.example>\nFrom: lena@post.example\nTo: us@shop.example\n"
                  "Subject: Question\n\nMy mail to tom@nowhere.example was rejected, 550 5.1.1.\n")
            ->n_recipients,
        0);
}
END_TEST

RUN_SUITE("prose", a_guess_says_that_it_is_one, the_reports_own_addresses_are_never_the_recipient,
          a_message_id_is_no_recipient, an_address_that_runs_on_from_a_word_is_not_guessed,
          a_parcel_is_no_mail, html_is_read_as_text, lines_of_html_are_those_that_a_browser_shows,
          hidden_elements_that_nothing_closes_take_no_longer, a_delay_in_prose_is_a_delay,
          ordinary_mail_is_no_report)
