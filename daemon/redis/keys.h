/* keys: what keys in Redis begin with, and in which shard something is (dsnd-redis(7)). */
#ifndef REDIS_KEYS_H
#define REDIS_KEYS_H

#include "dsn/strview.h"

/* Which shard has what is known of a domain: SipHash-2-4 (libsodium's crypto_shorthash, with a fixed key) of
 * the lower-cased domain, modulo `shards`. */
unsigned dsn_keys_shard(struct dsn_strview domain, unsigned shards);
/* What the keys of a shard begin with: "{dsn}:", or where there are several "{dsn:0}:". Freed with g_free. */
char *dsn_keys_prefix(const char *prefix, unsigned shard, unsigned shards);
/* That of each shard, with `name` behind it ("": nothing); ended by NULL, freed with g_strfreev. */
char **dsn_keys_each(const char *prefix, unsigned shards, const char *name);

#endif
