/* node: hiredis without its waiting. Knows no command. */
#include "node.h"

#include <poll.h>

struct dsn_node *dsn_node_new(const char *host, int port) {
    struct dsn_node *node = g_new0(struct dsn_node, 1);
    node->address = (struct dsn_endpoint){g_strdup(host), port};
    g_queue_init(&node->waiting);
    return node;
}

void dsn_node_close(struct dsn_node *node) {
    if (node->context)
        redisFree(node->context);
    node->context = NULL;
    node->connecting = node->unsent = node->used = false;
    node->ready = 0;
    g_queue_clear(&node->waiting);
}

void dsn_node_free(void *data) {
    struct dsn_node *node = data;
    dsn_node_close(node);
    g_free(node->address.host);
    g_free(node);
}

bool dsn_node_connect(struct dsn_node *node) {
    const struct dsn_endpoint *address = &node->address;
    node->context = address->port ? redisConnectNonBlock(address->host, address->port)
                                  : redisConnectUnixNonBlock(address->host);
    node->connecting = true;
    return node->context && !node->context->err;
}

static enum dsn_error appended(struct dsn_node *node, int status, struct dsn_request *request) {
    if (status != REDIS_OK)
        return DSN_ERR_MEMORY;
    node->unsent = true;
    g_queue_push_tail(&node->waiting, request);
    return DSN_OK;
}

enum dsn_error dsn_node_add(struct dsn_node *node, int argc, const char **argv, const size_t *lengths,
                            struct dsn_request *request) {
    return appended(node, redisAppendCommandArgv(node->context, argc, argv, lengths), request);
}

enum dsn_error dsn_node_add_text(struct dsn_node *node, const char *text, size_t n,
                                 struct dsn_request *request) {
    return appended(node, redisAppendFormattedCommand(node->context, text, n), request);
}

short dsn_node_events(const struct dsn_node *node) {
    if (!node->context)
        return 0;
    if (node->connecting)
        return POLLOUT;
    return (short)((node->unsent ? POLLOUT : 0) | (node->waiting.length > 0 ? POLLIN : 0));
}

bool dsn_node_send(struct dsn_node *node) {
    int done = 0;
    if (redisBufferWrite(node->context, &done) != REDIS_OK)
        return false;
    node->unsent = !done;
    return true;
}

/* Gives every reply that is there to who waits for it. */
static bool deliver(struct dsn_node *node) {
    void *reply = NULL;
    for (;;) {
        if (redisGetReplyFromReader(node->context, &reply) != REDIS_OK)
            return false;
        if (!reply)
            return true;
        struct dsn_request *request = g_queue_pop_head(&node->waiting);
        if (request)
            request->reply = reply;
        else
            freeReplyObject(reply);
    }
}

bool dsn_node_exchange(struct dsn_node *node) {
    if ((node->ready & POLLOUT) && !dsn_node_send(node))
        return false;
    if (!(node->ready & (POLLIN | POLLHUP | POLLERR)))
        return true;
    bool whole = redisBufferRead(node->context) == REDIS_OK;
    return deliver(node) && whole; /* what came before the end counts */
}
