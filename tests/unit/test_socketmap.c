/* The lookup server's side of a conversation: what is asked, and what is answered without asking anybody. */
#include "lookup/socketmap.h"
#include "unit.h"

#include <stdio.h>

static struct dsn_socketmap talk;
static struct dsn_arena *arena;

static void set_up(void) {
    arena = dsn_arena_new();
    memset(&talk, 0, sizeof talk);
}

static void tear_down(void) {
    dsn_arena_free(arena);
}

static void say(const char *text) {
    memcpy(talk.in + talk.n_in, text, strlen(text));
    talk.n_in += strlen(text);
}

static enum dsn_socketmap_result ask(const char *question) {
    char frame[1200];
    talk.n_out = 0;
    ck_assert_int_lt(snprintf(frame, sizeof frame, "%zu:%s,", strlen(question), question), sizeof frame);
    say(frame);
    return dsn_socketmap_take(&talk, arena);
}

static void assert_answer(const char *expected) {
    assert_sv(dsn_sv(talk.out, talk.n_out), expected);
}

START_TEST(an_address_and_its_scope_are_asked_for_in_lower_case) {
    ck_assert_int_eq(ask("suppressed Jane@Example.COM"), DSN_SOCKETMAP_ASKED);
    assert_sv(talk.query.address, "jane@example.com");
    ck_assert_uint_eq(talk.query.scope.n, 0);
    ck_assert_int_eq(ask("suppressed/News.Example.net Jane@Example.COM"), DSN_SOCKETMAP_ASKED);
    assert_sv(talk.query.address, "jane@example.com");
    assert_sv(talk.query.scope, "news.example.net");
}
END_TEST

START_TEST(an_answer_names_the_reason_where_it_is_known) {
    ask("suppressed jane@example.com");
    dsn_socketmap_answer(&talk);
    assert_answer("9:NOTFOUND ,");
    talk.query.suppressed = true;
    dsn_socketmap_answer(&talk);
    assert_answer("31:OK 550 5.7.1 suppressed by dsnd,");
    strcpy(talk.query.reason, "user-unknown");
    dsn_socketmap_answer(&talk);
    assert_answer("45:OK 550 5.7.1 suppressed by dsnd: user-unknown,");
}
END_TEST

START_TEST(what_is_no_address_is_not_found_and_nobody_is_asked) {
    static const char *const questions[] = {"suppressed ", "suppressed example.com", "suppressed *",
                                            "suppressed a@b@", "suppressed j\xFCrg@example.com"};
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        ck_assert_int_eq(ask(questions[i]), DSN_SOCKETMAP_ANSWERED);
        assert_answer("9:NOTFOUND ,");
    }
}
END_TEST

START_TEST(there_is_no_other_map) {
    static const char *const questions[] = {"",
                                            "suppressed",
                                            "suppress jane@example.com",
                                            "suppressed2 jane@example.com",
                                            "suppressed/ jane@example.com",
                                            "suppressed/\xFF jane@example.com",
                                            "Suppressed jane@example.com"};
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        ck_assert_int_eq(ask(questions[i]), DSN_SOCKETMAP_ANSWERED);
        assert_answer("66:PERM there is no such map; expected suppressed or suppressed/SCOPE,");
    }
}
END_TEST

START_TEST(questions_come_one_after_the_other_and_in_pieces) {
    say("12:suppressed a,12:suppressed b,15:supp");
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(dsn_socketmap_take(&talk, arena), DSN_SOCKETMAP_ANSWERED);
    ck_assert_int_eq(dsn_socketmap_take(&talk, arena), DSN_SOCKETMAP_MORE);
    say("ressed a@b.c");
    ck_assert_int_eq(dsn_socketmap_take(&talk, arena), DSN_SOCKETMAP_BAD);
}
END_TEST

START_TEST(a_question_that_is_too_long_ends_it) {
    say("1001:");
    ck_assert_int_eq(dsn_socketmap_take(&talk, arena), DSN_SOCKETMAP_BAD);
}
END_TEST

RUN_SUITE_WITH("socketmap", set_up, tear_down, an_address_and_its_scope_are_asked_for_in_lower_case,
               an_answer_names_the_reason_where_it_is_known,
               what_is_no_address_is_not_found_and_nobody_is_asked, there_is_no_other_map,
               questions_come_one_after_the_other_and_in_pieces, a_question_that_is_too_long_ends_it)
