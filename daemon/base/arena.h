/* arena: memory of one message, given back all at once. Whatever is read out of a message lives in the
 * reader's arena until the next message. Its blocks are kept for the next one, up to a limit. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "dsn/error.h"
#include "dsn/strview.h"

#include <stdarg.h>
#include <string.h>

struct dsn_arena;

struct dsn_arena *dsn_arena_new(void); /* NULL when memory runs out */
void dsn_arena_free(struct dsn_arena *arena);
void dsn_arena_reset(struct dsn_arena *arena);
/* Whether memory ran out since the last reset: something that was to be in it is missing. */
bool dsn_arena_failed(const struct dsn_arena *arena);

/* Zeroed and aligned for any object; NULL when memory runs out. */
void *dsn_arena_alloc(struct dsn_arena *arena, size_t n);
/* A copy that is terminated by NUL; absent stays absent. `p` is NULL when memory runs out. */
struct dsn_strview dsn_arena_copy(struct dsn_arena *arena, struct dsn_strview s);
struct dsn_strview dsn_arena_lower(struct dsn_arena *arena, struct dsn_strview s);
struct dsn_strview dsn_arena_join(struct dsn_arena *arena, struct dsn_strview a, struct dsn_strview separator,
                                  struct dsn_strview b);

/* A text that grows in an arena. */
struct dsn_buffer {
    struct dsn_arena *arena;
    char *p;
    size_t n, capacity;
    bool failed; /* memory ran out; what was added since is missing */
};

void dsn_buffer_init(struct dsn_buffer *b, struct dsn_arena *arena, size_t capacity);
/* Makes room for `n` more bytes; false when memory runs out. */
bool dsn_buffer_grow(struct dsn_buffer *b, size_t n);
/* Terminated by NUL. */
struct dsn_strview dsn_buffer_view(const struct dsn_buffer *b);

static inline void dsn_buffer_add(struct dsn_buffer *b, struct dsn_strview s) {
    if (!s.n || (s.n > b->capacity - b->n && !dsn_buffer_grow(b, s.n)))
        return;
    memcpy(b->p + b->n, s.p, s.n);
    b->n += s.n;
}

static inline void dsn_buffer_add_char(struct dsn_buffer *b, char c) {
    if (b->n < b->capacity || dsn_buffer_grow(b, 1))
        b->p[b->n++] = c;
}

/* An array in an arena that doubles as it grows: returns the (possibly moved) array with room for one more,
 * or NULL. */
void *dsn_arena_grow(struct dsn_arena *arena, void *items, size_t n, size_t *capacity, size_t item_size);

#endif
