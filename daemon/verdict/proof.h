/* proof: tries every rule on its own examples. */
#ifndef VERDICT_PROOF_H
#define VERDICT_PROOF_H

#include "knowledge.h"

/* Adds a problem for each example that its own rule does not win; returns whether all do. `n_examples` (may
 * be NULL): how many were tried. A rule that can never win has none that it wins. */
bool dsn_knowledge_prove(const struct dsn_knowledge *knowledge, struct dsn_problems *problems,
                         size_t *n_examples);

#endif
