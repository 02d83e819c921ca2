/* capture: picks named pieces out of a text. Knows PCRE2, and is the only module that does. */
#include "capture.h"
#include "base/sv.h"
#include "base/utf8.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <glib.h>
#include <pcre2.h>

enum {
    MAX_SAME = 6,                  /* groups of one name in an expression */
    MATCH_LIMIT = 50000,           /* backtracking of one match */
    MAX_BYTES = 16 * 1024,         /* of a text that is matched: a line, or a recipient's block */
    OVERRUNS = 8,                  /* matches of one message that may hit the limit */
    WORK_BYTES = 24 * 1024 * 1024, /* that one message may have scanned */
};

static const char *const group_names[DSN_GROUP_COUNT] = {
    [DSN_GROUP_RECIPIENT] = "recipient",
    [DSN_GROUP_ORIGINAL] = "original",
    [DSN_GROUP_DIAGNOSTIC] = "diagnostic",
    [DSN_GROUP_HOST] = "host",
    [DSN_GROUP_CODE] = "code",
    [DSN_GROUP_STATUS] = "status",
    [DSN_GROUP_COMMAND] = "command",
    [DSN_GROUP_SCOPE] = "scope",
};

struct dsn_capture {
    pcre2_code *code;
    gsize native; /* made machine code, when it was first needed: most expressions never are */
    unsigned numbers[DSN_GROUP_COUNT][MAX_SAME]; /* ended by 0 */
};

struct dsn_capture_scratch {
    pcre2_match_data *data;
    pcre2_match_context *context;
    unsigned overruns_left;
    size_t work_left; /* bytes */
};

static bool note_group(struct dsn_capture *capture, const char *name, unsigned number) {
    for (size_t i = 0; i < DSN_GROUP_COUNT; i++) {
        if (strcmp(name, group_names[i]) != 0)
            continue;
        size_t n = 0;
        while (n < MAX_SAME - 1 && capture->numbers[i][n])
            n++;
        capture->numbers[i][n] = number;
        return true;
    }
    return false;
}

static enum dsn_error note_groups(struct dsn_capture *capture, char **why) {
    uint32_t count = 0, entry_size = 0;
    PCRE2_SPTR table = NULL;
    pcre2_pattern_info(capture->code, PCRE2_INFO_NAMECOUNT, &count);
    pcre2_pattern_info(capture->code, PCRE2_INFO_NAMEENTRYSIZE, &entry_size);
    pcre2_pattern_info(capture->code, PCRE2_INFO_NAMETABLE, &table);
    for (uint32_t i = 0; i < count; i++, table += entry_size) {
        const char *name = (const char *)(table + 2);
        if (note_group(capture, name, (unsigned)(table[0] << 8 | table[1])))
            continue;
        *why = g_strdup_printf(
            "there is no group \"%s\"; groups are recipient, original, diagnostic, host, code, "
            "status, command, scope",
            name);
        return DSN_ERR_SYNTAX;
    }
    return DSN_OK;
}

enum dsn_error dsn_capture_new(const char *pattern, struct dsn_capture **out, char **why) {
    int number;
    PCRE2_SIZE offset;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    struct dsn_capture *capture = g_try_new0(struct dsn_capture, 1);
    if (!context || !capture) {
        pcre2_compile_context_free(context);
        g_free(capture);
        return DSN_ERR_MEMORY;
    }
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    capture->code =
        pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                      PCRE2_CASELESS | PCRE2_MULTILINE | PCRE2_UTF | PCRE2_DUPNAMES | PCRE2_NO_AUTO_CAPTURE,
                      &number, &offset, context);
    pcre2_compile_context_free(context);
    enum dsn_error error = DSN_OK;
    if (!capture->code) {
        char text[160];
        pcre2_get_error_message(number, (PCRE2_UCHAR *)text, sizeof text);
        *why = g_strdup_printf("%s (at %zu)", text, (size_t)offset);
        error = DSN_ERR_SYNTAX;
    } else {
        error = note_groups(capture, why);
    }
    if (error)
        dsn_capture_free(capture);
    else
        *out = capture;
    return error;
}

void dsn_capture_free(struct dsn_capture *capture) {
    if (!capture)
        return;
    pcre2_code_free(capture->code);
    g_free(capture);
}

bool dsn_capture_has(const struct dsn_capture *capture, enum dsn_group group) {
    return capture->numbers[group][0] != 0;
}

enum dsn_error dsn_capture_scratch_new(struct dsn_capture_scratch **out) {
    struct dsn_capture_scratch *scratch = g_try_new0(struct dsn_capture_scratch, 1);
    if (!scratch)
        return DSN_ERR_MEMORY;
    scratch->data = pcre2_match_data_create(DSN_GROUP_COUNT * MAX_SAME + 1, NULL);
    scratch->context = pcre2_match_context_create(NULL);
    if (!scratch->data || !scratch->context) {
        dsn_capture_scratch_free(scratch);
        return DSN_ERR_MEMORY;
    }
    pcre2_set_match_limit(scratch->context, MATCH_LIMIT);
    dsn_capture_scratch_refill(scratch);
    *out = scratch;
    return DSN_OK;
}

void dsn_capture_scratch_free(struct dsn_capture_scratch *scratch) {
    if (!scratch)
        return;
    pcre2_match_data_free(scratch->data);
    pcre2_match_context_free(scratch->context);
    g_free(scratch);
}

void dsn_capture_scratch_refill(struct dsn_capture_scratch *scratch) {
    scratch->overruns_left = OVERRUNS;
    scratch->work_left = WORK_BYTES;
}

/* The first group of that name that took part. */
static struct dsn_strview group_of(const unsigned *numbers, const PCRE2_SIZE *ends, unsigned n,
                                   struct dsn_strview text) {
    for (; *numbers; numbers++) {
        if (*numbers < n && ends[2 * *numbers] != PCRE2_UNSET)
            return dsn_sv(text.p + ends[2 * *numbers], ends[2 * *numbers + 1] - ends[2 * *numbers]);
    }
    return DSN_NONE;
}

/* Without it, matching is slower and no more. Any thread. */
static void make_native(const struct dsn_capture *capture) {
    gsize *native = (gsize *)(guintptr)&capture->native;
    if (!g_once_init_enter(native))
        return;
    pcre2_jit_compile(capture->code, PCRE2_JIT_COMPLETE);
    g_once_init_leave(native, 1);
}

bool dsn_capture_find(const struct dsn_capture *capture, struct dsn_capture_scratch *scratch,
                      struct dsn_strview text, size_t from, struct dsn_captured *out) {
    text = dsn_utf8_cut(text, MAX_BYTES); /* PCRE2 is told that the text is valid */
    if (!text.p || from > text.n || !scratch->overruns_left || scratch->work_left < text.n - from)
        return false;
    scratch->work_left -= text.n - from;
    make_native(capture);
    int rc = pcre2_match(capture->code, (PCRE2_SPTR)text.p, text.n, from, PCRE2_NO_UTF_CHECK, scratch->data,
                         scratch->context);
    if (rc < 0 && rc != PCRE2_ERROR_NOMATCH)
        scratch->overruns_left--;
    if (rc < 1)
        return false;
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(scratch->data);
    out->begin = ends[0];
    out->end = ends[1];
    for (size_t i = 0; i < DSN_GROUP_COUNT; i++)
        out->groups[i] = group_of(capture->numbers[i], ends, (unsigned)rc, text);
    return true;
}
