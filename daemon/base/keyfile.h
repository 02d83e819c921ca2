/* keyfile: a key file as groups of keys, each with its line, so that a mistake can be named by file and line.
 * Refuses what GKeyFile would silently merge: a group or a key that stands twice. Works on a text, does no
 * I/O. */
#ifndef BASE_KEYFILE_H
#define BASE_KEYFILE_H

#include "dsn/error.h"
#include "dsn/strview.h"

#include <glib.h>

/* Plain values, in file order, so that the build can write down as constants what it has read. */
struct dsn_keyfile_key {
    const char *name, *value; /* as written (no escapes read), trimmed */
    unsigned line;            /* from 1 */
};

struct dsn_keyfile_group {
    const char *name;
    unsigned line; /* of its header */
    const struct dsn_keyfile_key *keys;
    size_t n;
};

struct dsn_keyfile {
    const char *name; /* what problems call the file */
    const struct dsn_keyfile_group *groups;
    size_t n;
    GStringChunk *texts; /* that all of it points into; NULL: constants */
};

/* Parses `text` (copied). DSN_ERR_SYNTAX: the problems say why.
 * `trailing_comments`: " # ..." after a value is a comment (the configuration; never in rules). */
enum dsn_error dsn_keyfile_new(const char *name, struct dsn_strview text, bool trailing_comments,
                               struct dsn_problems *problems, struct dsn_keyfile **out);
void dsn_keyfile_free(struct dsn_keyfile *kf); /* NULL is fine */

/* NULL: no such group. */
const struct dsn_keyfile_group *dsn_keyfile_find(const struct dsn_keyfile *kf, const char *name);
/* The value; NULL where absent. Borrowed from the file. */
const char *dsn_keyfile_get(const struct dsn_keyfile_group *group, const char *key);
/* The value split at ';', each trimmed, empty ones dropped; NULL where absent. Freed with g_strfreev. */
char **dsn_keyfile_get_list(const struct dsn_keyfile_group *group, const char *key);
/* Line of a key, or of the group's header where `key` is NULL or unknown; 0: `group` is NULL. */
unsigned dsn_keyfile_line(const struct dsn_keyfile_group *group, const char *key);

/* Reports every key of `group` that is not in `allowed` (NULL-terminated; a name that ends in '*' allows any
 * key that begins so), with the keys that are. Returns whether all were known. */
bool dsn_keyfile_only(const struct dsn_keyfile *kf, const struct dsn_keyfile_group *group,
                      const char *const *allowed, struct dsn_problems *problems);

#endif
