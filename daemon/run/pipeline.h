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

/* Opens (and locks) the sources and binds the feed; no thread runs yet. The configuration is borrowed; `keys`
 * may be NULL. On failure `why` (of `why_size` bytes) says for people what is wrong. `once`: end when all is
 * settled that is there now. */
enum dsn_error dsn_pipeline_open(const struct dsn_conf *conf, struct dsn_knowledge *knowledge,
                                 struct dsn_verp *keys, bool once, char *why, size_t why_size,
                                 struct dsn_pipeline **out);
enum dsn_error dsn_pipeline_start(struct dsn_pipeline *pipeline);

/* Readable when all is done. */
int dsn_pipeline_done_fd(const struct dsn_pipeline *pipeline);
/* Other knowledge and keys (NULL: none) for the messages to come. */
void dsn_pipeline_set_knowledge(struct dsn_pipeline *pipeline, struct dsn_knowledge *knowledge,
                                struct dsn_verp *keys);
/* What of the outlets SIGHUP reads again; what is wrong is a problem, and the old stays. */
enum dsn_error dsn_pipeline_reload_outlets(struct dsn_pipeline *pipeline, struct dsn_problems *problems);
/* Takes no more messages and ends when what was taken is settled, or after `drain_ms`; at once where Redis is
 * away. A second call can only shorten the time. */
void dsn_pipeline_stop(struct dsn_pipeline *pipeline, int64_t drain_ms);

/* To be called again and again: sets aside a message that a worker does not come back from, and then stops,
 * which is true from then on. Tells of a file system that does not
 * answer: to whom, and where it does again. */
bool dsn_pipeline_watch(struct dsn_pipeline *pipeline);

/* What was counted so far, as long as the pipeline is open. Any thread. */
struct dsn_metrics *dsn_pipeline_metrics(struct dsn_pipeline *pipeline);
struct dsn_depths dsn_pipeline_depths(struct dsn_pipeline *pipeline);
/* What keeps bounces from getting on right now, for people; NULL: nothing. Any thread. */
const char *dsn_pipeline_obstacle(struct dsn_pipeline *pipeline);

/* Waits for the end, and frees. `counts` (may be NULL): what became of the messages. DSN_ERR_IO: a source
 * could not be read to its end, or something in it not. DSN_ERR_BUSY: a thread does not come back, so that
 * not all is freed, and the process has to end. NULL is fine. */
enum dsn_error dsn_pipeline_close(struct dsn_pipeline *pipeline, struct dsn_counts *counts);

#endif
