/* provider: who operates a mail host: config/providers.conf. */
#ifndef VERDICT_PROVIDER_H
#define VERDICT_PROVIDER_H

#include "base/keyfile.h"
#include "base/matcher.h"

struct dsn_providers; /* immutable */

/* The file has to outlive them. */
enum dsn_error dsn_providers_new(const struct dsn_keyfile *kf, struct dsn_problems *problems,
                                 struct dsn_providers **out);
void dsn_providers_free(struct dsn_providers *providers); /* NULL is fine */

/* The canonical name of a provider's section, or NULL. */
const char *dsn_provider_find(const struct dsn_providers *providers, const char *name);
/* The operator of a host by its name, or NULL. */
const char *dsn_provider_of_host(const struct dsn_providers *providers, struct dsn_strview host);
/* For the operator that an answer's wording gives away (NULL where none does): */
const struct dsn_matcher *dsn_provider_texts(const struct dsn_providers *providers);
const char *dsn_provider_of_text(const struct dsn_providers *providers, struct dsn_matcher_scratch *scratch,
                                 struct dsn_strview text);

#endif
