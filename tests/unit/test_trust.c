/* trust: which messages are shown to answer mail of ours, and what the others may not do. */
#include "read.h"

#include <stdio.h>

#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define OTHER_KEY "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff"
#define NOW INT64_C(1795564800)
#define LATER (NOW + 40 * 86400)

static const struct dsn_verp_form form = {"bounces", '+', "bounce.example.org"};
static const char *const domains[] = {"example.org", NULL}, *const relays[] = {"out.example.org", NULL};

/* A message, piece by piece; NULL: nothing there. */
struct piece {
    const char *delivered_to;             /* header of the bounce */
    const char *return_path, *message_id; /* of the returned message */
    const char *received;                 /* too */
    const char *original_recipient;       /* of each group of the status */
    const char *final_recipient, *second; /* second: of another group */
};

static void header(char *out, const char *name, const char *value) {
    if (value)
        sprintf(out + strlen(out), "%s: %s\n", name, value);
}

static void group(char *out, const char *original, const char *final) {
    header(out, "Original-Recipient", original);
    header(out, "Final-Recipient", final);
    strcat(out, "Action: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 no such user\n\n");
}

static const char *write_bounce(const struct piece *p, char out[8192]) {
    strcpy(out, "From: MAILER-DAEMON@mx.example.com\nSubject: Undelivered\n");
    header(out, "Delivered-To", p->delivered_to);
    strcat(out,
           "MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
           "--b\nContent-Type: text/plain\n\nIt failed.\n\n--b\nContent-Type: message/delivery-status\n\n"
           "Reporting-MTA: dns; mx.example.com\n\n");
    group(out, p->original_recipient, p->final_recipient);
    if (p->second)
        group(out, NULL, p->second);
    strcat(out, "--b\nContent-Type: message/rfc822\n\nFrom: news@example.org\nSubject: News\n");
    header(out, "Return-Path", p->return_path);
    header(out, "Received", p->received);
    header(out, "Message-ID", p->message_id);
    strcat(out, "\nHello\n\n--b--\n");
    return out;
}

static struct dsn_verp *keys(const char *text) {
    struct dsn_verp *verp = NULL;
    ck_assert_int_eq(dsn_verp_new("keys", dsn_sv_str(text), NULL, &verp), DSN_OK);
    return verp;
}

static struct dsn_trust trust_with(const struct dsn_verp *verp) {
    return (struct dsn_trust){.verp = verp, .bounce = DSN_ACTION_COUNT, .complaint = DSN_ACTION_COUNT};
}

static const struct dsn_report *judge_text(const char *message, const struct dsn_trust *trust,
                                           int64_t now_s) {
    const struct dsn_report *report = read_text(message);
    dsn_reader_authenticate(reader, trust, now_s);
    return report;
}

static const struct dsn_report *judge(struct piece piece, const struct dsn_trust *trust, int64_t now_s) {
    static char text[8192];
    return judge_text(write_bounce(&piece, text), trust, now_s);
}

static void assert_recipient(const struct dsn_report *report, size_t i, const char *address,
                             const char *trust, const char *by, enum dsn_action action) {
    ck_assert_uint_gt(report->n_recipients, i);
    const struct dsn_recipient *r = &report->recipients[i];
    const char *evidence = dsn_evidence_name(r->trust_by);
    assert_sv(r->recipient, address);
    ck_assert_str_eq(dsn_trust_name(r->trust), trust);
    ck_assert_str_eq(evidence ? evidence : "", by);
    ck_assert_int_eq(r->verdict.action, action);
}

#define JANE "jane@example.com"
#define TYPED_JANE "rfc822; Jane@example.com"

START_TEST(only_a_signed_return_address_lets_a_bounce_suppress) {
    struct dsn_verp *verp = keys("a = " KEY "\n"), *others = keys("a = " OTHER_KEY "\n");
    const struct dsn_trust trust = trust_with(verp);
    char ours[DSN_VERP_SIZE], forged[DSN_VERP_SIZE];
    ck_assert_int_eq(dsn_verp_return_address(verp, &form, DSN_LIT(JANE), NOW, ours), DSN_OK);
    ck_assert_int_eq(dsn_verp_return_address(others, &form, DSN_LIT(JANE), NOW, forged), DSN_OK);
    assert_recipient(judge((struct piece){.delivered_to = ours, .final_recipient = TYPED_JANE}, &trust, NOW),
                     0, "Jane@example.com", "verified", "verp", DSN_ACTION_SUPPRESS);
    assert_recipient(judge((struct piece){.return_path = ours, .final_recipient = TYPED_JANE}, &trust, NOW),
                     0, "Jane@example.com", "verified", "verp", DSN_ACTION_SUPPRESS);
    assert_recipient(
        judge((struct piece){.delivered_to = forged, .final_recipient = TYPED_JANE}, &trust, NOW), 0,
        "Jane@example.com", "unverified", "", DSN_ACTION_COUNT);
    assert_recipient(judge((struct piece){.final_recipient = TYPED_JANE}, &trust, NOW), 0, "Jane@example.com",
                     "unverified", "", DSN_ACTION_COUNT);
    assert_recipient(
        judge((struct piece){.delivered_to = ours, .final_recipient = TYPED_JANE}, &trust, LATER), 0,
        "Jane@example.com", "unverified", "", DSN_ACTION_COUNT);
    dsn_verp_unref(verp);
    dsn_verp_unref(others);
}
END_TEST

START_TEST(without_anything_to_look_for_trust_is_none) {
    char text[8192];
    const struct dsn_report *report =
        read_text(write_bounce(&(struct piece){.final_recipient = TYPED_JANE}, text));
    assert_recipient(report, 0, "Jane@example.com", "none", "", DSN_ACTION_SUPPRESS);
}
END_TEST

START_TEST(a_signature_hurts_the_address_that_it_names_and_no_other) {
    struct dsn_verp *verp = keys("a = " KEY "\n");
    const struct dsn_trust trust = trust_with(verp);
    char ours[DSN_VERP_SIZE];
    ck_assert_int_eq(dsn_verp_return_address(verp, &form, DSN_LIT(JANE), NOW, ours), DSN_OK);
    /* A forward: the report names the target. A forgery that names a victim looks the same, and hits the
     * forger. */
    assert_recipient(
        judge((struct piece){.delivered_to = ours, .final_recipient = "rfc822; victim@example.net"}, &trust,
              NOW),
        0, JANE, "verified", "verp", DSN_ACTION_SUPPRESS);
    const struct dsn_report *report = judge((struct piece){.delivered_to = ours,
                                                           .final_recipient = "rfc822; victim@example.net",
                                                           .second = TYPED_JANE},
                                            &trust, NOW);
    assert_recipient(report, 0, "victim@example.net", "unverified", "", DSN_ACTION_COUNT);
    assert_recipient(report, 1, "Jane@example.com", "verified", "verp", DSN_ACTION_SUPPRESS);
    dsn_verp_unref(verp);
}
END_TEST

START_TEST(a_long_address_is_proved_by_the_report_that_names_it) {
#define LONG "somebody.with.a.name.as.long.as.this.one@mail.example.com"
    struct dsn_verp *verp = keys("a = " KEY "\n");
    const struct dsn_trust trust = trust_with(verp);
    char ours[DSN_VERP_SIZE];
    ck_assert_int_eq(dsn_verp_return_address(verp, &form, DSN_LIT(LONG), NOW, ours), DSN_OK);
    ck_assert_ptr_null(strstr(ours, "somebody"));
    assert_recipient(
        judge((struct piece){.delivered_to = ours, .final_recipient = "rfc822;" LONG}, &trust, NOW), 0, LONG,
        "verified", "verp", DSN_ACTION_SUPPRESS);
    assert_recipient(judge((struct piece){.delivered_to = ours,
                                          .original_recipient = "rfc822;" LONG,
                                          .final_recipient = "rfc822; target@example.net"},
                           &trust, NOW),
                     0, LONG, "verified", "verp", DSN_ACTION_SUPPRESS);
    assert_recipient(
        judge((struct piece){.delivered_to = ours, .final_recipient = "rfc822; target@example.net"}, &trust,
              NOW),
        0, "target@example.net", "unverified", "", DSN_ACTION_COUNT);
    dsn_verp_unref(verp);
}
END_TEST

START_TEST(a_signed_message_id_proves_its_recipient) {
    struct dsn_verp *verp = keys("a = " KEY "\n");
    const struct dsn_trust trust = trust_with(verp);
    char id[DSN_VERP_SIZE];
    ck_assert_int_eq(dsn_verp_message_id(verp, "example.org", DSN_LIT(JANE), NOW, id), DSN_OK);
    assert_recipient(judge((struct piece){.message_id = id, .final_recipient = TYPED_JANE}, &trust, NOW), 0,
                     "Jane@example.com", "verified", "message-id", DSN_ACTION_SUPPRESS);
    assert_recipient(
        judge((struct piece){.message_id = id, .final_recipient = "rfc822; victim@example.net"}, &trust, NOW),
        0, "victim@example.net", "unverified", "", DSN_ACTION_COUNT);
    assert_recipient(judge((struct piece){.message_id = id, .final_recipient = TYPED_JANE}, &trust, LATER), 0,
                     "Jane@example.com", "unverified", "", DSN_ACTION_COUNT);
    dsn_verp_unref(verp);
}
END_TEST

START_TEST(weak_signs_are_told_and_verify_where_the_operator_says_so) {
    struct dsn_trust trust = trust_with(NULL);
    trust.message_id_domains = domains;
    trust.relays = relays;
    struct piece by_id = {.message_id = "<1@Example.ORG>", .final_recipient = TYPED_JANE},
                 by_relay = {.received =
                                 "from app by OUT.example.org (Postfix) with ESMTP id 1; Wed, 25 Nov 2026",
                             .final_recipient = TYPED_JANE},
                 by_none = {.received = "from out.example.org by mx.example.com; Wed, 25 Nov 2026",
                            .message_id = "<1@example.org.evil.example>",
                            .final_recipient = TYPED_JANE};
    for (int verifies = 0; verifies < 2; verifies++) {
        trust.weak_verifies = verifies;
        const char *level = verifies ? "verified" : "unverified";
        enum dsn_action action = verifies ? DSN_ACTION_SUPPRESS : DSN_ACTION_COUNT;
        assert_recipient(judge(by_id, &trust, NOW), 0, "Jane@example.com", level, "message-id-domain",
                         action);
        assert_recipient(judge(by_relay, &trust, NOW), 0, "Jane@example.com", level, "relay", action);
        assert_recipient(judge(by_none, &trust, NOW), 0, "Jane@example.com", "unverified", "",
                         DSN_ACTION_COUNT);
    }
}
END_TEST

#define COMPLAINT(from, to)                                                                                  \
    "From: fbl@example.com\nSubject: complaint\nMIME-Version: 1.0\n"                                         \
    "Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\n\nA complaint.\n\n"     \
    "--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nVersion: 1\nUser-Agent: x/1\n" from \
    "\n--b\nContent-Type: message/rfc822\n\nFrom: news@example.org\n" to "Subject: News\n\nHello\n\n--b--\n"

START_TEST(a_complaint_that_hides_the_complainer_is_his_by_the_return_address) {
    struct dsn_verp *verp = keys("a = " KEY "\n");
    struct dsn_trust trust = trust_with(verp);
    char ours[DSN_VERP_SIZE], text[4096];
    ck_assert_int_eq(dsn_verp_return_address(verp, &form, DSN_LIT(JANE), NOW, ours), DSN_OK);
    snprintf(text, sizeof text, COMPLAINT("Original-Mail-From: <%s>\n", "To: redacted\n"), ours);
    assert_recipient(judge_text(text, &trust, NOW), 0, JANE, "verified", "verp", DSN_ACTION_SUPPRESS);
    const char *plain = COMPLAINT("Original-Rcpt-To: <" JANE ">\n", "");
    assert_recipient(judge_text(plain, &trust, NOW), 0, JANE, "unverified", "", DSN_ACTION_COUNT);
    trust.complaint = DSN_ACTION_SUPPRESS;
    assert_recipient(judge_text(plain, &trust, NOW), 0, JANE, "unverified", "", DSN_ACTION_SUPPRESS);
    dsn_verp_unref(verp);
}
END_TEST

START_TEST(the_operator_says_what_an_unverified_bounce_does) {
    struct dsn_verp *verp = keys("a = " KEY "\n");
    struct dsn_trust trust = trust_with(verp);
    static const enum dsn_action actions[] = {DSN_ACTION_NONE, DSN_ACTION_COUNT, DSN_ACTION_SUPPRESS};
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        trust.bounce = actions[i];
        assert_recipient(judge((struct piece){.final_recipient = TYPED_JANE}, &trust, NOW), 0,
                         "Jane@example.com", "unverified", "", actions[i]);
    }
    dsn_verp_unref(verp);
}
END_TEST

START_TEST(a_quoted_signature_does_not_change_the_recipient) {
    struct dsn_verp *verp = keys("a = " KEY "\n");
    const struct dsn_trust trust = trust_with(verp);
    char quoted[DSN_VERP_SIZE];
    ck_assert_int_eq(dsn_verp_return_address(verp, &form, DSN_LIT(JANE), NOW, quoted), DSN_OK);
    /* Mail of ours about a mail of ours, say: the report is about whoever had the first. */
    assert_recipient(judge((struct piece){.received = quoted, .final_recipient = "rfc822; admin@example.net"},
                           &trust, NOW),
                     0, "admin@example.net", "unverified", "", DSN_ACTION_COUNT);
    dsn_verp_unref(verp);
}
END_TEST

RUN_SUITE("trust", only_a_signed_return_address_lets_a_bounce_suppress,
          without_anything_to_look_for_trust_is_none,
          a_signature_hurts_the_address_that_it_names_and_no_other,
          a_long_address_is_proved_by_the_report_that_names_it, a_signed_message_id_proves_its_recipient,
          weak_signs_are_told_and_verify_where_the_operator_says_so,
          a_complaint_that_hides_the_complainer_is_his_by_the_return_address,
          the_operator_says_what_an_unverified_bounce_does, a_quoted_signature_does_not_change_the_recipient)
