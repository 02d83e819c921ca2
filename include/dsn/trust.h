/* trust: whether a report was shown to answer mail that we sent, and what it may do where it was not. Anyone
 * can send a bounce; who has not seen the mail cannot sign its return address (verp.h). */
#ifndef DSN_TRUST_H
#define DSN_TRUST_H

#include "verdict.h"
#include "verp.h"

enum dsn_trust_level {
    DSN_TRUST_NONE = 0, /* it was not looked into */
    DSN_TRUST_UNVERIFIED,
    DSN_TRUST_VERIFIED,
};
const char *dsn_trust_name(enum dsn_trust_level level);

/* What speaks for a report. The first two are proofs; the others anybody can write who has ever had mail of
 * ours. */
enum dsn_evidence {
    DSN_EVIDENCE_NONE = 0,
    DSN_EVIDENCE_VERP,              /* a return address of ours, signed for the recipient */
    DSN_EVIDENCE_MESSAGE_ID,        /* a Message-ID of ours, signed for the recipient */
    DSN_EVIDENCE_MESSAGE_ID_DOMAIN, /* the returned message has a Message-ID of a domain of ours */
    DSN_EVIDENCE_RELAY,             /* the returned message went through a relay of ours, it says */
};
const char *dsn_evidence_name(enum dsn_evidence evidence); /* NULL for DSN_EVIDENCE_NONE */

/* What to look for, and what follows. All of it is borrowed. */
struct dsn_trust {
    const struct dsn_verp *verp;           /* NULL: no keys */
    const char *const *message_id_domains; /* ended by NULL; or NULL */
    const char *const *relays;         /* host names as in "Received: ... by HOST"; ended by NULL; or NULL */
    bool weak_verifies;                /* a domain or a relay is enough */
    enum dsn_action bounce, complaint; /* what an unverified one does that would suppress */
};

#endif
