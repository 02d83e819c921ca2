/* verp: tokens in running text, for those who look for them in headers. */
#ifndef MAIL_VERP_H
#define MAIL_VERP_H

#include "dsn/verp.h"

enum dsn_verp_use { DSN_VERP_RETURN_ADDRESS, DSN_VERP_MESSAGE_ID };

/* What has the form of a token; points into the text that it was found in. */
struct dsn_verp_token {
    enum dsn_verp_use use;
    struct dsn_strview digits;  /* the 21 */
    struct dsn_strview encoded; /* "local=domain"; absent where the return address does not tell it */
};

/* Finds the next token at or after `*from`, and moves `*from` behind it; false where there is none. */
bool dsn_verp_next(struct dsn_strview text, size_t *from, struct dsn_verp_token *out);

/* Checks one. `candidate` is folded (dsn_address_fold); may be absent. */
void dsn_verp_judge(const struct dsn_verp *verp, const struct dsn_verp_token *token,
                    struct dsn_strview candidate, int64_t now_s, struct dsn_verp_check *out);

#endif
