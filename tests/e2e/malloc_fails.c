/* malloc_fails: preloaded, refuses memory to dsnd, GLib and GMime: from their request number
 * MALLOC_FAILS_FROM on, MALLOC_FAILS times; only requests for MALLOC_AT_LEAST bytes count, and none once
 * main() has ended: what asks then is the compiler's own code, as that of coverage. At the end of the process
 * it writes to MALLOC_COUNT how many there were. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RANGES = 16 };

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

static struct { uintptr_t begin, end; } code[MAX_RANGES];
static size_t n_code;
static _Atomic long requests;
static _Atomic int over;
static long from = LONG_MAX, times = 0, at_least = 0;

/* Code of the program itself, whose name is empty, and of the libraries that look whether they got memory.
 * Others (hiredis, ZeroMQ) do not. */
static int note_code(struct dl_phdr_info *object, size_t size, void *context) {
    (void)size, (void)context;
    if (object->dlpi_name[0] && !strstr(object->dlpi_name, "libglib") &&
        !strstr(object->dlpi_name, "libgmime"))
        return 0;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X) || n_code == MAX_RANGES)
            continue;
        code[n_code].begin = object->dlpi_addr + segment->p_vaddr;
        code[n_code].end = code[n_code].begin + segment->p_memsz;
        n_code++;
    }
    return 0;
}

__attribute__((constructor)) static void begin(void) {
    dl_iterate_phdr(note_code, NULL);
    static const struct {
        const char *name;
        long *value;
    } settings[] = {{"MALLOC_FAILS_FROM", &from}, {"MALLOC_FAILS", &times}, {"MALLOC_AT_LEAST", &at_least}};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (getenv(settings[i].name))
            *settings[i].value = atol(getenv(settings[i].name));
}

__attribute__((destructor)) static void end(void) {
    FILE *out = getenv("MALLOC_COUNT") ? fopen(getenv("MALLOC_COUNT"), "w") : NULL;
    if (out) {
        fprintf(out, "%ld\n", requests);
        fclose(out);
    }
}

typedef int main_fn(int argc, char **argv, char **env);
static main_fn *real_main;

static void stop(void) {
    over = 1;
}

static int counted_main(int argc, char **argv, char **env) {
    atexit(stop); /* so late that it is called first */
    return real_main(argc, argv, env);
}

int __libc_start_main(main_fn *main, int argc, char **argv, void (*init)(void), void (*fini)(void),
                      void (*rtld_fini)(void), void *stack_end) {
    __typeof__(__libc_start_main) *start = dlsym(RTLD_NEXT, "__libc_start_main");
    real_main = main;
    return start(counted_main, argc, argv, init, fini, rtld_fini, stack_end);
}

static int fails(void *caller, size_t n) {
    size_t i = over || n < (size_t)at_least ? n_code : 0;
    while (i < n_code && ((uintptr_t)caller < code[i].begin || (uintptr_t)caller >= code[i].end))
        i++;
    long request = i < n_code ? requests++ : -1;
    if (request < from || request - from >= times)
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t n) {
    return fails(__builtin_return_address(0), n) ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size) {
    return fails(__builtin_return_address(0), n * size) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n) {
    return fails(__builtin_return_address(0), n) ? NULL : __libc_realloc(p, n);
}
