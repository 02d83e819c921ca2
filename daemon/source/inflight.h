/* inflight: which messages of a source are on their way through the pipeline, so that a rescan does not take
 * one twice. As many names as the queues are long. Safe to use from several threads. */
#ifndef SOURCE_INFLIGHT_H
#define SOURCE_INFLIGHT_H

#include "source.h"

struct dsn_inflight;

struct dsn_inflight *dsn_inflight_new(void);
void dsn_inflight_free(struct dsn_inflight *inflight); /* with every item that is left; NULL is fine */

/* A new item of that name; NULL where there is one already. */
struct dsn_item *dsn_inflight_claim(struct dsn_inflight *inflight, struct dsn_source *source,
                                    const char *name);
/* Frees the item; its name can be claimed again. */
void dsn_inflight_drop(struct dsn_inflight *inflight, struct dsn_item *item);

#endif
