/* follower: a thread that reads the store's streams and gives what is in them to a publisher, in their order
 * and without a gap, whoever put it there: this dsnd, another one, or a command. Whatever becomes of the
 * publisher, nobody is kept from committing. */
#ifndef SINK_FOLLOWER_H
#define SINK_FOLLOWER_H

#include "sink.h"

struct dsn_follower;

/* Takes the sink, also when it fails. The settings are copied; what they point to is borrowed. */
enum dsn_error dsn_follower_new(struct dsn_sink *sink, const struct dsn_streams_settings *settings,
                                struct dsn_follower **out);
enum dsn_error dsn_follower_start(struct dsn_follower *follower);
/* Waits until it knows from where it follows: what is stored after that is published. False: not yet. */
bool dsn_follower_wait_begun(struct dsn_follower *follower, int64_t timeout_ms);
/* Any thread. How long ago was stored what the publisher has not got yet; 0: it has all. */
double dsn_follower_lag_s(const struct dsn_follower *follower);
const char *dsn_follower_kind(const struct dsn_follower *follower); /* "feed", "ndjson" */
/* There is something new. */
void dsn_follower_nudge(struct dsn_follower *follower);
/* Tells the publisher that its file may have been moved away. */
void dsn_follower_reopen(struct dsn_follower *follower);
/* Publishes what is in the streams now, for at most `drain_ms`, and ends; at once where Redis is away. */
void dsn_follower_stop(struct dsn_follower *follower, int64_t drain_ms);
/* Until then, which dsn_follower_stop brings about. */
void dsn_follower_wait(struct dsn_follower *follower);
/* Waits, and frees. NULL is fine. */
void dsn_follower_free(struct dsn_follower *follower);

#endif
