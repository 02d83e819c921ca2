/* diagnostics: several hundred real answers of servers, each with its reason (tests/diagnostics.tsv). */
#include "read.h"

#include "mail/answer.h"
#include "mail/command.h"
#include "verdict/knowledge.h"

#include <glib.h>
#include <stdio.h>

static void ignore_match(const struct dsn_rule *rule, void *data) {
    (void)rule, (void)data;
}

/* Who wins, which is the same whether only that is asked or all that match are to be told. */
static const struct dsn_rule *best(const struct dsn_rules *rules, struct dsn_matcher_scratch *scratch,
                                   const struct dsn_rule_facts *facts) {
    const struct dsn_rule *rule = dsn_rules_best(rules, scratch, facts, NULL, NULL);
    ck_assert_ptr_eq(rule, dsn_rules_best(rules, scratch, facts, ignore_match, NULL));
    return rule;
}

/* By the rules alone. A provider's answer (NULL: nobody's) is looked at as if it came from his host. */
static const char *reason_of_rules(const char *text, const char *provider) {
    struct dsn_arena *arena = dsn_arena_new();
    struct dsn_strview unfolded = dsn_answer_unfold(arena, dsn_sv_str(text));
    struct dsn_answer answer = dsn_answer_read(unfolded);
    const struct dsn_rules *rules = dsn_knowledge_rules(knowledge);
    struct dsn_matcher_scratch *scratch = NULL;
    ck_assert_int_eq(dsn_rules_scratch_fit(rules, &scratch), DSN_OK);
    struct dsn_rule_facts facts = {.smtp_code = answer.smtp_code,
                                   .status = answer.status,
                                   .command = dsn_command_of_answer(unfolded),
                                   .text = unfolded};
    if (provider)
        facts.provider = dsn_provider_find(dsn_knowledge_providers(knowledge), provider);
    ck_assert_msg(!provider || facts.provider, "there is no provider %s", provider);
    const struct dsn_rule *rule = best(rules, scratch, &facts);
    dsn_matcher_scratch_free(scratch);
    dsn_arena_free(arena);
    return rule ? rule->reason->name : "none";
}

static const char *reason_of(const char *text) {
    const struct dsn_recipient *recipient;
    ck_assert_int_eq(dsn_reader_classify(reader, dsn_sv_str(text), DSN_NONE, &recipient), DSN_OK);
    return recipient->verdict.reason->name;
}

/* Whether `before`, what the row says, and `behind` have the row's reason. */
static bool is_right(size_t line, char **row, const char *before, const char *behind) {
    const char *provider = row[2] && *row[2] ? row[2] : NULL;
    char *text = g_strconcat(before, row[0], behind, NULL);
    const char *by_rules = reason_of_rules(text, provider);
    const char *got = provider ? by_rules : reason_of(text);
    bool right = strcmp(got, row[1]) == 0;
    if (!right)
        fprintf(stderr, "line %zu: expected %s, got %s: %s\n", line, row[1], got, text);
    g_free(text);
    return right;
}

/* Whether nobody is suppressed, but for what a host says of all mail. */
static bool is_spared(size_t line, char **row, const char *before, const char *behind) {
    const struct dsn_recipient *recipient;
    char *text = g_strconcat(before, row[0], behind, NULL);
    ck_assert_int_eq(dsn_reader_classify(reader, dsn_sv_str(text), DSN_NONE, &recipient), DSN_OK);
    bool spared = recipient->verdict.action != DSN_ACTION_SUPPRESS ||
                  strcmp(recipient->verdict.reason->name, "not-accepting") == 0;
    if (!spared)
        fprintf(stderr, "line %zu: suppresses: %s\n", line, text);
    g_free(text);
    return spared;
}

/* Tries all rows, or those that are a reply of class 4 or 5 and tell of no command themselves. */
static void try_all(const char *before, const char *behind, bool replies,
                    bool (*is_good)(size_t line, char **row, const char *before, const char *behind)) {
    char *table = NULL;
    unsigned wrong = 0, rows = 0;
    open_reader();
    ck_assert(g_file_get_contents(TESTS_DIR "/diagnostics.tsv", &table, NULL, NULL));
    char **lines = g_strsplit(table, "\n", -1);
    for (size_t i = 0; lines[i]; i++) {
        char **row = g_strsplit(lines[i], "\t", 3);
        bool reply =
            strchr("45", lines[i][0]) && !strstr(lines[i], "in reply to") && !strstr(lines[i], "fter ");
        if (lines[i][0] != '#' && g_strv_length(row) >= 2 && (reply || !replies)) {
            rows++;
            wrong += !is_good(i + 1, row, before, behind);
        }
        g_strfreev(row);
    }
    g_strfreev(lines);
    g_free(table);
    ck_assert_uint_gt(rows, 400);
    ck_assert_uint_eq(wrong, 0);
}

START_TEST(every_diagnostic_has_its_reason) {
    try_all("", "", false, is_right);
}
END_TEST

START_TEST(what_an_mta_writes_around_an_answer_changes_nothing) {
    try_all("host mx.example[192.0.2.1] said: ", " (in reply to RCPT TO command)", true, is_right);
    try_all("SMTP error from remote mail server after RCPT TO:<a@b.example>: host mx.example [192.0.2.1]: ",
            "", true, is_right);
    try_all("host mx.example [192.0.2.1] SMTP error from remote mail server after RCPT TO:<a@b.example>: ",
            "", true, is_right);
    try_all("192.0.2.1 does not like recipient. Remote host said: ", " Giving up on 192.0.2.1.", true,
            is_right);
    try_all("The error that the other server returned was: ", "", true, is_right);
    try_all("mx.example gave this error: ", "", true, is_right);
    try_all("Remote Server returned '", "'", true, is_right);
}
END_TEST

START_TEST(an_answer_to_mail_from_says_nothing_of_the_recipient) {
    try_all("host mx.example[192.0.2.1] said: ", " (in reply to MAIL FROM command)", true, is_spared);
    try_all("SMTP error from remote mail server after MAIL FROM:<a@b.example>: ", "", true, is_spared);
    try_all("SMTP error from remote mail server after EHLO mx.b.example: ", "", true, is_spared);
}
END_TEST

RUN_SUITE("diagnostics", every_diagnostic_has_its_reason, what_an_mta_writes_around_an_answer_changes_nothing,
          an_answer_to_mail_from_says_nothing_of_the_recipient)
