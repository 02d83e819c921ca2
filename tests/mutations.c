/* mutations: reads each message whole, cut at every 64th byte, and with random bytes changed.
 *
 *     mutations [--seed N] PATH...          files and folders
 *
 * A cut message must suppress nobody whom the whole one does not; that no read crashes is for the sanitizers
 * to see. A message is a test. Prints the read that cost most processor time, which decides nothing: another
 * machine is slower. */
#include "base/sv.h"
#include "dsn/dsn.h"

#include <glib.h>
#include <stdio.h>
#include <time.h>

enum { STEP = 64, FLIPPED = 40, MAX_FLIPS = 8 };

static gint64 seed = 1;

struct cost {
    int64_t ns;
    char *what;
};

struct run {
    struct dsn_reader *reader;
    GRand *random;
    struct cost worst;
    size_t reads, changed, passed, failed;
};

static int64_t cpu_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Whom a message suppresses: a set of addresses. */
static GHashTable *suppressed_by(struct run *run, struct dsn_strview message, const char *how, size_t at) {
    GHashTable *set = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    const struct dsn_event_source source = {.kind = "file", .name = DSN_LIT("mutation")};
    const struct dsn_report *report;
    struct dsn_event event;
    int64_t begin = cpu_ns();
    bool read = dsn_reader_read(run->reader, message, &report) == DSN_OK;
    for (size_t i = 0; read && i < report->n_recipients; i++) {
        if (dsn_event_write(run->reader, i, &source, &event) == DSN_OK &&
            report->recipients[i].verdict.action == DSN_ACTION_SUPPRESS)
            g_hash_table_add(set, g_strndup(event.address.p, event.address.n));
    }
    int64_t cost = cpu_ns() - begin;
    run->reads++;
    if (cost > run->worst.ns) {
        g_free(run->worst.what);
        run->worst = (struct cost){cost, g_strdup_printf("%s %zu of %zu bytes", how, at, message.n)};
    }
    return set;
}

/* Somebody in `set` who is not in `whole`; NULL where there is nobody. */
static const char *newcomer(GHashTable *set, GHashTable *whole) {
    GHashTableIter iter;
    gpointer address;
    g_hash_table_iter_init(&iter, set);
    while (g_hash_table_iter_next(&iter, &address, NULL)) {
        if (!g_hash_table_contains(whole, address))
            return address;
    }
    return NULL;
}

static bool try_cuts(struct run *run, const char *path, struct dsn_strview message, GHashTable *whole) {
    bool good = true;
    for (size_t n = STEP; n < message.n; n += STEP) {
        /* a copy of its own, so that a sanitizer sees whoever reads beyond */
        char *copy = g_memdup2(message.p, n);
        GHashTable *set = suppressed_by(run, dsn_sv(copy, n), path, n);
        const char *address = newcomer(set, whole);
        if (address)
            printf("FAILED %s cut at %zu suppresses %s\n", path, n, address);
        good &= !address;
        g_hash_table_destroy(set);
        g_free(copy);
    }
    return good;
}

/* A changed byte may well be that of a code or of an address: what comes of it is counted, no more. */
static void try_flips(struct run *run, const char *path, struct dsn_strview message, GHashTable *whole) {
    for (size_t i = 0; message.n && i < FLIPPED; i++) {
        char *copy = g_memdup2(message.p, message.n);
        for (gint k = g_rand_int_range(run->random, 0, MAX_FLIPS); k >= 0; k--)
            copy[g_rand_int(run->random) % message.n] = (char)g_rand_int_range(run->random, 0, 256);
        GHashTable *set = suppressed_by(run, dsn_sv(copy, message.n), path, i);
        run->changed += newcomer(set, whole) != NULL;
        g_hash_table_destroy(set);
        g_free(copy);
    }
}

static void try_file(struct run *run, const char *path) {
    char *text;
    gsize n;
    if (!g_file_get_contents(path, &text, &n, NULL)) {
        printf("FAILED %s cannot be read\n", path);
        run->failed++;
        return;
    }
    struct dsn_strview message = dsn_sv(text, n);
    g_rand_set_seed(run->random, (guint32)seed); /* what a file gives does not hang on the others */
    GHashTable *whole = suppressed_by(run, message, path, n);
    bool good = try_cuts(run, path, message, whole);
    try_flips(run, path, message, whole);
    *(good ? &run->passed : &run->failed) += 1;
    g_hash_table_destroy(whole);
    g_free(text);
}

static gint by_name(gconstpointer a, gconstpointer b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void try_path(struct run *run, const char *path) {
    GDir *folder = g_dir_open(path, 0, NULL);
    if (!folder) {
        try_file(run, path);
        return;
    }
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    for (const char *name; (name = g_dir_read_name(folder));) {
        if (g_str_has_suffix(name, ".eml"))
            g_ptr_array_add(names, g_build_filename(path, name, NULL));
    }
    g_ptr_array_sort(names, by_name);
    for (guint i = 0; i < names->len; i++)
        try_file(run, g_ptr_array_index(names, i));
    g_ptr_array_unref(names);
    g_dir_close(folder);
}

static int run_all(char **paths) {
    struct dsn_knowledge *knowledge = NULL;
    struct run run = {.random = g_rand_new_with_seed((guint32)seed)};
    if (dsn_knowledge_new_builtin(&knowledge) != DSN_OK ||
        dsn_reader_new(knowledge, NULL, &run.reader) != DSN_OK)
        return 1;
    for (; *paths; paths++)
        try_path(&run, *paths);
    printf("%zu reads, the worst of %.1f ms: %s; of those with changed bytes %zu suppress somebody else\n",
           run.reads, (double)run.worst.ns / 1e6, run.worst.what ? run.worst.what : "none", run.changed);
    printf("%zu passed, %zu failed\n", run.passed, run.failed);
    dsn_reader_free(run.reader);
    dsn_knowledge_unref(knowledge);
    g_rand_free(run.random);
    g_free(run.worst.what);
    return run.failed != 0;
}

int main(int argc, char **argv) {
    const GOptionEntry entries[] = {
        {"seed", 0, 0, G_OPTION_ARG_INT64, &seed, "of the random bytes (1)", "N"},
        {0},
    };
    GOptionContext *context = g_option_context_new("PATH...");
    g_option_context_add_main_entries(context, entries, NULL);
    bool good = g_option_context_parse(context, &argc, &argv, NULL) && argc > 1;
    g_option_context_free(context);
    if (!good)
        fprintf(stderr, "usage: mutations [--seed N] PATH...\n");
    return good ? run_all(argv + 1) : 2;
}
