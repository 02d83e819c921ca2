/* catalogue: what every reply code, enhanced status code and reason means: config/codes.conf and
 * config/reasons.conf. */
#ifndef VERDICT_CATALOGUE_H
#define VERDICT_CATALOGUE_H

#include "base/keyfile.h"
#include "dsn/verdict.h"

struct dsn_catalogue; /* immutable */

enum { DSN_MAX_QUESTIONS = 8 };

/* A code as config/codes.conf has it. Texts are for people, lists separated by ';'; NULL where absent. */
struct dsn_code {
    const char *name; /* "550", "5.1.1" */
    const char *title, *rfc, *meaning, *causes, *remedies, *related;
    const char *questions[DSN_MAX_QUESTIONS], *answers[DSN_MAX_QUESTIONS];
    size_t n_questions;
    enum dsn_type type;
    enum dsn_level severity;
    const struct dsn_reason *reason;
    bool vague; /* says so little that the text of the answer decides */
};

/* The files have to outlive it. */
enum dsn_error dsn_catalogue_new(const struct dsn_keyfile *codes, const struct dsn_keyfile *reasons,
                                 struct dsn_problems *problems, struct dsn_catalogue **out);
void dsn_catalogue_free(struct dsn_catalogue *catalogue); /* NULL is fine */

/* NULL where there is none of that name. */
const struct dsn_reason *dsn_catalogue_reason(const struct dsn_catalogue *catalogue, const char *name);
bool dsn_catalogue_has_category(const struct dsn_catalogue *catalogue, const char *name);
const struct dsn_code *dsn_catalogue_reply(const struct dsn_catalogue *catalogue, unsigned smtp_code);
/* A code that has no entry falls back to its subject (5.7.0), then its class (5.0.0): `*exact` is false then.
 */
const struct dsn_code *dsn_catalogue_status(const struct dsn_catalogue *catalogue, struct dsn_status status,
                                            bool *exact);

#endif
