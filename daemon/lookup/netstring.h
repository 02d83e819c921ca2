/* netstring: "5:hello,", how Postfix's socketmap frames its questions and answers. */
#ifndef LOOKUP_NETSTRING_H
#define LOOKUP_NETSTRING_H

#include "dsn/strview.h"

enum dsn_netstring_result {
    DSN_NETSTRING_MORE, /* its end is still to come */
    DSN_NETSTRING_BAD,  /* no netstring, or a longer one than is taken */
    DSN_NETSTRING_WHOLE,
};

/* Reads the netstring at the start of `bytes`. `*content` points into them; `*taken` is how many bytes it
 * takes with its frame. Both are written only where it is whole. */
enum dsn_netstring_result dsn_netstring_read(struct dsn_strview bytes, size_t max_content,
                                             struct dsn_strview *content, size_t *taken);

/* Frames `content`; returns how many bytes that takes, 0 where `size` is too small. */
size_t dsn_netstring_write(struct dsn_strview content, char *out, size_t size);

#endif
