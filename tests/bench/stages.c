/* stages: what the stages of a message's way cost, each with all that come before it: stages STAGE THREADS
 * MAILDIR. Prints "WALL_S CPU_S" for all messages in new/. The first three know the files and GMime,
 * as any program would use them, and nothing of dsnd; the others are libdsn's rooms, on messages that are in
 * memory already. */
#include "base/clock.h"
#include "dsn/dsn.h"
#include "event/reader.h"
#include "mail/report.h"
#include "verdict/knowledge.h"

#include <dirent.h>
#include <fcntl.h>
#include <glib.h>
#include <gmime/gmime.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct bench {
    const struct stage *stage;
    int new_fd, cur_fd;
    GPtrArray *names;
    GPtrArray *messages; /* GByteArray; of the stages in memory */
    struct dsn_knowledge *knowledge;
    atomic_size_t next;
};

/* What a thread works with. */
struct hands {
    struct bench *bench;
    GByteArray *bytes;
    GMimeStream *sink;
    struct dsn_reader *reader;
};

struct stage {
    const char *name;
    bool in_memory;
    void (*work)(struct hands *hands, size_t i);
};

static void must(bool good, const char *what) {
    if (good)
        return;
    perror(what);
    exit(EXIT_FAILURE);
}

/* Files and GMime */

static void read_message(const struct bench *b, size_t i, GByteArray *out) {
    int fd = openat(b->new_fd, b->names->pdata[i], O_RDONLY | O_CLOEXEC);
    ssize_t got = 0;
    must(fd >= 0, "open");
    g_byte_array_set_size(out, 0);
    do {
        guint used = out->len;
        g_byte_array_set_size(out, used + 64 * 1024);
        got = read(fd, out->data + used, 64 * 1024);
        must(got >= 0, "read");
        g_byte_array_set_size(out, used + (guint)got);
    } while (got == 64 * 1024);
    close(fd);
}

static void work_read(struct hands *h, size_t i) {
    read_message(h->bench, i, h->bytes);
}

static void work_rename(struct hands *h, size_t i) {
    const char *name = h->bench->names->pdata[i];
    work_read(h, i);
    must(renameat(h->bench->new_fd, name, h->bench->cur_fd, name) == 0, "rename");
}

static void decode(struct hands *h, GMimeObject *object) {
    if (GMIME_IS_MULTIPART(object)) {
        int n = g_mime_multipart_get_count(GMIME_MULTIPART(object));
        for (int i = 0; i < n; i++)
            decode(h, g_mime_multipart_get_part(GMIME_MULTIPART(object), i));
    } else if (GMIME_IS_PART(object)) {
        GMimeDataWrapper *content = g_mime_part_get_content(GMIME_PART(object));
        g_mime_stream_reset(h->sink);
        if (content)
            g_mime_data_wrapper_write_to_stream(content, h->sink);
    } /* else a returned message: parsed, and nobody asks for its text */
}

static void work_gmime(struct hands *h, size_t i) {
    work_rename(h, i);
    GMimeStream *stream = g_mime_stream_mem_new();
    g_mime_stream_mem_set_byte_array(GMIME_STREAM_MEM(stream), h->bytes);
    g_mime_stream_mem_set_owner(GMIME_STREAM_MEM(stream), FALSE);
    GMimeParser *parser = g_mime_parser_new_with_stream(stream);
    GMimeMessage *message = g_mime_parser_construct_message(parser, NULL);
    if (message && g_mime_message_get_mime_part(message))
        decode(h, g_mime_message_get_mime_part(message));
    g_clear_object(&message);
    g_object_unref(parser);
    g_object_unref(stream);
}

/* The rooms of libdsn. A message that cannot be read costs what it costs. */

static enum dsn_error read_mail(struct hands *h, size_t i) {
    const GByteArray *bytes = h->bench->messages->pdata[i];
    struct dsn_reader *reader = h->reader;
    dsn_arena_reset(reader->arena);
    reader->bytes =
        dsn_message_canonical(reader->arena, (struct dsn_strview){(char *)bytes->data, bytes->len});
    return dsn_message_read(reader->arena, &reader->limits, reader->bytes, &reader->message);
}

static void work_mail(struct hands *h, size_t i) {
    read_mail(h, i);
}

static void work_report(struct hands *h, size_t i) {
    struct dsn_reader *reader = h->reader;
    if (read_mail(h, i) == DSN_OK)
        dsn_report_read(reader->arena, &reader->limits, dsn_knowledge_formats(reader->knowledge),
                        reader->formats_scratch, &reader->addressing, &reader->message, &reader->report);
}

static const struct dsn_report *read_report(struct hands *h, size_t i) {
    const GByteArray *bytes = h->bench->messages->pdata[i];
    const struct dsn_report *report = NULL;
    dsn_reader_read(h->reader, (struct dsn_strview){(char *)bytes->data, bytes->len}, &report);
    return report;
}

static void work_verdict(struct hands *h, size_t i) {
    read_report(h, i);
}

static void work_event(struct hands *h, size_t i) {
    const struct dsn_report *report = read_report(h, i);
    const struct dsn_event_source source = {
        .kind = "bench", .name = {"x", 1}, .observed_at_ms = dsn_clock_real_ms()};
    struct dsn_event event;
    for (size_t r = 0; report && r < report->n_recipients; r++)
        dsn_event_write(h->reader, r, &source, &event);
}

static const struct stage stages[] = {
    {"read", false, work_read},  {"rename", false, work_rename}, {"gmime", false, work_gmime},
    {"mail", true, work_mail},   {"report", true, work_report},  {"verdict", true, work_verdict},
    {"event", true, work_event},
};

/* Running one */

static void open_maildir(struct bench *b, const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(fd >= 0, path);
    b->new_fd = openat(fd, "new", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    b->cur_fd = openat(fd, "cur", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    close(fd);
    must(b->new_fd >= 0 && b->cur_fd >= 0, path);
    b->names = g_ptr_array_new_with_free_func(g_free);
    DIR *dir = fdopendir(dup(b->new_fd));
    must(dir != NULL, path);
    for (struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_name[0] != '.')
            g_ptr_array_add(b->names, g_strdup(entry->d_name));
    closedir(dir);
    b->messages = g_ptr_array_new_with_free_func((GDestroyNotify)g_byte_array_unref);
    for (guint i = 0; b->stage->in_memory && i < b->names->len; i++) {
        GByteArray *bytes = g_byte_array_new();
        read_message(b, i, bytes);
        g_ptr_array_add(b->messages, g_byte_array_new_take(g_memdup2(bytes->data, bytes->len), bytes->len));
        g_byte_array_unref(bytes);
    }
}

static gpointer run(gpointer data) {
    struct bench *b = data;
    struct hands h = {.bench = b, .bytes = g_byte_array_new(), .sink = g_mime_stream_mem_new()};
    must(!b->knowledge || dsn_reader_new(b->knowledge, NULL, &h.reader) == DSN_OK, "reader");
    for (size_t i; (i = b->next++) < b->names->len;)
        b->stage->work(&h, i);
    dsn_reader_free(h.reader);
    g_object_unref(h.sink);
    g_byte_array_unref(h.bytes);
    return NULL;
}

static double seconds(struct timeval t) {
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static double cpu_s(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

int main(int argc, char **argv) {
    struct bench b = {0};
    for (size_t i = 0; argc == 4 && i < G_N_ELEMENTS(stages); i++)
        if (strcmp(stages[i].name, argv[1]) == 0)
            b.stage = &stages[i];
    int n_threads = argc == 4 ? atoi(argv[2]) : 0;
    if (!b.stage || n_threads < 1) {
        fputs("usage: stages STAGE THREADS MAILDIR\n", stderr);
        return 2;
    }
    g_mime_init();
    open_maildir(&b, argv[3]);
    must(!b.stage->in_memory || dsn_knowledge_new_builtin(&b.knowledge) == DSN_OK, "knowledge");
    double cpu = cpu_s();
    gint64 begin = g_get_monotonic_time();
    GPtrArray *threads = g_ptr_array_new();
    for (int i = 0; i < n_threads; i++)
        g_ptr_array_add(threads, g_thread_new("stage", run, &b));
    for (int i = 0; i < n_threads; i++)
        g_thread_join(threads->pdata[i]);
    double wall = (double)(g_get_monotonic_time() - begin) / 1e6;
    printf("%.6f %.6f\n", wall, cpu_s() - cpu);
    g_ptr_array_unref(threads);
    g_ptr_array_unref(b.messages);
    g_ptr_array_unref(b.names);
    dsn_knowledge_unref(b.knowledge);
    return EXIT_SUCCESS;
}
