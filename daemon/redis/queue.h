/* queue: how the queue looks in Redis: its keys, its consumer group, the fields of an entry, and its script.
 */
#ifndef REDIS_QUEUE_H
#define REDIS_QUEUE_H

#include "arguments.h"

#include <glib.h>

#define DSN_QUEUE_GROUP "dsnd"
#define DSN_QUEUE_MESSAGE "message"
#define DSN_QUEUE_FROM "from"
#define DSN_QUEUE_TO "to"
/* Of a dead letter */
#define DSN_QUEUE_ERROR "error"
#define DSN_QUEUE_SOURCE "source"
#define DSN_QUEUE_ENTRY "entry"

struct redisReply;

/* queue.lua, which says what it does; ended by NULL. */
extern const char *const dsn_queue_scripts[];

/* "{PREFIX}:inbox" and "{PREFIX}:dead"; freed with g_free. */
char *dsn_queue_inbox(const char *prefix);
char *dsn_queue_dead(const char *prefix);

/* Begins a request that appends an entry; adds a field to it: of its envelope, its message. */
void dsn_queue_entry_init(struct dsn_arguments *entry, const char *key);
void dsn_queue_entry_add(struct dsn_arguments *entry, const char *name, struct dsn_strview value);

/* The entries in an answer to XREADGROUP, which asked for one stream; NULL: there are none. Live as long as
 * the reply, as does all that follows. */
struct redisReply *dsn_queue_read(const struct redisReply *reply);
/* The same of XAUTOCLAIM, and where to go on with it. */
struct redisReply *dsn_queue_claimed(const struct redisReply *reply, const char **cursor);
/* The id of an entry as XRANGE answers it: [id, fields]; NULL where it is none. */
const char *dsn_queue_id(const struct redisReply *entry);
/* The first field of that name in the fields of an entry; `p` NULL: there is none. Lives as long as the
 * reply. */
struct dsn_strview dsn_queue_field(const struct redisReply *fields, const char *name);
/* The same from the place `*at` on, which begins with 0, and is moved behind it. */
struct dsn_strview dsn_queue_next(const struct redisReply *fields, const char *name, size_t *at);

#endif
