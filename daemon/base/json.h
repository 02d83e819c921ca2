/* json: strings for yajl, which wants bytes and lengths and takes more for JSON than is JSON. What goes in
 * has to be valid UTF-8. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "arena.h"
#include "sv.h"

#include <yajl/yajl_gen.h>
#include <yajl/yajl_tree.h>

/* Objects and arrays within each other; yajl frees its trees recursively. */
#define DSN_JSON_DEPTH_MAX 32

/* Memory for yajl, which does not look whether it got any: GLib's, which ends the program where there is
 * none. */
extern const yajl_alloc_funcs dsn_json_memory;

/* A text; null where it is absent. */
static inline void dsn_json_text(yajl_gen gen, struct dsn_strview text) {
    if (text.p)
        yajl_gen_string(gen, (const unsigned char *)text.p, text.n);
    else
        yajl_gen_null(gen);
}

/* The same of a string; NULL is null. Keys go in so too. */
static inline void dsn_json_str(yajl_gen gen, const char *string) {
    dsn_json_text(gen, dsn_sv_str(string));
}

/* A field of an object. */
static inline void dsn_json_put(yajl_gen gen, const char *key, struct dsn_strview text) {
    dsn_json_str(gen, key);
    dsn_json_text(gen, text);
}

static inline void dsn_json_put_str(yajl_gen gen, const char *key, const char *string) {
    dsn_json_put(gen, key, dsn_sv_str(string));
}

/* JSON as it may be shown and be put in a line: what yajl leaves as it is though a terminal obeys it or a
 * program takes it for the end of a line (DEL, C1 controls, U+2028, U+2029, what changes the direction of
 * text) is escaped. `json` itself where there is none of that; `p` NULL when memory runs out. */
struct dsn_strview dsn_json_shown(struct dsn_arena *arena, struct dsn_strview json);

/* Bytes of the object at the start of `text`. What is between its brackets and strings may be wrong yet.
 * DSN_ERR_SYNTAX: none is there, or it does not end; DSN_ERR_LIMIT: it is nested more deeply than
 * `max_depth`. */
enum dsn_error dsn_json_object_length(struct dsn_strview text, size_t max_depth, size_t *out);
/* Reads an object in valid UTF-8, which has to be all of `text` but white space, without the comments that
 * yajl would take. Freed with yajl_tree_free. NULL: it is none, nested more deeply than DSN_JSON_DEPTH_MAX,
 * or memory ran out. A string of it need not be valid UTF-8: half a surrogate pair ("\udc00") is not. */
yajl_val dsn_json_object(struct dsn_strview text);

#endif
