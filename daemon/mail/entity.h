/* entity: a header and its body, and the parts of a multipart, where their bytes leave no doubt of what they
 * are: as RFC 5322, 2045 and 2046 have them. Whatever leaves a doubt is left to GMime, which costs ten times
 * as much. Nothing is decoded; views point into the mail, unless a line was folded. Knows no GMime. */
#ifndef MAIL_ENTITY_H
#define MAIL_ENTITY_H

#include "base/arena.h"
#include "dsn/reader.h"

struct dsn_entity {
    struct dsn_field *fields; /* without Content-*; values unfolded */
    size_t n_fields;
    bool truncated;              /* there were more fields than the limit */
    struct dsn_strview content;  /* Content-Type, unfolded; absent: text/plain */
    struct dsn_strview encoding; /* Content-Transfer-Encoding; absent where there is none */
    struct dsn_strview body;
};

enum dsn_keep { DSN_KEEP_CONTENT, DSN_KEEP_FIELDS }; /* what of the header is wanted */

/* Reads canonical `bytes`; a header of which only the content is wanted may be empty. False where they leave
 * a doubt, or memory runs out. */
bool dsn_entity_read(struct dsn_arena *arena, const struct dsn_limits *limits, struct dsn_strview bytes,
                     enum dsn_keep keep, struct dsn_entity *out);

/* A Content-Type, RFC 2045 5.1. Absent is what it does not say. */
struct dsn_content {
    struct dsn_strview type; /* "text/plain", lower case */
    struct dsn_strview boundary, charset, report_type;
};

/* False where the Content-Type leaves a doubt, or memory runs out. */
bool dsn_content_read(struct dsn_arena *arena, const struct dsn_entity *entity, struct dsn_content *out);

/* Goes through the parts of a multipart, RFC 2046 5.1.1. */
struct dsn_parts {
    struct dsn_strview rest, boundary;
    bool closed; /* the closing delimiter came */
};

/* False: no part comes. */
bool dsn_parts_begin(struct dsn_strview body, struct dsn_strview boundary, struct dsn_parts *out);
/* The next part, header and body; a last one that no delimiter ends is handed out too. False: none is left.
 */
bool dsn_parts_next(struct dsn_parts *parts, struct dsn_strview *part);

#endif
