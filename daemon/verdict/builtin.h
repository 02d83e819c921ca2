/* builtin: the files of config/ as they were when dsnd was built (made by config/embed.py). */
#ifndef VERDICT_BUILTIN_H
#define VERDICT_BUILTIN_H

#include "dsn/reader.h"

extern const struct dsn_knowledge_file dsn_builtin_files[];
extern const size_t dsn_builtin_files_count;

/* The samples that the formats name: in the program alone, libdsn has no use for them. */
extern const struct dsn_knowledge_file dsn_builtin_samples[];
extern const size_t dsn_builtin_samples_count;

#endif
