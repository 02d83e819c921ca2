/* knowledge: the operator's own codes, rules and formats, read from a directory. */
#ifndef RUN_KNOWLEDGE_H
#define RUN_KNOWLEDGE_H

#include "dsn/reader.h"

/* The built-in knowledge with what is in `dir` before it: codes.conf, reasons.conf, providers.conf,
 * rules/NAME.rules and formats/NAME.format. Nothing there is fine, and so is NULL; that there is no `dir` is,
 * too, where it is the one that nobody had to name. DSN_ERR_SYNTAX: the problems tell. */
#define DSN_KNOWLEDGE_PATH "/etc/dsnd"
enum dsn_error dsn_knowledge_load(const char *dir, struct dsn_problems *problems, struct dsn_knowledge **out);

#endif
