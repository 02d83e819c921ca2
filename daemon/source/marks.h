/* marks: which messages of a source are being read, in a file that outlives the process. A worker's mark is a
 * name in memory that the file is mapped to: no system call for a message, and yet the kernel has it however
 * the process ends. The next one finds the names, and how often that has happened to each. */
#ifndef SOURCE_MARKS_H
#define SOURCE_MARKS_H

#include "source.h"

/* A message that was being read so often when the process ended is not read again. */
#define DSN_MARKS_DEATHS_MAX 3

/* Takes over what the file `name` in the folder `dir` says, but for messages that are not in its subfolder
 * `messages` any more (NULL: somebody else has them), and begins it anew for so many workers. DSN_ERR_IO:
 * errno says why. */
enum dsn_error dsn_marks_open(int dir, const char *name, const char *messages, size_t n_workers,
                              struct dsn_marks **out);
/* For a source that has no folder of its own: in NAME.reading in another one (NULL: there is none). Where
 * they cannot be kept, that is logged, and its mail is read all the same. */
void dsn_marks_keep(struct dsn_source *source, const char *folder, size_t n_workers);
/* NULL is fine for what follows: nobody keeps marks, and none were found. */
void dsn_marks_close(struct dsn_marks *marks); /* leaves the file */

/* How often the process has ended while this message was being read. Any thread, as is what follows. */
unsigned dsn_marks_deaths(const struct dsn_marks *marks, const char *name);
/* The message has been put away. */
void dsn_marks_forget(struct dsn_marks *marks, const char *name);

/* Worker number `worker` begins to read the item, and ends. */
void dsn_marks_begin(struct dsn_marks *marks, size_t worker, const struct dsn_item *item);
void dsn_marks_end(struct dsn_marks *marks, size_t worker);

#endif
