/* marks: the file is an array: a mark for each worker, then one for each message that an earlier process did
 * not survive, the last first. Knows files, no kind of source. */
#include "marks.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FOUND_MAX 4096 /* marks that are taken over; more than there are workers */

struct mark {
    char name[NAME_MAX + 1];
    _Atomic uint32_t deaths; /* of this message, should the process end now; 0: the mark is free */
};

struct dsn_marks {
    struct mark *marks; /* the file */
    size_t n_workers, n;
};

/* Opening */

static bool is_there(int dir, const char *messages, const char *name) {
    char path[2 * NAME_MAX];
    if (!messages)
        return true;
    int n = snprintf(path, sizeof path, "%s/%s", messages, name);
    return n < (int)sizeof path && faccessat(dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static struct mark *find(struct mark *marks, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(marks[i].name, name) == 0)
            return &marks[i];
    return NULL;
}

/* Adds the marks of an earlier process. A message may have two: its worker's, and one from before. */
static void add_found(GArray *marks, size_t n_workers, int fd, int dir, const char *messages) {
    struct mark mark;
    for (size_t i = 0; i < FOUND_MAX && read(fd, &mark, sizeof mark) == sizeof mark; i++) {
        mark.name[NAME_MAX] = '\0';
        if (mark.deaths == 0 || !mark.name[0] || strchr(mark.name, '/') ||
            !is_there(dir, messages, mark.name))
            continue;
        struct mark *known =
            find(&g_array_index(marks, struct mark, n_workers), marks->len - n_workers, mark.name);
        if (!known)
            g_array_append_val(marks, mark);
        else if (mark.deaths > known->deaths)
            known->deaths = mark.deaths;
    }
}

/* Writes the file anew, so that nobody else has it open and could cut it off, and maps it. What is written
 * has its place on the disk. NULL: errno says why. */
static struct mark *map_new(int dir, const char *name, const GArray *marks) {
    char fresh[NAME_MAX];
    size_t size = marks->len * sizeof(struct mark);
    struct mark *mapped = MAP_FAILED;
    snprintf(fresh, sizeof fresh, "%s.new", name);
    unlinkat(dir, fresh, 0);
    int fd = openat(dir, fresh, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    errno = fd < 0 ? errno : ENOSPC; /* a short write says nothing */
    if (fd >= 0 && write(fd, marks->data, size) == (ssize_t)size)
        mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped != MAP_FAILED && renameat(dir, fresh, dir, name) != 0) {
        munmap(mapped, size);
        mapped = MAP_FAILED;
    }
    if (fd >= 0)
        close(fd);
    return mapped == MAP_FAILED ? NULL : mapped;
}

enum dsn_error dsn_marks_open(int dir, const char *name, const char *messages, size_t n_workers,
                              struct dsn_marks **out) {
    GArray *marks = g_array_new(FALSE, TRUE, sizeof(struct mark));
    g_array_set_size(marks, (guint)n_workers);
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) {
        add_found(marks, n_workers, fd, dir, messages);
        close(fd);
    }
    struct mark *mapped = map_new(dir, name, marks);
    if (mapped) {
        *out = g_new0(struct dsn_marks, 1);
        **out = (struct dsn_marks){.marks = mapped, .n_workers = n_workers, .n = marks->len};
    }
    g_array_unref(marks);
    return mapped ? DSN_OK : DSN_ERR_IO;
}

void dsn_marks_close(struct dsn_marks *marks) {
    if (!marks)
        return;
    munmap(marks->marks, marks->n * sizeof *marks->marks);
    g_free(marks);
}

void dsn_marks_keep(struct dsn_source *source, const char *folder, size_t n_workers) {
    char *name = g_strconcat(source->name, ".reading", NULL);
    int dir = open(folder ? folder : "", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 || dsn_marks_open(dir, name, NULL, n_workers, &source->marks) != DSN_OK)
        DSN_LOG(DSN_LOG_WARNING, "source-trouble", dsn_log_str("source", source->name),
                dsn_log_str("path", folder ? folder : "$STATE_DIRECTORY"),
                dsn_log_str("doing", "note what is being read"), dsn_log_errno(errno));
    if (dir >= 0)
        close(dir);
    g_free(name);
}

/* What was found */

static struct mark *find_found(const struct dsn_marks *marks, const char *name) {
    return marks ? find(marks->marks + marks->n_workers, marks->n - marks->n_workers, name) : NULL;
}

unsigned dsn_marks_deaths(const struct dsn_marks *marks, const char *name) {
    const struct mark *found = find_found(marks, name);
    return found ? found->deaths : 0;
}

void dsn_marks_forget(struct dsn_marks *marks, const char *name) {
    struct mark *found = find_found(marks, name);
    if (found)
        found->deaths = 0;
}

/* Reading */

void dsn_marks_begin(struct dsn_marks *marks, size_t worker, const struct dsn_item *item) {
    if (!marks)
        return;
    struct mark *mark = &marks->marks[worker];
    g_strlcpy(mark->name, item->mark, sizeof mark->name);
    mark->deaths = item->deaths + 1; /* last: from here on it counts */
}

void dsn_marks_end(struct dsn_marks *marks, size_t worker) {
    if (marks)
        marks->marks[worker].deaths = 0;
}
