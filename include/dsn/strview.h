/* strview: a piece of text that somebody else owns. Not terminated by NUL; `p` is NULL where the text is
 * absent (which is not the same as empty). What it points into is said by whoever hands it out. */
#ifndef DSN_STRVIEW_H
#define DSN_STRVIEW_H

#include <stdbool.h>
#include <stddef.h>

struct dsn_strview {
    const char *p;
    size_t n; /* bytes */
};

#define DSN_NONE ((struct dsn_strview){NULL, 0})
/* For string literals and arrays of known size only. */
#define DSN_LIT(literal) ((struct dsn_strview){(literal), sizeof(literal) - 1})

#endif
