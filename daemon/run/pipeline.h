/* pipeline: sources, workers and the committer, and the queues between them.
 *
 *     sources (a thread each) --work--> workers (a thread each) --done--> committer (a thread)
 *
 * When the sources have ended, the work queue is closed, then the workers end, then the done queue is closed,
 * then the committer ends: nothing that was taken is left behind. */
#ifndef RUN_PIPELINE_H
#define RUN_PIPELINE_H

#include "committer.h"
#include "conf.h"

struct dsn_pipeline;

/* Opens (and locks) the sources and binds the feed; no thread runs yet. The configuration is borrowed. On
 * failure `why` (of `why_size` bytes) says for people what is wrong. `once`: end when all is settled that is
 * there now. */
enum dsn_error dsn_pipeline_open(const struct dsn_conf *conf, struct dsn_knowledge *knowledge, bool once,
                                 char *why, size_t why_size, struct dsn_pipeline **out);
enum dsn_error dsn_pipeline_start(struct dsn_pipeline *pipeline);

/* Readable when all is done. */
int dsn_pipeline_done_fd(const struct dsn_pipeline *pipeline);
/* Other knowledge for the messages to come. */
void dsn_pipeline_set_knowledge(struct dsn_pipeline *pipeline, struct dsn_knowledge *knowledge);
/* Takes no more messages and ends when what was taken is settled, or after `drain_ms`; at once where Redis is
 * away. A second call can only shorten the time. */
void dsn_pipeline_stop(struct dsn_pipeline *pipeline, int64_t drain_ms);

/* Waits for the end, and frees. `counts` (may be NULL): what became of the messages. DSN_ERR_IO: a source
 * could not be read to its end, or something in it not. NULL is fine. */
enum dsn_error dsn_pipeline_close(struct dsn_pipeline *pipeline, struct dsn_counts *counts);

#endif
