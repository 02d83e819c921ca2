/* node: one server, the connection to it, and who waits there for a reply. Waits for nothing itself. */
#ifndef REDIS_NODE_H
#define REDIS_NODE_H

#include "base/endpoint.h"

#include "dsn/error.h"

#include <glib.h>
#include <hiredis/hiredis.h>

/* A request that was sent. */
struct dsn_request {
    struct dsn_node *node;
    struct redisReply *reply; /* NULL: not yet */
    /* To send it again, where another node may be the right one; NULL: never. */
    char *text;
    size_t n;
    unsigned slot;
    unsigned redirects;
    int64_t until_ms; /* monotonic, since it was redirected: how long that is followed */
};

struct dsn_node {
    struct dsn_endpoint address;
    redisContext *context; /* NULL: not connected */
    bool connecting;
    bool unsent;    /* its output buffer holds something */
    bool used;      /* since somebody last asked for replicas */
    bool given;     /* by the configuration: it stays, whether it has slots or not */
    bool owns;      /* some slot */
    short ready;    /* what poll said last */
    GQueue waiting; /* of struct dsn_request, borrowed, in the order of the replies; NULL: nobody wants it */
};

struct dsn_node *dsn_node_new(const char *host, int port);
void dsn_node_free(void *node);

/* Forgets who waits, too. */
void dsn_node_close(struct dsn_node *node);
/* Begins to connect. False: see the context, where there is one. */
bool dsn_node_connect(struct dsn_node *node);

/* Append a request; `request` NULL: its reply is thrown away. */
enum dsn_error dsn_node_add(struct dsn_node *node, int argc, const char **argv, const size_t *lengths,
                            struct dsn_request *request);
enum dsn_error dsn_node_add_text(struct dsn_node *node, const char *text, size_t n,
                                 struct dsn_request *request);

/* What to poll for; 0: nothing. */
short dsn_node_events(const struct dsn_node *node);
/* These return false when the connection is broken. The second one moves bytes both ways, as `ready` says,
 * and gives replies to those who wait. */
bool dsn_node_send(struct dsn_node *node);
bool dsn_node_exchange(struct dsn_node *node);

#endif
