/* address: mail addresses as reports write them. */
#include "mail/address.h"
#include "unit.h"

static const struct {
    const char *typed;
    bool xtext;
    const char *address;
} addresses[] = {
    {"rfc822; User@Example.COM", false, "User@example.com"},
    {"RFC822;<user@example.com>", false, "user@example.com"},
    {"rfc822; user@example.com (the (inner) user)", false, "user@example.com"},
    {"user@example.com.", false, "user@example.com"},
    {"rfc822; bounce+2Buser+3Dexample@lists.example.org", true, "bounce+user=example@lists.example.org"},
    {"rfc822; bob+21@example.com", true, "bob+21@example.com"}, /* a bare address with a tag, no xtext */
    {"rfc822; bob+2B@example.com", false, "bob+2B@example.com"},
    {"utf-8; \\x{7528}\\x{6237}@example.com", false, "用户@example.com"},
    {"utf-8; jos\\x{E9}@example.com", false, "josé@example.com"},
    {"rfc822; mailto:user@example.com", false, "user@example.com"},
    {"\"odd local\"@Example.com", false, "\"odd local\"@example.com"},
    {"地址（user@example.com）不存在", false, "user@example.com"}, /* no space sets it off */
    {"user@example.com不存在", false, "user@example.com"},
    {"用户@例え.jp", false, "用户@例え.jp"},
    {"user@例え.テスト", false, "user@例え.テスト"},
    {"user@bücher.example", false, "user@bücher.example"},
    {"user@example.vermögensberatung", false, "user@example.vermögensberatung"},
    {"user@col·lecció.example", false, "user@col·lecció.example"},
    {"user@a例え.jp", false, "user@a例え.jp"},
    {"user@example.com\xff", false, "user@example.com\xef\xbf\xbd"},
};

START_TEST(address_is_read_as_written) {
    struct dsn_arena *arena = dsn_arena_new();
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++)
        assert_sv(dsn_address_read(arena, dsn_sv_str(addresses[i].typed), addresses[i].xtext),
                  addresses[i].address);
    ck_assert_ptr_null(dsn_address_read(arena, DSN_LIT("rfc822;  "), false).p);
    dsn_arena_free(arena);
}
END_TEST

START_TEST(unusable_addresses_are_told_apart) {
    ck_assert(dsn_address_usable(DSN_LIT("a@example.com")));
    ck_assert(dsn_address_usable(DSN_LIT("\"odd local\"@example.com")));
    ck_assert(!dsn_address_usable(DSN_LIT("postmaster")));
    ck_assert(!dsn_address_usable(DSN_LIT("@example.com")));
    ck_assert(!dsn_address_usable(DSN_LIT("a b@example.com")));
    ck_assert(!dsn_address_usable(DSN_LIT("a@")));
    ck_assert(!dsn_address_usable(DSN_LIT("a@exa mple.com")));
    ck_assert(!dsn_address_usable(DSN_LIT("a\n@example.com")));
    ck_assert(!dsn_address_usable(DSN_NONE));
}
END_TEST

START_TEST(addresses_of_a_header_are_counted) {
    struct dsn_arena *arena = dsn_arena_new();
    struct dsn_strview found[2];
    ck_assert_uint_eq(dsn_addresses_of(arena, DSN_LIT("\"Doe, John\" <John@Example.org>"), found, 2), 1);
    assert_sv(found[0], "John@example.org");
    ck_assert_uint_eq(
        dsn_addresses_of(arena, DSN_LIT("a@example.org, B <b@example.org>, c@example.org"), found, 2), 3);
    assert_sv(found[1], "b@example.org");
    ck_assert_uint_eq(dsn_addresses_of(arena, DSN_LIT("undisclosed-recipients:;"), found, 2), 0);
    dsn_arena_free(arena);
}
END_TEST

START_TEST(type_is_split_off) {
    struct dsn_arena *arena = dsn_arena_new();
    struct dsn_strview type;
    assert_sv(dsn_typed_split(arena, DSN_LIT("DNS ; mx.example.com"), &type), "mx.example.com");
    assert_sv(type, "dns");
    assert_sv(dsn_typed_split(arena, DSN_LIT("550 no; really"), &type), "550 no; really");
    ck_assert_ptr_null(type.p);
    dsn_arena_free(arena);
}
END_TEST

RUN_SUITE("address", address_is_read_as_written, unusable_addresses_are_told_apart,
          addresses_of_a_header_are_counted, type_is_split_off)
