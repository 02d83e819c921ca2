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
    struct dsn_matcher_scratch *rules_scratch, *providers_scratch;
};

/* How a verdict came about, for `dsnd explain`: everything is borrowed from the knowledge, NULL where there
 * was none. */
struct dsn_reasoning {
    const struct dsn_rule *rule;        /* the best one that matched, whether it decided or not */
    const struct dsn_code *status_code; /* what the catalogue says of the enhanced code */
    const struct dsn_code *reply_code;  /* and of the reply code */
    bool status_exact; /* false: the enhanced code has no entry, its subject or class stands in */
};

/* Fills recipient->verdict, whose kind is known already. `reasoning` may be NULL. */
void dsn_classify(const struct dsn_classifier *classifier, const struct dsn_report *report,
                  struct dsn_recipient *recipient, struct dsn_reasoning *reasoning);

#endif
