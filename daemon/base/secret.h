/* secret: files with a password or keys in them, which nobody else may read or change. Borders on the file
 * system; what stands in the file, its reader knows. */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#define DSN_SECRET_SIZE (16 * 1024) /* of the largest file, in bytes, and of what it is read into */

/* Reads a file whole, with a NUL behind it. NULL: it is read, `*n` bytes; otherwise why not, for people and
 * without its name. A file that belongs to somebody else than root or our own user, that others can read or
 * that its group can write is refused. `is_public`: anybody may have it (a public key). */
const char *dsn_secret_read(const char *path, bool is_public, char text[DSN_SECRET_SIZE], size_t *n);

#endif
