/* trust: what in a message speaks for it. */
#ifndef MAIL_TRUST_H
#define MAIL_TRUST_H

#include "base/arena.h"
#include "dsn/trust.h"
#include "message.h"
#include "verp.h"

enum { DSN_SIGNS_MAX = 16 };

/* What was found in a message, before anybody asked for whom it speaks. */
struct dsn_signs {
    struct {
        struct dsn_verp_token token; /* points into the message */
        bool
            addressed; /* the report was sent to it, or answers mail that was sent from it: not only quoted */
    } found[DSN_SIGNS_MAX];
    size_t n;
    enum dsn_evidence weak; /* the best of it that is no proof */
    unsigned checks;        /* signatures computed; bounded */
};

/* Looks through `message`, and the messages in it, and the original that `report` found. */
void dsn_signs_read(const struct dsn_message *message, const struct dsn_report *report,
                    const struct dsn_trust *trust, struct dsn_signs *out);

/* Fills in the trust of a recipient of the report. Where the proof tells the address that we mailed, or shows
 * which of the reported ones it is, that becomes the recipient. */
void dsn_signs_judge(struct dsn_arena *arena, struct dsn_signs *signs, const struct dsn_trust *trust,
                     int64_t now_s, const struct dsn_report *report, struct dsn_recipient *recipient);

#endif
