/* maildir: a source of messages: Maildir's new/, watched and scanned as a stream. The name of a message is
 * its file's. Knows the maildir and Maildir++ conventions and the lock. Puts nothing away by itself: see
 * maildir_put.c. */
#include "maildir.h"
#include "marks.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/wake.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_NAME ".dsnd.lock"
#define MARKS_NAME ".dsnd.reading"
#define RETRY_MIN_MS 1000
/* An empty file younger than this is one that somebody is about to fill. */
#define EMPTY_GRACE_S 10

/* Scanning and watching */

static enum dsn_error offer(struct dsn_maildir *maildir, struct dsn_queue *out, const char *name) {
    if (name[0] == '.')
        return DSN_OK;
    struct dsn_item *item = dsn_inflight_claim(maildir->inflight, &maildir->source, name);
    if (!item)
        return DSN_OK;
    item->deaths = dsn_marks_deaths(maildir->source.marks, name);
    enum dsn_error error = dsn_queue_push(out, item, 0);
    if (error)
        dsn_inflight_drop(maildir->inflight, item);
    return error;
}

static void log_trouble(const struct dsn_maildir *maildir, const char *what, int error) {
    DSN_LOG(DSN_LOG_WARNING, "source-trouble", dsn_log_str("source", maildir->source.name),
            dsn_log_str("path", maildir->path), dsn_log_str("doing", what), dsn_log_errno(error));
}

static DIR *open_new(struct dsn_maildir *maildir) {
    dsn_asking_begin(&maildir->source.asking);
    int fd = openat(maildir->fd, "new", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    dsn_asking_end(&maildir->source.asking);
    if (!dir) {
        log_trouble(maildir, "scan", errno);
        if (fd >= 0)
            close(fd);
    }
    return dir;
}

static struct dirent *next_entry(struct dsn_maildir *maildir, DIR *dir) {
    dsn_asking_begin(&maildir->source.asking);
    struct dirent *entry = readdir(dir);
    dsn_asking_end(&maildir->source.asking);
    return entry;
}

/* Offers whatever new/ holds. DSN_ERR_IO: it could not be read (to the end). */
static enum dsn_error scan(struct dsn_maildir *maildir, struct dsn_queue *out) {
    enum dsn_error error = DSN_OK;
    DIR *dir = open_new(maildir);
    if (!dir)
        return DSN_ERR_IO;
    struct dirent *entry;
    while (errno = 0, !error && !maildir->stopped && (entry = next_entry(maildir, dir)))
        if (entry->d_type != DT_DIR)
            error = offer(maildir, out, entry->d_name);
    if (!error && errno != 0) {
        log_trouble(maildir, "scan", errno);
        error = DSN_ERR_IO;
    }
    closedir(dir);
    return error;
}

/* (Re)starts to watch new/; before a scan, so that nothing falls between the two. */
static void watch(struct dsn_maildir *maildir) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d/new", maildir->fd);
    dsn_asking_begin(&maildir->source.asking);
    int watched =
        inotify_add_watch(maildir->inotify_fd, path, IN_MOVED_TO | IN_CREATE | IN_CLOSE_WRITE | IN_ONLYDIR);
    dsn_asking_end(&maildir->source.asking);
    if (watched < 0)
        log_trouble(maildir, "watch", errno);
}

/* Offers the files that inotify names. `*lost`: some were not named; scan. */
static enum dsn_error offer_named(struct dsn_maildir *maildir, struct dsn_queue *out, bool *lost) {
    _Alignas(struct inotify_event) char buffer[16 * 1024];
    enum dsn_error error = DSN_OK;
    ssize_t n = read(maildir->inotify_fd, buffer, sizeof buffer);
    for (char *p = buffer; n > 0 && p < buffer + n && !error;) {
        const struct inotify_event *event = (const void *)p;
        if (event->mask & IN_Q_OVERFLOW)
            DSN_LOG(DSN_LOG_WARNING, "watch-overflow", dsn_log_str("source", maildir->source.name));
        if (event->mask & (IN_Q_OVERFLOW | IN_IGNORED))
            *lost = true;
        else if (event->len > 0 && !(event->mask & IN_ISDIR))
            error = offer(maildir, out, event->name);
        p += sizeof *event + event->len;
    }
    return error;
}

static void set_retry(struct dsn_maildir *maildir, int64_t at_ms) {
    if (at_ms < maildir->rescan_at_ms)
        maildir->rescan_at_ms = at_ms;
}

/* Waits until new/ may hold something. Returns whether it has to be scanned. */
static bool wait_for_mail(struct dsn_maildir *maildir, struct dsn_queue *out) {
    bool rescan = false;
    struct pollfd fds[] = {{.fd = maildir->inotify_fd, .events = POLLIN},
                           {.fd = maildir->wake_fd, .events = POLLIN}};
    int64_t left_ms = maildir->rescan_at_ms - dsn_clock_monotonic_ms();
    if (poll(fds, 2, (int)(left_ms < 0 ? 0 : left_ms)) > 0) {
        uint64_t count;
        if (fds[1].revents && read(maildir->wake_fd, &count, sizeof count) < 0 && errno != EAGAIN)
            log_trouble(maildir, "wake", errno);
        if (fds[0].revents)
            offer_named(maildir, out, &rescan);
    }
    if (atomic_exchange(&maildir->again, false))
        set_retry(maildir, dsn_clock_monotonic_ms() + maildir->retry_ms);
    return rescan || dsn_clock_monotonic_ms() >= maildir->rescan_at_ms;
}

/* When to scan next: soon and ever later after trouble, else after the usual while. */
static void plan_rescan(struct dsn_maildir *maildir, bool trouble) {
    int64_t now_ms = dsn_clock_monotonic_ms();
    maildir->rescan_at_ms = now_ms + (trouble ? maildir->retry_ms : maildir->rescan_ms);
    maildir->retry_ms = trouble ? maildir->retry_ms * 2 : RETRY_MIN_MS;
    if (maildir->retry_ms > maildir->rescan_ms)
        maildir->retry_ms = maildir->rescan_ms;
}

static enum dsn_error run(struct dsn_source *source, struct dsn_queue *out, bool once) {
    struct dsn_maildir *maildir = dsn_maildir_of(source);
    enum dsn_error error;
    do {
        bool trouble = atomic_exchange(&maildir->again, false);
        if (!once)
            watch(maildir);
        error = scan(maildir, out);
        plan_rescan(maildir, trouble || error == DSN_ERR_IO);
        if (once)
            return error;
        while (!maildir->stopped && error != DSN_ERR_BUSY && !wait_for_mail(maildir, out))
            ;
    } while (!maildir->stopped && error != DSN_ERR_BUSY);
    return DSN_OK;
}

static void stop(struct dsn_source *source) {
    struct dsn_maildir *maildir = dsn_maildir_of(source);
    maildir->stopped = true;
    dsn_wake(maildir->wake_fd);
}

static void release(struct dsn_source *source, struct dsn_item *item, bool again) {
    struct dsn_maildir *maildir = dsn_maildir_of(source);
    dsn_inflight_drop(maildir->inflight, item);
    if (again && !atomic_exchange(&maildir->again, true))
        dsn_wake(maildir->wake_fd);
}

/* Reading */

/* A read lease is refused while somebody has the file open for writing. It goes with the descriptor. Where
 * leases do not work (another owner, a network file system), nothing is known. */
static bool is_being_written(int fd) {
    return fcntl(fd, F_SETLEASE, F_RDLCK) != 0 && errno == EAGAIN;
}

/* Reads `n` bytes or what there is. */
static enum dsn_error read_bytes(int fd, size_t n, struct dsn_bytes *out) {
    if (!dsn_bytes_reserve(out, n + 1))
        return DSN_ERR_MEMORY;
    for (out->n = 0; out->n < n;) {
        ssize_t got = read(fd, out->p + out->n, n - out->n);
        if (got == 0)
            break;
        if (got < 0 && errno != EINTR)
            return DSN_ERR_IO;
        if (got > 0)
            out->n += (size_t)got;
    }
    return DSN_OK;
}

static enum dsn_error read_open(int fd, size_t max_bytes, struct dsn_bytes *out) {
    struct stat before, after;
    if (fstat(fd, &before) != 0)
        return DSN_ERR_IO;
    if (!S_ISREG(before.st_mode))
        return DSN_ERR_INVALID;
    if (is_being_written(fd))
        return DSN_ERR_BUSY;
    if (before.st_size == 0 && dsn_clock_real_ms() / 1000 - before.st_mtime < EMPTY_GRACE_S)
        return DSN_ERR_BUSY;
    out->arrived_ms = (int64_t)before.st_mtim.tv_sec * 1000 + before.st_mtim.tv_nsec / 1000000;
    size_t n = (uintmax_t)before.st_size < max_bytes ? (size_t)before.st_size : max_bytes;
    enum dsn_error error = read_bytes(fd, n, out);
    if (error)
        return error;
    if (fstat(fd, &after) != 0)
        return DSN_ERR_IO;
    return after.st_size != before.st_size || out->n != n ? DSN_ERR_BUSY : DSN_OK;
}

static enum dsn_error read_item(struct dsn_source *source, struct dsn_item *item, size_t max_bytes,
                                struct dsn_bytes *out) {
    struct dsn_maildir *maildir = dsn_maildir_of(source);
    char path[DSN_MAILDIR_PATH_SIZE];
    if (!dsn_maildir_path(path, "new", item->name))
        return DSN_ERR_INVALID;
    int fd = openat(maildir->fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 && errno == ENOENT)
        return DSN_ERR_AWAY;
    if (fd < 0 && (errno == ELOOP || errno == ENXIO))
        return DSN_ERR_INVALID;
    enum dsn_error error = fd < 0 ? DSN_ERR_IO : read_open(fd, max_bytes, out);
    if (error == DSN_ERR_IO)
        DSN_LOG(DSN_LOG_WARNING, "cannot-read", dsn_log_str("source", source->name),
                dsn_log_str("item", item->name), dsn_log_errno(errno));
    if (fd >= 0)
        close(fd);
    return error;
}

static char *describe(const struct dsn_source *source, const struct dsn_item *item) {
    const struct dsn_maildir *maildir = (const void *)source;
    char *path = NULL;
    return asprintf(&path, "%s/new/%s", maildir->path, item->name) < 0 ? NULL : path;
}

/* Opening */

static void close_fd(int fd) {
    if (fd >= 0)
        close(fd);
}

static void close_maildir(struct dsn_source *source) {
    struct dsn_maildir *maildir = dsn_maildir_of(source);
    dsn_inflight_free(maildir->inflight);
    dsn_marks_close(source->marks);
    close_fd(maildir->wake_fd);
    close_fd(maildir->inotify_fd);
    close_fd(maildir->lock_fd);
    close_fd(maildir->fd);
    free(maildir->path);
    free(source->name);
    free(maildir);
}

static const struct dsn_source_ops maildir_ops = {
    .kind = "maildir",
    .run = run,
    .stop = stop,
    .read = read_item,
    .describe = describe,
    .settle = dsn_maildir_settle,
    .set_aside = dsn_maildir_set_aside,
    .release = release,
    .close = close_maildir,
};

static enum dsn_error explain_errno(char *why, size_t why_size, const char *path, const char *what) {
    snprintf(why, why_size, "maildir %s: %s: %s", path, what, strerror(errno));
    return DSN_ERR_IO;
}

/* The lock is the kernel's and goes with the process; the pid in the file is for people. */
static enum dsn_error lock(struct dsn_maildir *maildir, char *why, size_t why_size) {
    char pid[24] = "";
    maildir->lock_fd = openat(maildir->fd, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (maildir->lock_fd < 0)
        return explain_errno(why, why_size, maildir->path, "cannot open " LOCK_NAME);
    if (flock(maildir->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return explain_errno(why, why_size, maildir->path, "cannot lock " LOCK_NAME);
        ssize_t n = pread(maildir->lock_fd, pid, sizeof pid - 1, 0);
        pid[n > 0 ? strspn(pid, "0123456789") : 0] = '\0';
        snprintf(why, why_size, "maildir %s is already in use by another dsnd (pid %s)", maildir->path,
                 pid[0] ? pid : "unknown");
        return DSN_ERR_BUSY;
    }
    int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(maildir->lock_fd, 0) != 0 || pwrite(maildir->lock_fd, pid, (size_t)n, 0) != n)
        return explain_errno(why, why_size, maildir->path, "cannot write " LOCK_NAME);
    return DSN_OK;
}

static enum dsn_error open_directories(struct dsn_maildir *maildir, char *why, size_t why_size) {
    static const char *const names[] = {"new", "cur"};
    struct stat status;
    maildir->fd = open(maildir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (maildir->fd < 0)
        return explain_errno(why, why_size, maildir->path, "cannot open");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (fstatat(maildir->fd, names[i], &status, 0) != 0)
            return explain_errno(why, why_size, maildir->path, i ? "no maildir, cur/" : "no maildir, new/");
    }
    if (faccessat(maildir->fd, "new", R_OK | W_OK | X_OK, AT_EACCESS) != 0)
        return explain_errno(why, why_size, maildir->path, "new/ must be readable and writable");
    return DSN_OK;
}

enum dsn_error dsn_maildir_open(const struct dsn_maildir_settings *settings, char *why, size_t why_size,
                                struct dsn_source **out) {
    struct dsn_maildir *maildir = calloc(1, sizeof *maildir);
    if (!maildir)
        return DSN_ERR_MEMORY;
    maildir->source = (struct dsn_source){.ops = &maildir_ops, .name = strdup(settings->name)};
    maildir->path = strdup(settings->path);
    maildir->done = settings->done;
    maildir->rescan_ms = settings->rescan_ms;
    maildir->retry_ms = RETRY_MIN_MS;
    maildir->fd = maildir->lock_fd = -1;
    maildir->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    maildir->wake_fd = dsn_wake_open();
    maildir->inflight = dsn_inflight_new(sizeof(struct dsn_item), NULL);
    enum dsn_error error = DSN_ERR_MEMORY;
    if (maildir->path && maildir->source.name)
        error = maildir->inotify_fd < 0 || maildir->wake_fd < 0
                    ? explain_errno(why, why_size, maildir->path, "cannot watch")
                    : open_directories(maildir, why, why_size);
    if (!error)
        error = lock(maildir, why, why_size);
    if (error) {
        close_maildir(&maildir->source);
        return error;
    }
    if (dsn_marks_open(maildir->fd, MARKS_NAME, "new", settings->n_workers, &maildir->source.marks) != DSN_OK)
        log_trouble(maildir, "note what is being read", errno);
    *out = &maildir->source;
    return DSN_OK;
}
