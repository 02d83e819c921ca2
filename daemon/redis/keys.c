/* keys: names of keys and their shards. Knows how they are made, no connection. */
#include "keys.h"

#include <glib.h>
#include <sodium.h>

unsigned dsn_keys_shard(struct dsn_strview domain, unsigned shards) {
    /* Never to be changed: whoever computes another shard does not find what is stored. */
    static const unsigned char key[crypto_shorthash_KEYBYTES] = "dsnd shards v1.";
    unsigned char hash[crypto_shorthash_BYTES];
    uint64_t number = 0;
    crypto_shorthash(hash, (const unsigned char *)(domain.n ? domain.p : ""), domain.n, key);
    for (size_t i = sizeof hash; i-- > 0;) /* SipHash is little-endian */
        number = number << 8 | hash[i];
    return shards > 1 ? (unsigned)(number % shards) : 0;
}

char *dsn_keys_prefix(const char *prefix, unsigned shard, unsigned shards) {
    return shards > 1 ? g_strdup_printf("{%s:%u}:", prefix, shard) : g_strdup_printf("{%s}:", prefix);
}

char **dsn_keys_each(const char *prefix, unsigned shards, const char *name) {
    char **keys = g_new0(char *, shards + 1);
    for (unsigned i = 0; i < shards; i++) {
        char *begin = dsn_keys_prefix(prefix, i, shards);
        keys[i] = g_strconcat(begin, name, NULL);
        g_free(begin);
    }
    return keys;
}
