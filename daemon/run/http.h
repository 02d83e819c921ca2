/* http: answers to those who watch the daemon: a status page, metrics, health. GET and nothing else: nothing
 * can be changed by it, and whoever can connect may see everything, so it is bound to the loopback interface
 * or a UNIX socket only. */
#ifndef RUN_HTTP_H
#define RUN_HTTP_H

#include "pipeline.h"

struct dsn_http;

/* Listens at "127.0.0.1:PORT", "[::1]:PORT" or "unix:/PATH" and answers in a thread of its own until close.
 * The pipeline is borrowed. On failure `why` (of `why_size` bytes) says for people what is wrong. */
enum dsn_error dsn_http_open(const struct dsn_conf *conf, struct dsn_pipeline *pipeline, char *why,
                             size_t why_size, struct dsn_http **out);
void dsn_http_close(struct dsn_http *http); /* NULL is fine */

#endif
