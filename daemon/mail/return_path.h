/* return_path: return addresses that name the recipient: "bounces+user=example.com@lists.example.net". */
#ifndef MAIL_RETURN_PATH_H
#define MAIL_RETURN_PATH_H

#include "base/arena.h"

/* The patterns, and one thread's scratch memory for them. */
struct dsn_return_paths;

/* `patterns`: ended by NULL, best first; NULL: the built-in ones. DSN_ERR_SYNTAX: dsn_return_paths_refuse
 * tells why.
 */
enum dsn_error dsn_return_paths_new(const char *const *patterns, struct dsn_return_paths **out);
void dsn_return_paths_free(struct dsn_return_paths *paths); /* NULL is fine */

/* What is wrong with a pattern, a static text; NULL where nothing is. */
const char *dsn_return_paths_refuse(const char *pattern);

/* The list or stream that a pattern with a group "scope" finds in it; a view, absent where none does. */
struct dsn_strview dsn_return_paths_scope(struct dsn_return_paths *paths, struct dsn_strview return_address);

/* The address that `return_address` was made for, in the arena; absent where it names none for certain.
 * `known`: addresses that the report names; one of them that is written into the return address is meant,
 * whatever the patterns say. */
struct dsn_strview dsn_return_paths_read(struct dsn_return_paths *paths, struct dsn_arena *arena,
                                         struct dsn_strview return_address, const struct dsn_strview *known,
                                         size_t n_known);

#endif
