/* source: where messages come from. A source finds messages and offers each as an item; workers read items;
 * only the pipeline settles them, after everything in them is committed. Until then a message stays where it
 * is. */
#ifndef SOURCE_SOURCE_H
#define SOURCE_SOURCE_H

#include "base/asking.h"
#include "base/listener.h"
#include "base/queue.h"
#include "dsn/error.h"
#include "dsn/strview.h"
#include "redis/connection.h"

#include <sys/types.h>

struct dsn_source;

/* One message on its way. Made by its source, which ends it with settle, set_aside or release. */
struct dsn_item {
    struct dsn_source *source;
    const char *name; /* within its source; lives as long as the item */
    const char *mark; /* of the same message in its source's marks, also when it comes again; as its name */
    unsigned deaths;  /* how often the process has ended while it was being read, as far as is known */
};

/* Bytes of a message; the memory is kept for the next one. */
struct dsn_bytes {
    char *p;
    size_t n, capacity;
    int64_t arrived_ms; /* when the message came to its source, ms since 1970; 0: not known */
};

void dsn_bytes_clear(struct dsn_bytes *bytes);
/* Room for `n` bytes; false: no memory. */
bool dsn_bytes_reserve(struct dsn_bytes *bytes, size_t n);

struct dsn_source_ops {
    const char *kind; /* as events name it: "maildir" */
    /* Reader thread: pushes items into `out` until stop is called or, if `once`, all that is there now was
     * pushed. A source that has to tell somebody else what became of its items returns when it has. */
    enum dsn_error (*run)(struct dsn_source *source, struct dsn_queue *out, bool once);
    /* Any thread: makes run return soon. Closing its queue is up to the caller. */
    void (*stop)(struct dsn_source *source);
    /* Any thread: at most `max_bytes` of the message; from here on its mark and its deaths are known.
     * DSN_ERR_BUSY: it is still being written. DSN_ERR_AWAY: it is gone. DSN_ERR_IO, DSN_ERR_MEMORY: try
     * again later. DSN_ERR_INVALID: this is no message and never will be. */
    enum dsn_error (*read)(struct dsn_source *source, struct dsn_item *item, size_t max_bytes,
                           struct dsn_bytes *out);
    /* What events call the item: the path of a file, the id of an entry. The caller frees. NULL: no memory.
     */
    char *(*describe)(const struct dsn_source *source, const struct dsn_item *item);
    /* The message is done with. On success the item is freed; DSN_ERR_IO: it is not, try again later. */
    enum dsn_error (*settle)(struct dsn_source *source, struct dsn_item *item);
    /* The message cannot be processed: puts it away with its error. As settle. */
    enum dsn_error (*set_aside)(struct dsn_source *source, struct dsn_item *item, const char *error);
    /* Frees the item and leaves the message where it is; if `again`, it is offered again after a while. */
    void (*release)(struct dsn_source *source, struct dsn_item *item, bool again);
    void (*close)(struct dsn_source *source);
};

struct dsn_marks;

struct dsn_source {
    const struct dsn_source_ops *ops;
    char *name;               /* of the section in the configuration */
    size_t number;            /* its place there */
    struct dsn_marks *marks;  /* of what is being read; NULL: it cannot be noted */
    struct dsn_asking asking; /* of the reader thread */
};

/* How a kind of source is opened. On failure `why` (of `why_size` bytes) says for people what is wrong. The
 * settings are copied, but for those of Redis, which are borrowed. */
enum dsn_maildir_done { DSN_MAILDIR_KEEP, DSN_MAILDIR_DELETE };

struct dsn_maildir_settings {
    const char *name, *path;
    enum dsn_maildir_done done;
    int64_t rescan_ms;
    size_t n_workers; /* who read at a time */
};

/* Locks it. DSN_ERR_BUSY: another dsnd owns it. */
enum dsn_error dsn_maildir_open(const struct dsn_maildir_settings *settings, char *why, size_t why_size,
                                struct dsn_source **out);

struct dsn_stream_settings {
    const char *name;
    struct dsn_redis_settings redis; /* its scripts are the source's own */
    const char *prefix;              /* "dsn" for {dsn}:inbox and {dsn}:dead */
    int64_t claim_ms;       /* what a consumer has in hand, and has not answered for so long, is taken over */
    int64_t max_deliveries; /* a message that was taken more often is dead */
};

/* Redis need not be there yet. */
enum dsn_error dsn_stream_open(const struct dsn_stream_settings *settings, char *why, size_t why_size,
                               struct dsn_source **out);

struct dsn_lmtp_settings {
    const char *name, *listen;       /* as dsn_listener_open takes it */
    struct dsn_redis_settings redis; /* for what is set aside, */
    const char *prefix;              /* "dsn" for {dsn}:dead */
    enum dsn_listener_access access;
    size_t max_bytes;   /* more of a message is not kept */
    size_t max_clients; /* at a time; others wait */
};

enum dsn_error dsn_lmtp_open(const struct dsn_lmtp_settings *settings, char *why, size_t why_size,
                             struct dsn_source **out);

#endif
