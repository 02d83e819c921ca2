/* entity and bounds: what leaves no doubt, what is left to GMime, and how much of it. */
#include "mail/bounds.h"
#include "mail/entity.h"
#include "unit.h"

#include <glib.h>

#define HEADER "From: MAILER-DAEMON@mx.example\nSubject: Undelivered\n"
#define MULTIPART(type) HEADER "Content-Type: multipart/" type "; boundary=\"b1\"\n\n"
#define ORIGINAL                                                                                             \
    "--b1\nContent-Type: message/rfc822\n\nSubject: News\nTo: lena@post.example,\n tom@post.example\n\n"     \
    "Nobody reads this.\n"
#define STATUS                                                                                               \
    "--b1\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n"                      \
    "Final-Recipient: rfc822; lena@post.example\nAction: failed\nStatus: 5.1.1\n\n"

static const struct dsn_limits limits = {.max_bytes = 4u << 20,
                                         .max_parts = 20,
                                         .max_depth = 10,
                                         .max_headers = 100,
                                         .max_recipients = 10,
                                         .max_header_bytes = 4096,
                                         .max_field_bytes = 1024};
static struct dsn_arena *arena;

static void set_up(void) {
    arena = dsn_arena_new();
}

static void tear_down(void) {
    dsn_arena_free(arena);
}

static bool read_whole(const char *text, struct dsn_entity *out) {
    return dsn_entity_read(arena, &limits, dsn_sv_str(text), DSN_KEEP_FIELDS, out);
}

START_TEST(a_report_is_its_fields_and_its_parts) {
    struct dsn_entity whole, part, original;
    struct dsn_content content;
    struct dsn_parts parts;
    struct dsn_strview bytes;
    ck_assert(read_whole(MULTIPART("report") STATUS ORIGINAL "--b1--\nepilogue\n", &whole));
    ck_assert_uint_eq(whole.n_fields, 2);
    assert_sv(whole.fields[1].name, "Subject");
    assert_sv(whole.fields[1].value, "Undelivered");
    ck_assert(dsn_content_read(arena, &whole, &content));
    assert_sv(content.type, "multipart/report");
    assert_sv(content.boundary, "b1");
    ck_assert_ptr_null(content.charset.p);
    ck_assert(dsn_parts_begin(whole.body, content.boundary, &parts));

    ck_assert(dsn_parts_next(&parts, &bytes));
    ck_assert(dsn_entity_read(arena, &limits, bytes, DSN_KEEP_CONTENT, &part));
    ck_assert(dsn_content_read(arena, &part, &content));
    assert_sv(content.type, "message/delivery-status");
    ck_assert(dsn_sv_starts_nocase(part.body, DSN_LIT("Reporting-MTA: dns; mx.example\n\nFinal-")));

    ck_assert(dsn_parts_next(&parts, &bytes));
    ck_assert(parts.closed);
    ck_assert(dsn_entity_read(arena, &limits, bytes, DSN_KEEP_CONTENT, &part));
    ck_assert(dsn_entity_read(arena, &limits, part.body, DSN_KEEP_FIELDS, &original));
    ck_assert_uint_eq(original.n_fields, 2);
    assert_sv(original.fields[1].value, "lena@post.example, tom@post.example");
    assert_sv(original.body, "Nobody reads this.\n");
    ck_assert(!dsn_parts_next(&parts, &bytes));
}
END_TEST

START_TEST(a_part_that_never_ends_is_the_last) {
    struct dsn_entity whole;
    struct dsn_parts parts;
    struct dsn_strview bytes;
    ck_assert(read_whole(MULTIPART("report") STATUS "--b1\n\ntext\n--b1-not\n", &whole));
    ck_assert(dsn_parts_begin(whole.body, DSN_LIT("b1"), &parts));
    ck_assert(dsn_parts_next(&parts, &bytes));
    ck_assert(dsn_parts_next(&parts, &bytes));
    assert_sv(bytes, "\ntext\n--b1-not\n");
    ck_assert(dsn_entity_read(arena, &limits, bytes, DSN_KEEP_CONTENT, &whole));
    assert_sv(whole.body, "text\n--b1-not\n");
    ck_assert(!dsn_parts_next(&parts, &bytes));
    ck_assert(!parts.closed);
    ck_assert(!dsn_parts_begin(DSN_LIT("no part\n--b1--\n"), DSN_LIT("b1"), &parts));
}
END_TEST

START_TEST(a_header_that_is_none_leaves_a_doubt) {
    static const char *const doubtful[] = {
        "",
        "\nbody\n",
        HEADER "This is no field\nX: y\n\nbody\n",
        HEADER "a header that does not end: x\n",
        HEADER,
        "Content-Type: text/plain\n\nno other field\n",
        HEADER "Content-Type: text/plain\nContent-Type: text/html\n\n",
        HEADER "Content-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: base64\n\n",
        HEADER "Content-Type:\n\n",
    };
    struct dsn_entity entity;
    for (size_t i = 0; i < sizeof doubtful / sizeof *doubtful; i++)
        ck_assert_msg(!read_whole(doubtful[i], &entity), "%s", doubtful[i]);
}
END_TEST

START_TEST(a_content_type_says_what_it_says) {
    static const struct {
        const char *text, *type, *boundary, *charset, *report_type;
    } cases[] = {
        {"text/plain", "text/plain", NULL, NULL, NULL},
        {"TEXT/Html; charset=ISO-8859-1", "text/html", NULL, "ISO-8859-1", NULL},
        {"multipart/report; report-type=delivery-status;\n\tboundary=\"a b:c=_?\" ;", "multipart/report",
         "a b:c=_?", NULL, "delivery-status"},
        {"multipart/mixed;boundary=----=_Part_1/x", "multipart/mixed", "----=_Part_1/x", NULL, NULL},
        {"multipart/mixed; boundary=\"Boundary_(ID_0)\"", "multipart/mixed", "Boundary_(ID_0)", NULL, NULL},
        {"text/plain; format=flowed; delsp=yes; charset=\"utf-8\"", "text/plain", NULL, "utf-8", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dsn_entity entity;
        struct dsn_content content;
        char *text = g_strdup_printf(HEADER "Content-Type: %s\n\n", cases[i].text);
        ck_assert(read_whole(text, &entity));
        ck_assert_msg(dsn_content_read(arena, &entity, &content), "%s", cases[i].text);
        assert_sv(content.type, cases[i].type);
        assert_sv(content.boundary, cases[i].boundary);
        assert_sv(content.charset, cases[i].charset);
        assert_sv(content.report_type, cases[i].report_type);
        g_free(text);
    }
}
END_TEST

START_TEST(a_content_type_that_may_mean_something_else_leaves_a_doubt) {
    static const char *const doubtful[] = {
        "text",
        "text/",
        "/plain",
        "text/plain (a comment)",
        "text/plain charset=utf-8",
        "text/plain; charset",
        "text/plain; charset=",
        "text/plain; charset=\"\"",
        "text/plain; charset=\"utf-8",
        "text/plain; charset*=us-ascii'en'utf-8",
        "text/plain; charset=utf-8; charset=latin1",
        "text/plain; charset==?utf-8?q?x?=",
        "text/plain; charset=utf-8 latin1",
        "multipart/mixed; boundary=\"a\\\"b\"",
        "multipart/mixed; boundary=\"a \"",
        "multipart/mixed; boundary*0=a; boundary*1=b",
        "multipart/mixed; boundary=a(b)",
        "multipart/mixed; boundary=\303\244",
    };
    for (size_t i = 0; i < sizeof doubtful / sizeof *doubtful; i++) {
        struct dsn_entity entity = {.content = dsn_sv_str(doubtful[i])};
        struct dsn_content content;
        ck_assert_msg(!dsn_content_read(arena, &entity, &content), "%s", doubtful[i]);
    }
}
END_TEST

/* `n` copies of `line` between the two others. */
static struct dsn_strview many(const char *before, const char *line, size_t n, const char *after) {
    struct dsn_buffer text;
    dsn_buffer_init(&text, arena, 1 << 20);
    dsn_buffer_add(&text, dsn_sv_str(before));
    for (size_t i = 0; i < n; i++)
        dsn_buffer_add(&text, dsn_sv_str(line));
    dsn_buffer_add(&text, dsn_sv_str(after));
    return dsn_buffer_view(&text);
}

START_TEST(gmime_is_not_given_more_than_it_can_bear) {
    static const struct {
        const char *before, *line;
    } hostile[] = {
        {HEADER, "X: y\n"},
        {MULTIPART("mixed"), "--b1\n\n"},
        {MULTIPART("mixed"), "--other\n"},
        {MULTIPART("mixed") "--b1\n", "X: y\n"},
        {MULTIPART("mixed") "--b1\nContent-Type: message/rfc822\n\n", "X: y\n"},
        {MULTIPART("mixed") "--b1\nX: y\n", " fold\n"},
    };
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        struct dsn_strview text = many(hostile[i].before, hostile[i].line, 200000, "\nbody\n--b1--\n");
        bool truncated;
        struct dsn_strview cut = dsn_bounds_cut(arena, &limits, text, &truncated);
        ck_assert_msg(truncated && cut.n < 16 * 1024, "%zu: %zu bytes", i, cut.n);
    }
}
END_TEST

START_TEST(of_a_long_field_gmime_is_given_the_beginning) {
    static const struct {
        const char *before, *line;
        size_t n;
        const char *after;
    } hostile[] = {
        {HEADER "Content-Type: multipart/mixed; boundary=b1", "; p=v", 200000, "\nX-Next: here\n\n--b1\n"},
        {HEADER "Content-Type: multipart/mixed; boundary=b1", ";\n another=v", 700,
         "\nX-Next: here\n\n--b1\n"},
        {MULTIPART("mixed") "--b1\nContent-Type: text/plain", "; p=v", 200000, "\nX-Next: here\n\n--b1--\n"},
    };
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        struct dsn_strview text = many(hostile[i].before, hostile[i].line, hostile[i].n, hostile[i].after);
        struct dsn_entity entity;
        bool truncated;
        struct dsn_strview cut = dsn_bounds_cut(arena, &limits, text, &truncated);
        size_t parameters = 0, after = strlen(hostile[i].after);
        for (size_t k = 0; k < cut.n; k++)
            parameters += cut.p[k] == '=';
        ck_assert_msg(truncated && parameters < 4096 && parameters > 300, "%zu: %zu", i, parameters);
        ck_assert_uint_eq(cut.n, text.n);
        ck_assert_int_eq(memcmp(cut.p + cut.n - after, hostile[i].after, after), 0);
        ck_assert(i == 2 || !dsn_entity_read(arena, &limits, text, DSN_KEEP_FIELDS, &entity));
    }
}
END_TEST

START_TEST(a_long_list_of_recipients_is_no_header) {
    struct dsn_strview text =
        many(MULTIPART("mixed") "--b1\n\n", "lena@post.example: no such user\n", 10000, "--b1--\n");
    bool truncated;
    ck_assert_ptr_eq(dsn_bounds_cut(arena, &limits, text, &truncated).p, text.p);
    ck_assert(!truncated);
}
END_TEST

RUN_SUITE_WITH("entity", set_up, tear_down, a_report_is_its_fields_and_its_parts,
               a_part_that_never_ends_is_the_last, a_header_that_is_none_leaves_a_doubt,
               a_content_type_says_what_it_says, a_content_type_that_may_mean_something_else_leaves_a_doubt,
               gmime_is_not_given_more_than_it_can_bear, of_a_long_field_gmime_is_given_the_beginning,
               a_long_list_of_recipients_is_no_header)
