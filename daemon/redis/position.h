/* position: how far the streams of events were read: the id of an entry for each shard. As a text,
 * "1795559331645-0"; with shards, their ids in order: "1795559331645-0,1795559331646-2". */
#ifndef REDIS_POSITION_H
#define REDIS_POSITION_H

#include "dsn/strview.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DSN_ENTRY_NAME_SIZE 56 /* "K/" and two 64-bit numbers and a dash */

/* Of an entry in a Redis stream. 0-0 is before the first. */
struct dsn_entry_id {
    uint64_t ms, sequence;
};

struct dsn_position {
    struct dsn_entry_id *ids; /* a shard each; freed by dsn_position_clear */
    size_t n;
};

/* Reads "MS-SEQUENCE", or "MS", which is MS-0. */
bool dsn_entry_id_parse(struct dsn_strview text, struct dsn_entry_id *out);
/* Below, equal to or above 0, as memcmp. */
int dsn_entry_id_compare(struct dsn_entry_id a, struct dsn_entry_id b);

/* How an entry is called on the feed: its id; where there are several shards, "SHARD/ID". */
void dsn_entry_name_write(char out[DSN_ENTRY_NAME_SIZE], unsigned shard, unsigned shards,
                          struct dsn_entry_id id);
bool dsn_entry_name_parse(struct dsn_strview text, unsigned *shard, struct dsn_entry_id *out);

/* Reads ids separated by ','. `shards` above 0: so many, or one that stands for all. The former content of
 * `out` is freed; on failure it is left as it was. */
bool dsn_position_parse(struct dsn_strview text, size_t shards, struct dsn_position *out);
char *dsn_position_text(const struct dsn_position *position);                     /* freed with g_free */
void dsn_position_copy(const struct dsn_position *from, struct dsn_position *to); /* frees what `to` had */
void dsn_position_clear(struct dsn_position *position);

#endif
