/* keyfile: a GKeyFile that remembers its lines, so that a mistake can be named by file and line, and that
 * refuses what GKeyFile would silently merge: a group or a key that stands twice. Works on a text, does no
 * I/O. */
#ifndef BASE_KEYFILE_H
#define BASE_KEYFILE_H

#include "dsn/error.h"
#include "dsn/strview.h"

#include <glib.h>

struct dsn_keyfile;

/* Parses `text` (copied); `name` is what problems call the file. DSN_ERR_SYNTAX: the problems say why.
 * `trailing_comments`: " # ..." after a value is a comment (the configuration; never in rules). */
enum dsn_error dsn_keyfile_new(const char *name, struct dsn_strview text, bool trailing_comments,
                               struct dsn_problems *problems, struct dsn_keyfile **out);
void dsn_keyfile_free(struct dsn_keyfile *kf); /* NULL is fine */

const char *dsn_keyfile_name(const struct dsn_keyfile *kf);
/* Groups in file order; NULL-terminated, borrowed. */
char **dsn_keyfile_groups(const struct dsn_keyfile *kf, size_t *n);
/* Keys of a group in file order; the caller frees with g_strfreev. Never NULL. */
char **dsn_keyfile_keys(const struct dsn_keyfile *kf, const char *group);
/* The value as written (no escapes read), trimmed; NULL where absent. The caller frees with g_free. */
char *dsn_keyfile_get(const struct dsn_keyfile *kf, const char *group, const char *key);
/* The value split at ';', each trimmed, empty ones dropped; NULL where absent. Freed with g_strfreev. */
char **dsn_keyfile_get_list(const struct dsn_keyfile *kf, const char *group, const char *key);
/* Line of a key (or of the group's header where `key` is NULL or unknown), from 1; 0: no such group. */
unsigned dsn_keyfile_line(const struct dsn_keyfile *kf, const char *group, const char *key);

/* Reports every key of `group` that is not in `allowed` (NULL-terminated; a name that ends in '*' allows any
 * key that begins so), with the keys that are. Returns whether all were known. */
bool dsn_keyfile_only(const struct dsn_keyfile *kf, const char *group, const char *const *allowed,
                      struct dsn_problems *problems);

#endif
