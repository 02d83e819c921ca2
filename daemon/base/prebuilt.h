/* prebuilt: databases of patterns that were compiled when dsnd was built, so that starting takes no seconds.
 * There are two of it: the table that the build makes, and base/prebuild.c, the program that makes it. */
#ifndef BASE_PREBUILT_H
#define BASE_PREBUILT_H

#include "dsn/strview.h"

struct dsn_prebuilt {
    const char *const *patterns; /* pattern i of the database is patterns[i] */
    size_t n;
    struct dsn_strview bytes; /* a serialised database; Hyperscan checks it before it is used */
};

/* All that the build made; static. */
const struct dsn_prebuilt *dsn_prebuilt_all(size_t *n);

/* Whether somebody wants to be told of what has to be compiled, and the telling. */
bool dsn_prebuilt_wanted(void);
void dsn_prebuilt_add(const struct dsn_prebuilt *built);

#endif
