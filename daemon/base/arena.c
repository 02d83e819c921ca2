/* arena: a bump allocator. Knows nothing of what it holds. */
#include "arena.h"
#include "sv.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

enum { BLOCK_BYTES = 64 * 1024, KEPT_BYTES = 1024 * 1024, ALIGN = alignof(max_align_t) };

struct block {
    struct block *next;
    size_t size, used;
    alignas(max_align_t) char data[];
};

struct dsn_arena {
    struct block *first, *current;
    bool failed;
};

static struct block *block_new(size_t size) {
    struct block *block = malloc(sizeof *block + size);
    if (block)
        *block = (struct block){.size = size};
    return block;
}

struct dsn_arena *dsn_arena_new(void) {
    struct dsn_arena *arena = malloc(sizeof *arena);
    struct block *block = block_new(BLOCK_BYTES);
    if (!arena || !block) {
        free(arena);
        free(block);
        return NULL;
    }
    *arena = (struct dsn_arena){.first = block, .current = block};
    return arena;
}

static void free_from(struct block *block) {
    while (block) {
        struct block *next = block->next;
        free(block);
        block = next;
    }
}

void dsn_arena_free(struct dsn_arena *arena) {
    if (!arena)
        return;
    free_from(arena->first);
    free(arena);
}

void dsn_arena_reset(struct dsn_arena *arena) {
    size_t kept = 0;
    for (struct block *block = arena->first; block; block = block->next) {
        block->used = 0;
        kept += block->size;
        if (block->next && kept + block->next->size > KEPT_BYTES) {
            free_from(block->next);
            block->next = NULL;
        }
    }
    arena->current = arena->first;
    arena->failed = false;
}

bool dsn_arena_failed(const struct dsn_arena *arena) {
    return arena->failed;
}

/* Aligned for any object; nobody knows what is in it. */
static void *take(struct dsn_arena *arena, size_t n) {
    if (n > SIZE_MAX / 2) {
        arena->failed = true;
        return NULL;
    }
    n = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    struct block *block = arena->current;
    while (n > block->size - block->used && block->next)
        block = block->next;
    if (n > block->size - block->used) {
        block->next = block_new(n > BLOCK_BYTES ? n : BLOCK_BYTES);
        block = block->next;
        if (!block) {
            arena->failed = true;
            return NULL;
        }
    }
    arena->current = block;
    void *p = block->data + block->used;
    block->used += n;
    return p;
}

void *dsn_arena_alloc(struct dsn_arena *arena, size_t n) {
    void *p = take(arena, n);
    return p ? memset(p, 0, n) : NULL;
}

struct dsn_strview dsn_arena_copy(struct dsn_arena *arena, struct dsn_strview s) {
    char *p = s.p ? take(arena, s.n + 1) : NULL;
    if (!p)
        return DSN_NONE;
    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return dsn_sv(p, s.n);
}

struct dsn_strview dsn_arena_lower(struct dsn_arena *arena, struct dsn_strview s) {
    char *p = s.p ? take(arena, s.n + 1) : NULL;
    if (!p)
        return DSN_NONE;
    for (size_t i = 0; i < s.n; i++)
        p[i] = dsn_to_lower(s.p[i]);
    p[s.n] = '\0';
    return dsn_sv(p, s.n);
}

struct dsn_strview dsn_arena_join(struct dsn_arena *arena, struct dsn_strview a, struct dsn_strview separator,
                                  struct dsn_strview b) {
    struct dsn_buffer buffer;
    dsn_buffer_init(&buffer, arena, a.n + separator.n + b.n);
    dsn_buffer_add(&buffer, a);
    dsn_buffer_add(&buffer, separator);
    dsn_buffer_add(&buffer, b);
    return dsn_buffer_view(&buffer);
}

void dsn_buffer_init(struct dsn_buffer *b, struct dsn_arena *arena, size_t capacity) {
    *b = (struct dsn_buffer){.arena = arena};
    dsn_buffer_grow(b, capacity < 64 ? 64 : capacity);
}

bool dsn_buffer_grow(struct dsn_buffer *b, size_t n) {
    size_t capacity = b->p ? (b->capacity + n) * 2 : n;
    char *p = b->failed ? NULL : take(b->arena, capacity + 1);
    b->failed = !p;
    if (!p)
        return false;
    if (b->n)
        memcpy(p, b->p, b->n);
    b->p = p;
    b->capacity = capacity;
    return true;
}

struct dsn_strview dsn_buffer_view(const struct dsn_buffer *b) {
    if (b->failed)
        return DSN_NONE;
    b->p[b->n] = '\0';
    return dsn_sv(b->p, b->n);
}

void *dsn_arena_grow(struct dsn_arena *arena, void *items, size_t n, size_t *capacity, size_t item_size) {
    if (n < *capacity)
        return items;
    size_t wanted = *capacity ? *capacity * 2 : 8;
    void *grown = dsn_arena_alloc(arena, wanted > SIZE_MAX / item_size ? SIZE_MAX : wanted * item_size);
    if (!grown)
        return NULL;
    if (n)
        memcpy(grown, items, n * item_size);
    *capacity = wanted;
    return grown;
}
