/* inflight: a locked set of items by name. Knows nothing of where they come from. */
#include "inflight.h"

#include <glib.h>
#include <pthread.h>

struct dsn_inflight {
    pthread_mutex_t lock;
    GHashTable *items; /* name -> item; the name is the item's */
    size_t item_size;
    void (*clear)(struct dsn_item *item);
};

static void free_item(struct dsn_inflight *inflight, struct dsn_item *item) {
    if (inflight->clear)
        inflight->clear(item);
    g_free((char *)item->name);
    g_free(item);
}

struct dsn_inflight *dsn_inflight_new(size_t item_size, void (*clear)(struct dsn_item *item)) {
    struct dsn_inflight *inflight = g_new0(struct dsn_inflight, 1);
    pthread_mutex_init(&inflight->lock, NULL);
    inflight->items = g_hash_table_new(g_str_hash, g_str_equal);
    inflight->item_size = item_size;
    inflight->clear = clear;
    return inflight;
}

void dsn_inflight_free(struct dsn_inflight *inflight) {
    if (!inflight)
        return;
    GHashTableIter all;
    void *item;
    g_hash_table_iter_init(&all, inflight->items);
    while (g_hash_table_iter_next(&all, NULL, &item)) {
        g_hash_table_iter_steal(&all);
        free_item(inflight, item);
    }
    g_hash_table_unref(inflight->items);
    pthread_mutex_destroy(&inflight->lock);
    g_free(inflight);
}

struct dsn_item *dsn_inflight_claim(struct dsn_inflight *inflight, struct dsn_source *source,
                                    const char *name) {
    struct dsn_item *item = NULL;
    pthread_mutex_lock(&inflight->lock);
    if (!g_hash_table_contains(inflight->items, name)) {
        item = g_malloc0(inflight->item_size);
        *item = (struct dsn_item){.source = source, .name = g_strdup(name)};
        item->mark = item->name;
        g_hash_table_insert(inflight->items, (void *)item->name, item);
    }
    pthread_mutex_unlock(&inflight->lock);
    return item;
}

void dsn_inflight_drop(struct dsn_inflight *inflight, struct dsn_item *item) {
    pthread_mutex_lock(&inflight->lock);
    g_hash_table_remove(inflight->items, item->name);
    pthread_mutex_unlock(&inflight->lock);
    free_item(inflight, item);
}

size_t dsn_inflight_count(struct dsn_inflight *inflight) {
    pthread_mutex_lock(&inflight->lock);
    size_t n = g_hash_table_size(inflight->items);
    pthread_mutex_unlock(&inflight->lock);
    return n;
}

char **dsn_inflight_names(struct dsn_inflight *inflight) {
    GHashTableIter all;
    void *name;
    size_t n = 0;
    pthread_mutex_lock(&inflight->lock);
    char **names = g_new0(char *, g_hash_table_size(inflight->items) + 1);
    g_hash_table_iter_init(&all, inflight->items);
    while (g_hash_table_iter_next(&all, &name, NULL))
        names[n++] = g_strdup(name);
    pthread_mutex_unlock(&inflight->lock);
    return names;
}
