/* inputs: the messages in what a user names. Knows files, folders and mboxes; looks into no message. */
#include "inputs.h"
#include "base/sv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MESSAGE_MAX_BYTES = 4 * 1024 * 1024 + 1, /* one more than a reader takes, so that it knows of the cut */
    MBOX_MAX_BYTES = 1 << 30,
};

struct walk {
    dsn_input_fn fn;
    void *data;
    bool good;
    bool stopped;
};

static void complain(struct walk *w, const char *path, const char *why) {
    char *shown = g_strescape(path, NULL); /* a name from a folder may hold anything */
    fprintf(stderr, "dsnd: %s: %s\n", shown, why);
    g_free(shown);
    w->good = false;
}

static void hand_out(struct walk *w, const char *kind, const char *path, size_t number, GBytes *bytes) {
    struct dsn_input input = {.kind = kind, .name = g_strdup(path), .number = number, .bytes = bytes};
    if (!w->fn(input, w->data))
        w->stopped = true;
}

/* "From someone Sun Sep  7 21:40:07 2008": a time and then a year, so that prose which begins so is none. */
static bool is_from_line(struct dsn_strview rest) {
    struct dsn_strview line;
    if (!dsn_sv_starts_nocase(rest, DSN_LIT("From ")) || rest.p[0] != 'F' || !dsn_sv_next_line(&rest, &line))
        return false;
    size_t colon = dsn_sv_find_char(line, ':', 0), digits = 0;
    if (colon == SIZE_MAX || colon + 2 >= line.n || !dsn_is_digit(line.p[colon - 1]) ||
        !dsn_is_digit(line.p[colon + 1]))
        return false;
    for (size_t i = colon; i < line.n && digits < 4; i++)
        digits = dsn_is_digit(line.p[i]) ? digits + 1 : 0;
    return digits == 4;
}

/* Where the message that begins at `from` ends: before the next "From " line that follows a blank line. */
static size_t message_end(struct dsn_strview mbox, size_t from) {
    for (size_t i = dsn_sv_find_char(mbox, '\n', from); i != SIZE_MAX;
         i = dsn_sv_find_char(mbox, '\n', i + 1)) {
        bool blank_before =
            i > 0 && (mbox.p[i - 1] == '\n' || (mbox.p[i - 1] == '\r' && i > 1 && mbox.p[i - 2] == '\n'));
        if (blank_before && is_from_line(dsn_sv_from(mbox, i + 1)))
            return i + 1;
    }
    return mbox.n;
}

/* The blank line behind a message belongs to the mbox (RFC 4155). */
static size_t without_separator(struct dsn_strview mbox, size_t end) {
    static const char *const separators[] = {"\r\n\r\n", "\n\n"};
    for (size_t i = 0; i < sizeof separators / sizeof *separators; i++) {
        if (dsn_sv_ends_nocase(dsn_sv(mbox.p, end), dsn_sv_str(separators[i])))
            return end - strlen(separators[i]) / 2;
    }
    return end;
}

/* Whether a line is ">From ", or one with more of these signs: a line that had one less before it was stored.
 */
static bool is_quoted(struct dsn_strview line) {
    size_t n = 0;
    while (n < line.n && line.p[n] == '>')
        n++;
    struct dsn_strview rest = dsn_sv_from(line, n);
    return n && rest.n >= 5 && memcmp(rest.p, "From ", 5) == 0;
}

/* A message out of an mbox, as it was before. */
static GBytes *unquote(struct dsn_strview stored) {
    GByteArray *bytes = g_byte_array_sized_new((guint)stored.n);
    for (size_t from = 0, end; from < stored.n; from = end) {
        size_t newline = dsn_sv_find_char(stored, '\n', from);
        end = newline == SIZE_MAX ? stored.n : newline + 1;
        size_t skip = is_quoted(dsn_sv_range(stored.p + from, stored.p + end));
        g_byte_array_append(bytes, (const guint8 *)stored.p + from + skip, (guint)(end - from - skip));
    }
    return g_byte_array_free_to_bytes(bytes);
}

static void split_mbox(struct walk *w, const char *path, GBytes *whole) {
    gsize n;
    const char *p = g_bytes_get_data(whole, &n);
    struct dsn_strview mbox = dsn_sv(p, n);
    size_t number = 0;
    for (size_t from = 0, end; from < mbox.n && !w->stopped; from = end) {
        end = message_end(mbox, from);
        bool single = from == 0 && end == mbox.n;
        size_t length = MIN((single ? end : without_separator(mbox, end)) - from, (size_t)MESSAGE_MAX_BYTES);
        GBytes *message = single ? g_bytes_ref(whole) : unquote(dsn_sv(mbox.p + from, length));
        hand_out(w, single ? "file" : "mbox", path, single ? 0 : ++number, message);
    }
    g_bytes_unref(whole);
}

/* Appends what comes until there are `size` bytes (0: that is not known), or `max`. False: errno tells. */
static bool read_on(int fd, size_t size, size_t max, GByteArray *bytes) {
    for (;;) {
        guint used = bytes->len, chunk = (guint)MIN(size ? size - used : 64 * 1024, max - used);
        if (!chunk)
            return true;
        g_byte_array_set_size(bytes, used + chunk);
        ssize_t got = read(fd, bytes->data + used, chunk);
        g_byte_array_set_size(bytes, used + (guint)MAX(got, 0));
        if (got == 0)
            return true;
        if (got < 0 && errno != EINTR)
            return false;
    }
}

static void read_fd(struct walk *w, int fd, size_t size, const char *kind, const char *path) {
    GByteArray *array = g_byte_array_sized_new((guint)MIN(size, (size_t)MESSAGE_MAX_BYTES));
    bool good = read_on(fd, size, MESSAGE_MAX_BYTES, array);
    /* a file is a message in a maildir, whatever it begins with */
    bool mbox = strcmp(kind, "maildir") != 0 && is_from_line(dsn_sv((const char *)array->data, array->len));
    if (good && mbox && array->len == MESSAGE_MAX_BYTES) /* an mbox may be larger than a message */
        good = read_on(fd, size, MBOX_MAX_BYTES, array);
    if (!good)
        complain(w, path, g_strerror(errno));
    else if (array->len == MBOX_MAX_BYTES)
        complain(w, path, "an mbox of more than 1 GiB is read no further; split it");
    GBytes *bytes = g_byte_array_free_to_bytes(array);
    if (!good)
        g_bytes_unref(bytes);
    else if (mbox)
        split_mbox(w, path, bytes);
    else
        hand_out(w, kind, path, 0, bytes);
}

static void read_file(struct walk *w, const char *kind, const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) < 0)
        complain(w, path, g_strerror(errno));
    else if (!S_ISREG(info.st_mode))
        complain(w, path, "is no regular file");
    else
        read_fd(w, fd, (size_t)info.st_size, kind, path);
    if (fd >= 0)
        close(fd);
}

static gint by_name(gconstpointer a, gconstpointer b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static GPtrArray *list(struct walk *w, const char *path) {
    GError *why = NULL;
    GDir *dir = g_dir_open(path, 0, &why);
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    const char *name;
    if (!dir) {
        complain(w, path, why->message);
        g_error_free(why);
        return names;
    }
    while ((name = g_dir_read_name(dir)))
        g_ptr_array_add(names, g_strdup(name));
    g_dir_close(dir);
    g_ptr_array_sort(names, by_name);
    return names;
}

static bool has_dir(const char *path, const char *name) {
    char *child = g_build_filename(path, name, NULL);
    bool there = g_file_test(child, G_FILE_TEST_IS_DIR);
    g_free(child);
    return there;
}

static void read_directory(struct walk *w, const char *path, const char *kind) {
    bool maildir = has_dir(path, "new") && has_dir(path, "cur");
    GPtrArray *names = list(w, path);
    for (guint i = 0; i < names->len && !w->stopped; i++) {
        const char *name = g_ptr_array_index(names, i);
        char *child = g_build_filename(path, name, NULL);
        struct stat info;
        bool folder = maildir && (strcmp(name, "new") == 0 || strcmp(name, "cur") == 0);
        if (lstat(child, &info) < 0)
            complain(w, child, g_strerror(errno));
        else if (S_ISDIR(info.st_mode) && (folder || !maildir))
            read_directory(w, child, folder ? "maildir" : kind);
        else if (S_ISREG(info.st_mode) && !maildir && name[0] != '.')
            read_file(w, kind, child);
        g_free(child);
    }
    g_ptr_array_free(names, TRUE);
}

bool dsn_inputs_read(const char *path, dsn_input_fn fn, void *data) {
    struct walk w = {.fn = fn, .data = data, .good = true};
    struct stat info;
    if (strcmp(path, "-") == 0)
        read_fd(&w, STDIN_FILENO, 0, "stdin", "-");
    else if (stat(path, &info) < 0)
        complain(&w, path, g_strerror(errno));
    else if (S_ISDIR(info.st_mode))
        read_directory(&w, path, "file");
    else
        read_file(&w, "file", path);
    return w.good;
}
