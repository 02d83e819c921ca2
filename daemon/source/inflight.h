/* inflight: which messages of a source are on their way through the pipeline, so that a rescan does not take
 * one twice. As many names as the queues are long. Safe to use from several threads. */
#ifndef SOURCE_INFLIGHT_H
#define SOURCE_INFLIGHT_H

#include "source.h"

struct dsn_inflight;

/* Items of `item_size` bytes, which begin with a struct dsn_item, the rest is 0 at first. `clear` (may be
 * NULL) frees what that rest holds, and not the item. */
struct dsn_inflight *dsn_inflight_new(size_t item_size, void (*clear)(struct dsn_item *item));
void dsn_inflight_free(struct dsn_inflight *inflight); /* with every item that is left; NULL is fine */

/* A new item of that name; NULL where there is one already. */
struct dsn_item *dsn_inflight_claim(struct dsn_inflight *inflight, struct dsn_source *source,
                                    const char *name);
/* Frees the item; its name can be claimed again. */
void dsn_inflight_drop(struct dsn_inflight *inflight, struct dsn_item *item);

size_t dsn_inflight_count(struct dsn_inflight *inflight);
/* Copies of all names, ended by NULL; freed with g_strfreev. */
char **dsn_inflight_names(struct dsn_inflight *inflight);

#endif
