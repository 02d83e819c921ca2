/* prebuilt: what was made of the built-in knowledge when dsnd was built, so that no start has to: its files,
 * read, and databases of its patterns, compiled. There are two of it: the tables that the build makes, and
 * base/prebuild.c, the program that makes them. */
#ifndef BASE_PREBUILT_H
#define BASE_PREBUILT_H

#include "dsn/strview.h"
#include "keyfile.h"

/* The files of verdict/builtin.h, in that order; static. */
const struct dsn_keyfile *dsn_prebuilt_files(void);

struct dsn_prebuilt {
    const char *const *patterns; /* pattern i of the database is patterns[i] */
    size_t n;
    struct dsn_strview bytes; /* a serialised database; Hyperscan checks it before it is used */
};

/* All databases that the build made; static. */
const struct dsn_prebuilt *dsn_prebuilt_all(size_t *n);

/* Whether somebody wants to be told of what has to be compiled, and the telling. */
bool dsn_prebuilt_wanted(void);
void dsn_prebuilt_add(const struct dsn_prebuilt *built);

#endif
