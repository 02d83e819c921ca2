/* sandbox: seccomp(2) for what a thread may ask of the kernel, Landlock for which files it may read. Knows
 * system calls, nothing of mail. */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where iconv(3) finds character sets, and the loader their libraries. */
static const char *const libraries[] = {"/usr/lib", "/lib", "/lib64", "/usr/lib64", "/etc/ld.so.cache", NULL};

#if defined __x86_64__
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined __riscv && __riscv_xlen == 64
#define ARCHITECTURE AUDIT_ARCH_RISCV64
#elif defined __powerpc64__ && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARCHITECTURE AUDIT_ARCH_PPC64LE
#elif defined __s390x__
#define ARCHITECTURE AUDIT_ARCH_S390X
#endif

#ifdef ARCHITECTURE

#define LOAD(at) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at)
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, what)
/* Goes on behind the next so many where what was loaded is not `value`. */
#define UNLESS_SKIP(value, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, n)
#define ALLOW(call) UNLESS_SKIP(call, 1), RETURN(SECCOMP_RET_ALLOW)
/* The lower half of an argument, which has every flag there is. */
#define ARGUMENT(i)                                                                                          \
    (offsetof(struct seccomp_data, args[i]) + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0))
/* Opening for reading is a question for Landlock; for writing it is out of the question. */
#define ALLOW_READING(call, flags)                                                                           \
    UNLESS_SKIP(call, 5), LOAD(ARGUMENT(flags)),                                                             \
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND),                       \
        UNLESS_SKIP(O_RDONLY, 1), RETURN(SECCOMP_RET_ALLOW), RETURN(SECCOMP_RET_ERRNO | EPERM)

#define ALLOW_IF(call, i, value)                                                                             \
    UNLESS_SKIP(call, 4), LOAD(ARGUMENT(i)), UNLESS_SKIP(value, 1), RETURN(SECCOMP_RET_ALLOW),               \
        RETURN(SECCOMP_RET_ERRNO | EPERM)

/* Memory, threads, time, files that are open, and leaving. No signals: abort(3) ends us without one. Whatever
 * is not listed fails with EPERM. Written out here, as libseccomp hangs, or writes where it must not, when
 * memory runs out. */
static struct sock_filter calls[] = {
    LOAD(offsetof(struct seccomp_data, arch)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
    RETURN(SECCOMP_RET_KILL_PROCESS), /* numbers of another architecture mean other calls */
    LOAD(offsetof(struct seccomp_data, nr)),
    ALLOW_READING(SYS_openat, 2), /* first: of the others the kernel notes what becomes of them */
#ifdef SYS_open
    ALLOW_READING(SYS_open, 1),
#endif
    ALLOW(SYS_read),
    ALLOW(SYS_pread64),
    ALLOW(SYS_readv),
    ALLOW(SYS_write),
    ALLOW(SYS_writev),
    ALLOW(SYS_close),
    ALLOW(SYS_lseek),
    ALLOW(SYS_fstat),
    ALLOW(SYS_newfstatat),
    ALLOW(SYS_statx),
    ALLOW_IF(SYS_fcntl, 1, F_SETLEASE), /* others send signals, too */
    ALLOW(SYS_mmap),
    ALLOW(SYS_mremap),
    ALLOW(SYS_munmap),
    ALLOW(SYS_mprotect),
    ALLOW(SYS_madvise),
    ALLOW(SYS_brk),
    ALLOW(SYS_futex),
    ALLOW(SYS_sched_yield),
    ALLOW(SYS_set_robust_list),
    ALLOW(SYS_rseq),
    ALLOW(SYS_clock_gettime),
    ALLOW(SYS_clock_nanosleep),
    ALLOW(SYS_nanosleep),
    ALLOW(SYS_gettimeofday),
    ALLOW(SYS_getrandom),
    ALLOW(SYS_gettid),
    ALLOW(SYS_getpid),
    ALLOW(SYS_rt_sigaction),
    ALLOW(SYS_rt_sigprocmask),
    ALLOW(SYS_rt_sigreturn),
    ALLOW(SYS_sigaltstack),
    ALLOW(SYS_restart_syscall),
    ALLOW(SYS_exit),
    ALLOW(SYS_exit_group),
    RETURN(SECCOMP_RET_ERRNO | EPERM),
};

static int restrict_calls(void) {
    const struct sock_fprog program = {.len = sizeof calls / sizeof *calls, .filter = calls};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0 ? 0 : -errno;
}

#else /* an architecture that has no name here */

static int restrict_calls(void) {
    return -ENOSYS;
}

#endif

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
