/* problems: the list of what is wrong in files of knowledge and configuration, and the texts of errors. */
#include "dsn/error.h"

#include <glib.h>

struct dsn_problems {
    GPtrArray *lines;
};

const char *dsn_error_text(enum dsn_error error) {
    static const char *const texts[] = {
        [DSN_OK] = "no error",
        [DSN_ERR_MEMORY] = "out of memory",
        [DSN_ERR_IO] = "reading or writing failed",
        [DSN_ERR_SYNTAX] = "syntax error",
        [DSN_ERR_INVALID] = "not a mail message",
        [DSN_ERR_LIMIT] = "over a limit",
        [DSN_ERR_BUSY] = "in use by somebody else",
        [DSN_ERR_AWAY] = "the server does not answer",
    };
    return (size_t)error < G_N_ELEMENTS(texts) && texts[error] ? texts[error] : "unknown error";
}

struct dsn_problems *dsn_problems_new(void) {
    struct dsn_problems *problems = g_try_new0(struct dsn_problems, 1);
    if (problems)
        problems->lines = g_ptr_array_new_with_free_func(g_free);
    return problems;
}

void dsn_problems_free(struct dsn_problems *problems) {
    if (!problems)
        return;
    g_ptr_array_free(problems->lines, TRUE);
    g_free(problems);
}

size_t dsn_problems_count(const struct dsn_problems *problems) {
    return problems ? problems->lines->len : 0;
}

const char *dsn_problems_get(const struct dsn_problems *problems, size_t i) {
    return i < dsn_problems_count(problems) ? g_ptr_array_index(problems->lines, i) : NULL;
}

void dsn_problems_add(struct dsn_problems *problems, const char *file, unsigned line, const char *format,
                      ...) {
    if (!problems)
        return;
    va_list args;
    va_start(args, format);
    char *text = g_strdup_vprintf(format, args);
    va_end(args);
    char *full =
        line ? g_strdup_printf("%s:%u: %s", file, line, text) : g_strdup_printf("%s: %s", file, text);
    g_ptr_array_add(problems->lines, full);
    g_free(text);
}
