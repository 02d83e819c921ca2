/* format: every format on its sample, and what descriptions can express.
 */
#include "read.h"

#include "mail/format.h"
#include "verdict/knowledge.h"

#include <glib.h>

#define SAMPLES TESTS_DIR "/samples/formats/"

static char *slurp(const char *name) {
    char *path = g_strconcat(SAMPLES, name, NULL), *text = NULL;
    ck_assert_msg(g_file_get_contents(path, &text, NULL, NULL), "cannot read %s", path);
    g_free(path);
    return text;
}

static void check_row(const struct dsn_report *report, size_t i, char **row) {
    char status[16];
    assert_sv(report->format, row[1]);
    if (strcmp(row[2], "none") == 0) {
        ck_assert_msg(report->n_recipients == 0, "%s: a recipient where there is none", row[0]);
        return;
    }
    ck_assert_msg(i < report->n_recipients, "%s: %zu recipients", row[0], report->n_recipients);
    const struct dsn_recipient *r = &report->recipients[i];
    ck_assert_msg(strcmp(dsn_kind_name(r->verdict.kind), row[2]) == 0, "%s: %s", row[0],
                  dsn_kind_name(r->verdict.kind));
    assert_sv(r->recipient, row[3]);
    dsn_status_format(r->status, status);
    ck_assert_msg(strcmp(status, row[4]) == 0, "%s: status %s", row[0], status);
    ck_assert_msg(r->smtp_code == atoi(row[5]), "%s: code %u", row[0], r->smtp_code);
}

START_TEST(every_sample_gives_what_its_rows_say) {
    char *table = slurp("expected.tsv"), *text = NULL;
    char **lines = g_strsplit(table, "\n", -1);
    const char *before = "";
    const struct dsn_report *report = NULL;
    size_t nth = 0, rows = 0;
    for (size_t i = 1; lines[i]; i++) {
        char **row = g_strsplit(lines[i], "\t", -1);
        if (g_strv_length(row) == 6) {
            nth = strcmp(before, row[0]) == 0 ? nth + 1 : 0;
            if (nth == 0) {
                g_free(text);
                text = slurp(row[0]);
                report = read_text(text);
            }
            check_row(report, nth, row);
            before = lines[i];
            lines[i][strlen(row[0])] = '\0';
            rows++;
        }
        g_strfreev(row);
    }
    ck_assert_uint_gt(rows, 50);
    g_strfreev(lines);
    g_free(text);
    g_free(table);
}
END_TEST

START_TEST(every_format_names_a_sample_that_it_reads) {
    open_reader();
    const struct dsn_formats *formats = dsn_knowledge_formats(knowledge);
    for (size_t i = 0; dsn_formats_name(formats, i); i++) {
        const char *sample = dsn_formats_sample(formats, i);
        if (!sample)
            continue;
        char *text = slurp(sample);
        assert_sv(read_text(text)->format, dsn_formats_name(formats, i));
        g_free(text);
    }
}
END_TEST

/* --- descriptions
 * -------------------------------------------------------------------------------------------------- */

static enum dsn_error load(const char *text, struct dsn_problems *problems, struct dsn_formats **out) {
    struct dsn_keyfile *file = NULL;
    ck_assert_int_eq(dsn_keyfile_new("formats/x.format", dsn_sv_str(text), false, problems, &file), DSN_OK);
    enum dsn_error error = dsn_formats_new(&file, 1, problems, out);
    dsn_keyfile_free(file);
    return error;
}

static void assert_refused(const char *text, const char *problem) {
    struct dsn_problems *problems = dsn_problems_new();
    struct dsn_formats *formats = NULL;
    ck_assert_int_eq(load(text, problems, &formats), DSN_ERR_SYNTAX);
    ck_assert_uint_ge(dsn_problems_count(problems), 1);
    ck_assert_msg(strstr(dsn_problems_get(problems, 0), problem) != NULL, "got: %s",
                  dsn_problems_get(problems, 0));
    dsn_problems_free(problems);
}

START_TEST(mistakes_are_named_by_file_and_line) {
    assert_refused("[a]\nbody = x\nrecipeint = y\n", "formats/x.format:3");
    assert_refused("[a]\nbody = x\nrecipient = (?<recipient>y\n", "formats/x.format:3");
    assert_refused("[a]\nbody = x\nrecipient = (?<address>y)\n", "no group \"address\"");
    assert_refused("[a]\nrecipient = (?<recipient>y)\n", "recognised");
    assert_refused("[a]\nbody = x\nkind = bounced\n", "expected bounce");
    assert_refused("[a]\nbody = x\nclass = 6\n", "expected 4 or 5");
    assert_refused("[a]\nbody = (x\n", "formats/x.format");
    assert_refused("[a]\nbody = x\nfind = somewhere\n", "expected some of");
    assert_refused("[a]\nbody = x\nlike = b\n", "no such section");
}
END_TEST

#define BOUNCE                                                                                               \
    "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example\nTo: us@shop.example\nSubject: Undeliverable mail\n\n"

START_TEST(the_returned_message_is_not_read_as_the_report) {
    const struct dsn_report *report = read_text(
        BOUNCE
        "Hi. This is the qmail-send program at mx.example.\n\n<a@b.example>:\n550 5.1.1 no\n\n"
        "--- Below this line is a copy of the message.\n\nReturn-Path: <us@shop.example>\n"
        "Message-ID: <1@shop.example>\nTo: a@b.example\nSubject: hello\n\n<c@d.example>:\n550 5.2.2 full\n");
    ck_assert_uint_eq(report->n_recipients, 1);
    assert_sv(report->recipients[0].recipient, "a@b.example");
    assert_sv(report->original.message_id, "<1@shop.example>");
    assert_sv(report->original.subject, "hello");
}
END_TEST

START_TEST(a_recipient_named_twice_counts_once) {
    const struct dsn_report *report = read_text(
        BOUNCE "Hi. This is the qmail-send program at mx.example.\n\n<a@b.example>:\n550 5.1.1 no\n\n"
               "<A@b.example>:\n550 5.1.1 no\n");
    ck_assert_uint_eq(report->n_recipients, 1);
}
END_TEST

START_TEST(a_delivery_status_without_an_answer_takes_it_from_the_text) {
    const struct dsn_report *report = read_text(
        "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example\nSubject: Delivery status notification: error\n"
        "MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
        "--b\n\n    Hi!\n\n    This is the MAILER-DAEMON, please DO NOT REPLY to this e-mail.\n\n"
        "a@b.example: 552 5.2.2 mailbox full\n\n"
        "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n"
        "Final-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 5.0.0\n\n--b--\n");
    ck_assert_uint_eq(report->n_recipients, 1);
    assert_sv(report->format, "rfc3464");
    assert_sv(report->recipients[0].diagnostic, "552 5.2.2 mailbox full");
    ck_assert_uint_eq(report->recipients[0].smtp_code, 552);
}
END_TEST

START_TEST(a_message_full_of_recipients_is_cut_and_says_so) {
    GString *text = g_string_new(BOUNCE "Hi. This is the qmail-send program at mx.example.\n\n");
    for (int i = 0; i < 3000; i++)
        g_string_append_printf(text, "<u%d@b.example>:\nno\n\n", i);
    const struct dsn_report *report = read_text(text->str);
    ck_assert_uint_gt(report->n_recipients, 100);
    ck_assert(report->truncated);
    g_string_free(text, TRUE);
}
END_TEST

RUN_SUITE("format", every_sample_gives_what_its_rows_say, every_format_names_a_sample_that_it_reads,
          mistakes_are_named_by_file_and_line, the_returned_message_is_not_read_as_the_report,
          a_recipient_named_twice_counts_once, a_delivery_status_without_an_answer_takes_it_from_the_text,
          a_message_full_of_recipients_is_cut_and_says_so)
