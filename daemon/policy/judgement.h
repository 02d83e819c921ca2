/* judgement: what of an event matters to its address: the row of the policy that it goes by, in which scope,
 * when it happened, and what is kept of it as evidence. Knows reports and policies, no Redis. */
#ifndef POLICY_JUDGEMENT_H
#define POLICY_JUDGEMENT_H

#include "dsn/event.h"
#include "policy.h"

enum { DSN_SCOPE_SIZE = 65 };

struct dsn_judging {
    const struct dsn_policies *policies;
    const char *ruleset;
    bool unverified_suppresses, unverified_complaints_suppress; /* the operator wants it so */
};

struct dsn_judgement {
    const char
        *policy; /* name of the row, as long as the policies live; "": no evidence against the address */
    bool weak;   /* not shown to answer our mail: it counts and never suppresses */
    bool clears; /* the mailbox took the message */
    int64_t happened_at_ms;     /* never after it was observed */
    char scope[DSN_SCOPE_SIZE]; /* in which it counts; for a delivery, in which it clears too; "": none */
    char *evidence;             /* a JSON object without its last brace; NULL where there is no policy */
};

/* The scope that the mail had, by its headers, else by its return address, whether or not anything counts in
 * it; "": none. */
void dsn_scope_find(const struct dsn_policies *policies, const struct dsn_report *report,
                    char out[DSN_SCOPE_SIZE]);

/* Of the event that was made of recipient `i` of the reader's last report. */
void dsn_judge(const struct dsn_judging *judging, const struct dsn_report *report, size_t i,
               const char *event_id, int64_t observed_at_ms, struct dsn_judgement *out);
void dsn_judgement_clear(struct dsn_judgement *judgement);

#endif
