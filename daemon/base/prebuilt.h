/* prebuilt: databases of patterns that were compiled when dsnd was built, so that starting takes no seconds.
 * There are two of it: the table that the build makes, and base/prebuild.c, the program that makes it. */
#ifndef BASE_PREBUILT_H
#define BASE_PREBUILT_H

#include "dsn/strview.h"

enum { DSN_PREBUILT_KEY = 32 };

struct dsn_prebuilt {
    unsigned char key[DSN_PREBUILT_KEY]; /* hash of the patterns, their flags and Hyperscan's version */
    struct dsn_strview bytes;            /* a serialised database; Hyperscan checks it before it is used */
};

/* The database of exactly these patterns; absent where they were not known at build time. */
struct dsn_strview dsn_prebuilt_find(const unsigned char key[DSN_PREBUILT_KEY]);

/* Whether somebody wants to be told of what has to be compiled, and the telling. */
bool dsn_prebuilt_wanted(void);
void dsn_prebuilt_add(const unsigned char key[DSN_PREBUILT_KEY], struct dsn_strview bytes);

#endif
