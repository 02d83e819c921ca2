/* error: the one list of what can go wrong in libdsn, and the problems found in files of knowledge.
 * "Not a bounce" is a value (DSN_KIND_NONE), never an error. */
#ifndef DSN_ERROR_H
#define DSN_ERROR_H

#include <stddef.h>

enum dsn_error {
    DSN_OK = 0,
    DSN_ERR_MEMORY,  /* memory could not be had */
    DSN_ERR_IO,      /* reading or writing failed; errno tells more */
    DSN_ERR_SYNTAX,  /* a file of knowledge or a configuration is wrong; the problems tell more */
    DSN_ERR_INVALID, /* an argument or a message is unusable (empty, no header at all) */
    DSN_ERR_LIMIT,   /* larger than the limits allow */
    DSN_ERR_BUSY,    /* somebody else owns it */
    DSN_ERR_AWAY,    /* a server does not answer; trying again makes sense */
};

/* A short English text for people. Static; never NULL. */
const char *dsn_error_text(enum dsn_error error);

/* A growing list of problems, each a line "file:line: what was found; what was expected". */
struct dsn_problems;

struct dsn_problems *dsn_problems_new(void); /* NULL when memory runs out */
void dsn_problems_free(struct dsn_problems *problems);
size_t dsn_problems_count(const struct dsn_problems *problems);
/* Valid until the next problem is added. NULL past the end. */
const char *dsn_problems_get(const struct dsn_problems *problems, size_t i);
/* Adds one; `line` 0 where the whole file is meant. A NULL list swallows it. */
void dsn_problems_add(struct dsn_problems *problems, const char *file, unsigned line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
