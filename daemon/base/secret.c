/* secret: files with a password or keys in them, which nobody else may read or change. */
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *refuse(int fd, bool is_public) {
    struct stat info;
    if (fstat(fd, &info) != 0)
        return g_strerror(errno);
    if (!S_ISREG(info.st_mode))
        return "is no file";
    if (info.st_size >= DSN_SECRET_SIZE)
        return "is as large as 16 KiB";
    if (is_public)
        return NULL;
    if (info.st_uid != 0 && info.st_uid != geteuid())
        return "belongs to somebody else, who could change it; expected root or our own user as its owner";
    if (info.st_mode & (S_IWGRP | S_IRWXO))
        return "can be read by anybody, or written by its group; expected mode 0640 or stricter";
    return NULL;
}

const char *dsn_secret_read(const char *path, bool is_public, char text[DSN_SECRET_SIZE], size_t *n) {
    *n = 0;
    text[0] = '\0';
    /* Neither waits for a FIFO's writer nor becomes the terminal's. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return g_strerror(errno);
    const char *refusal = refuse(fd, is_public);
    ssize_t got = refusal ? 0 : read(fd, text, DSN_SECRET_SIZE - 1);
    if (got < 0)
        refusal = g_strerror(errno);
    *n = (size_t)MAX(got, 0);
    text[*n] = '\0';
    close(fd);
    return refusal;
}
