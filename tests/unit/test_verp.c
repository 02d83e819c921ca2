/* verp: signed return addresses and Message-IDs, with a fixed key at a fixed time. The vectors were made with
 * Python's hmac and base64 modules. */
#include "unit.h"

#include <glib.h>
#include <stdio.h>

#define KEY_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY_B "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff"
#define NOW INT64_C(1795564800) /* 2026-11-25T00:00:00Z */
#define EXPIRES (NOW + 30 * 86400)

static const struct dsn_verp_form form = {"bounces", '+', "bounce.example.org"};

static struct dsn_verp *keys(const char *text) {
    struct dsn_verp *verp = NULL;
    ck_assert_int_eq(dsn_verp_new("keys", dsn_sv_str(text), NULL, &verp), DSN_OK);
    return verp;
}

static void make(const struct dsn_verp *verp, const char *address, char out[DSN_VERP_SIZE]) {
    ck_assert_int_eq(dsn_verp_return_address(verp, &form, dsn_sv_str(address), EXPIRES, out), DSN_OK);
}

static void make_id(const struct dsn_verp *verp, const char *address, char out[DSN_VERP_SIZE]) {
    ck_assert_int_eq(dsn_verp_message_id(verp, "example.org", dsn_sv_str(address), EXPIRES, out), DSN_OK);
}

/* In upper case, as some mail systems make of it. */
static void shout(char *text) {
    for (; *text; text++)
        *text = (char)(*text >= 'a' && *text <= 'z' ? *text & ~0x20 : *text);
}

static struct dsn_verp_check check_at(const struct dsn_verp *verp, const char *text, const char *candidate,
                                      int64_t now_s) {
    struct dsn_verp_check check;
    dsn_verp_check(verp, dsn_sv_str(text), dsn_sv_str(candidate), now_s, &check);
    return check;
}

static void assert_valid(const struct dsn_verp *verp, const char *text, const char *candidate,
                         const char *address) {
    struct dsn_verp_check check = check_at(verp, text, candidate, NOW);
    ck_assert_str_eq(dsn_verp_result_name(check.result), "valid");
    ck_assert_str_eq(check.address, address);
}

static void assert_result(const struct dsn_verp *verp, const char *text, const char *candidate,
                          const char *result) {
    struct dsn_verp_check check = check_at(verp, text, candidate, NOW);
    ck_assert_str_eq(dsn_verp_result_name(check.result), result);
    if (check.result != DSN_VERP_EXPIRED)
        ck_assert_str_eq(check.address, "");
}

static const struct {
    const char *address, *local;
} vectors[] = {
    {"Jane@Example.org", "bounces+aphzaedk6ol74dnrm52ox-jane=example.org"},
    {"jane+news=x@example.org", "bounces+aphzabfnirwvvwr4r4gmh-jane+news=x=example.org"},
    {"j.doe-ray_3@mail.example.co.uk", "bounces+aphza3zmxxay34xmwl6kc-j.doe-ray_3=mail.example.co.uk"},
    {"abcdefghijklmnopqrstuv@example.org",
     "bounces+aphzaenc3lbtwdse6tyau-abcdefghijklmnopqrstuv=example.org"},
    {"abcdefghijklmnopqrstuvw@example.org", "bounces+aphzadhg2ijgdg54ccpec"},
    {"o'hara@example.org", "bounces+aphzatl63cis5jeli5p56"},
    {"a/b%c@example.org", "bounces+aphza6dnxdw7r4qxwn22l"},
    {"JÖRG@bücher.example", "bounces+aphzaaqoi3k2hunawkqjd"},
};

START_TEST(return_addresses_are_as_the_format_says) {
    struct dsn_verp *verp = keys("a = " KEY_A "\n");
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        char out[DSN_VERP_SIZE], expected[DSN_VERP_SIZE];
        make(verp, vectors[i].address, out);
        snprintf(expected, sizeof expected, "%s@bounce.example.org", vectors[i].local);
        ck_assert_str_eq(out, expected);
        ck_assert_uint_le(strlen(vectors[i].local), DSN_VERP_LOCAL_MAX);
    }
    dsn_verp_unref(verp);
}
END_TEST

START_TEST(every_address_fits_and_is_proved) {
    struct dsn_verp *verp = keys("a = " KEY_A "\n");
    for (size_t n = 1; n <= 64; n++) {
        char address[100], out[DSN_VERP_SIZE];
        snprintf(address, sizeof address, "%.*s@example.org", (int)n,
                 "Abcdefghijklmnopqrstuvwxyz.abcdefghijklmnopqrstuvwxyz+abcdefghijk");
        make(verp, address, out);
        ck_assert_uint_le((size_t)(strchr(out, '@') - out), DSN_VERP_LOCAL_MAX);
        struct dsn_verp_check check = check_at(verp, out, address, NOW);
        ck_assert_int_eq(check.result, DSN_VERP_VALID);
        address[0] = 'a';
        ck_assert_str_eq(check.address, address);
    }
    dsn_verp_unref(verp);
}
END_TEST

START_TEST(case_does_not_matter) {
    struct dsn_verp *verp = keys("a = " KEY_A "\n");
    char out[DSN_VERP_SIZE];
    make(verp, "Jane.Doe@Example.ORG", out);
    for (char *p = out; *p; p++)
        ck_assert(!(*p >= 'A' && *p <= 'Z'));
    shout(out);
    assert_valid(verp, out, "", "jane.doe@example.org");
    make_id(verp, "Jane.Doe@Example.ORG", out);
    shout(out);
    assert_valid(verp, out, "JANE.DOE@example.org", "jane.doe@example.org");
    dsn_verp_unref(verp);
}
END_TEST

START_TEST(any_change_is_found) {
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
    struct dsn_verp *verp = keys("a = " KEY_A "\nb = " KEY_B "\n");
    char out[DSN_VERP_SIZE];
    make(verp, "jane@example.org", out);
    char *end = strchr(out, '@');
    for (char *p = out + strlen("bounces+"); p < end; p++) {
        const char was = *p, *digit = strchr(digits, was);
        *p = digits[digit ? (digit - digits + 1) % 32 : 0];
        ck_assert_int_lt(check_at(verp, out, "jane@example.org", NOW).result, DSN_VERP_EXPIRED);
        *p = was;
    }
    assert_valid(verp, out, "", "jane@example.org");
    dsn_verp_unref(verp);
}
END_TEST

START_TEST(a_signature_proves_no_other_address) {
    struct dsn_verp *verp = keys("a = " KEY_A "\n");
    char out[DSN_VERP_SIZE];
    make(verp, "\"o d d\"@example.org", out);
    assert_valid(verp, out, "\"O d d\"@example.org", "\"o d d\"@example.org");
    assert_result(verp, out, "jane@example.org", "forged");
    assert_result(verp, out, "", "untold");
    make(verp, "jane@example.org", out);
    assert_valid(verp, out, "victim@example.org", "jane@example.org");
    dsn_verp_unref(verp);
}
END_TEST

START_TEST(a_message_id_is_no_return_address) {
    struct dsn_verp *verp = keys("a = " KEY_A "\n");
    char id[DSN_VERP_SIZE], second[DSN_VERP_SIZE], address[DSN_VERP_SIZE];
    make_id(verp, "jane@example.org", id);
    make_id(verp, "jane@example.org", second);
    ck_assert_str_ne(id, second);
    assert_valid(verp, id, "jane@example.org", "jane@example.org");
    assert_result(verp, id, "joe@example.org", "forged");
    snprintf(address, sizeof address, "bounces+%.21s-jane=example.org@bounce.example.org", id + 1);
    assert_result(verp, address, "", "forged");
    snprintf(address, sizeof address, "bounces+%.21s@bounce.example.org", id + 1);
    assert_result(verp, address, "jane@example.org", "forged");
    dsn_verp_unref(verp);
}
END_TEST

START_TEST(signatures_end) {
    struct dsn_verp *verp = keys("a = " KEY_A "\n");
    char out[DSN_VERP_SIZE];
    const struct dsn_strview jane = DSN_LIT("jane@example.org");
    ck_assert_int_eq(dsn_verp_return_address(verp, &form, jane, NOW + 1, out), DSN_OK);
    struct dsn_verp_check check = check_at(verp, out, "", NOW + 3600);
    ck_assert_int_eq(check.result, DSN_VERP_VALID);
    ck_assert_int_eq(check.expires_at_s, NOW + 3600); /* a full hour */
    ck_assert_int_eq(check_at(verp, out, "", NOW + 3601).result, DSN_VERP_EXPIRED);
    ck_assert_int_eq(dsn_verp_return_address(verp, &form, jane, INT64_C(4000000000), out), DSN_ERR_INVALID);
    dsn_verp_unref(verp);
}
END_TEST

START_TEST(keys_rotate) {
    struct dsn_verp *old = keys("a = " KEY_A "\n"), *new = keys("b = " KEY_B "\n"),
                    *both = keys("b = " KEY_B "\n# the old one\na = " KEY_A "\n");
    char by_old[DSN_VERP_SIZE], by_both[DSN_VERP_SIZE];
    make(old, "jane@example.org", by_old);
    make(both, "jane@example.org", by_both);
    assert_valid(both, by_old, "", "jane@example.org");
    assert_valid(both, by_both, "", "jane@example.org");
    assert_valid(new, by_both, "", "jane@example.org");
    assert_result(new, by_old, "", "forged");
    assert_result(old, by_both, "", "forged");
    dsn_verp_unref(old);
    dsn_verp_unref(both);
    dsn_verp_unref(new);
}
END_TEST

START_TEST(keys_that_are_none_are_refused_without_being_shown) {
    static const char *const bad[] = {"",
                                      "# none\n",
                                      "a = 00\n",
                                      "ab = " KEY_A "\n",
                                      "A = " KEY_A "\n",
                                      "1 = " KEY_A "\n",
                                      "a " KEY_A "\n",
                                      "a = " KEY_A "0g\n",
                                      "a = " KEY_A "\na = " KEY_B "\n",
                                      "a = " KEY_A KEY_A "00\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct dsn_problems *problems = dsn_problems_new();
        struct dsn_verp *verp = NULL;
        ck_assert_int_eq(dsn_verp_new("keys", dsn_sv_str(bad[i]), problems, &verp), DSN_ERR_SYNTAX);
        ck_assert_uint_eq(dsn_problems_count(problems), 1);
        ck_assert_ptr_null(strstr(dsn_problems_get(problems, 0), "0102"));
        ck_assert_ptr_null(verp);
        dsn_problems_free(problems);
    }
}
END_TEST

START_TEST(a_token_is_found_wherever_it_stands) {
    struct dsn_verp *verp = keys("a = " KEY_A "\n");
    static const struct dsn_verp_form dash = {"list-bounces", '-', "example.org"};
    char out[DSN_VERP_SIZE], text[DSN_VERP_SIZE * 2];
    ck_assert_int_eq(dsn_verp_return_address(verp, &dash, DSN_LIT("jane@example.org"), EXPIRES, out), DSN_OK);
    static const char *const around[] = {
        "from mx.example.com by mail.example.org (Postfix) id 4XyZ for <%s>; Wed, 25 Nov 2026",
        "aaaaaaaaaaaaaaaaaaaaa@example.org, %s", "SRS0=ab=cd=example.org=%s", "prvs=12345678=%s"};
    for (size_t i = 0; i < sizeof around / sizeof around[0]; i++) {
        const char *place = strstr(around[i], "%s");
        snprintf(text, sizeof text, "%.*s%s%s", (int)(place - around[i]), around[i], out, place + 2);
        assert_valid(verp, text, "", "jane@example.org");
    }
    assert_result(verp, "bounces@example.org", "jane@example.org", "none");
    assert_result(verp, "", "", "none");
    dsn_verp_unref(verp);
}
END_TEST

/* Whether it ends in time is what this shows: each looks like the beginning of a token up to the end. */
START_TEST(what_only_begins_like_tokens_takes_no_longer) {
    static const char one[] = "abcdefghijklmnopqrstu-";
    enum { N = 200000 };
    struct dsn_verp *verp = keys("a = " KEY_A "\n");
    GString *text = g_string_sized_new(N * sizeof one);
    for (size_t i = 0; i < N; i++)
        g_string_append(text, one);
    assert_result(verp, text->str, "jane@example.org", "none");
    dsn_verp_unref(verp);
    g_string_free(text, TRUE);
}
END_TEST

START_TEST(what_cannot_be_signed_is_refused) {
    struct dsn_verp *verp = keys("a = " KEY_A "\n");
    char out[DSN_VERP_SIZE];
    static const char *const bad[] = {
        "", "jane", "@example.org", "jane@", "a b@example.org", "jane@exa mple.org"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(dsn_verp_return_address(verp, &form, dsn_sv_str(bad[i]), EXPIRES, out),
                         DSN_ERR_INVALID);
        ck_assert_int_eq(dsn_verp_message_id(verp, "example.org", dsn_sv_str(bad[i]), EXPIRES, out),
                         DSN_ERR_INVALID);
    }
    const struct dsn_verp_form wide = {"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz", '+',
                                       "example.org"};
    ck_assert_int_eq(dsn_verp_return_address(verp, &wide, DSN_LIT("jane@example.org"), EXPIRES, out),
                     DSN_ERR_LIMIT);
    dsn_verp_unref(verp);
}
END_TEST

RUN_SUITE("verp", return_addresses_are_as_the_format_says, every_address_fits_and_is_proved,
          case_does_not_matter, any_change_is_found, a_signature_proves_no_other_address,
          a_message_id_is_no_return_address, signatures_end, keys_rotate,
          keys_that_are_none_are_refused_without_being_shown, a_token_is_found_wherever_it_stands,
          what_only_begins_like_tokens_takes_no_longer, what_cannot_be_signed_is_refused)
