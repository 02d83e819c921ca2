/* arf: complaints, and feedback that is none.
 */
#include "read.h"

#include <glib.h>

#define HEAD                                                                                                 \
    "From: fbl@isp.example\nTo: abuse@shop.example\nSubject: FW: Your order\nMIME-Version: 1.0\n"            \
    "Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n"                            \
    "--b\nContent-Type: text/plain\n\nThis is a complaint.\n\n--b\nContent-Type: "                           \
    "message/feedback-report\n\n"
#define ORIGINAL                                                                                             \
    "\n--b\nContent-Type: message/rfc822\n\nMessage-ID: <1@shop.example>\nFrom: us@shop.example\n"           \
    "To: lena@isp.example\nSubject: Your order\n\nHello\n--b--\n"

START_TEST(a_complaint_names_its_complainer_type_and_source) {
    const struct dsn_report *report = read_text(
        HEAD "Feedback-Type: Abuse\nVersion: 1\nUser-Agent: FBL/1\nOriginal-Rcpt-To: <tom@isp.example>\n"
             "Source-IP: 192.0.2.10\n" ORIGINAL);
    ck_assert_uint_eq(report->n_recipients, 1);
    ck_assert_int_eq(report->recipients[0].verdict.kind, DSN_KIND_COMPLAINT);
    assert_sv(report->recipients[0].recipient, "tom@isp.example");
    assert_sv(report->feedback_type, "abuse");
    assert_sv(report->source_ip, "192.0.2.10");
    assert_sv(report->original.message_id, "<1@shop.example>");
}
END_TEST

START_TEST(several_complainers_are_all_told) {
    const struct dsn_report *report = read_text(
        HEAD
        "Feedback-Type: abuse\nOriginal-Rcpt-To: <tom@isp.example>\nOriginal-Rcpt-To: <ann@isp.example>\n"
        "Original-Rcpt-To: <tom@isp.example>\n" ORIGINAL);
    ck_assert_uint_eq(report->n_recipients, 2);
    assert_sv(report->recipients[1].recipient, "ann@isp.example");
}
END_TEST

START_TEST(a_redacted_complainer_is_taken_from_the_returned_message) {
    const struct dsn_report *report =
        read_text(HEAD "Feedback-Type: abuse\nOriginal-Rcpt-To: redacted\n" ORIGINAL);
    ck_assert_uint_eq(report->n_recipients, 1);
    assert_sv(report->recipients[0].recipient, "lena@isp.example");
}
END_TEST

START_TEST(a_placeholder_is_nobody_and_the_return_path_tells_who_it_was) {
    const struct dsn_report *report =
        read_text(HEAD "Feedback-Type: abuse\nOriginal-Rcpt-To: <redacted@isp.example>\n"
                       "Removal-Recipient: tom@isp.example\n" ORIGINAL);
    ck_assert_uint_eq(report->n_recipients, 1);
    assert_sv(report->recipients[0].recipient, "tom@isp.example");
    report = read_text(HEAD "Feedback-Type: abuse\nOriginal-Rcpt-To: <xxxxxx@isp.example>\n"
                            "Original-Mail-From: <bounces+tom=isp.example@shop.example>\n" ORIGINAL);
    ck_assert_uint_eq(report->n_recipients, 1);
    assert_sv(report->recipients[0].recipient, "tom@isp.example");
    ck_assert_int_eq(report->recipients[0].recipient_from, DSN_FROM_VERP);
}
END_TEST

#define RETURNED(headers)                                                                                    \
    "\n--b\nContent-Type: message/rfc822\n\nMessage-ID: <1@shop.example>\n" headers "\nHello\n--b--\n"

/* Headers of the returned message that do not tell which one of its readers complained. */
static const char *const silent[] = {
    HEAD "Feedback-Type: abuse\n" RETURNED("From: us@shop.example\nTo: lena@isp.example, tom@isp.example\n"),
    HEAD
    "Feedback-Type: abuse\n" RETURNED("From: us@shop.example\nTo: lena@isp.example\nCc: tom@isp.example\n"),
    HEAD "Feedback-Type: abuse\n" RETURNED(
        "From: us@shop.example\nTo: list@shop.example\nList-Id: <list.shop.example>\n"),
    HEAD "Feedback-Type: abuse\n" RETURNED("From: us@shop.example\nTo: us@shop.example\n"),
    HEAD "Feedback-Type: abuse\n" RETURNED("From: us@shop.example\nTo: redacted@isp.example\n"),
};

START_TEST(whoever_did_not_complain_is_not_named) {
    for (size_t i = 0; i < G_N_ELEMENTS(silent); i++) {
        const struct dsn_report *report = read_text(silent[i]);
        ck_assert_uint_eq(report->n_recipients, 1);
        ck_assert_int_eq(report->recipients[0].verdict.kind, DSN_KIND_COMPLAINT);
        ck_assert_msg(!report->recipients[0].recipient.n, "%zu", i);
        ck_assert_int_ne(report->recipients[0].verdict.action, DSN_ACTION_SUPPRESS);
    }
}
END_TEST

START_TEST(not_spam_and_auth_failure_are_no_complaints) {
    ck_assert_uint_eq(
        read_text(HEAD "Feedback-Type: not-spam\nOriginal-Rcpt-To: <tom@isp.example>\n" ORIGINAL)
            ->n_recipients,
        0);
    ck_assert_uint_eq(
        read_text(HEAD "Feedback-Type: auth-failure\nOriginal-Rcpt-To: <tom@isp.example>\n" ORIGINAL)
            ->n_recipients,
        0);
}
END_TEST

START_TEST(a_loop_without_a_report_names_him_in_a_header) {
    const struct dsn_report *report = read_text(
        "From: staff@isp.example\nSubject: complaint about message from 192.0.2.10\nMIME-Version: 1.0\n"
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n"
        "X-HmXmrOriginalRecipient: lena@isp.example\nFrom: us@shop.example\nTo: "
        "x@isp.example\n\nHi\n--b--\n");
    ck_assert_uint_eq(report->n_recipients, 1);
    ck_assert_ptr_null(report->feedback_type.p); /* it does not say */
    ck_assert_int_eq(report->recipients[0].verdict.kind, DSN_KIND_COMPLAINT);
    assert_sv(report->recipients[0].recipient, "lena@isp.example");
}
END_TEST

RUN_SUITE("arf", a_complaint_names_its_complainer_type_and_source, several_complainers_are_all_told,
          a_redacted_complainer_is_taken_from_the_returned_message,
          a_placeholder_is_nobody_and_the_return_path_tells_who_it_was, whoever_did_not_complain_is_not_named,
          not_spam_and_auth_failure_are_no_complaints, a_loop_without_a_report_names_him_in_a_header)
