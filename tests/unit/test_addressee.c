/* addressee: whom a report is about, and what return addresses say of it. */
#include "read.h"

#include "mail/return_path.h"

/* --- return addresses
 * --------------------------------------------------------------------------------------------------------------
 */

static const struct {
    const char *address, *names; /* NULL: nobody */
} return_addresses[] = {
    {"bounces+user=example.com@lists.example.net", "user@example.com"},
    {"list-bounces+user+tag=Example.COM@lists.example.net", "user+tag@example.com"},
    {"bounces+abcdefghijklmnopqrst2-user=example.com@lists.example.net", "user@example.com"},
    {"bounces+a=b=example.com@lists.example.net", "a=b@example.com"},
    {"list-bounces-user=example.com@lists.example.net", "user@example.com"},
    {"owner-list-user=host.example@lists.example.net", "user@host.example"},
    {"list-return-1234-john-doe=example.com@lists.example.net", "john-doe@example.com"},
    {"bounces+1234567-8f3c-john-doe=example.com@em.example.net", "john-doe@example.com"},
    {"bounce+5e8a21.b3d5c8-john=example.com@mail.example.net", "john@example.com"},
    {"bounce-mc.us12_53416761.2184833-john=example.com@mail133.example.net", "john@example.com"},
    {"bounce+alice==a==example.com==list@lists.example.net", "alice@example.com"},
    /* Where the name of the list ends and the user begins cannot be told. */
    {"owner-my-list-john-doe=example.com@lists.example.net", NULL},
    {"list-bounces-john-doe=example.com@lists.example.net", NULL},
    {"news-user=example.com@lists.example.net", NULL},
    /* Other schemes. */
    {"SRS0=HHH=TT=example.com=user@forwarder.example", NULL},
    {"SRS0+HHH=TT=example.com=user@forwarder.example", NULL},
    {"srs1=HHH=other.example==HHH=TT=example.com=user@forwarder.example", NULL},
    {"bounces+SRS0=HHH=TT=example.com=user@forwarder.example", NULL},
    {"bounces+SRS=44ldt=example.com@contoso.example", NULL},
    {"prvs=1234567abc=user@example.com", NULL},
    {"prvs=1234567abc=user+x=example.com@example.com", NULL},
    {"msprvs1=17648K=bounces-1234=example.com@example.net", NULL},
    {"btv1==abc==user+x=example.com@example.net", NULL},
    /* What is no address stays none. */
    {"bounces@lists.example.net", NULL},
    {"bounces+user@lists.example.net", NULL},
    {"bounces+=example.com@lists.example.net", NULL},
    {"bounces+user=@lists.example.net", NULL},
    {"bounces+user=localhost@lists.example.net", NULL},
    {"bounces+user=192.0.2.1@lists.example.net", NULL},
    {"bounces+user=.example.com@lists.example.net", NULL},
    {"bounces+user=example..com@lists.example.net", NULL},
    {"bounces+user=-a.example@lists.example.net", NULL},
    {"bounces+us er=example.com@lists.example.net", NULL},
    {"bounces+us\x01r=example.com@lists.example.net", NULL},
    {"bounces+<user=example.com@lists.example.net", NULL},
    {"user=example.com", NULL},
    {"", NULL},
};

START_TEST(a_return_address_names_whom_it_was_made_for_and_nobody_else) {
    struct dsn_arena *arena = dsn_arena_new();
    struct dsn_return_paths *paths = NULL;
    ck_assert_int_eq(dsn_return_paths_new(NULL, &paths), DSN_OK);
    for (size_t i = 0; i < sizeof return_addresses / sizeof return_addresses[0]; i++) {
        struct dsn_strview found =
            dsn_return_paths_read(paths, arena, dsn_sv_str(return_addresses[i].address), NULL, 0);
        const char *names = return_addresses[i].names;
        ck_assert_msg(names ? dsn_sv_eq(found, dsn_sv_str(names)) : !found.p, "%s gives %.*s",
                      return_addresses[i].address, (int)found.n, found.p ? found.p : "");
    }
    dsn_return_paths_free(paths);
    dsn_arena_free(arena);
}
END_TEST

START_TEST(an_address_that_the_report_names_is_found_where_patterns_could_only_guess) {
    struct dsn_arena *arena = dsn_arena_new();
    struct dsn_return_paths *paths = NULL;
    const struct dsn_strview known[] = {DSN_NONE, DSN_LIT("doe@example.com"),
                                        DSN_LIT("John-Doe@example.com")};
    ck_assert_int_eq(dsn_return_paths_new(NULL, &paths), DSN_OK);
    struct dsn_strview address = DSN_LIT("owner-my-list-john-doe=example.com@lists.example.net");
    assert_sv(dsn_return_paths_read(paths, arena, address, known + 2, 1), "John-Doe@example.com");
    ck_assert_ptr_null(dsn_return_paths_read(paths, arena, address, known, 1).p);
    ck_assert_ptr_null(
        dsn_return_paths_read(paths, arena, DSN_LIT("SRS0=HHH=TT=doe=example.com@f.example"), known, 3).p);
    dsn_return_paths_free(paths);
    dsn_arena_free(arena);
}
END_TEST

START_TEST(a_return_address_names_the_scope_where_a_pattern_says_so) {
    static const char *const patterns[] = {"^(?<recipient>[^@]+=[^@=]+)@r\\.example$",
                                           "^(?<scope>[^+@]+)\\+(?<recipient>[^@]+=[^@=]+)@",
                                           "@(?<scope>[^@]+)$", NULL};
    struct dsn_arena *arena = dsn_arena_new();
    struct dsn_return_paths *paths = NULL;
    ck_assert_int_eq(dsn_return_paths_new(patterns, &paths), DSN_OK);
    assert_sv(dsn_return_paths_scope(paths, DSN_LIT("news+jane=example.org@l.example")), "news");
    assert_sv(dsn_return_paths_read(paths, arena, DSN_LIT("news+jane=example.org@l.example"), NULL, 0),
              "jane@example.org");
    assert_sv(dsn_return_paths_scope(paths, DSN_LIT("jane=example.org@r.example")), "r.example");
    ck_assert_ptr_null(dsn_return_paths_read(paths, arena, DSN_LIT("bounces@l.example"), NULL, 0).p);
    ck_assert_ptr_null(dsn_return_paths_scope(paths, DSN_LIT("no address")).p);
    ck_assert_ptr_null(dsn_return_paths_refuse(patterns[2]));
    dsn_return_paths_free(paths);
    dsn_arena_free(arena);
}
END_TEST

START_TEST(patterns_are_refused_where_they_are_wrong) {
    ck_assert_ptr_null(dsn_return_paths_refuse("^b-(?<recipient>[^@]+)@b\\.example$"));
    ck_assert_ptr_nonnull(strstr(dsn_return_paths_refuse("^b-(?<recipient>"), "no regular expression"));
    ck_assert_ptr_nonnull(strstr(dsn_return_paths_refuse("^b-(?<host>x)"), "(?<recipient>...)"));
    ck_assert_ptr_nonnull(strstr(dsn_return_paths_refuse("^b-(?<user>x)"), "no regular expression"));
}
END_TEST

/* --- whole messages
 * --------------------------------------------------------------------------------------------------------------
 */

#define REPORT(headers, fields, original)                                                                    \
    headers "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example\nSubject: Undelivered\nMIME-Version: 1.0\n"     \
            "Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\n\n"                \
            "--b\n\nIt failed.\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; "        \
            "mx.ex\n\n" fields                                                                               \
            "\n--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: <1@x.example>\n" original "\n--b--\n"
#define FAILED(address) "Final-Recipient: rfc822; " address "\nAction: failed\nStatus: 5.1.1\n\n"
#define VERP "Delivered-To: bounces+user=example.com@lists.example.net\n"
#define FORWARDED FAILED("target@forward.example")

static const struct {
    const char *message, *recipient;
    enum dsn_provenance from;
} reports[] = {
    {REPORT(VERP, FORWARDED, "To: other@example.org\n"), "user@example.com", DSN_FROM_VERP},
    {REPORT("Delivered-To: box@internal.example\nX-Original-To: bounces+user=example.com@l.example\n",
            FORWARDED, ""),
     "user@example.com", DSN_FROM_VERP},
    {REPORT("Envelope-To: <bounces+user=example.com@l.example>\n", FORWARDED, ""), "user@example.com",
     DSN_FROM_VERP},
    {REPORT("To: bounces+user=example.com@l.example\n", FORWARDED, ""), "target@forward.example",
     DSN_FROM_FINAL},
    {REPORT("Delivered-To: bounces+user=localhost@l.example\n",
            "Original-Recipient: rfc822; a@b.example\n" FORWARDED, "To: c@d.example\n"),
     "a@b.example", DSN_FROM_ORIGINAL},
    {REPORT("", FORWARDED, "To: c@d.example\nTo: C <C@d.example>\nFrom: us@shop.example\n"), "c@d.example",
     DSN_FROM_HEADER},
    {REPORT("", FORWARDED, "To: c@d.example\nCc: e@d.example\n"), "target@forward.example", DSN_FROM_FINAL},
    {REPORT("", FORWARDED, "To: c@d.example, e@d.example\n"), "target@forward.example", DSN_FROM_FINAL},
    {REPORT("", FORWARDED, "To: us@shop.example\nFrom: Us <us@shop.example>\n"), "target@forward.example",
     DSN_FROM_FINAL},
    {REPORT("", FORWARDED, "To: c@d.example\nList-Id: <l.d.example>\n"), "target@forward.example",
     DSN_FROM_FINAL},
};

START_TEST(the_best_source_names_the_recipient) {
    for (size_t i = 0; i < sizeof reports / sizeof reports[0]; i++) {
        const struct dsn_report *report = read_text(reports[i].message);
        ck_assert_uint_eq(report->n_recipients, 1);
        ck_assert_msg(dsn_sv_eq(report->recipients[0].recipient, dsn_sv_str(reports[i].recipient)),
                      "report %zu: %.*s", i, (int)report->recipients[0].recipient.n,
                      report->recipients[0].recipient.p);
        ck_assert_msg(report->recipients[0].recipient_from == reports[i].from, "report %zu: from %s", i,
                      dsn_provenance_name(report->recipients[0].recipient_from));
    }
}
END_TEST

START_TEST(every_source_stays_visible) {
    const struct dsn_report *report =
        read_text(REPORT(VERP, "Original-Recipient: rfc822; a@b.example\n" FORWARDED, "To: c@d.example\n"));
    const struct dsn_recipient *r = report->recipients;
    assert_sv(r->told[DSN_FROM_VERP], "user@example.com");
    assert_sv(r->told[DSN_FROM_ORIGINAL], "a@b.example");
    assert_sv(r->told[DSN_FROM_HEADER], "c@d.example");
    assert_sv(r->told[DSN_FROM_FINAL], "target@forward.example");
    ck_assert_ptr_null(r->told[DSN_FROM_PROSE].p);
    struct dsn_event_source source = {.kind = "file", .name = DSN_LIT("x")};
    struct dsn_event event;
    ck_assert_int_eq(dsn_event_write(reader, 0, &source, &event), DSN_OK);
    ck_assert_ptr_nonnull(strstr(event.json.p, "\"addresses\":{\"verp\":\"user@example.com\",\"original\":"
                                               "\"a@b.example\",\"header\":\"c@d.example\",\"final\":"
                                               "\"target@forward.example\",\"prose\":null}"));
}
END_TEST

START_TEST(of_several_recipients_each_is_who_his_own_fields_say) {
    const struct dsn_report *report =
        read_text(REPORT(VERP, FAILED("a@b.example") FAILED("c@d.example"), "To: e@f.example\n"));
    ck_assert_uint_eq(report->n_recipients, 2);
    assert_sv(report->recipients[0].recipient, "a@b.example");
    assert_sv(report->recipients[1].recipient, "c@d.example");
}
END_TEST

START_TEST(the_target_of_a_forward_is_not_taken_for_the_subscriber) {
    const struct dsn_report *report = read_text(
        "Return-Path: <>\nFrom: Mail Delivery System <Mailer-Daemon@mx.example>\nTo: us@shop.example\n"
        "Subject: Mail delivery failed: returning message to sender\n\n"
        "This message was created automatically by mail delivery software.\n\n"
        "A message that you sent could not be delivered to one or more of its\n"
        "recipients. This is a permanent error. The following address(es) failed:\n\n"
        "  target@forward.example\n    (generated from user@example.com)\n"
        "    SMTP error from remote mail server after RCPT TO:<target@forward.example>:\n"
        "    host mx.forward.example [192.0.2.1]: 550 5.1.1 User unknown\n");
    ck_assert_uint_eq(report->n_recipients, 1);
    assert_sv(report->recipients[0].recipient, "user@example.com");
    ck_assert_int_eq(report->recipients[0].recipient_from, DSN_FROM_ORIGINAL);
    assert_sv(report->recipients[0].told[DSN_FROM_PROSE], "target@forward.example");
}
END_TEST

START_TEST(a_vacation_reply_is_who_the_return_address_names) {
    const struct dsn_report *report =
        read_text(VERP "From: Alias <alias@example.com>\nTo: bounces@l.example\nSubject: Out of office\n"
                       "Auto-Submitted: auto-replied\n\nI am away.\n");
    ck_assert_uint_eq(report->n_recipients, 1);
    assert_sv(report->recipients[0].recipient, "user@example.com");
}
END_TEST

START_TEST(order_and_patterns_are_the_callers) {
    static const char *const patterns[] = {"^b-(?<recipient>[^@]+)@b\\.example$", NULL};
    static const char *const wrong[] = {"(", NULL};
    struct dsn_options options = {.order = {DSN_FROM_FINAL, DSN_FROM_VERP}, .verp = patterns};
    struct dsn_reader *own = NULL;
    const struct dsn_report *report;
    open_reader();
    const char *message = REPORT("Delivered-To: b-news-user=example.com@b.example\n", FORWARDED, "");
    ck_assert_int_eq(dsn_reader_new(knowledge, &options, &own), DSN_OK);
    ck_assert_int_eq(dsn_reader_read(own, dsn_sv_str(message), &report), DSN_OK);
    assert_sv(report->recipients[0].recipient, "target@forward.example");
    assert_sv(report->recipients[0].told[DSN_FROM_VERP], "news-user@example.com");
    dsn_reader_free(own);
    options.order[0] = DSN_FROM_ORIGINAL; /* and nothing that the report has */
    options.order[1] = DSN_FROM_NOTHING;
    ck_assert_int_eq(dsn_reader_new(knowledge, &options, &own), DSN_OK);
    ck_assert_int_eq(dsn_reader_read(own, dsn_sv_str(message), &report), DSN_OK);
    ck_assert_ptr_null(report->recipients[0].recipient.p);
    ck_assert_int_ne(report->recipients[0].verdict.action, DSN_ACTION_SUPPRESS);
    dsn_reader_free(own);
    options.verp = wrong;
    ck_assert_int_eq(dsn_reader_new(knowledge, &options, &own), DSN_ERR_SYNTAX);
}
END_TEST

RUN_SUITE("addressee", a_return_address_names_whom_it_was_made_for_and_nobody_else,
          an_address_that_the_report_names_is_found_where_patterns_could_only_guess,
          a_return_address_names_the_scope_where_a_pattern_says_so, patterns_are_refused_where_they_are_wrong,
          the_best_source_names_the_recipient, every_source_stays_visible,
          of_several_recipients_each_is_who_his_own_fields_say,
          the_target_of_a_forward_is_not_taken_for_the_subscriber,
          a_vacation_reply_is_who_the_return_address_names, order_and_patterns_are_the_callers)
