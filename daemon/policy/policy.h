/* policy: what it takes until an address is suppressed, and for how long: a row for each reason or category.
 * The built-in rows are a table; [policy] and [policy NAME] of the configuration change them. Knows no Redis:
 * what is done with a row is in redis/book.lua. */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include "base/keyfile.h"
#include "dsn/verdict.h"

enum { DSN_POLICY_MAX_STEPS = 8, DSN_POLICY_MAX_BOUNCES = 10 };
#define DSN_FOR_GOOD INT64_C(-1)

struct dsn_policy {
    const char *name;  /* a reason, a category, or "default" */
    int64_t bounces;   /* on so many days; 1: suppress at once, 0: never */
    int64_t over_ms;   /* from the first of these days to the last, at least */
    int64_t window_ms; /* older ones do not count: decay */
    int64_t repeat_ms; /* a suppression within so long after the last one's end is a repetition */
    int64_t
        expiry_ms[DSN_POLICY_MAX_STEPS]; /* of the first suppression, of a repetition, ...; or DSN_FOR_GOOD */
    size_t n_expiry;
    int64_t scoped; /* 1: where the mail had a scope, only in that */
    int64_t keeps;  /* 1: a delivery does not clear it */
};

struct dsn_policies;

/* Reads [policy] and every [policy NAME] of a configuration. What is wrong is a problem with file and line;
 * what is right is there all the same. */
struct dsn_policies *dsn_policies_read(const struct dsn_keyfile *file, struct dsn_problems *problems);
void dsn_policies_free(struct dsn_policies *policies); /* NULL is fine */
/* Whether a group of the configuration is read by dsn_policies_read. */
bool dsn_policies_has_group(const char *group);

/* The row that an event goes by; NULL where it is no evidence against the address (its action is neither
 * suppress nor count, or the policy is never to suppress). What only counts never suppresses alone. */
const struct dsn_policy *dsn_policies_find(const struct dsn_policies *policies,
                                           const struct dsn_verdict *verdict);
/* The row of a name, or NULL. */
const struct dsn_policy *dsn_policies_row(const struct dsn_policies *policies, const char *name);
/* All rows as redis/book.lua takes them. Borrowed. */
const char *dsn_policies_json(const struct dsn_policies *policies);
/* A bounce older than this counts nothing. */
int64_t dsn_policies_stale_ms(const struct dsn_policies *policies);
/* Headers of the original that name the scope, first one first; ended by NULL. */
const char *const *dsn_policies_scope_headers(const struct dsn_policies *policies);

/* Names in [policy NAME] that are neither reason nor category of the knowledge are problems. */
struct dsn_knowledge;
bool dsn_policies_check(const struct dsn_policies *policies, const struct dsn_knowledge *knowledge,
                        struct dsn_problems *problems);

#endif
