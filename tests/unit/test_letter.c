/* Entries of the queue, as hiredis gives their fields, made messages. */
#include "source/letter.h"
#include "unit.h"

#include <glib.h>
#include <hiredis/hiredis.h>

static redisReply *fields; /* of the entry */
static struct dsn_bytes bytes;

static void tear_down(void) {
    freeReplyObject(fields);
    fields = NULL;
    dsn_bytes_clear(&bytes);
}

/* The fields are those of an answer of Redis: names and values in turn. */
static void read_fields(const GString *resp) {
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    ck_assert_int_eq(redisReaderFeed(reader, resp->str, resp->len), REDIS_OK);
    ck_assert_int_eq(redisReaderGetReply(reader, &reply), REDIS_OK);
    ck_assert_ptr_nonnull(reply);
    tear_down();
    fields = reply;
    redisReaderFree(reader);
}

static void add(GString *resp, const char *text) {
    g_string_append_printf(resp, "$%zu\r\n%s\r\n", strlen(text), text);
}

static void set_fields(const char *const *texts, size_t n) {
    GString *resp = g_string_new(NULL);
    g_string_append_printf(resp, "*%zu\r\n", n);
    for (size_t i = 0; i < n; i++)
        add(resp, texts[i]);
    read_fields(resp);
    g_string_free(resp, TRUE);
}

#define SET_FIELDS(...)                                                                                      \
    set_fields((const char *const[]){__VA_ARGS__}, G_N_ELEMENTS(((const char *const[]){__VA_ARGS__})))

static void assert_message(const char *expected) {
    ck_assert_int_eq(dsn_letter_write(fields, 1000, &bytes), DSN_OK);
    assert_sv(dsn_sv(bytes.p, bytes.n), expected);
}

START_TEST(the_envelope_stands_in_front_in_the_order_of_the_fields) {
    SET_FIELDS("to", "a@b.c", "message", "Subject: x\n\ny\n", "from", "", "to", "d@e.f", "other", "z");
    assert_message("Return-Path: <>\nDelivered-To: a@b.c\nDelivered-To: d@e.f\nSubject: x\n\ny\n");
}
END_TEST

START_TEST(an_address_cannot_write_headers_and_is_left_out) {
    SET_FIELDS("message", "From a\nSubject: x\n\n", "from", "a\nSubject: y", "to", "a\rb");
    assert_message("Subject: x\n\n");
}
END_TEST

START_TEST(an_entry_without_a_message_is_none) {
    set_fields(NULL, 0);
    ck_assert_int_eq(dsn_letter_write(fields, 1000, &bytes), DSN_ERR_INVALID);
    SET_FIELDS("message", "", "from", "");
    ck_assert_int_eq(dsn_letter_write(fields, 1000, &bytes), DSN_ERR_INVALID);
    SET_FIELDS("from", "a", "message");
    ck_assert_int_eq(dsn_letter_write(fields, 1000, &bytes), DSN_ERR_INVALID);
}
END_TEST

/* Time grew with the square of the recipients once, and memory with the longest address there may be. */
START_TEST(very_many_recipients_take_no_more_memory_than_a_message_may_have) {
    enum { MANY = 300000 };
    GString *resp = g_string_new(NULL);
    g_string_append_printf(resp, "*%d\r\n", 2 * MANY + 2);
    for (int i = 0; i < MANY; i++)
        g_string_append(resp, "$2\r\nto\r\n$5\r\na@b.c\r\n");
    add(resp, "message");
    add(resp, "Subject: x\n\n");
    read_fields(resp);
    g_string_free(resp, TRUE);
    ck_assert_int_eq(dsn_letter_write(fields, 1000, &bytes), DSN_OK);
    ck_assert_uint_eq(bytes.n, 1000);
    ck_assert_uint_eq(bytes.capacity, 1000);
}
END_TEST

RUN_SUITE_WITH("letter", NULL, tear_down, the_envelope_stands_in_front_in_the_order_of_the_fields,
               an_address_cannot_write_headers_and_is_left_out, an_entry_without_a_message_is_none,
               very_many_recipients_take_no_more_memory_than_a_message_may_have)
