/* maildir_put: where a message goes when it is done: cur/ with the S flag, away, or .Failed with its error
 * beside it. Never overwrites another message. */
#include "maildir.h"
#include "marks.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_NAMES 1000 /* tried before giving up on a free one */

bool dsn_maildir_path(char *out, const char *folder, const char *name) {
    int n = snprintf(out, DSN_MAILDIR_PATH_SIZE, "%s/%s", folder, name);
    return n > 0 && n < DSN_MAILDIR_PATH_SIZE;
}

/* Writes FOLDER, NAME up to `n` bytes, what makes it unique where `serial` is above 0, and INFO. A name that
 * gets too long by that loses its end, or its message could never be put away. */
static bool write_path(char *out, const char *folder, const char *name, size_t n, unsigned serial,
                       const char *info) {
    char tail[96];
    int length = serial > 0 ? snprintf(tail, sizeof tail, ".%u%s", serial, info)
                            : snprintf(tail, sizeof tail, "%s", info);
    size_t room = NAME_MAX - (size_t)length;
    length =
        snprintf(out, DSN_MAILDIR_PATH_SIZE, "%s/%.*s%s", folder, (int)(n < room ? n : room), name, tail);
    return length > 0 && length < DSN_MAILDIR_PATH_SIZE;
}

/* "NAME:2,FS" from "NAME:2,F": flags that are there stay, in alphabetical order as maildir wants them.
 * `serial` above 0 makes another unique name of it. */
static bool cur_path(char *out, const char *name, unsigned serial) {
    const char *info = strstr(name, ":2,");
    char flags[64] = ":2,";
    size_t n = strlen(flags);
    bool seen = false;
    for (const char *f = info ? info + 3 : ""; *f && n < sizeof flags - 2; f++) {
        if (*f == 'S' || (!seen && *f > 'S' && *f <= 'Z')) {
            seen = true;
            flags[n++] = 'S';
        }
        if (*f != 'S')
            flags[n++] = *f;
    }
    if (!seen)
        flags[n++] = 'S';
    flags[n] = '\0';
    return write_path(out, "cur", name, info ? (size_t)(info - name) : strlen(name), serial, flags);
}

static bool failed_path(char *out, const char *name, unsigned serial) {
    return write_path(out, ".Failed/new", name, strlen(name), serial, "");
}

/* Renames without overwriting, also where the file system cannot promise that by itself. 0, or -1 and errno.
 */
static int rename_new(int fd, const char *from, const char *to) {
    if (renameat2(fd, from, fd, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP)
        return -1;
    if (linkat(fd, from, fd, to, 0) == 0)
        return unlinkat(fd, from, 0);
    if (errno == EEXIST || faccessat(fd, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST;
        return -1;
    }
    return renameat(fd, from, fd, to);
}

static bool is_same_file(int fd, const char *a, const char *b) {
    struct stat sa, sb;
    return fstatat(fd, a, &sa, AT_SYMLINK_NOFOLLOW) == 0 && fstatat(fd, b, &sb, AT_SYMLINK_NOFOLLOW) == 0 &&
           sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

static bool is_gone(int fd, const char *path) {
    struct stat status;
    return fstatat(fd, path, &status, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
}

/* Moves new/NAME to the first free path that `name_path` makes. Gone already is fine: somebody else moved it.
 */
static int move(struct dsn_maildir *maildir, const char *name,
                bool (*name_path)(char *, const char *, unsigned)) {
    char from[DSN_MAILDIR_PATH_SIZE], to[DSN_MAILDIR_PATH_SIZE];
    if (!dsn_maildir_path(from, "new", name))
        return -1;
    for (unsigned serial = 0; serial < MAX_NAMES; serial++) {
        if (!name_path(to, name, serial)) {
            errno = ENAMETOOLONG;
            return -1;
        }
        if (rename_new(maildir->fd, from, to) == 0)
            return 0;
        if (errno == EEXIST && is_same_file(maildir->fd, from, to)) /* a second link to the same message */
            return unlinkat(maildir->fd, from, 0);
        if (errno != EEXIST)
            break;
    }
    int error = errno;
    if (error == ENOENT && is_gone(maildir->fd, from))
        return 0;
    errno = error;
    return -1;
}

static int remove_new(struct dsn_maildir *maildir, const char *name) {
    char path[DSN_MAILDIR_PATH_SIZE];
    if (!dsn_maildir_path(path, "new", name))
        return -1;
    return unlinkat(maildir->fd, path, 0) == 0 || errno == ENOENT ? 0 : -1;
}

/* It is not in new/ any more. */
static enum dsn_error finish(struct dsn_maildir *maildir, struct dsn_item *item) {
    dsn_marks_forget(maildir->source.marks, item->mark);
    dsn_inflight_drop(maildir->inflight, item);
    return DSN_OK;
}

enum dsn_error dsn_maildir_settle(struct dsn_source *source, struct dsn_item *item) {
    struct dsn_maildir *maildir = dsn_maildir_of(source);
    int rc = maildir->done == DSN_MAILDIR_DELETE ? remove_new(maildir, item->name)
                                                 : move(maildir, item->name, cur_path);
    return rc == 0 ? finish(maildir, item) : DSN_ERR_IO;
}

/* Maildir++: a subfolder is a maildir whose name begins with a dot, with an empty file "maildirfolder" in it.
 */
static int make_failed(int fd) {
    static const char *const names[] = {".Failed", ".Failed/tmp", ".Failed/new", ".Failed/cur"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (mkdirat(fd, names[i], 0700) != 0 && errno != EEXIST)
            return -1;
    int marker = openat(fd, ".Failed/maildirfolder", O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (marker >= 0)
        close(marker);
    return 0;
}

static int write_error(int fd, const char *name, const char *error) {
    char path[DSN_MAILDIR_PATH_SIZE];
    int n = snprintf(path, sizeof path, ".Failed/%.*s.error", NAME_MAX - 6, name);
    if (n < 0 || n >= (int)sizeof path)
        return -1;
    int out = openat(fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (out < 0)
        return -1;
    int rc = dprintf(out, "%s\n", error) < 0 ? -1 : 0;
    return close(out) != 0 ? -1 : rc;
}

enum dsn_error dsn_maildir_set_aside(struct dsn_source *source, struct dsn_item *item, const char *error) {
    struct dsn_maildir *maildir = dsn_maildir_of(source);
    if (make_failed(maildir->fd) != 0 || write_error(maildir->fd, item->name, error) != 0 ||
        move(maildir, item->name, failed_path) != 0)
        return DSN_ERR_IO;
    return finish(maildir, item);
}
