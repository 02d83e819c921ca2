/* sandbox: seccomp(2) for what a thread may ask of the kernel, Landlock for which files it may read. Knows
 * system calls, nothing of mail. */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where iconv(3) finds character sets, and the loader their libraries. */
static const char *const libraries[] = {"/usr/lib", "/lib", "/lib64", "/usr/lib64", "/etc/ld.so.cache", NULL};

/* Memory, threads, time, files that are open, and leaving. */
static const int calls[] = {
    SCMP_SYS(read),
    SCMP_SYS(pread64),
    SCMP_SYS(readv),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(close),
    SCMP_SYS(lseek),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),
    SCMP_SYS(fcntl),
    SCMP_SYS(mmap),
    SCMP_SYS(mremap),
    SCMP_SYS(munmap),
    SCMP_SYS(mprotect),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(futex),
    SCMP_SYS(sched_yield),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(getrandom),
    SCMP_SYS(gettid),
    SCMP_SYS(getpid),
    SCMP_SYS(tgkill),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

/* Opening for reading is a question for Landlock; for writing it is out of the question. */
static int allow_reading(scmp_filter_ctx filter) {
    const scmp_datum_t writes = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND;
    int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
                                 SCMP_A2(SCMP_CMP_MASKED_EQ, writes, O_RDONLY));
    return error ? error
                 : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(open), 1,
                                    SCMP_A1(SCMP_CMP_MASKED_EQ, writes, O_RDONLY));
}

/* Whatever is not listed fails with EPERM. */
static int restrict_calls(void) {
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int error = filter ? allow_reading(filter) : -ENOMEM;
    for (size_t i = 0; !error && i < sizeof calls / sizeof *calls; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
    if (!error)
        error = seccomp_load(filter);
    if (filter)
        seccomp_release(filter);
    return error;
}

/* A path that is not there needs no rule. */
static int allow_beneath(int ruleset, const char *path) {
    const int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return 0;
    struct landlock_path_beneath_attr rule = {.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE,
                                              .parent_fd = fd};
    long failed = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    int error = failed ? -errno : 0;
    close(fd);
    return error;
}

static int restrict_files(const char *const *readable) {
    /* What version 1 knows: each kernel that has Landlock has it. */
    struct landlock_ruleset_attr attr = {.handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1};
    const long made = syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    if (made < 0)
        return -errno;
    const int ruleset = (int)made;
    int error = 0;
    for (const char *const *path = libraries; !error && *path; path++)
        error = allow_beneath(ruleset, *path);
    for (; !error && *readable; readable++)
        error = allow_beneath(ruleset, *readable);
    if (!error && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        error = -errno;
    close(ruleset);
    return error;
}

enum dsn_error dsn_sandbox_enter(const char *const *readable) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return DSN_ERR_IO;
    int files = restrict_files(readable), calls_error = restrict_calls();
    int error = files ? files : calls_error;
    errno = -error;
    return error ? DSN_ERR_IO : DSN_OK;
}
