/* suppress_import: suppression lists as others export them: CSV with a header, CSV of addresses alone,
 * JSON (objects in lines, in an array, or in SES's object). */
#ifndef CLI_SUPPRESS_IMPORT_H
#define CLI_SUPPRESS_IMPORT_H

#include "dsn/strview.h"

#include <stdint.h>
#include <stdio.h>

/* Borrowed while it is visited. */
struct dsn_suppress_imported {
    struct dsn_strview address;
    const char *reason; /* NULL: none is told */
    const char *note;   /* NULL: none */
    int64_t until_ms;   /* DSN_FOR_GOOD; 0: none is told */
};

/* Whether it is a word that can be a reason. */
bool dsn_suppress_is_reason(const char *text);

/* `line` is where the record begins. False: stop. */
typedef bool dsn_suppress_import_visit(void *context, unsigned line,
                                       const struct dsn_suppress_imported *imported);

/* False: the visitor stopped, or what it has said on standard error. */
bool dsn_suppress_import(FILE *in, const char *name, dsn_suppress_import_visit *visit, void *context);

#endif
