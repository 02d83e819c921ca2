/* sandbox: what a thread that reads mail can no longer do, and what it still can.
 */
#include "read.h"

#include "run/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* In a thread of its own, as the sandbox cannot be left; checks are made outside. */
struct attempt {
    const char *folder, *inside;
    enum dsn_error entered;
    int read_inside, read_outside, write_inside, inet, local, forked, killed;
    int errno_outside;
    bool read_japanese;
};

static int try_open(const char *path, int flags) {
    int fd = open(path, flags, 0600);
    if (fd >= 0)
        close(fd);
    return fd;
}

/* ISO-2022-JP is loaded from a file of the C library when a message first needs it. */
static bool reads_japanese(void) {
    const struct dsn_report *report;
    const char *message = "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example\nSubject: failure notice\n"
                          "MIME-Version: 1.0\nContent-Type: text/plain; charset=ISO-2022-JP\n\n"
                          "\033$B0J2<$N%a!<%k\033(B\n<a@b.example>: 550 5.1.1 User unknown\n";
    return dsn_reader_read(reader, dsn_sv_str(message), &report) == DSN_OK && report->n_recipients == 1;
}

static void *attempt_all(void *argument) {
    struct attempt *a = argument;
    const char *const readable[] = {a->folder, NULL};
    a->entered = dsn_sandbox_enter(readable);
    a->read_inside = try_open(a->inside, O_RDONLY);
    a->read_outside = try_open("/etc/passwd", O_RDONLY);
    a->errno_outside = errno;
    a->write_inside = try_open(a->inside, O_WRONLY);
    a->inet = socket(AF_INET, SOCK_STREAM, 0);
    a->local = socket(AF_UNIX, SOCK_STREAM, 0);
    a->forked = fork();
    if (a->forked == 0)
        _exit(0);
    a->killed = kill(getppid(), 0);
    a->read_japanese = reads_japanese();
    return NULL;
}

START_TEST(a_thread_that_reads_mail_can_do_nothing_else) {
    char folder[] = "/tmp/dsnd-sandbox-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(folder));
    char *inside = g_strconcat(folder, "/message", NULL);
    ck_assert(g_file_set_contents(inside, "x", 1, NULL));
    open_reader();
    struct attempt a = {.folder = folder, .inside = inside};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, attempt_all, &a), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(unlink(inside), 0);
    ck_assert_int_eq(rmdir(folder), 0);
    g_free(inside);
    ck_assert_int_eq(a.entered, DSN_OK);
    ck_assert_int_ge(a.read_inside, 0);
    ck_assert_int_lt(a.read_outside, 0);
    ck_assert_int_eq(a.errno_outside, EACCES);
    ck_assert_int_lt(a.write_inside, 0);
    ck_assert_int_lt(a.inet, 0);
    ck_assert_int_lt(a.local, 0);
    ck_assert_int_lt(a.forked, 0);
    ck_assert_int_lt(a.killed, 0);
    ck_assert(a.read_japanese);
    ck_assert_int_ge(try_open("/etc/passwd", O_RDONLY), 0); /* other threads are as they were */
}
END_TEST

RUN_SUITE("sandbox", a_thread_that_reads_mail_can_do_nothing_else)
