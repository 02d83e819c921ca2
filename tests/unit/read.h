/* read: whole messages through one reader with the built-in knowledge, both made once a process. */
#ifndef TESTS_READ_H
#define TESTS_READ_H

#include "unit.h"

static struct dsn_knowledge *knowledge;
static struct dsn_reader *reader;

static inline void open_reader(void) {
    if (!knowledge)
        ck_assert_int_eq(dsn_knowledge_new_builtin(&knowledge), DSN_OK);
    if (!reader)
        ck_assert_int_eq(dsn_reader_new(knowledge, NULL, &reader), DSN_OK);
}

static inline const struct dsn_report *read_text(const char *message) {
    const struct dsn_report *report = NULL;
    open_reader();
    ck_assert_int_eq(dsn_reader_read(reader, dsn_sv_str(message), &report), DSN_OK);
    return report;
}

#endif
