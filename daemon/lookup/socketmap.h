/* socketmap: the server's side of a conversation in Postfix's socketmap (socketmap_table(5)). A question is a
 * netstring "suppressed ADDRESS", or "suppressed/SCOPE ADDRESS" for mail of that list or stream; an answer is
 * one of
 *
 *     OK 550 5.7.1 suppressed by dsnd: REASON     an action of access(5): the address is suppressed
 *     NOTFOUND                                    it is not, it is no address, or Redis is away
 *     PERM TEXT                                   there is no such map
 *
 * Bytes in, bytes out; does no I/O, and asks nobody:
 *
 *     put bytes behind the `n_in` that are in `in`
 *     while ((result = dsn_socketmap_take(talk, arena)) >= DSN_SOCKETMAP_ASKED)
 *         ASKED: have `query` answered, then dsn_socketmap_answer(talk)
 *         send the `n_out` bytes of `out`, and set that to 0
 */
#ifndef LOOKUP_SOCKETMAP_H
#define LOOKUP_SOCKETMAP_H

#include "base/arena.h"
#include "suppressed.h"

#define DSN_SOCKETMAP_QUESTION_MAX 1000 /* bytes; an address has at most 320 */
#define DSN_SOCKETMAP_IN_SIZE 2048      /* a question of that size fits in with its frame */
#define DSN_SOCKETMAP_OUT_SIZE 256

struct dsn_socketmap {
    char in[DSN_SOCKETMAP_IN_SIZE], out[DSN_SOCKETMAP_OUT_SIZE];
    size_t n_in, n_out;
    struct dsn_suppressed_query query; /* of the question that was taken last */
};

enum dsn_socketmap_result {
    DSN_SOCKETMAP_MORE,     /* the end of a question is still to come */
    DSN_SOCKETMAP_BAD,      /* it is no netstring, or too long: the conversation is over */
    DSN_SOCKETMAP_ASKED,    /* `query` is to be answered; it lives in the arena */
    DSN_SOCKETMAP_ANSWERED, /* `out` has the answer already */
};

/* Takes a question off `in`. `out` must be empty. */
enum dsn_socketmap_result dsn_socketmap_take(struct dsn_socketmap *talk, struct dsn_arena *arena);
/* Writes the answer that `query` has into `out`. */
void dsn_socketmap_answer(struct dsn_socketmap *talk);

#endif
