/* trust: from the configuration to what libdsn looks for, and the keys from their file. */
#ifndef RUN_TRUST_H
#define RUN_TRUST_H

#include "conf.h"
#include "dsn/trust.h"
#include "policy/judgement.h"

/* Reads the file of keys that the configuration names; `*out` is NULL where it names none. DSN_ERR_SYNTAX:
 * the problems tell; others can read or write it, too. */
enum dsn_error dsn_trust_load_keys(const struct dsn_conf *conf, struct dsn_problems *problems,
                                   struct dsn_verp **out);

/* What to look for in a message. False: nothing. `*out` borrows both. */
bool dsn_trust_set_up(const struct dsn_conf *conf, const struct dsn_verp *keys, struct dsn_trust *out);

/* How events are judged. Borrows both. */
struct dsn_judging dsn_trust_judging(const struct dsn_conf *conf, const char *ruleset);

#endif
