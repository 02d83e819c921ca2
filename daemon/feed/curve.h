/* curve: who may connect to the feed: clients whose key is on a list, each session encrypted. Answers
 * ZeroMQ's own questions (RFC 27/ZAP) on a thread of its own. */
#ifndef FEED_CURVE_H
#define FEED_CURVE_H

#include "keys.h"

struct dsn_curve;

struct dsn_curve_settings {
    void *context;       /* of ZeroMQ; has to outlive it */
    const char *keys;    /* file of our own key pair */
    const char *clients; /* file of theirs: lines "KEY NAME" */
};

/* Reads the files and begins to answer; sockets of the context are made servers with dsn_curve_serve and
 * dsn_curve_keys. The settings are copied; what they point to is borrowed. What is wrong is a problem. */
enum dsn_error dsn_curve_open(const struct dsn_curve_settings *settings, struct dsn_problems *problems,
                              struct dsn_curve **out);
/* After the sockets are closed. NULL is fine. */
void dsn_curve_close(struct dsn_curve *curve);
const struct dsn_curve_keys *dsn_curve_keys(const struct dsn_curve *curve);

/* Reads the list again: who is no longer on it cannot connect any more. Where it is wrong, the old one stays.
 * Any thread. */
enum dsn_error dsn_curve_reload(struct dsn_curve *curve, struct dsn_problems *problems);

/* What is wrong with the files, without opening anything. */
enum dsn_error dsn_curve_check(const struct dsn_curve_settings *settings, struct dsn_problems *problems);

#endif
