/* classify: from what a report says of a recipient to the verdict. */
#ifndef VERDICT_CLASSIFY_H
#define VERDICT_CLASSIFY_H

#include "dsn/report.h"
#include "rules.h"

/* What classifying needs: shared knowledge, and one thread's scratch memory. */
struct dsn_classifier {
    const struct dsn_catalogue *catalogue;
    const struct dsn_providers *providers;
    const struct dsn_rules *rules;
    struct dsn_matcher_scratch *scratch;
};

/* How a verdict came about, for `dsnd explain`: everything is static or borrowed from the knowledge, NULL
 * where there was none. */
struct dsn_reasoning {
    GPtrArray *matched;          /* of struct dsn_rule: each one that matched is added. NULL: not asked for */
    const struct dsn_rule *rule; /* the best of them, whether it decided or not */
    const struct dsn_code *status_code; /* what the catalogue says of the enhanced code */
    const struct dsn_code *reply_code;  /* and of the reply code */
    bool status_exact;         /* false: the enhanced code has no entry, its subject or class stands in */
    const char *provider_from; /* by what the provider was known */
    /* Why the verdict's reason, confidence, type and action are what they are. */
    struct dsn_because {
        const char *reason, *confidence, *type, *action;
    } because;
};

/* Fills recipient->verdict, whose kind is known already. `reasoning` may be NULL; only its `matched` is read.
 */
void dsn_classify(const struct dsn_classifier *classifier, const struct dsn_report *report,
                  struct dsn_recipient *recipient, struct dsn_reasoning *reasoning);

#endif
