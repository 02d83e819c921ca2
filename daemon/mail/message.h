/* message: the MIME structure of a mail, as far as a bounce needs it: its header, its text parts decoded to
 * UTF-8, its report parts, and the header of the returned original. The only module that knows GMime. */
#ifndef MAIL_MESSAGE_H
#define MAIL_MESSAGE_H

#include "base/arena.h"
#include "dsn/reader.h"

enum dsn_part_role {
    DSN_PART_OTHER = 0,
    DSN_PART_TEXT,
    DSN_PART_HTML,
    DSN_PART_DELIVERY_STATUS, /* RFC 3464, RFC 6533 */
    DSN_PART_FEEDBACK,        /* RFC 5965 */
    DSN_PART_DISPOSITION,     /* RFC 8098 */
    DSN_PART_TRACKING,        /* RFC 3886 */
    DSN_PART_ORIGINAL,        /* the returned message, or its header alone */
};

struct dsn_part {
    enum dsn_part_role role;
    struct dsn_strview type;         /* "message/delivery-status", lower case */
    struct dsn_strview text;         /* decoded; UTF-8; absent for an original */
    const struct dsn_field *headers; /* of an original */
    size_t n_headers;
    bool ended; /* of an original: its header came to its end */
    struct dsn_message
        *inner; /* an original read as a message of its own, where this one holds no report part */
};

struct dsn_message {
    struct dsn_strview type;         /* content type of the whole, lower case */
    struct dsn_strview report_type;  /* of multipart/report; absent where there is none */
    const struct dsn_field *headers; /* decoded and unfolded */
    size_t n_headers;
    const struct dsn_part *parts; /* leaves and originals, in order */
    size_t n_parts;
    bool truncated; /* a limit was reached */
    bool cut_off;   /* its end is missing: the closing boundary, or the end of its last line */
};

/* Cuts an mbox "From " line and makes every line end LF, so that the same message has the same bytes however
 * it was carried. Either a view of `bytes` or a copy in the arena; `p` NULL when memory runs out. */
struct dsn_strview dsn_message_canonical(struct dsn_arena *arena, struct dsn_strview bytes);

/* Reads canonical `bytes`, which must outlive `out`; everything else lives in the arena.
 * DSN_ERR_INVALID: empty, or no header at all. */
enum dsn_error dsn_message_read(struct dsn_arena *arena, const struct dsn_limits *limits,
                                struct dsn_strview bytes, struct dsn_message *out);

/* The first header of that name; absent where there is none. */
struct dsn_strview dsn_header_get(const struct dsn_field *headers, size_t n, const char *name);

/* RFC 2047 words decoded. */
struct dsn_strview dsn_header_decode(struct dsn_arena *arena, struct dsn_strview value);

/* An RFC 5322 date as seconds since 1970; DSN_NO_TIME where it cannot be read. */
int64_t dsn_date_read(struct dsn_arena *arena, struct dsn_strview text);

#endif
