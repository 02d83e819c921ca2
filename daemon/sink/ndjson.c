/* ndjson: a file of lines, and beside it PATH.position: how far the stream is in the file, and how long the
 * file was then. What a crash left behind that, a line cut in two or lines that are not accounted for, is cut
 * off and written again. */
#include "ndjson.h"

#include "base/log.h"
#include "base/sv.h"
#include "event/cloudevent.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MODE 0640

struct ndjson {
    struct dsn_sink sink; /* first */
    char *path, *position_path, *cloudevents;
    int fd;
    off_t size;       /* of what is accounted for */
    GString *pending; /* lines of the entries since then */
    char *position;   /* NULL: not known yet */
    bool failed;      /* logged already */
};

/* The file */

static int open_file(const char *path) {
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, FILE_MODE);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool write_all(int fd, const char *p, size_t n) {
    while (n > 0) {
        ssize_t written = write(fd, p, n);
        if (written < 0 && errno != EINTR)
            return false;
        p += MAX(written, 0);
        n -= (size_t)MAX(written, 0);
    }
    return true;
}

/* A device has nothing to be synchronised. */
static bool append_pending(const struct ndjson *n) {
    return write_all(n->fd, n->pending->str, n->pending->len) && (fdatasync(n->fd) == 0 || errno == EINVAL);
}

/* The position: "POSITION SIZE DEVICE:INODE". Written to another file first: it is the old one or the new
 * one. */

static bool store_position(struct ndjson *n, const char *position) {
    struct stat info;
    char *temporary = g_strconcat(n->position_path, ".new", NULL);
    bool good = fstat(n->fd, &info) == 0;
    char *text = g_strdup_printf("%s %jd %ju:%ju\n", position, (intmax_t)info.st_size, (uintmax_t)info.st_dev,
                                 (uintmax_t)info.st_ino);
    int fd = good ? open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, FILE_MODE) : -1;
    good = fd >= 0 && write_all(fd, text, strlen(text)) && fdatasync(fd) == 0;
    if (fd >= 0)
        close(fd);
    good = good && rename(temporary, n->position_path) == 0;
    if (good) {
        n->size = info.st_size;
        g_free(n->position);
        n->position = g_strdup(position);
    }
    g_free(temporary);
    g_free(text);
    return good;
}

/* Where the file is the same one, cuts off what is not accounted for. False: there is a position that cannot
 * be read, and without it all would be written again. */
static bool load_position(struct ndjson *n, char *why, size_t why_size) {
    GError *error = NULL;
    char *text = NULL;
    struct stat info;
    intmax_t size = 0;
    uintmax_t device = 0, inode = 0;
    n->size = fstat(n->fd, &info) == 0 ? info.st_size : 0;
    if (!g_file_get_contents(n->position_path, &text, NULL, &error)) {
        bool absent = g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
        snprintf(why, why_size, "%s", error->message);
        g_error_free(error);
        return absent;
    }
    char *space = strchr(text, ' ');
    if (space && sscanf(space, " %jd %ju:%ju", &size, &device, &inode) == 3) {
        *space = '\0';
        n->position = g_strdup(text);
        bool same = info.st_dev == device && info.st_ino == inode && size >= 0;
        if (same && info.st_size > size && ftruncate(n->fd, size) == 0)
            n->size = size;
    }
    g_free(text);
    return true;
}

/* As a publisher */

/* A file that is new begins with all that the stream has. */
static char *resume(struct dsn_sink *sink) {
    const struct ndjson *n = (const struct ndjson *)(const void *)sink;
    return g_strdup(n->position ? n->position : "0");
}

static void publish(struct dsn_sink *sink, const struct dsn_entry *entry) {
    struct ndjson *n = (struct ndjson *)(void *)sink;
    if (n->cloudevents)
        dsn_cloudevent_append(n->pending, n->cloudevents, entry->event_id, entry->event);
    else
        g_string_append_len(n->pending, entry->event.p, (gssize)entry->event.n);
    g_string_append_c(n->pending, '\n');
}

static bool settle(struct dsn_sink *sink, const struct dsn_position *position) {
    struct ndjson *n = (struct ndjson *)(void *)sink;
    char *text = dsn_position_text(position);
    bool good = append_pending(n) && store_position(n, text);
    if (!good && !n->failed)
        DSN_LOG(DSN_LOG_ERROR, "ndjson-failed", dsn_log_str("path", n->path), dsn_log_errno(errno));
    if (!good && ftruncate(n->fd, n->size) != 0 && !n->failed) /* it comes again */
        DSN_LOG(DSN_LOG_ERROR, "ndjson-not-cut", dsn_log_str("path", n->path), dsn_log_errno(errno));
    if (good && n->failed)
        DSN_LOG(DSN_LOG_INFO, "ndjson-well", dsn_log_str("path", n->path));
    n->failed = !good;
    g_string_truncate(n->pending, 0);
    g_free(text);
    return good;
}

static int64_t idle(struct dsn_sink *sink, int64_t now_ms) {
    (void)sink;
    (void)now_ms;
    return INT64_MAX;
}

/* Called between two settles: everything is in the old file, and the position goes on in the new one. */
static void reopen(struct dsn_sink *sink) {
    struct ndjson *n = (struct ndjson *)(void *)sink;
    struct stat old, new;
    if (stat(n->path, &new) == 0 && fstat(n->fd, &old) == 0 && old.st_ino == new.st_ino &&
        old.st_dev == new.st_dev)
        return;
    int fd = open_file(n->path);
    if (fd < 0) {
        DSN_LOG(DSN_LOG_ERROR, "ndjson-not-reopened", dsn_log_str("path", n->path), dsn_log_errno(errno));
        return;
    }
    close(n->fd);
    n->fd = fd;
    n->size = fstat(fd, &new) == 0 ? new.st_size : 0;
    if (n->position) {
        char *position = g_strdup(n->position);
        store_position(n, position);
        g_free(position);
    }
    DSN_LOG(DSN_LOG_INFO, "ndjson-reopened", dsn_log_str("path", n->path));
}

static void close_file(struct dsn_sink *sink) {
    struct ndjson *n = (struct ndjson *)(void *)sink;
    if (n->fd >= 0)
        close(n->fd);
    g_string_free(n->pending, TRUE);
    g_free(n->path);
    g_free(n->position_path);
    g_free(n->cloudevents);
    g_free(n->position);
    g_free(n);
}

static const struct dsn_sink_ops ndjson_ops = {.kind = "ndjson",
                                               .resume = resume,
                                               .publish = publish,
                                               .settle = settle,
                                               .idle = idle,
                                               .reopen = reopen,
                                               .close = close_file};

enum dsn_error dsn_ndjson_open(const struct dsn_ndjson_settings *settings, char *why, size_t why_size,
                               struct dsn_sink **out) {
    struct ndjson *n = g_new0(struct ndjson, 1);
    n->sink.ops = &ndjson_ops;
    n->path = g_strdup(settings->path);
    n->position_path = g_strconcat(settings->path, ".position", NULL);
    n->cloudevents = g_strdup(settings->cloudevents);
    n->pending = g_string_new(NULL);
    n->fd = open_file(settings->path);
    if (n->fd < 0) {
        snprintf(why, why_size, "%s: %s", settings->path,
                 errno == EWOULDBLOCK ? "another dsnd writes to it" : g_strerror(errno));
        close_file(&n->sink);
        return DSN_ERR_IO;
    }
    if (!load_position(n, why, why_size)) {
        close_file(&n->sink);
        return DSN_ERR_IO;
    }
    *out = &n->sink;
    return DSN_OK;
}
