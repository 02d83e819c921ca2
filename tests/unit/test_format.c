/* format: every format on its sample, and what descriptions can express.
 */
#include "read.h"

#include "event/sample.h"
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

START_TEST(every_sample_is_read_as_it_says) {
    size_t n = 0;
    GDir *folder = g_dir_open(SAMPLES, 0, NULL);
    open_reader();
    for (const char *name; (name = g_dir_read_name(folder)); n++) {
        char *text = slurp(name), *refusal = dsn_sample_refuse(reader, dsn_sv_str(text), NULL);
        ck_assert_msg(!refusal, "%s: %s", name, refusal);
        g_free(text);
    }
    g_dir_close(folder);
    ck_assert_uint_gt(n, 50);
}
END_TEST

START_TEST(a_sample_that_is_read_otherwise_is_refused) {
    static const char *const samples[][2] = {
        {"X-Expect: - none\nSubject: hello\n\nHow are you?\n", NULL},
        {"Subject: hello\n\nHow are you?\n", "does not say"},
        {"X-Expect: exim bounce a@b.example\nSubject: hello\n\nHow are you?\n",
         "it gives \"- none\"; expected \"exim bounce a@b.example\""},
    };
    open_reader();
    for (size_t i = 0; i < G_N_ELEMENTS(samples); i++) {
        char *refusal = dsn_sample_refuse(reader, dsn_sv_str(samples[i][0]), NULL);
        ck_assert_msg(samples[i][1] ? refusal && strstr(refusal, samples[i][1]) : !refusal, "%zu: %s", i,
                      refusal);
        g_free(refusal);
    }
    char *refusal = dsn_sample_refuse(reader, dsn_sv_str(samples[0][0]), "exim");
    ck_assert_ptr_nonnull(strstr(refusal, "expected \"exim\""));
    g_free(refusal);
}
END_TEST

/* --- descriptions
 * -------------------------------------------------------------------------------------------------- */

static enum dsn_error load(const char *text, struct dsn_problems *problems, struct dsn_formats **out) {
    struct dsn_keyfile *file = NULL;
    ck_assert_int_eq(dsn_keyfile_new("formats/x.format", dsn_sv_str(text), false, problems, &file), DSN_OK);
    enum dsn_error error = dsn_formats_new((const struct dsn_keyfile *const[]){file}, 1, problems, out);
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

START_TEST(the_beginning_of_a_returned_message_is_not_read_as_the_report) {
    const struct dsn_report *report = read_text(
        BOUNCE "Your message was not delivered to\nlena@post.example\nbecause the mailbox is full.\n"
               "Here is the beginning of your message:\n\nHow do I read a bounce like this one?\n\n"
               "<tom@post.example>:\n550 5.1.1 user unknown\n");
    ck_assert_uint_eq(report->n_recipients, 1);
    assert_sv(report->recipients[0].recipient, "lena@post.example");
    ck_assert_str_eq(report->recipients[0].verdict.reason->name, "mailbox-full");
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

#define PERSON "Return-Path: <lena@post.example>\nFrom: Lena <lena@post.example>\nTo: us@shop.example\n"

/* What people write, quoting reports in the form of many MTAs. */
static const char *const quotes[] = {
    PERSON "Subject: my mail\n\nThey get this:\n\nHi. This is the qmail-send program at mx.example.\n\n"
           "<tom@post.example>:\n550 5.1.1 user unknown\n",
    PERSON "Subject: why?\n\n   ----- The following addresses had permanent fatal errors -----\n"
           "<tom@post.example>\n\n   ----- Transcript of session follows -----\n"
           "550 5.1.1 <tom@post.example>... User unknown\n",
    PERSON
    "Subject: a question\n\nFinal-Recipient: rfc822; tom@post.example\nAction: failed\nStatus: 5.1.1\n\n"
    "what is that?\n",
    PERSON
    "Subject: Re: Mail delivery failed\n\nThis message was created automatically by mail delivery "
    "software.\n\nA message that you sent could not be delivered to one or more of its\nrecipients. The "
    "following address(es) failed:\n\n  tom@post.example\n    550 5.1.1 no such user\n",
    PERSON "Subject: Re: Undelivered Mail\n\n> This is the mail system at host mx.example.\n>\n"
           "> <tom@post.example>: host mx.post.example said: 550 5.1.1 User unknown\n",
};

START_TEST(a_person_who_quotes_a_report_sends_none) {
    for (size_t i = 0; i < G_N_ELEMENTS(quotes); i++)
        ck_assert_msg(read_text(quotes[i])->n_recipients == 0, "quote %zu", i);
    const struct dsn_report *report = read_text(
        PERSON
        "Subject: look at this\n\n---------- Forwarded message ----------\nFrom: MAILER-DAEMON@mx.example\n"
        "To: lena@post.example\nSubject: failure notice\n\nHi. This is the qmail-send program at "
        "mx.example.\n"
        "\n<tom@post.example>:\n550 5.1.1 user unknown\n");
    ck_assert_uint_eq(report->n_recipients, 1); /* sent on whole, it is one */
}
END_TEST

static const struct {
    const char *subject, *text;
    enum dsn_kind kind;
} languages[] = {
    {"Verzögerte Zustellung", "Ihre Nachricht an\n\n<a@b.example>\n\nkonnte noch nicht zugestellt werden.\n",
     DSN_KIND_DELAY},
    {"Message retardé",
     "Votre message n'a pas encore pu être remis à :\n\n<a@b.example>\n\nDe nouvelles tentatives suivront.\n",
     DSN_KIND_DELAY},
    {"Unzustellbar", "Ihre E-Mail konnte nicht zugestellt werden:\n\na@b.example: Empfänger unbekannt\n",
     DSN_KIND_BOUNCE},
    {"Échec", "Votre message n'a pas pu être remis :\n\na@b.example\n  Utilisateur inconnu\n",
     DSN_KIND_BOUNCE},
    {"Fallo", "No se pudo entregar el mensaje:\n\n    a@b.example\n\nMotivo: el buzón no existe\n",
     DSN_KIND_BOUNCE},
    {"退信", "抱歉，您的邮件被退回来了\n收件人：a@b.example\n退信原因：收件人邮箱不存在\n", DSN_KIND_BOUNCE},
    {"配信不能", "メールを配信できませんでした。\n宛先：a@b.example\n550 User unknown\n", DSN_KIND_BOUNCE},
    {"Недоставленное", "Ваше письмо не может быть доставлено:\n\na@b.example: 550 нет такого ящика\n",
     DSN_KIND_BOUNCE},
};

START_TEST(reports_in_many_languages_are_guessed) {
    for (size_t i = 0; i < G_N_ELEMENTS(languages); i++) {
        char *text =
            g_strconcat("Return-Path: <>\nFrom: MAILER-DAEMON@mx.example\nTo: us@shop.example\nSubject: ",
                        languages[i].subject, "\n\n", languages[i].text, NULL);
        const struct dsn_report *report = read_text(text);
        ck_assert_msg(report->n_recipients == 1, "%s: %zu recipients", languages[i].subject,
                      report->n_recipients);
        assert_sv(report->recipients[0].recipient, "a@b.example");
        ck_assert_msg(report->recipients[0].verdict.kind == languages[i].kind, "%s: %s", languages[i].subject,
                      dsn_kind_name(report->recipients[0].verdict.kind));
        ck_assert(report->guessed);
        g_free(text);
    }
}
END_TEST

/* What stands above "550 5.1.1 user unknown", the answer of a first attempt or of another server. */
static const struct {
    const char *text;
    enum dsn_kind kind;
} tries[] = {
    {"Your message could not be delivered yet. It will be retried.", DSN_KIND_DELAY},
    {"There was a temporary problem. We will retry for 44 more hours.", DSN_KIND_DELAY},
    {"Es wird weiterhin versucht, die Nachricht zuzustellen.", DSN_KIND_DELAY},
    {"De nouvelles tentatives auront lieu.", DSN_KIND_DELAY},
    {"El mensaje aún no se ha podido entregar.", DSN_KIND_DELAY},
    {"Il messaggio non è ancora stato consegnato.", DSN_KIND_DELAY},
    {"A mensagem ainda não foi entregue.", DSN_KIND_DELAY},
    {"Uw bericht is nog niet afgeleverd.", DSN_KIND_DELAY},
    {"Wiadomość nie została jeszcze dostarczona.", DSN_KIND_DELAY},
    {"Письмо ещё не доставлено.", DSN_KIND_DELAY},
    {"再送を試みます。", DSN_KIND_DELAY},
    {"系统将继续尝试投递。", DSN_KIND_DELAY},
    {"Your message could not be delivered. It will not be retried.", DSN_KIND_BOUNCE},
    {"Es wird nicht weiter versucht, die Nachricht zuzustellen.", DSN_KIND_BOUNCE},
    {"Il n'y aura pas de nouvelles tentatives.", DSN_KIND_BOUNCE},
    {"Non verranno effettuati ulteriori tentativi.", DSN_KIND_BOUNCE},
    {"Повторные попытки не будут предприняты.", DSN_KIND_BOUNCE},
};

START_TEST(what_is_still_tried_is_a_delay_in_every_format_and_language) {
    for (size_t i = 0; i < G_N_ELEMENTS(tries); i++) {
        char *text = g_strconcat(BOUNCE, tries[i].text, "\n\n<a@b.example>:\n550 5.1.1 user unknown\n", NULL);
        const struct dsn_report *report = read_text(text);
        ck_assert_uint_eq(report->n_recipients, 1);
        ck_assert(!report->guessed);
        ck_assert_msg(report->recipients[0].verdict.kind == tries[i].kind, "%s", tries[i].text);
        g_free(text);
    }
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

RUN_SUITE("format", every_sample_is_read_as_it_says, a_sample_that_is_read_otherwise_is_refused,
          mistakes_are_named_by_file_and_line, the_returned_message_is_not_read_as_the_report,
          the_beginning_of_a_returned_message_is_not_read_as_the_report, a_recipient_named_twice_counts_once,
          a_delivery_status_without_an_answer_takes_it_from_the_text, a_person_who_quotes_a_report_sends_none,
          reports_in_many_languages_are_guessed, what_is_still_tried_is_a_delay_in_every_format_and_language,
          a_message_full_of_recipients_is_cut_and_says_so)
