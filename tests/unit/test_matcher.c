/* matcher: patterns of the build's and of one's own, in one matcher and in one set of rules. */
#include "read.h"

#include "base/matcher.h"
#include "base/prebuilt.h"
#include "verdict/knowledge.h"

#include <glib.h>

/* Scans `text` and returns the indexes of the patterns that matched, as bits. */
static unsigned scan(const struct dsn_matcher *matcher, const char *text, dsn_matcher_hit hit) {
    struct dsn_matcher_scratch *scratch = NULL;
    unsigned bits = 0;
    ck_assert_int_eq(dsn_matcher_scratch_fit(matcher, &scratch), DSN_OK);
    ck_assert_int_eq(dsn_matcher_scan(matcher, scratch, dsn_sv_str(text), hit, &bits), DSN_OK);
    dsn_matcher_scratch_free(scratch);
    return bits;
}

static size_t set_bit(size_t pattern, void *data) {
    *(unsigned *)data |= 1u << pattern;
    return SIZE_MAX;
}

START_TEST(each_pattern_of_the_same_text_is_told) {
    static const char *const patterns[] = {"full", "quota", "full", "nobody", "full"};
    struct dsn_matcher *matcher;
    ck_assert_int_eq(dsn_matcher_new(patterns, 5, &matcher, NULL, NULL), DSN_OK);
    ck_assert_uint_eq(scan(matcher, "Mailbox FULL", set_bit), 1 + 4 + 16);
    ck_assert_uint_eq(scan(matcher, "over quota", set_bit), 2);
    ck_assert_uint_eq(scan(matcher, "", set_bit), 0);
    dsn_matcher_free(matcher);
}
END_TEST

enum { MANY = 200 }; /* patterns: more than a database has */

/* The first and the last of many patterns have bits. */
static size_t set_end_bit(size_t pattern, void *data) {
    ck_assert(pattern == 0 || pattern == MANY - 1);
    *(unsigned *)data |= pattern ? 2 : 1;
    return SIZE_MAX;
}

static size_t set_end_bit_and_stop(size_t pattern, void *data) {
    set_end_bit(pattern, data);
    return pattern;
}

START_TEST(patterns_that_do_not_matter_any_more_are_passed_over) {
    char texts[MANY][8];
    const char *patterns[MANY];
    struct dsn_matcher *matcher;
    for (size_t i = 0; i < MANY; i++) {
        g_snprintf(texts[i], sizeof texts[i], "<%zu>", i);
        patterns[i] = texts[i];
    }
    ck_assert_int_eq(dsn_matcher_new(patterns, MANY, &matcher, NULL, NULL), DSN_OK);
    ck_assert_uint_eq(scan(matcher, "<199> <0>", set_end_bit), 1 + 2);
    ck_assert_uint_eq(scan(matcher, "<199> <0>", set_end_bit_and_stop), 1);
    ck_assert_uint_eq(scan(matcher, "<199>", set_end_bit_and_stop), 2);
    dsn_matcher_free(matcher);
}
END_TEST

/* Some pattern that a database of the build has. */
static const char *built_pattern(void) {
    size_t n;
    ck_assert_ptr_nonnull(dsn_prebuilt_all(&n));
    ck_assert_uint_gt(n, 0);
    return dsn_prebuilt_all(&n)[0].patterns[0];
}

START_TEST(the_bad_pattern_is_named_among_those_of_the_build) {
    const char *const patterns[] = {built_pattern(), "good", "(bad", "good"};
    struct dsn_matcher *matcher = NULL;
    size_t bad = 99;
    char *why = NULL;
    ck_assert_int_eq(dsn_matcher_new(patterns, 4, &matcher, &bad, &why), DSN_ERR_SYNTAX);
    ck_assert_uint_eq(bad, 2);
    ck_assert_ptr_nonnull(why);
    ck_assert_ptr_null(matcher);
    g_free(why);
}
END_TEST

START_TEST(the_build_has_compiled_every_built_in_rule) {
    size_t n_built, n_rules, n_found = 0, n_patterns = 0;
    open_reader();
    const struct dsn_prebuilt *built = dsn_prebuilt_all(&n_built);
    const struct dsn_rule *const *rules = dsn_rules_all(dsn_knowledge_rules(knowledge), &n_rules);
    GHashTable *wanted = g_hash_table_new(g_str_hash, g_str_equal);
    for (size_t i = 0; i < n_rules; i++) {
        if (rules[i]->match)
            g_hash_table_add(wanted, (gpointer)(guintptr)rules[i]->match);
    }
    n_patterns = g_hash_table_size(wanted);
    for (size_t i = 0; i < n_built; i++) {
        for (size_t j = 0; j < built[i].n; j++)
            n_found += g_hash_table_remove(wanted, built[i].patterns[j]);
    }
    g_hash_table_destroy(wanted);
    ck_assert_uint_gt(n_patterns, 400);
    ck_assert_uint_eq(n_found, n_patterns);
}
END_TEST

/* `rule` decides `answer` by the built-in knowledge with `file` before it; NULL: no rule does. */
static void assert_rule(const char *name, const char *file, const char *answer, const char *rule) {
    const struct dsn_knowledge_file files[] = {{name, dsn_sv_str(file)}};
    const struct dsn_recipient *recipient;
    struct dsn_knowledge *own;
    struct dsn_reader *own_reader;
    ck_assert_int_eq(dsn_knowledge_new(files, 1, NULL, &own), DSN_OK);
    ck_assert_int_eq(dsn_reader_new(own, NULL, &own_reader), DSN_OK);
    ck_assert_int_eq(dsn_reader_classify(own_reader, dsn_sv_str(answer), DSN_NONE, &recipient), DSN_OK);
    assert_sv(dsn_sv_str(recipient->verdict.rule), rule);
    dsn_reader_free(own_reader);
    dsn_knowledge_unref(own);
}

#define OWN_RULE(id, match, more)                                                                            \
    "[" id "]\nmatch = " match "\nreason = policy-violation\nexample = x\n" more "\n"

START_TEST(own_rules_and_built_in_ones_keep_their_precedence) {
    static const char own[] = OWN_RULE("own-text", "flurbl", "") OWN_RULE("own-code", "flurbl", "code = 554");
    /* Ours in both databases: text against text goes by the file, a code is more specific than a text. */
    assert_rule("rules/own.rules", own, "550 flurbl", "own-text");
    assert_rule("rules/own.rules", own, "554 flurbl", "own-code");
    assert_rule("rules/own.rules", own, "550 Your message was rejected by an antivirus: virus found",
                "virus");
    assert_rule("rules/own.rules", OWN_RULE("own-virus", "virus found", ""),
                "550 Your message was rejected by an antivirus: virus found", "own-virus");
    assert_rule("rules/own.rules", OWN_RULE("own-vague", "virus found", "vague = true"),
                "550 Your message was rejected by an antivirus: virus found", "virus");
}
END_TEST

START_TEST(a_replaced_file_takes_its_rules_away) {
    static const char file[] = "rules/50-generic-11-content.rules", answer[] = "550 virus found";
    assert_rule("rules/other.rules", OWN_RULE("own-only", "flurbl", ""), answer, "virus");
    assert_rule(file, OWN_RULE("own-only", "flurbl", ""), answer, NULL);
    assert_rule(file, OWN_RULE("own-only", "virus", ""), answer, "own-only");
}
END_TEST

RUN_SUITE("matcher", each_pattern_of_the_same_text_is_told,
          patterns_that_do_not_matter_any_more_are_passed_over,
          the_bad_pattern_is_named_among_those_of_the_build, the_build_has_compiled_every_built_in_rule,
          own_rules_and_built_in_ones_keep_their_precedence, a_replaced_file_takes_its_rules_away)
