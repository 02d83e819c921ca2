/* tally: counters that are told apart by a few words, and come into being when they are first counted. Many
 * threads count and read at once; counting takes no lock, but for a counter's first time. Bounded: whatever
 * comes when all places are taken is counted together, under DSN_TALLY_OTHER. */
#ifndef BASE_TALLY_H
#define BASE_TALLY_H

#include "dsn/strview.h"

#include <stddef.h>
#include <stdint.h>

#define DSN_TALLY_WORDS 3 /* at most */
#define DSN_TALLY_OTHER "other"

struct dsn_tally;

/* Counters of `n_words` words each, at most `max` of them. NULL: no memory. */
struct dsn_tally *dsn_tally_new(size_t n_words, size_t max);
void dsn_tally_free(struct dsn_tally *tally); /* NULL is fine */

/* Counts one under the words. */
void dsn_tally_add(struct dsn_tally *tally, const struct dsn_strview words[]);

/* Calls `fn` for each counter, in no order; the words are NUL-terminated. */
typedef void (*dsn_tally_fn)(void *context, const char *const words[], uint64_t count);
void dsn_tally_each(struct dsn_tally *tally, dsn_tally_fn fn, void *context);

#endif
