/* reader: whole messages in, reports and verdicts out: rfc3464, message, report, classify and event together.
 */
#include "read.h"

#include <glib.h>
#include <yajl/yajl_tree.h>

#define REPORT_HEAD                                                                                          \
    "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example.org\nTo: sender@example.org\nSubject: Undelivered\n"    \
    "MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\n\n"     \
    "--b\nContent-Type: text/plain\n\nIt could not be delivered: <other@example.net> 550 5.1.1\n\n"          \
    "--b\nContent-Type: message/delivery-status\n\n"
#define REPORT_ORIGINAL                                                                                      \
    "\n--b\nContent-Type: message/rfc822\n\nMessage-ID: <m1@example.org>\nFrom: sender@example.org\n"        \
    "To: user@example.com\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\nDate: Tue, 24 Nov 2026 10:00:00 +0100\n"    \
    "X-Campaign: c7\n\nFinal-Recipient: rfc822; never@example.net\nAction: failed\nStatus: 5.1.1\n--b--\n"
#define REPORT(fields) REPORT_HEAD fields REPORT_ORIGINAL

static const struct dsn_recipient *read_one(const char *message) {
    const struct dsn_report *report = read_text(message);
    ck_assert_uint_eq(report->n_recipients, 1);
    return &report->recipients[0];
}

static void assert_status(struct dsn_status status, const char *expected) {
    char text[16];
    ck_assert_str_eq(dsn_status_format(status, text), expected);
}

START_TEST(every_field_of_a_delivery_status_is_read) {
    const struct dsn_report *report = read_text(REPORT(
        "Original-Envelope-Id: env-1\nReporting-MTA: dns; mx.example.org (Postfix)\nDSN-Gateway: dns; "
        "gw.example.org\n"
        "Received-From-MTA: smtp; out.example.org\nArrival-Date: Tue, 24 Nov 2026 10:00:00 +0100\n\n"
        "Original-Recipient: rfc822;user+2Btag@example.com\nFinal-Recipient: RFC822; target@Forward.Example\n"
        "Action: failed (mailbox gone)\nStatus: 5.1.1 (bad mailbox)\nRemote-MTA: dns; mx.forward.example\n"
        "Diagnostic-Code: smtp; 550-5.1.1 no such user\n  550 5.1.1 here\n"
        "Last-Attempt-Date: Tue, 24 Nov 2026 10:00:05 +0100\nFinal-Log-ID: q1\n"
        "Will-Retry-Until: Wed, 25 Nov 2026 10:00:00 +0100\nX-Extra: kept\n"));
    ck_assert_uint_eq(report->n_recipients, 1);
    const struct dsn_recipient *r = report->recipients;
    assert_sv(report->envelope_id, "env-1");
    assert_sv(report->reporting_mta, "mx.example.org");
    assert_sv(report->dsn_gateway, "gw.example.org");
    assert_sv(report->received_from_mta, "out.example.org");
    ck_assert_int_eq(report->arrival_date, 1795510800);
    assert_sv(r->original_recipient, "user+tag@example.com");
    assert_sv(r->final_recipient, "target@forward.example");
    assert_sv(r->recipient, "user+tag@example.com");
    ck_assert_int_eq(r->recipient_from, DSN_FROM_ORIGINAL);
    assert_sv(r->dsn_action, "failed");
    assert_status(r->status, "5.1.1");
    ck_assert_uint_eq(r->smtp_code, 550);
    assert_sv(r->remote_mta, "mx.forward.example");
    assert_sv(r->diagnostic, "550 5.1.1 no such user here");
    assert_sv(r->diagnostic_type, "smtp");
    ck_assert_int_eq(r->last_attempt_date, 1795510805);
    assert_sv(r->final_log_id, "q1");
    ck_assert_int_eq(r->will_retry_until, 1795597200);
    ck_assert_uint_eq(r->n_extensions, 1);
    assert_sv(r->extensions[0].value, "kept");
    assert_sv(report->original.message_id, "<m1@example.org>");
    assert_sv(report->original.subject, "grüße");
    ck_assert_str_eq(r->verdict.reason->name, "user-unknown");
    ck_assert_int_eq(r->verdict.action, DSN_ACTION_SUPPRESS);
}
END_TEST

START_TEST(returned_original_is_never_the_report) {
    const struct dsn_report *report =
        read_text(REPORT("Reporting-MTA: dns; mx.example.org\n\n"
                         "Final-Recipient: rfc822; user@example.com\nAction: failed\nStatus: 5.2.2\n"));
    ck_assert_uint_eq(report->n_recipients, 1);
    assert_sv(report->recipients[0].final_recipient, "user@example.com");
    assert_status(report->recipients[0].status, "5.2.2");
}
END_TEST

START_TEST(recipients_without_a_blank_line_between_them_are_two) {
    const struct dsn_report *report =
        read_text(REPORT("this line is no field at all\nReporting-MTA: dns; mx.example.org\n"
                         "Final-Recipient: rfc822; a@example.com\nAction: failed\nStatus: 5.1.1\n"
                         "Final-Recipient: rfc822; b@example.com\nAction: delayed\nStatus: 4.2.2\n"
                         "\n\nFinal-Recipient: rfc822; c@example.com\nAction: relayed\nStatus: 2.0.0\n"));
    ck_assert_uint_eq(report->n_recipients, 3);
    assert_sv(report->recipients[1].final_recipient, "b@example.com");
    ck_assert_int_eq(report->recipients[0].verdict.kind, DSN_KIND_BOUNCE);
    ck_assert_int_eq(report->recipients[1].verdict.kind, DSN_KIND_DELAY);
    ck_assert_int_eq(report->recipients[1].verdict.type, DSN_TYPE_SOFT);
    ck_assert_int_eq(report->recipients[2].verdict.kind, DSN_KIND_DELIVERED);
    ck_assert_int_eq(report->recipients[2].verdict.type, DSN_TYPE_NONE);
}
END_TEST

START_TEST(a_blank_line_between_the_fields_of_a_recipient_loses_none) {
    const struct dsn_recipient *r =
        read_one(REPORT("Final-Recipient: rfc822; user@example.com\nAction: failed\nStatus: 5.1.1\n\n"
                        "Action: delayed\nRemote-MTA: dns; mx.example.com\nDiagnostic-Code: smtp; 550 gone\n"
                        "Last-Attempt-Date: Tue, 24 Nov 2026 10:00:05 +0100\nFinal-Log-ID: q1\n"
                        "Will-Retry-Until: Wed, 25 Nov 2026 10:00:00 +0100\nX-Extra: kept\n"));
    assert_sv(r->final_recipient, "user@example.com");
    assert_sv(r->dsn_action, "failed");
    assert_status(r->status, "5.1.1");
    assert_sv(r->remote_mta, "mx.example.com");
    assert_sv(r->diagnostic, "550 gone");
    assert_sv(r->diagnostic_type, "smtp");
    assert_sv(r->final_log_id, "q1");
    ck_assert_int_eq(r->last_attempt_date, 1795510805);
    ck_assert_int_eq(r->will_retry_until, 1795597200);
    ck_assert_uint_eq(r->n_extensions, 1);
    assert_sv(r->extensions[0].value, "kept");
}
END_TEST

START_TEST(misspelt_fields_are_understood) {
    const struct dsn_recipient *r =
        read_one(REPORT("Final-Recepient: rfc822; user@example.com\nActoin: failed\n"
                        "Status : 5.1.1\nDiagnostic_Code: smtp; 550 5.1.1 gone\n"));
    assert_sv(r->final_recipient, "user@example.com");
    assert_sv(r->dsn_action, "failed");
    ck_assert_uint_eq(r->smtp_code, 550);
}
END_TEST

START_TEST(missing_status_is_not_made_up) {
    const struct dsn_recipient *r = read_one(
        REPORT("Final-Recipient: rfc822; user@example.com\nAction: failed\nDiagnostic-Code: x-unix; gone\n"));
    assert_status(r->status, "5.*");
    ck_assert_uint_eq(r->smtp_code, 0);
    ck_assert_int_ne(r->verdict.action, DSN_ACTION_SUPPRESS);
}
END_TEST

static char *with_line_ends(const char *text, const char *end) {
    char **lines = g_strsplit(text, "\n", -1), *joined = g_strjoinv(end, lines);
    g_strfreev(lines);
    return joined;
}

/* The same message with other line ends, with an mbox line, and with junk before its fields. */
START_TEST(line_ends_and_carriage_make_no_difference) {
    const char *lf =
        REPORT("Reporting-MTA: dns; mx.example.org\n\nFinal-Recipient: rfc822; user@example.com\n"
               "Action: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1\n gone\n");
    char *forms[] = {g_strdup(lf), with_line_ends(lf, "\r\n"), with_line_ends(lf, "\r"),
                     g_strconcat("From MAILER-DAEMON Tue Nov 24 10:00:00 2026\n", lf, NULL)};
    char first[DSN_EVENT_ID_LEN + 1] = "";
    for (size_t i = 0; i < 4; i++) {
        const struct dsn_recipient *r = read_one(forms[i]);
        struct dsn_event_source source = {.kind = "file", .name = DSN_LIT("x"), .observed_at_ms = 0};
        struct dsn_event event;
        assert_sv(r->diagnostic, "550 5.1.1 gone");
        ck_assert_int_eq(dsn_event_write(reader, 0, &source, &event), DSN_OK);
        if (i == 0)
            strcpy(first, event.id);
        ck_assert_str_eq(event.id, first);
        g_free(forms[i]);
    }
}
END_TEST

START_TEST(forwarded_report_is_read) {
    const struct dsn_recipient *r = read_one(
        "From: a@example.org\nTo: b@example.org\nSubject: Fwd\nMIME-Version: 1.0\n"
        "Content-Type: multipart/mixed; boundary=\"outer\"\n\n--outer\n\nsee below\n--outer\nContent-Type: "
        "message/rfc822\n\n" REPORT(
            "Final-Recipient: rfc822; user@example.com\nAction: failed\nStatus: 5.1.1\n") "\n--outer--\n");
    assert_sv(r->final_recipient, "user@example.com");
}
END_TEST

START_TEST(global_status_and_headers_are_read) {
    const struct dsn_report *report =
        read_text("From: MAILER-DAEMON@x.example\nContent-Type: multipart/report; boundary=\"g\"\n\n--g\n"
                  "Content-Type: message/global-delivery-status\n\nReporting-MTA: dns; x.example\n\n"
                  "Final-Recipient: utf-8; jos\\x{E9}@example.com\nAction: failed\nStatus: 5.6.7\n\n--g\n"
                  "Content-Type: message/global-headers\n\nMessage-ID: <g@x.example>\nSubject: "
                  "\xC3\xA9t\xC3\xA9\n\n--g--\n");
    ck_assert_uint_eq(report->n_recipients, 1);
    assert_sv(report->recipients[0].recipient, "josé@example.com");
    assert_sv(report->original.subject, "été");
}
END_TEST

START_TEST(what_is_no_mail_is_refused) {
    const struct dsn_report *report;
    open_reader();
    ck_assert_int_eq(dsn_reader_read(reader, DSN_LIT(""), &report), DSN_ERR_INVALID);
    ck_assert_int_eq(dsn_reader_read(reader, DSN_LIT("no header here\n\nat all\n"), &report),
                     DSN_ERR_INVALID);
    report = read_text("From: a@example.org\nSubject: hello\n\nHow are you?\n");
    ck_assert_uint_eq(report->n_recipients, 0);
}
END_TEST

/* What a message suppresses that ends behind the first `end` in it. */
static enum dsn_action action_up_to(const char *message, const char *end) {
    const char *found = strstr(message, end);
    ck_assert_ptr_nonnull(found);
    char *cut = g_strndup(message, (gsize)(found - message) + strlen(end));
    const struct dsn_report *report = read_text(cut);
    enum dsn_action action = report->n_recipients ? report->recipients[0].verdict.action : DSN_ACTION_NONE;
    ck_assert(report->incomplete || action == DSN_ACTION_SUPPRESS);
    g_free(cut);
    return action;
}

START_TEST(what_was_cut_off_before_the_returned_message_suppresses_nobody) {
    const char *message =
        REPORT("Final-Recipient: rfc822; user@example.com\nAction: failed\nStatus: 5.1.1\n\n");
    ck_assert_int_eq(action_up_to(message, "--b--\n"), DSN_ACTION_SUPPRESS);
    ck_assert_int_eq(action_up_to(message, "never@"), DSN_ACTION_SUPPRESS); /* in the returned body */
    ck_assert_int_ne(action_up_to(message, "X-Campaign: c7\n"), DSN_ACTION_SUPPRESS);
    ck_assert_int_ne(action_up_to(message, "Status: 5.1.1\n\n"), DSN_ACTION_SUPPRESS);
    ck_assert_int_ne(action_up_to(message, "<other@example.net> 550 5.1.1\n"), DSN_ACTION_SUPPRESS);
    message =
        "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example\nTo: us@shop.example\nSubject: failure notice\n\n"
        "Hi. This is the qmail-send program at mx.example.\n\n<a@b.example>:\n550 5.1.1 no such user\n\n"
        "--- Below this line is a copy of the message.\n\nReturn-Path: <us@shop.example>\n"
        "To: c@b.example\nSubject: hello\n\nHow are you?\n";
    ck_assert_int_eq(action_up_to(message, "you?\n"), DSN_ACTION_SUPPRESS);
    ck_assert_int_eq(action_up_to(message, "How"), DSN_ACTION_SUPPRESS);
    ck_assert_int_eq(action_up_to(message, "Subject: hello\n"), DSN_ACTION_SUPPRESS);
    ck_assert_int_ne(action_up_to(message, "shop.example>\n"), DSN_ACTION_SUPPRESS);
    ck_assert_int_ne(action_up_to(message, "copy of the message.\n"), DSN_ACTION_SUPPRESS);
    ck_assert_int_ne(action_up_to(message, "550 5.1.1 no such"), DSN_ACTION_SUPPRESS);
}
END_TEST

static enum dsn_action action_of(const char *message) {
    const struct dsn_report *report = read_text(message);
    ck_assert_uint_eq(report->n_recipients, 1);
    return report->recipients[0].verdict.action;
}

/* A failure of lena@post.example, in mail from news@shop.example. */
#define ANSWERED(answer)                                                                                     \
    "From: MAILER-DAEMON@mx.example\nTo: bounces+7@shop.example\nMIME-Version: 1.0\n"                        \
    "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nSorry.\n"             \
    "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n"                       \
    "Final-Recipient: rfc822; lena@post.example\nAction: failed\nStatus: 5.1.1\n"                            \
    "Diagnostic-Code: smtp; " answer "\n\n--b\nContent-Type: message/rfc822\n\n"                             \
    "From: News <news@shop.example>\nTo: Lena <lena@post.example>\nSubject: News\n\nHello\n--b--\n"

START_TEST(half_an_address_is_none) {
    const struct dsn_report *report =
        read_text("From: MAILER-DAEMON@mx.example (Mail Delivery System)\nTo: us@shop.example\nSubject: "
                  "Undelivered Mail Returned to "
                  "Sender\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; "
                  "boundary=b\n\n"
                  "--b\nContent-Type: text/plain\n\nThis is the mail system at host mx.example.\n\n"
                  "I'm sorry to have to inform you that your message could not\nbe delivered to one or more "
                  "recipients.\n\n"
                  "<lost@island.example>: host mx.island.example[192.0.2.1] said: 550 5.1.1 no such user (in "
                  "reply to RCPT TO command)\n"
                  "\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; "
                  "mx.example\n\nFinal-Recipient: rfc822; lost@isl");
    ck_assert_uint_eq(report->n_recipients, 1);
    assert_sv(report->recipients[0].recipient, "lost@island.example");
    ck_assert_int_ne(report->recipients[0].verdict.action, DSN_ACTION_SUPPRESS);
}
END_TEST

START_TEST(an_answer_that_names_the_sender_alone_suppresses_nobody) {
    ck_assert_int_eq(action_of(ANSWERED("550 5.1.1 <news@shop.example>: user unknown")), DSN_ACTION_COUNT);
    ck_assert_int_eq(action_of(ANSWERED("550 5.1.1 <bounces+7@shop.example>: user unknown")),
                     DSN_ACTION_COUNT);
    ck_assert_int_eq(action_of(ANSWERED("550 5.1.1 <lena@post.example>: user unknown")), DSN_ACTION_SUPPRESS);
    ck_assert_int_eq(action_of(ANSWERED("550 5.1.1 user unknown, ask help@post.example")),
                     DSN_ACTION_SUPPRESS);
    ck_assert_int_eq(
        action_of(ANSWERED("550 5.1.1 mail of news@shop.example: lena@post.example is user unknown")),
        DSN_ACTION_SUPPRESS);
}
END_TEST

#define DIGEST                                                                                               \
    "From: postmaster@mx.example\nTo: us@shop.example\nSubject: Undeliverable\n\n"                           \
    "Mail could not be delivered:\n\nlena@post.example: 550 5.1.1 user unknown\n"

START_TEST(a_guess_suppresses_only_whom_the_returned_message_names) {
    ck_assert_int_eq(action_of(DIGEST), DSN_ACTION_COUNT);
    ck_assert_int_eq(action_of(DIGEST "\n--- Original message follows ---\n\nFrom: us@shop.example\n"
                                      "To: tom@post.example, kurt@post.example\nSubject: News\n\nHello\n"),
                     DSN_ACTION_COUNT);
    ck_assert_int_eq(action_of(DIGEST "\n--- Original message follows ---\n\nFrom: us@shop.example\n"
                                      "To: tom@post.example, lena@post.example\nSubject: News\n\nHello\n"),
                     DSN_ACTION_SUPPRESS);
    ck_assert_int_eq(action_of(DIGEST "\n--- Original message follows ---\n\nFrom: us@shop.example\n"
                                      "Subject: News\n\nHello\n"),
                     DSN_ACTION_SUPPRESS);
    ck_assert_int_eq(action_of(DIGEST "\n--- Original message follows ---\n\nFrom: us@shop.example\n"
                                      "To: news@shop.example\nList-Id: <news.shop.example>\n\nHello\n"),
                     DSN_ACTION_SUPPRESS);
    ck_assert_int_eq(action_of("Delivered-To: bounces+lena=post.example@shop.example\n" DIGEST),
                     DSN_ACTION_SUPPRESS);
}
END_TEST

#define SENT_ON                                                                                              \
    "From: Tom <tom@customer.example>\nTo: us@shop.example\nSubject: Fwd: failure notice\n\n"                \
    "Why did your mail server say that?\n\n---------- Forwarded message ---------\n"                         \
    "From: MAILER-DAEMON@mx.customer.example\nTo: tom@customer.example\nSubject: failure notice\n\n"         \
    "Hi. This is the qmail-send program at mx.customer.example.\n\n"                                         \
    "<info@shop.example>:\n550 5.1.1 no such user\n"

START_TEST(a_report_that_somebody_sends_on_suppresses_only_whom_the_returned_message_names) {
    ck_assert_int_eq(action_of(SENT_ON), DSN_ACTION_COUNT);
    ck_assert_int_eq(action_of(SENT_ON
                               "\n--- Below this line is a copy of the message.\n\n"
                               "From: us@shop.example\nTo: info@shop.example\nSubject: News\n\nHello\n"),
                     DSN_ACTION_SUPPRESS);
}
END_TEST

#define BEHIND(address, fields)                                                                              \
    "Original-Recipient: rfc822; team@post.example\nFinal-Recipient: rfc822; " address "\n" fields "\n"
#define BOUNCED "Action: failed\nStatus: 5.1.1\n"

static void assert_alias(const char *fields, enum dsn_action action) {
    char *text = g_strconcat("From: MAILER-DAEMON@mx.example\nMIME-Version: 1.0\n"
                             "Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n",
                             fields, NULL);
    const struct dsn_report *report = read_text(text);
    ck_assert_uint_eq(report->n_recipients, 2);
    for (size_t i = 0; i < report->n_recipients; i++) {
        const struct dsn_recipient *recipient = &report->recipients[i];
        assert_sv(recipient->recipient, "team@post.example");
        if (recipient->verdict.kind == DSN_KIND_BOUNCE)
            ck_assert_int_eq(recipient->verdict.action, action);
    }
    g_free(text);
}

START_TEST(an_alias_is_not_suppressed_where_one_of_those_behind_it_was_reached) {
    assert_alias(BEHIND("lena@new.example", BOUNCED) BEHIND("tom@new.example", BOUNCED), DSN_ACTION_SUPPRESS);
    assert_alias(BEHIND("lena@new.example", BOUNCED)
                     BEHIND("tom@new.example", "Action: delivered\nStatus: 2.0.0\n"),
                 DSN_ACTION_COUNT);
    assert_alias(BEHIND("lena@new.example", "Action: delayed\nStatus: 4.4.1\n")
                     BEHIND("tom@new.example", BOUNCED),
                 DSN_ACTION_COUNT);
}
END_TEST

static const struct {
    const char *action;
    enum dsn_kind kind;
} stated[] = {
    {"failed", DSN_KIND_BOUNCE},      {"delayed", DSN_KIND_DELAY},       {"deferred", DSN_KIND_DELAY},
    {"warning", DSN_KIND_DELAY},      {"delivered", DSN_KIND_DELIVERED}, {"relayed", DSN_KIND_DELIVERED},
    {"expanded", DSN_KIND_DELIVERED},
};

START_TEST(the_action_says_what_happened_whatever_the_status) {
    for (size_t i = 0; i < G_N_ELEMENTS(stated); i++) {
        char *fields = g_strdup_printf(
            "From: MAILER-DAEMON@mx.example\nMIME-Version: 1.0\nContent-Type: message/delivery-status\n\n"
            "Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; lena@post.example\nAction: %s\n"
            "Status: 5.1.1\n",
            stated[i].action);
        const struct dsn_report *report = read_text(fields);
        ck_assert_uint_eq(report->n_recipients, 1);
        ck_assert_msg(report->recipients[0].verdict.kind == stated[i].kind, "%s", stated[i].action);
        g_free(fields);
    }
}
END_TEST

static void assert_complainers(const char *feedback_type, size_t n) {
    char *json = g_strdup_printf("{\"notificationType\":\"Complaint\",\"complaint\":{"
                                 "\"complaintFeedbackType\":\"%s\","
                                 "\"complainedRecipients\":[{\"emailAddress\":\"lena@post.example\"}]}}\n",
                                 feedback_type);
    ck_assert_msg(read_text(json)->n_recipients == n, "%s", feedback_type);
    g_free(json);
}

START_TEST(a_notification_of_feedback_is_a_complaint_only_where_somebody_complained) {
    assert_complainers("abuse", 1);
    assert_complainers("fraud", 1);
    assert_complainers("", 1);
    assert_complainers("not-spam", 0);
    assert_complainers("auth-failure", 0);
    assert_complainers("virus", 0);
}
END_TEST

START_TEST(the_time_of_a_complaint_is_that_of_no_delivery) {
    static const char text[] = "Subject: x\n\n{\"notificationType\":\"%s\",\"%s\":{"
                               "\"timestamp\":\"2026-11-03T09:12:43.000Z\","
                               "\"%sRecipients\":[{\"emailAddress\":\"lena@post.example\"}]}}\n";
    char *bounce = g_strdup_printf(text, "Bounce", "bounce", "bounced"),
         *complaint = g_strdup_printf(text, "Complaint", "complaint", "complained");
    ck_assert_int_eq(read_one(bounce)->last_attempt_date, 1793697163);
    ck_assert_int_eq(read_one(complaint)->last_attempt_date, DSN_NO_TIME);
    g_free(bounce);
    g_free(complaint);
}
END_TEST

START_TEST(a_notification_that_tells_but_the_type_has_that_as_its_diagnostic) {
    static const char bounce[] =
        "Subject: x\n\n{\"notificationType\":\"Bounce\",\"bounce\":{\"bounceType\":\"Permanent\"%s,"
        "\"bouncedRecipients\":[{\"emailAddress\":\"user@example.com\"}]}}\n";
    static const struct {
        const char *sub, *diagnostic;
    } cases[] = {{",\"bounceSubType\":\"General\"", "Permanent: General"}, {"", "Permanent"}};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        char *text = g_strdup_printf(bounce, cases[i].sub);
        assert_sv(read_one(text)->diagnostic, cases[i].diagnostic);
        g_free(text);
    }
}
END_TEST

#define FAILED "Final-Recipient: rfc822; user@example.com\nAction: failed\nStatus: 5.1.1\n"
#define NESTED                                                                                               \
    "From: MAILER-DAEMON@mx.example.org\nMIME-Version: 1.0\n"                                                \
    "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"                            \
    "--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\n\nSorry.\n--c--\n"                         \
    "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.org\n\n" FAILED            \
    "\n--b--\n"

#define TEN "; name=abc"
#define LONG_FIELD "X-Long: a" TEN TEN TEN TEN TEN TEN TEN TEN "\n " TEN TEN TEN "\n"

/* Each limit: at it, all is there; one less, it is told, and what was read before stays. */
static const struct {
    const char *name, *message;
    struct dsn_limits enough, too_small;
    size_t recipients, fewer;
} limits[] = {
    {"parts", REPORT(FAILED), {.max_parts = 3}, {.max_parts = 2}, 1, 1},
    {"depth", NESTED, {.max_depth = 2}, {.max_depth = 1}, 1, 1},
    {"headers", REPORT(FAILED), {.max_headers = 6}, {.max_headers = 5}, 1, 1},
    {"header", LONG_FIELD REPORT(FAILED), {.max_header_bytes = 140}, {.max_header_bytes = 100}, 1, 1},
    {"recipients",
     REPORT(FAILED "\nFinal-Recipient: rfc822; tom@example.com\nAction: failed\nStatus: 5.1.1\n"),
     {.max_recipients = 2},
     {.max_recipients = 1},
     2,
     1},
};

static void assert_limit(size_t i, struct dsn_limits given, size_t recipients, bool truncated) {
    const struct dsn_options options = {.limits = given};
    struct dsn_reader *own = NULL;
    const struct dsn_report *report;
    ck_assert_int_eq(dsn_reader_new(knowledge, &options, &own), DSN_OK);
    ck_assert_int_eq(dsn_reader_read(own, dsn_sv_str(limits[i].message), &report), DSN_OK);
    ck_assert_msg(report->n_recipients == recipients && report->truncated == truncated,
                  "%s: %zu recipients, truncated %d", limits[i].name, report->n_recipients,
                  report->truncated);
    assert_sv(report->recipients[0].recipient, "user@example.com");
    dsn_reader_free(own);
}

START_TEST(every_limit_is_told_where_it_is_reached) {
    open_reader();
    for (size_t i = 0; i < G_N_ELEMENTS(limits); i++) {
        assert_limit(i, limits[i].enough, limits[i].recipients, false);
        assert_limit(i, limits[i].too_small, limits[i].fewer, true);
    }
}
END_TEST

static void assert_json(const char *json, unsigned max_depth, size_t recipients, bool truncated) {
    const struct dsn_options options = {.limits = {.max_json_depth = max_depth}};
    struct dsn_reader *own = NULL;
    const struct dsn_report *report;
    ck_assert_int_eq(dsn_reader_new(knowledge, &options, &own), DSN_OK);
    ck_assert_int_eq(dsn_reader_read(own, dsn_sv_str(json), &report), DSN_OK);
    ck_assert_msg(report->n_recipients == recipients && report->truncated == truncated,
                  "%s: %zu recipients, truncated %d", json, report->n_recipients, report->truncated);
    dsn_reader_free(own);
}

START_TEST(json_that_is_nested_too_deeply_is_no_notification_and_that_is_told) {
    const char *json = "{\"notificationType\":\"Bounce\",\"bounce\":{\"bouncedRecipients\":"
                       "[{\"emailAddress\":\"user@example.com\"}]}}";
    char *quoted = g_strescape(json, NULL), *wrapped = g_strdup_printf("{\"Message\":\"%s\"}", quoted);
    open_reader();
    assert_json(json, 4, 1, false);
    assert_json(json, 3, 0, true);
    assert_json(wrapped, 4, 1, false);
    assert_json(wrapped, 3, 0, true);
    assert_json("From: a@example.com\n\n{ this is no JSON [", 1, 0, false);
    g_free(wrapped);
    g_free(quoted);
}
END_TEST

START_TEST(a_long_field_is_cut_at_its_limit) {
    const struct dsn_options options = {.limits = {.max_field_bytes = 40}};
    struct dsn_reader *own = NULL;
    const struct dsn_report *report;
    open_reader();
    ck_assert_int_eq(dsn_reader_new(knowledge, &options, &own), DSN_OK);
    ck_assert_int_eq(
        dsn_reader_read(own,
                        dsn_sv_str(REPORT(FAILED "Diagnostic-Code: smtp; 550 5.1.1 no such user h\303\244re, "
                                                 "and that is not all that there is to say\n")),
                        &report),
        DSN_OK);
    ck_assert_uint_le(report->recipients[0].diagnostic.n, 40);
    ck_assert_uint_ge(report->recipients[0].diagnostic.n, 30);
    ck_assert_int_eq(report->recipients[0].verdict.action, DSN_ACTION_SUPPRESS);
    dsn_reader_free(own);
}
END_TEST

START_TEST(a_field_that_stands_there_a_thousand_times_is_cut_at_its_limit) {
    const size_t max = 8 * 1024;
    GString *fields = g_string_new(REPORT_HEAD FAILED);
    for (unsigned i = 0; i < 900; i++)
        g_string_append_printf(fields, "Diagnostic-Code: smtp; 550 5.1.1 no such user %u\n", i);
    g_string_append(fields, REPORT_ORIGINAL);
    const struct dsn_report *report = read_text(fields->str);
    ck_assert(report->truncated);
    ck_assert_uint_le(report->recipients[0].diagnostic.n, max);
    ck_assert_uint_ge(report->recipients[0].diagnostic.n, max - 40);
    ck_assert(
        dsn_sv_starts_nocase(report->recipients[0].diagnostic,
                             DSN_LIT("550 5.1.1 no such user 0 550 5.1.1 no such user 1 550 5.1.1 no such")));
    g_string_free(fields, TRUE);
}
END_TEST

/* Whether it ends in time is what this shows: every address has the same hash by 33, as GLib's hash of
 * strings is. */
START_TEST(addresses_that_are_made_to_collide_take_no_longer) {
    enum { N = 100000, PAIRS = 17 };
    const struct dsn_options options = {.limits = {.max_bytes = 64 << 20, .max_recipients = N}};
    struct dsn_reader *own = NULL;
    const struct dsn_report *report;
    GString *text = g_string_new(REPORT_HEAD);
    for (size_t i = 0; i < N; i++) {
        g_string_append(text, "\nFinal-Recipient: rfc822; ");
        for (size_t bit = 0; bit < PAIRS; bit++)
            g_string_append(text, i >> bit & 1 ? "b=" : "a^");
        g_string_append(text, "@example.com\nAction: delivered\n");
    }
    g_string_append(text, REPORT_ORIGINAL);
    open_reader();
    ck_assert_int_eq(dsn_reader_new(knowledge, &options, &own), DSN_OK);
    ck_assert_int_eq(dsn_reader_read(own, dsn_sv(text->str, text->len), &report), DSN_OK);
    ck_assert_uint_eq(report->n_recipients, N);
    ck_assert(report->recipients[N - 1].reached);
    dsn_reader_free(own);
    g_string_free(text, TRUE);
}
END_TEST

START_TEST(limits_that_were_reached_are_told) {
    struct dsn_options options = {.limits = {.max_bytes = 900}};
    struct dsn_reader *own = NULL;
    const struct dsn_report *report;
    open_reader();
    const char *message =
        REPORT("Final-Recipient: rfc822; user@example.com\nAction: failed\nStatus: 5.1.1\n");
    ck_assert(!read_text(message)->truncated);
    GString *padded = g_string_new(message);
    g_string_insert(padded, (gssize)(strstr(message, "Final-Recipient: rfc822; never") - message),
                    "padding of the returned message, as long as you like; "
                    "padding of the returned message, as long as you like; "
                    "padding of the returned message, as long as you like; "
                    "padding of the returned message, as long as you like; "
                    "padding of the returned message, as long as you like\n");
    ck_assert_uint_gt(padded->len, 900);
    ck_assert_int_eq(dsn_reader_new(knowledge, &options, &own), DSN_OK);
    ck_assert_int_eq(dsn_reader_read(own, dsn_sv(padded->str, padded->len), &report), DSN_OK);
    ck_assert(report->truncated);
    ck_assert(!report->incomplete); /* only the returned body is missing */
    ck_assert_int_eq(report->recipients[0].verdict.action, DSN_ACTION_SUPPRESS);
    dsn_reader_free(own);
    g_string_assign(padded, "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example\nSubject: failure notice\n\n"
                            "Hi. This is the qmail-send program at mx.example.\n\n<a@b.example>:\nno\n\n");
    while (padded->len < (gsize)70 * 1024)
        g_string_append(padded, "and so on, in a text that nobody reads to its end\n");
    ck_assert(read_text(padded->str)->truncated);
    g_string_free(padded, TRUE);
}
END_TEST

static const struct {
    const char *answer, *reason;
    enum dsn_type type;
    enum dsn_action action;
} verdicts[] = {
    {"550 5.1.1 <x@example.com>: Recipient address rejected: User unknown", "user-unknown", DSN_TYPE_HARD,
     DSN_ACTION_SUPPRESS},
    {"552 5.2.2 Mailbox full", "mailbox-full", DSN_TYPE_SOFT, DSN_ACTION_COUNT},
    {"450 4.1.1 user unknown", "user-unknown", DSN_TYPE_SOFT, DSN_ACTION_COUNT},
    {"500 Syntax error, command unrecognized", "syntax-error", DSN_TYPE_HARD, DSN_ACTION_FIX},
    {"550", "unknown", DSN_TYPE_HARD, DSN_ACTION_COUNT},
    {"5.0.0", "unknown", DSN_TYPE_HARD, DSN_ACTION_COUNT},
    {"501 5.0.0 what it means is not known", "syntax-error", DSN_TYPE_HARD, DSN_ACTION_FIX},
    {"451 4.0.0 what it means is not known", "system-error", DSN_TYPE_SOFT, DSN_ACTION_NONE},
    {"554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", "blocked",
     DSN_TYPE_HARD, DSN_ACTION_FIX},
    {"556 5.1.10 Recipient address has null MX", "not-accepting", DSN_TYPE_HARD, DSN_ACTION_SUPPRESS},
    {"5.1.250 something new", "unknown", DSN_TYPE_HARD, DSN_ACTION_COUNT},
};

START_TEST(whoever_gave_an_answer_is_a_part_of_it) {
    const struct dsn_recipient *recipient;
    open_reader();
    ck_assert_int_eq(dsn_reader_classify(reader, DSN_LIT("550 no"), DSN_LIT("MX\xff.google.com"), &recipient),
                     DSN_OK);
    assert_sv(recipient->remote_mta, "MX\xef\xbf\xbd.google.com");
    ck_assert_str_eq(recipient->verdict.provider, "google");
    ck_assert_int_eq(dsn_reader_classify(reader, DSN_LIT("550 no"), DSN_NONE, &recipient), DSN_OK);
    ck_assert_uint_eq(recipient->remote_mta.n, 0);
    ck_assert_ptr_null(recipient->verdict.provider);
}
END_TEST

START_TEST(answers_get_their_verdict) {
    open_reader();
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        const struct dsn_recipient *r;
        ck_assert_int_eq(dsn_reader_classify(reader, dsn_sv_str(verdicts[i].answer), DSN_NONE, &r), DSN_OK);
        ck_assert_msg(strcmp(r->verdict.reason->name, verdicts[i].reason) == 0, "%s: %s", verdicts[i].answer,
                      r->verdict.reason->name);
        ck_assert_msg(r->verdict.type == verdicts[i].type, "%s: type", verdicts[i].answer);
        ck_assert_msg(r->verdict.action == verdicts[i].action, "%s: action %s", verdicts[i].answer,
                      dsn_action_name(r->verdict.action));
    }
}
END_TEST

static const char *json_string(yajl_val root, const char *a, const char *b) {
    const char *path[] = {a, b, NULL};
    return YAJL_GET_STRING(yajl_tree_get(root, path, yajl_t_string));
}

START_TEST(event_is_json_of_one_line_with_nothing_unescaped) {
    read_one(REPORT("Final-Recipient: rfc822; User@EXAMPLE.com\nAction: failed\nStatus: 5.1.1\n"
                    "Diagnostic-Code: smtp; 550 5.1.1 \"quoted\" \\ \x01 \xFF end\n"));
    static const char *const headers[] = {"X-Campaign", "X-Absent", NULL};
    struct dsn_event_source source = {.kind = "maildir",
                                      .name = DSN_LIT("new/1\"\n2"),
                                      .observed_at_ms = 1795510800123,
                                      .headers = headers};
    struct dsn_event event;
    ck_assert_int_eq(dsn_event_write(reader, 0, &source, &event), DSN_OK);
    ck_assert_ptr_null(memchr(event.json.p, '\n', event.json.n));
    char *copy = g_strndup(event.json.p, event.json.n);
    yajl_val root = yajl_tree_parse(copy, NULL, 0);
    ck_assert_ptr_nonnull(root);
    ck_assert_str_eq(json_string(root, "recipient", NULL), "user@example.com");
    ck_assert_str_eq(json_string(root, "recipient_from", NULL), "header");
    ck_assert_str_eq(json_string(root, "diagnostic", NULL), "550 5.1.1 \"quoted\" \\ \x01 \xC3\xBF end");
    ck_assert_str_eq(json_string(root, "observed_at", NULL), "2026-11-24T09:00:00.123Z");
    ck_assert_str_eq(json_string(root, "source", "name"), "new/1\"\n2");
    const char *campaign[] = {"message", "headers", "X-Campaign", NULL};
    ck_assert_str_eq(YAJL_GET_STRING(yajl_tree_get(root, campaign, yajl_t_string)), "c7");
    assert_sv(event.topic, "bounce.hard.user-unknown.example.com");
    assert_sv(event.address, "user@example.com");
    yajl_tree_free(root);
    g_free(copy);
}
END_TEST

START_TEST(event_id_is_the_same_for_the_same_report_and_differs_by_recipient) {
    const char *message = REPORT("Final-Recipient: rfc822; a@example.com\nAction: failed\nStatus: 5.1.1\n\n"
                                 "Final-Recipient: rfc822; b@example.com\nAction: failed\nStatus: 5.1.1\n");
    struct dsn_event_source source = {.kind = "file", .name = DSN_LIT("x")};
    struct dsn_event event;
    char ids[2][2][DSN_EVENT_ID_LEN + 1];
    for (size_t round = 0; round < 2; round++) {
        ck_assert_uint_eq(read_text(message)->n_recipients, 2);
        for (size_t i = 0; i < 2; i++) {
            ck_assert_int_eq(dsn_event_write(reader, i, &source, &event), DSN_OK);
            strcpy(ids[round][i], event.id);
        }
    }
    ck_assert_str_eq(ids[0][0], ids[1][0]);
    ck_assert_str_eq(ids[0][1], ids[1][1]);
    ck_assert_str_ne(ids[0][0], ids[0][1]);
    ck_assert_uint_eq(strlen(ids[0][0]), DSN_EVENT_ID_LEN);
}
END_TEST

START_TEST(an_answer_has_nothing_of_the_message_read_before) {
    struct dsn_event_source source = {.kind = "text", .name = DSN_LIT("x")};
    const struct dsn_recipient *recipient;
    const struct dsn_report *report;
    struct dsn_event event;
    char *message = g_strdup(REPORT("Final-Recipient: rfc822; a@example.com\nAction: failed\n"));
    static const char *const answers[] = {"550 5.1.1 no such user", "552 5.2.2 mailbox full"};
    char ids[2][DSN_EVENT_ID_LEN + 1];
    open_reader();
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(dsn_reader_classify(reader, dsn_sv_str(answers[i]), DSN_NONE, &recipient), DSN_OK);
        ck_assert_int_eq(dsn_event_write(reader, 0, &source, &event), DSN_OK);
        strcpy(ids[i], event.id);
    }
    ck_assert_str_ne(ids[0], ids[1]);
    ck_assert_int_eq(dsn_reader_read(reader, dsn_sv_str(message), &report), DSN_OK);
    g_free(message);
    ck_assert_int_eq(dsn_reader_classify(reader, dsn_sv_str(answers[0]), DSN_NONE, &recipient), DSN_OK);
    ck_assert_int_eq(dsn_event_write(reader, 0, &source, &event), DSN_OK);
    ck_assert_str_eq(event.id, ids[0]);
}
END_TEST

RUN_SUITE("reader", every_field_of_a_delivery_status_is_read, returned_original_is_never_the_report,
          recipients_without_a_blank_line_between_them_are_two,
          a_blank_line_between_the_fields_of_a_recipient_loses_none, misspelt_fields_are_understood,
          missing_status_is_not_made_up, line_ends_and_carriage_make_no_difference, forwarded_report_is_read,
          global_status_and_headers_are_read, what_is_no_mail_is_refused,
          what_was_cut_off_before_the_returned_message_suppresses_nobody, half_an_address_is_none,
          an_answer_that_names_the_sender_alone_suppresses_nobody,
          a_guess_suppresses_only_whom_the_returned_message_names,
          a_report_that_somebody_sends_on_suppresses_only_whom_the_returned_message_names,
          an_alias_is_not_suppressed_where_one_of_those_behind_it_was_reached,
          the_action_says_what_happened_whatever_the_status,
          a_notification_of_feedback_is_a_complaint_only_where_somebody_complained,
          addresses_that_are_made_to_collide_take_no_longer, limits_that_were_reached_are_told,
          every_limit_is_told_where_it_is_reached,
          json_that_is_nested_too_deeply_is_no_notification_and_that_is_told,
          a_long_field_is_cut_at_its_limit, a_field_that_stands_there_a_thousand_times_is_cut_at_its_limit,
          the_time_of_a_complaint_is_that_of_no_delivery,
          a_notification_that_tells_but_the_type_has_that_as_its_diagnostic,
          whoever_gave_an_answer_is_a_part_of_it, answers_get_their_verdict,
          event_is_json_of_one_line_with_nothing_unescaped,
          event_id_is_the_same_for_the_same_report_and_differs_by_recipient,
          an_answer_has_nothing_of_the_message_read_before)
