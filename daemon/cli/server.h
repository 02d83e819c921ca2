/* server: Redis as a command uses it: a request, an answer, and no waiting for a server that is away. */
#ifndef CLI_SERVER_H
#define CLI_SERVER_H

#include "run/conf.h"

struct redisReply;
struct dsn_server;

/* The configuration as `dsnd COMMAND` reads it from `path`, NULL: the usual one. NULL: it has said why. */
struct dsn_conf *dsn_server_conf(const char *path);

/* `scripts` (ended by NULL) and the configuration are borrowed. Connects with the first request. */
struct dsn_server *dsn_server_open(const struct dsn_conf *conf, const char *const *scripts);
void dsn_server_close(struct dsn_server *server); /* NULL is fine */

/* The connection itself, ready; the time for what is asked begins now. NULL: it is away, and it has said so.
 */
struct dsn_redis *dsn_server_redis(struct dsn_server *server);

/* Gives up as this does; the time for what it waits for begins now. */
const struct dsn_redis_waiter *dsn_server_waiter(struct dsn_server *server);

/* The answer, freed with freeReplyObject. NULL: there is none, or it is an error; it has said why. `lengths`
 * NULL: the arguments are texts. */
struct redisReply *dsn_server_ask(struct dsn_server *server, size_t argc, const char *const *argv,
                                  const size_t *lengths);
/* Whether as many replicas as the configuration asks for have what was answered; otherwise it has said so. */
bool dsn_server_replicated(struct dsn_server *server);
/* Calls a script with its arguments after EVALSHA and its SHA-1. */
struct redisReply *dsn_server_call(struct dsn_server *server, size_t script, size_t argc,
                                   const char *const *argv);

#endif
