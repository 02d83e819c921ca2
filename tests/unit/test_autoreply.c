/* autoreply: what answers by itself and is no bounce.
 */
#include "read.h"

START_TEST(a_vacation_reply_is_the_repliers_even_from_a_null_sender) {
    const struct dsn_report *report =
        read_text("Return-Path: <>\nFrom: Lena <lena@post.example>\nTo: us@shop.example\n"
                  "Subject: Automatic reply: Your order\nX-Auto-Response-Suppress: All\n\nI am away.\n");
    ck_assert_uint_eq(report->n_recipients, 1);
    ck_assert_int_eq(report->recipients[0].verdict.kind, DSN_KIND_AUTO_REPLY);
    assert_sv(report->recipients[0].recipient, "lena@post.example");
}
END_TEST

START_TEST(a_bounce_that_calls_itself_auto_replied_is_a_bounce) {
    const struct dsn_report *report = read_text(
        "Return-Path: <>\nFrom: Mail Delivery System <Mailer-Daemon@mx.example>\nTo: us@shop.example\n"
        "Auto-Submitted: auto-replied\nSubject: Mail delivery failed: returning message to sender\n\n"
        "This message was created automatically by mail delivery software.\n\nA message that you sent could "
        "not be "
        "delivered to one or more of its\nrecipients. This is a permanent error. The following address(es) "
        "failed:\n\n"
        "  lena@post.example\n    Unrouteable address\n");
    ck_assert_uint_eq(report->n_recipients, 1);
    ck_assert_int_eq(report->recipients[0].verdict.kind, DSN_KIND_BOUNCE);
}
END_TEST

START_TEST(a_read_receipt_is_no_report) {
    const struct dsn_report *report = read_text(
        "From: lena@post.example\nTo: us@shop.example\nSubject: Read: Your order\nMIME-Version: 1.0\n"
        "Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b\n\nread\n"
        "--b\nContent-Type: message/disposition-notification\n\nFinal-Recipient: rfc822; lena@post.example\n"
        "Disposition: manual-action/MDN-sent-manually; displayed\n--b--\n");
    ck_assert_uint_eq(report->n_recipients, 0);
}
END_TEST

START_TEST(a_person_who_quotes_a_bounce_is_no_bounce) {
    const struct dsn_report *report = read_text(
        "Return-Path: <lena@post.example>\nFrom: lena@post.example\nTo: us@shop.example\n"
        "Subject: Re: Undelivered Mail Returned to Sender\n\nWhat does this mean?\n\n"
        "> This is the mail system at host mx.example.\n> <tom@nowhere.example>: host mx[192.0.2.1] said:\n"
        "> 550 5.1.1 User unknown\n");
    ck_assert_uint_eq(report->n_recipients, 0);
}
END_TEST

RUN_SUITE("autoreply", a_vacation_reply_is_the_repliers_even_from_a_null_sender,
          a_bounce_that_calls_itself_auto_replied_is_a_bounce, a_read_receipt_is_no_report,
          a_person_who_quotes_a_bounce_is_no_bounce)
