/* bytes: memory of a message that is read, kept for the next one. */
#include "source.h"

#include <stdlib.h>

void dsn_bytes_clear(struct dsn_bytes *bytes) {
    free(bytes->p);
    *bytes = (struct dsn_bytes){0};
}

bool dsn_bytes_reserve(struct dsn_bytes *bytes, size_t n) {
    if (n <= bytes->capacity)
        return true;
    char *p = realloc(bytes->p, n);
    if (!p)
        return false;
    bytes->p = p;
    bytes->capacity = n;
    return true;
}
