/* cluster: what a client has to know of Redis Cluster: in which slot a request's key is, and what a node
 * means that sends it elsewhere (redis.io, "Redis cluster specification"). */
#ifndef REDIS_CLUSTER_H
#define REDIS_CLUSTER_H

#include "dsn/strview.h"

#include <stddef.h>
#include <stdint.h>

enum { DSN_SLOTS = 16384 };

/* Of a key, by what stands in its first braces, if anything does. */
unsigned dsn_cluster_slot(struct dsn_strview key);

/* Where the first key of a request stands in its arguments; 0: it has none, and any node will do. */
int dsn_cluster_key_at(int argc, const char *const *argv);

enum dsn_redirect_kind {
    DSN_REDIRECT_NONE,  /* it is an answer */
    DSN_REDIRECT_MOVED, /* the slot is another node's */
    DSN_REDIRECT_ASK,   /* the slot is on its way to another node, and this key is there already */
    DSN_REDIRECT_LATER, /* nobody can answer now */
};

struct dsn_redirect {
    enum dsn_redirect_kind kind;
    struct dsn_strview host; /* points into the text; empty: that of the node that said it */
    int port;
};

struct dsn_redirect dsn_cluster_redirect(struct dsn_strview error);

#endif
