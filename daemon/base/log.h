/* log: events as lines of key=value on standard error (logfmt):
 *
 *     time=2026-11-24T21:54:09.123Z level=info event=redis-back server=unix:/run/redis/redis.sock
 * away_ms=5012
 *
 *     DSN_LOG(DSN_LOG_INFO, "redis-back", dsn_log_str("server", name), dsn_log_int("away_ms", ms));
 *
 * Whatever bytes a value has, it is escaped here and nowhere else, so that a line is a line. errno is left as
 * it was. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "dsn/strview.h"

#include <stdint.h>

enum dsn_log_level { DSN_LOG_ERROR, DSN_LOG_WARNING, DSN_LOG_INFO, DSN_LOG_DEBUG };

enum dsn_log_type { DSN_LOG_TEXT, DSN_LOG_ADDRESS, DSN_LOG_NUMBER };

struct dsn_log_field {
    const char *key; /* [a-z_]+ */
    enum dsn_log_type type;
    struct dsn_strview text;
    int64_t number;
};

static inline struct dsn_log_field dsn_log_sv(const char *key, struct dsn_strview value) {
    return (struct dsn_log_field){.key = key, .type = DSN_LOG_TEXT, .text = value};
}

/* A mail address: its local part is masked where the configuration says so. */
static inline struct dsn_log_field dsn_log_address(const char *key, struct dsn_strview value) {
    return (struct dsn_log_field){.key = key, .type = DSN_LOG_ADDRESS, .text = value};
}

static inline struct dsn_log_field dsn_log_int(const char *key, int64_t value) {
    return (struct dsn_log_field){.key = key, .type = DSN_LOG_NUMBER, .number = value};
}

struct dsn_log_field dsn_log_str(const char *key, const char *value); /* NULL: an empty value */
/* error="No such file or directory", of an errno value. */
struct dsn_log_field dsn_log_errno(int error);

/* What is logged from now on, by every thread: call it before there are threads. Default: info, addresses as
 * they are. */
void dsn_log_setup(enum dsn_log_level level, bool mask_addresses);
bool dsn_log_enabled(enum dsn_log_level level);

void dsn_log_write(enum dsn_log_level level, const char *event, const struct dsn_log_field *fields, size_t n);

#define DSN_LOG(level, event, ...)                                                                           \
    do {                                                                                                     \
        if (dsn_log_enabled(level)) {                                                                        \
            const struct dsn_log_field dsn_log_fields[] = {__VA_ARGS__};                                     \
            dsn_log_write((level), (event), dsn_log_fields,                                                  \
                          sizeof dsn_log_fields / sizeof dsn_log_fields[0]);                                 \
        }                                                                                                    \
    } while (0)

/* Writes the line that dsn_log_write would write, with its newline, for tests. Returns its length, at most
 * size - 1. */
size_t dsn_log_format(char *out, size_t size, int64_t real_ms, enum dsn_log_level level, const char *event,
                      const struct dsn_log_field *fields, size_t n);

#endif
