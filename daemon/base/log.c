/* log: writes key=value lines to standard error, one write(2) a line. Escapes in one place: quotes,
 * backslashes, control characters and whatever is not UTF-8. Knows nothing of what is logged. */
#include "log.h"

#include "clock.h"

#include <errno.h>
#include <glib.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_LINE_BYTES 4096
#define MAX_VALUE_BYTES 1024 /* more is cut off: a value may come from a stranger's mail */

static const char *const level_names[] = {"error", "warning", "info", "debug"};

/* The log's sink: the one state that the whole process shares. */
static _Atomic int log_level = DSN_LOG_INFO;
static _Atomic bool log_masks_addresses = false;

void dsn_log_setup(enum dsn_log_level level, bool mask_addresses) {
    log_level = (int)level;
    log_masks_addresses = mask_addresses;
}

bool dsn_log_enabled(enum dsn_log_level level) {
    return (int)level <= log_level;
}

struct dsn_log_field dsn_log_str(const char *key, const char *value) {
    return dsn_log_sv(key, (struct dsn_strview){value, value ? strlen(value) : 0});
}

struct dsn_log_field dsn_log_errno(int error) {
    return dsn_log_str("error", g_strerror(error));
}

/* A line that is being written; what has no room is dropped. */
struct line {
    char *p;
    size_t n, size;
};

static void add(struct line *line, const char *p, size_t n) {
    if (n > line->size - line->n)
        return;
    memcpy(line->p + line->n, p, n);
    line->n += n;
}

static void add_str(struct line *line, const char *s) {
    add(line, s, strlen(s));
}

static bool is_plain(char c) {
    return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '=';
}

/* Length of the printable UTF-8 character at `p`, 0 where there is none. C1 controls and line separators are
 * not printable: terminals and log readers act on them. */
static size_t printable(const char *p, size_t n) {
    gunichar c = g_utf8_get_char_validated(p, (gssize)n);
    if (c == (gunichar)-1 || c == (gunichar)-2 || !g_unichar_isprint(c) || c == 0x2028 || c == 0x2029)
        return 0;
    return (size_t)g_unichar_to_utf8(c, NULL);
}

static void add_escaped(struct line *line, struct dsn_strview s) {
    char escape[8];
    for (size_t i = 0; i < s.n;) {
        char c = s.p[i];
        size_t n = c == '"' || c == '\\' ? 0 : printable(s.p + i, s.n - i);
        if (n > 0) {
            add(line, s.p + i, n);
            i += n;
            continue;
        }
        if (c == '"' || c == '\\')
            snprintf(escape, sizeof escape, "\\%c", c);
        else
            snprintf(escape, sizeof escape, "\\x%02x", (unsigned char)c);
        add_str(line, escape);
        i++;
    }
}

static void add_text(struct line *line, struct dsn_strview s) {
    bool plain = s.n > 0;
    bool cut = s.n > MAX_VALUE_BYTES;
    if (cut)
        s.n = MAX_VALUE_BYTES;
    for (size_t i = 0; i < s.n && plain; i++)
        plain = is_plain(s.p[i]);
    if (plain && !cut) {
        add(line, s.p, s.n);
        return;
    }
    add(line, "\"", 1);
    add_escaped(line, s);
    add_str(line, cut ? "...\"" : "\"");
}

/* "j***@example.com": enough to find a case, too little to mail it. */
static void add_address(struct line *line, struct dsn_strview s) {
    const char *at = s.n > 0 ? memrchr(s.p, '@', s.n) : NULL;
    char masked[MAX_VALUE_BYTES];
    if (!log_masks_addresses || s.n == 0) {
        add_text(line, s);
        return;
    }
    size_t domain = at ? (size_t)(s.p + s.n - at) : 0;
    int n = snprintf(masked, sizeof masked, "%c***%.*s", s.p[0], (int)(domain < 256 ? domain : 256),
                     at ? at : "");
    add_text(line, (struct dsn_strview){masked, (size_t)n});
}

static void add_field(struct line *line, const struct dsn_log_field *field) {
    char number[24];
    add(line, " ", 1);
    add_str(line, field->key);
    add(line, "=", 1);
    switch (field->type) {
    case DSN_LOG_TEXT:
        add_text(line, field->text);
        break;
    case DSN_LOG_ADDRESS:
        add_address(line, field->text);
        break;
    case DSN_LOG_NUMBER:
        snprintf(number, sizeof number, "%lld", (long long)field->number);
        add_str(line, number);
        break;
    }
}

size_t dsn_log_format(char *out, size_t size, int64_t real_ms, enum dsn_log_level level, const char *event,
                      const struct dsn_log_field *fields, size_t n) {
    struct line line = {out, 0, size - 2}; /* room for the newline and NUL */
    char time[DSN_CLOCK_RFC3339_SIZE];
    add_str(&line, "time=");
    add_str(&line, dsn_clock_rfc3339(real_ms, time));
    add_str(&line, " level=");
    add_str(&line, level_names[level]);
    add_str(&line, " event=");
    add_str(&line, event);
    for (size_t i = 0; i < n; i++)
        add_field(&line, &fields[i]);
    out[line.n++] = '\n';
    out[line.n] = '\0';
    return line.n;
}

void dsn_log_write(enum dsn_log_level level, const char *event, const struct dsn_log_field *fields,
                   size_t n) {
    int saved_errno = errno;
    char line[MAX_LINE_BYTES];
    size_t length = dsn_log_format(line, sizeof line, dsn_clock_real_ms(), level, event, fields, n);
    ssize_t written =
        write(STDERR_FILENO, line, length); /* where standard error is gone, nobody can be told */
    (void)written;
    errno = saved_errno;
}
