/* maildir: what the two files of the maildir source share. Private to them. */
#ifndef SOURCE_MAILDIR_H
#define SOURCE_MAILDIR_H

#include "inflight.h"
#include "source.h"

#include <limits.h>
#include <stdatomic.h>

#define DSN_MAILDIR_PATH_SIZE (2 * NAME_MAX)

struct dsn_maildir {
    struct dsn_source source; /* first */
    char *path;
    enum dsn_maildir_done done;
    int fd, lock_fd, inotify_fd, wake_fd;
    struct dsn_inflight *inflight;
    int64_t rescan_ms;    /* how often at least new/ is scanned */
    int64_t retry_ms;     /* how soon after trouble: doubles up to rescan_ms */
    int64_t rescan_at_ms; /* monotonic; the reader thread's own */
    _Atomic bool stopped;
    _Atomic bool again; /* an item was released that has to be offered again */
};

static inline struct dsn_maildir *dsn_maildir_of(struct dsn_source *source) {
    return (struct dsn_maildir *)(void *)source;
}

/* Writes "new/NAME" to `out` of DSN_MAILDIR_PATH_SIZE bytes; false where it does not fit. */
bool dsn_maildir_path(char *out, const char *folder, const char *name);

enum dsn_error dsn_maildir_settle(struct dsn_source *source, struct dsn_item *item);
enum dsn_error dsn_maildir_set_aside(struct dsn_source *source, struct dsn_item *item, const char *error);

#endif
