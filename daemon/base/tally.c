/* tally: a hash table that only grows, its entries published by atomic pointers: who finds one needs no lock.
 */
#include "tally.h"

#include "sv.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct entry {
    _Atomic uint64_t count;
    struct dsn_strview words[DSN_TALLY_WORDS]; /* each with a NUL behind it, in memory of the entry */
};

struct dsn_tally {
    size_t n_words, max, n_slots; /* n_slots: a power of two, twice `max` or more */
    pthread_mutex_t lock;         /* to add an entry */
    size_t n;                     /* entries; with the lock */
    struct entry *other;
    _Atomic(struct entry *) slots[];
};

static struct entry *new_entry(size_t n_words, const struct dsn_strview words[]) {
    size_t bytes = sizeof(struct entry);
    for (size_t i = 0; i < n_words; i++)
        bytes += words[i].n + 1;
    struct entry *entry = calloc(1, bytes);
    char *end = (char *)(entry + 1);
    for (size_t i = 0; entry && i < n_words; i++) {
        if (words[i].n > 0)
            memcpy(end, words[i].p, words[i].n);
        entry->words[i] = dsn_sv(end, words[i].n);
        end += words[i].n + 1;
    }
    return entry;
}

struct dsn_tally *dsn_tally_new(size_t n_words, size_t max) {
    const struct dsn_strview others[DSN_TALLY_WORDS] = {DSN_LIT(DSN_TALLY_OTHER), DSN_LIT(DSN_TALLY_OTHER),
                                                        DSN_LIT(DSN_TALLY_OTHER)};
    size_t n_slots = 2;
    while (n_slots < 2 * max)
        n_slots *= 2;
    struct dsn_tally *tally = calloc(1, sizeof *tally + n_slots * sizeof tally->slots[0]);
    struct entry *other = new_entry(n_words, others);
    if (!tally || !other) {
        free(tally);
        free(other);
        return NULL;
    }
    tally->n_words = n_words;
    tally->max = max;
    tally->n_slots = n_slots;
    tally->other = other;
    pthread_mutex_init(&tally->lock, NULL);
    return tally;
}

void dsn_tally_free(struct dsn_tally *tally) {
    if (!tally)
        return;
    for (size_t i = 0; i < tally->n_slots; i++)
        free(tally->slots[i]);
    free(tally->other);
    pthread_mutex_destroy(&tally->lock);
    free(tally);
}

static size_t hash(const struct dsn_tally *tally, const struct dsn_strview words[]) {
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
    for (size_t i = 0; i < tally->n_words; i++) {
        for (size_t k = 0; k < words[i].n; k++)
            h = (h ^ (unsigned char)words[i].p[k]) * 0x100000001b3u;
        h *= 0x100000001b3u; /* where a word ends */
    }
    return (size_t)(h ^ h >> 32);
}

static bool is_entry(const struct dsn_tally *tally, const struct entry *entry,
                     const struct dsn_strview words[]) {
    for (size_t i = 0; i < tally->n_words; i++)
        if (!dsn_sv_eq(entry->words[i], words[i]))
            return false;
    return true;
}

/* The slot that has these words, or the free one where they belong; there are always free ones. */
static size_t find(struct dsn_tally *tally, const struct dsn_strview words[]) {
    for (size_t i = hash(tally, words);; i++) {
        const struct entry *entry =
            atomic_load_explicit(&tally->slots[i & (tally->n_slots - 1)], memory_order_acquire);
        if (!entry || is_entry(tally, entry, words))
            return i & (tally->n_slots - 1);
    }
}

static struct entry *find_or_add(struct dsn_tally *tally, const struct dsn_strview words[]) {
    pthread_mutex_lock(&tally->lock);
    size_t slot = find(tally, words);
    struct entry *entry = tally->slots[slot];
    if (!entry && tally->n < tally->max && (entry = new_entry(tally->n_words, words))) {
        atomic_store_explicit(&tally->slots[slot], entry, memory_order_release);
        tally->n++;
    }
    pthread_mutex_unlock(&tally->lock);
    return entry ? entry : tally->other;
}

void dsn_tally_add(struct dsn_tally *tally, const struct dsn_strview words[]) {
    struct entry *entry = atomic_load_explicit(&tally->slots[find(tally, words)], memory_order_acquire);
    if (!entry)
        entry = find_or_add(tally, words);
    atomic_fetch_add_explicit(&entry->count, 1, memory_order_relaxed);
}

static void tell(const struct entry *entry, dsn_tally_fn fn, void *context) {
    const char *words[DSN_TALLY_WORDS];
    uint64_t count = entry ? atomic_load_explicit(&entry->count, memory_order_relaxed) : 0;
    for (size_t i = 0; entry && i < DSN_TALLY_WORDS; i++)
        words[i] = entry->words[i].p;
    if (count > 0)
        fn(context, words, count);
}

void dsn_tally_each(struct dsn_tally *tally, dsn_tally_fn fn, void *context) {
    for (size_t i = 0; i < tally->n_slots; i++)
        tell(atomic_load_explicit(&tally->slots[i], memory_order_acquire), fn, context);
    tell(tally->other, fn, context);
}
