/* knowledge: all that is loaded from config/: codes, reasons, rules, providers, formats. Counted and
 * immutable. */
#ifndef VERDICT_KNOWLEDGE_H
#define VERDICT_KNOWLEDGE_H

#include "catalogue.h"
#include "dsn/reader.h"
#include "mail/format.h"
#include "provider.h"
#include "rules.h"

const struct dsn_catalogue *dsn_knowledge_catalogue(const struct dsn_knowledge *knowledge);
const struct dsn_rules *dsn_knowledge_rules(const struct dsn_knowledge *knowledge);
const struct dsn_providers *dsn_knowledge_providers(const struct dsn_knowledge *knowledge);
const struct dsn_formats *dsn_knowledge_formats(const struct dsn_knowledge *knowledge);

#endif
