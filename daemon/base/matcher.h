/* matcher: many regular expressions, one linear-time pass over a text (Hyperscan; two where somebody's own
 * come on top of those that the build has compiled). Case is ignored, '.' matches line breaks too, nothing is
 * anchored unless the pattern says so. */
#ifndef BASE_MATCHER_H
#define BASE_MATCHER_H

#include "dsn/error.h"
#include "dsn/strview.h"

struct dsn_matcher;         /* immutable: threads may share it */
struct dsn_matcher_scratch; /* one thread's */

/* Compiles `n` patterns; pattern i reports as i. DSN_ERR_SYNTAX: `*bad` is the index of the offending one (or
 * n where no single one is to blame) and `why` (freed with g_free) tells what is wrong with it. */
enum dsn_error dsn_matcher_new(const char *const *patterns, size_t n, struct dsn_matcher **out, size_t *bad,
                               char **why);
void dsn_matcher_free(struct dsn_matcher *matcher); /* NULL is fine */

enum dsn_error dsn_matcher_scratch_new(const struct dsn_matcher *matcher, struct dsn_matcher_scratch **out);
void dsn_matcher_scratch_free(struct dsn_matcher_scratch *scratch); /* NULL is fine */

/* Calls `hit` once for each pattern that matches somewhere in `text` (valid UTF-8), in no particular order.
 */
enum dsn_error dsn_matcher_scan(const struct dsn_matcher *matcher, struct dsn_matcher_scratch *scratch,
                                struct dsn_strview text, void (*hit)(size_t pattern, void *data), void *data);

#endif
