/* dead: puts messages that could not be processed among the dead letters in Redis, for a source that has no
 * place of its own for them. Belongs to one thread. */
#ifndef SOURCE_DEAD_H
#define SOURCE_DEAD_H

#include "envelope.h"

struct dsn_dead;

/* `source` and what the settings have is borrowed; so is `wake_fd`, an eventfd that may be written to
 * meanwhile. NULL: no memory. */
struct dsn_dead *dsn_dead_new(const struct dsn_redis_settings *redis, const char *prefix, const char *source,
                              int wake_fd);
void dsn_dead_free(struct dsn_dead *dead); /* NULL is fine */

/* Connects where need be. DSN_ERR_AWAY: Redis cannot take it now. */
enum dsn_error dsn_dead_put(struct dsn_dead *dead, const struct dsn_envelope *envelope,
                            struct dsn_strview message, const char *entry, const char *error);

#endif
