/* snapshot: how things are, as JSON for the status page: what Redis has and what the daemon counted. */
#ifndef RUN_SNAPSHOT_H
#define RUN_SNAPSHOT_H

#include "pipeline.h"
#include "redis/overview.h"

/* One line of JSON. `overview` NULL: Redis is away. Freed with g_free. */
char *dsn_snapshot_write(const struct dsn_conf *conf, struct dsn_pipeline *pipeline,
                         const struct dsn_overview *overview);
/* What is known of an address. */
char *dsn_snapshot_write_known(const char *address, const struct dsn_overview_known *known);

#endif
