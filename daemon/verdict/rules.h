/* rules: config/rules/NAME.rules: what the words of an answer mean. The most specific rule that matches wins;
 * order breaks ties. */
#ifndef VERDICT_RULES_H
#define VERDICT_RULES_H

#include "base/matcher.h"
#include "catalogue.h"
#include "provider.h"

struct dsn_rules; /* immutable */

struct dsn_rule {
    const char *id;
    const char *file; /* that it stands in */
    unsigned line;
    const char *provider; /* canonical; NULL: any */
    const char *match;    /* regular expression; NULL: any text */
    const struct dsn_reason *reason;
    uint16_t *codes;               /* ended by 0; NULL: any */
    enum dsn_smtp_command command; /* NONE: any */
    struct dsn_status *statuses;   /* ended by cls 0; subject or detail -1: any; NULL: any */
    const char **examples;         /* ended by NULL */
    bool certain;                  /* believed where its reason needs a code and there is none */
    bool vague;                    /* decides only where the code says little */
    unsigned rank; /* 0 wins over all others: not vague, more specific, earlier in the files */
};

/* What a rule can ask about. */
struct dsn_rule_facts {
    const char *provider; /* canonical, or NULL */
    uint16_t smtp_code;
    struct dsn_status status;
    enum dsn_smtp_command command;
    struct dsn_strview text;
};

/* `files` in order of precedence; they have to outlive the rules. */
enum dsn_error dsn_rules_new(const struct dsn_keyfile *const *files, size_t n,
                             const struct dsn_catalogue *catalogue, const struct dsn_providers *providers,
                             struct dsn_problems *problems, struct dsn_rules **out);
void dsn_rules_free(struct dsn_rules *rules); /* NULL is fine */

/* Makes scratch memory, or lets what is there do for `rules` too. */
enum dsn_error dsn_rules_scratch_fit(const struct dsn_rules *rules, struct dsn_matcher_scratch **scratch);

/* The winner, or NULL. `matched` (may be NULL) is told of each rule whose conditions all hold; without it,
 * only what may win is looked at. */
const struct dsn_rule *dsn_rules_best(const struct dsn_rules *rules, struct dsn_matcher_scratch *scratch,
                                      const struct dsn_rule_facts *facts,
                                      void (*matched)(const struct dsn_rule *rule, void *data), void *data);

/* Of two rules that match, why the better one wins; a short static text. */
const char *dsn_rule_precedence(const struct dsn_rule *better, const struct dsn_rule *worse);

/* All rules in order; borrowed. */
const struct dsn_rule *const *dsn_rules_all(const struct dsn_rules *rules, size_t *n);

/* Whether an answer to that command came before a recipient was named (RFC 5321 3.3). */
static inline bool dsn_is_before_rcpt(enum dsn_smtp_command command) {
    return command != DSN_COMMAND_NONE && command < DSN_COMMAND_RCPT;
}

#endif
