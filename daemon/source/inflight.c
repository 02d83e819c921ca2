/* inflight: a locked set of items by name. Knows nothing of where they come from. */
#include "inflight.h"

#include <glib.h>
#include <pthread.h>

struct dsn_inflight {
    pthread_mutex_t lock;
    GHashTable *items; /* name -> item; the name is the item's */
};

static void free_item(void *data) {
    struct dsn_item *item = data;
    g_free((char *)item->name);
    g_free(item);
}

struct dsn_inflight *dsn_inflight_new(void) {
    struct dsn_inflight *inflight = g_new0(struct dsn_inflight, 1);
    pthread_mutex_init(&inflight->lock, NULL);
    inflight->items = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_item);
    return inflight;
}

void dsn_inflight_free(struct dsn_inflight *inflight) {
    if (!inflight)
        return;
    g_hash_table_unref(inflight->items);
    pthread_mutex_destroy(&inflight->lock);
    g_free(inflight);
}

struct dsn_item *dsn_inflight_claim(struct dsn_inflight *inflight, struct dsn_source *source,
                                    const char *name) {
    struct dsn_item *item = NULL;
    pthread_mutex_lock(&inflight->lock);
    if (!g_hash_table_contains(inflight->items, name)) {
        item = g_new0(struct dsn_item, 1);
        *item = (struct dsn_item){.source = source, .name = g_strdup(name)};
        g_hash_table_insert(inflight->items, (void *)item->name, item);
    }
    pthread_mutex_unlock(&inflight->lock);
    return item;
}

void dsn_inflight_drop(struct dsn_inflight *inflight, struct dsn_item *item) {
    pthread_mutex_lock(&inflight->lock);
    g_hash_table_remove(inflight->items, item->name);
    pthread_mutex_unlock(&inflight->lock);
}
