/* sandbox: what a thread that reads mail can no longer do, and what it still can. */
#include "read.h"

#include "run/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Memory is refused to a thread that says so; but for a sanitizer, which has malloc to itself. */
static _Thread_local bool refused;

#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

void *malloc(size_t n) {
    return refused ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size) {
    return refused ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n) {
    return refused ? NULL : __libc_realloc(p, n);
}

#endif

static void *enter_without_memory(void *argument) {
    const char *const readable[] = {"/tmp", NULL};
    refused = true;
    *(enum dsn_error *)argument = dsn_sandbox_enter(readable);
    refused = false;
    return NULL;
}

/* There is no other way to have no more memory just then. */
START_TEST(it_is_entered_without_asking_for_memory) {
    enum dsn_error entered = DSN_ERR_MEMORY;
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, enter_without_memory, &entered), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(entered, DSN_OK);
}
END_TEST

/* In a thread of its own, as the sandbox cannot be left; checks are made outside. */
struct attempt {
    const char *folder, *inside;
    enum dsn_error entered;
    int read_inside, read_outside, inet, local, forked, killed, killed_thread, owned, leased;
    int errno_outside, errno_parent;
    size_t written; /* ways to open it for writing that were not refused */
    pid_t parent;
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

/* Landlock forbids these, too: it is EACCES then. */
static size_t open_for_writing(const char *path) {
    static const int ways[] = {O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND, O_RDWR | O_CREAT | O_EXCL};
    size_t n = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(ways); i++) {
        n += try_open(path, ways[i]) >= 0 || errno != EPERM;
#ifdef SYS_open
        n += syscall(SYS_open, path, ways[i], 0600) >= 0 || errno != EPERM;
#endif
    }
    return n;
}

static void *attempt_all(void *argument) {
    struct attempt *a = argument;
    const char *const readable[] = {a->folder, NULL};
    a->entered = dsn_sandbox_enter(readable);
    a->read_inside = try_open(a->inside, O_RDONLY);
    a->read_outside = try_open("/etc/passwd", O_RDONLY);
    a->errno_outside = errno;
    a->written = open_for_writing(a->inside);
    a->inet = socket(AF_INET, SOCK_STREAM, 0);
    a->local = socket(AF_UNIX, SOCK_STREAM, 0);
    a->forked = fork();
    if (a->forked == 0)
        _exit(0);
    a->killed = kill(a->parent, 0);
    a->killed_thread = (int)syscall(SYS_tgkill, a->parent, a->parent, 0);
    int fd = open(a->inside, O_RDONLY);
    a->owned = fcntl(fd, F_SETOWN, a->parent); /* who gets the signals of F_SETSIG */
    a->leased = fcntl(fd, F_SETLEASE, F_RDLCK);
    close(fd);
    a->errno_parent = syscall(SYS_getppid) < 0 ? errno : 0;
    a->read_japanese = reads_japanese();
    return NULL;
}

START_TEST(a_thread_that_reads_mail_can_do_nothing_else) {
    char folder[] = "/tmp/dsnd-sandbox-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(folder));
    char *inside = g_strconcat(folder, "/message", NULL);
    ck_assert(g_file_set_contents(inside, "x", 1, NULL));
    open_reader();
    struct attempt a = {.folder = folder, .inside = inside, .parent = getppid()};
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
    ck_assert_uint_eq(a.written, 0);
    ck_assert_int_eq(a.errno_parent, EPERM); /* of all calls that are not listed */
    ck_assert_int_lt(a.inet, 0);
    ck_assert_int_lt(a.local, 0);
    ck_assert_int_lt(a.forked, 0);
    ck_assert_int_lt(a.killed, 0);
    ck_assert_int_lt(a.killed_thread, 0);
    ck_assert_int_lt(a.owned, 0);
    ck_assert_int_eq(a.leased, 0); /* maildir.c asks for that */
    ck_assert(a.read_japanese);
    ck_assert_int_ge(try_open("/etc/passwd", O_RDONLY), 0); /* other threads are as they were */
}
END_TEST

/* abort(3) would send itself a signal. */
START_TEST(what_cannot_go_on_ends_there_too) {
    const char *const readable[] = {"/tmp", NULL};
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); /* a sanitizer would tell of it */
        dsn_sandbox_enter(readable);
        abort();
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_ne(status, 0);
}
END_TEST

RUN_SUITE("sandbox", a_thread_that_reads_mail_can_do_nothing_else, it_is_entered_without_asking_for_memory,
          what_cannot_go_on_ends_there_too)
