/* arguments: the words of a request whose number is known when it is made, as hiredis takes them. They are
 * borrowed from who gave them. */
#ifndef REDIS_ARGUMENTS_H
#define REDIS_ARGUMENTS_H

#include "dsn/strview.h"

#include <glib.h>
#include <stdint.h>

struct dsn_arguments {
    GPtrArray *texts; /* of const char * */
    GArray *sizes;    /* of size_t */
};

static inline void dsn_arguments_init(struct dsn_arguments *arguments) {
    *arguments = (struct dsn_arguments){g_ptr_array_new(), g_array_new(FALSE, FALSE, sizeof(size_t))};
}

static inline void dsn_arguments_clear(struct dsn_arguments *arguments) {
    g_ptr_array_unref(arguments->texts);
    g_array_unref(arguments->sizes);
}

/* There are none any more; the memory is kept. */
static inline void dsn_arguments_reset(struct dsn_arguments *arguments) {
    g_ptr_array_set_size(arguments->texts, 0);
    g_array_set_size(arguments->sizes, 0);
}

static inline void dsn_arguments_add(struct dsn_arguments *arguments, struct dsn_strview text) {
    g_ptr_array_add(arguments->texts, (char *)(uintptr_t)(text.p ? text.p : ""));
    g_array_append_val(arguments->sizes, text.n);
}

static inline void dsn_arguments_set(struct dsn_arguments *arguments, size_t i, struct dsn_strview text) {
    arguments->texts->pdata[i] = (char *)(uintptr_t)text.p;
    g_array_index(arguments->sizes, size_t, i) = text.n;
}

static inline const char **dsn_arguments_texts(const struct dsn_arguments *arguments) {
    return (const char **)arguments->texts->pdata;
}

static inline const size_t *dsn_arguments_sizes(const struct dsn_arguments *arguments) {
    return (const size_t *)(const void *)arguments->sizes->data;
}

#endif
