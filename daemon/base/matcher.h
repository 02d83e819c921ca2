/* matcher: many regular expressions over a text, in linear time (Hyperscan). They come in order of
 * precedence, and are tried some hundred at a time, for as long as what is left can matter. Case is ignored,
 * '.' matches line breaks too, nothing is anchored unless the pattern says so. */
#ifndef BASE_MATCHER_H
#define BASE_MATCHER_H

#include "dsn/error.h"
#include "dsn/strview.h"

#include <stdint.h>

struct dsn_matcher;         /* immutable: threads may share it */
struct dsn_matcher_scratch; /* one thread's */

/* Compiles `n` patterns, those that go before others first; pattern i reports as i. DSN_ERR_SYNTAX: `*bad` is
 * the index of the offending one (or n where no single one is to blame) and `why` (freed with g_free) tells
 * what is wrong with it. */
enum dsn_error dsn_matcher_new(const char *const *patterns, size_t n, struct dsn_matcher **out, size_t *bad,
                               char **why);
void dsn_matcher_free(struct dsn_matcher *matcher); /* NULL is fine */

/* Makes scratch memory (*scratch is NULL), or lets what is there do for `matcher` too. */
enum dsn_error dsn_matcher_scratch_fit(const struct dsn_matcher *matcher,
                                       struct dsn_matcher_scratch **scratch);
void dsn_matcher_scratch_free(struct dsn_matcher_scratch *scratch); /* NULL is fine */

/* Told of a pattern that matches. Returns how many patterns still matter, from the first one: with SIZE_MAX
 * all of them, with `pattern` only those before it. */
typedef size_t (*dsn_matcher_hit)(size_t pattern, void *data);

/* Calls `hit` once for each pattern that matches somewhere in `text` (valid UTF-8), in no particular order.
 * Those that do not matter any more may be left out. */
enum dsn_error dsn_matcher_scan(const struct dsn_matcher *matcher, struct dsn_matcher_scratch *scratch,
                                struct dsn_strview text, dsn_matcher_hit hit, void *data);

#endif
