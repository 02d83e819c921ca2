/* cluster: slots of keys, where requests have their keys, and what redirections say. */
#include "redis/cluster.h"
#include "base/sv.h"
#include "unit.h"

START_TEST(a_key_is_in_the_slot_that_the_specification_gives_it) {
    /* As CLUSTER KEYSLOT of Redis 7.0 answers. */
    static const struct {
        const char *key;
        unsigned slot;
    } cases[] = {{"123456789", 12739}, {"{dsn}:x", 6089},  {"dsn", 6089},          {"", 0},
                 {"foo{}{bar}", 8363}, {"foo{bar", 15278}, {"foo{{bar}}zap", 4015}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_uint_eq(dsn_cluster_slot(dsn_sv_str(cases[i].key)), cases[i].slot);
}
END_TEST

#define KEY_AT(...)                                                                                          \
    dsn_cluster_key_at(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *[]){__VA_ARGS__})

START_TEST(the_key_of_a_request_is_found) {
    ck_assert_int_eq(KEY_AT("PING"), 0);
    ck_assert_int_eq(KEY_AT("XADD", "key", "*", "a", "b"), 1);
    ck_assert_int_eq(KEY_AT("EVALSHA", "sha", "1", "key", "argument"), 3);
    ck_assert_int_eq(KEY_AT("XINFO", "STREAM", "key"), 2);
    ck_assert_int_eq(KEY_AT("XREADGROUP", "GROUP", "g", "c", "BLOCK", "5", "STREAMS", "key", ">"), 7);
}
END_TEST

static void assert_redirect(const char *text, enum dsn_redirect_kind kind, const char *host, int port) {
    struct dsn_redirect redirect = dsn_cluster_redirect(dsn_sv_str(text));
    ck_assert_msg(redirect.kind == kind, "%s: %d", text, redirect.kind);
    ck_assert_int_eq(redirect.port, port);
    ck_assert_msg(dsn_sv_eq(redirect.host, dsn_sv_str(host)), "%s", text);
}

START_TEST(a_redirection_is_told_from_an_error) {
    assert_redirect("MOVED 3999 127.0.0.1:6381", DSN_REDIRECT_MOVED, "127.0.0.1", 6381);
    assert_redirect("ASK 3999 ::1:6381", DSN_REDIRECT_ASK, "::1", 6381);
    assert_redirect("MOVED 3999 :6381", DSN_REDIRECT_MOVED, "", 6381);
    assert_redirect("TRYAGAIN Multiple keys request during rehashing of slot", DSN_REDIRECT_LATER, "", 0);
    assert_redirect("CLUSTERDOWN The cluster is down", DSN_REDIRECT_LATER, "", 0);
    assert_redirect("ASKING for trouble", DSN_REDIRECT_NONE, "", 0);
    assert_redirect("ERR unknown command", DSN_REDIRECT_NONE, "", 0);
    assert_redirect("", DSN_REDIRECT_NONE, "", 0);
}
END_TEST

START_TEST(a_redirection_to_nowhere_is_tried_again_where_it_came_from) {
    static const char *const texts[] = {"MOVED",        "MOVED 1",          "MOVED 1 host",
                                        "ASK 1 host:0", "ASK 1 host:65536", "MOVED 1 host:x"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_redirect(texts[i], DSN_REDIRECT_LATER, "", 0);
}
END_TEST

RUN_SUITE("cluster", a_key_is_in_the_slot_that_the_specification_gives_it, the_key_of_a_request_is_found,
          a_redirection_is_told_from_an_error, a_redirection_to_nowhere_is_tried_again_where_it_came_from)
