/* knowledge: the operator's own codes, rules and formats, read from a directory. */
#ifndef RUN_KNOWLEDGE_H
#define RUN_KNOWLEDGE_H

#include "dsn/reader.h"

/* Where it is unless somebody names another one; that one has to be there. */
#define DSN_KNOWLEDGE_PATH "/etc/dsnd"

/* The built-in knowledge with what is in `dir` before it: codes.conf, reasons.conf, providers.conf,
 * rules/NAME.rules and formats/NAME.format. Nothing there is fine, and so is NULL. DSN_ERR_SYNTAX: the
 * problems tell. */
enum dsn_error dsn_knowledge_load(const char *dir, struct dsn_problems *problems, struct dsn_knowledge **out);

#endif
