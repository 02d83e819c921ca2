/* verp: signed return addresses (variable envelope return paths) and signed Message-IDs. A bounce that brings
 * one back answers mail that we sent to that address; nobody who has not seen the mail can make one.
 *
 * Both hold a token of 21 characters, a-z and 2-7, whatever the case: the id of the key; when it ends, in
 * hours since 1970, as 20 bits in 4 digits of base32 (RFC 4648 6); and the first 80 bits in 16 digits of
 *
 *     HMAC-SHA-256(key, USE "\n" the first 5 characters "\n" the address in lower case)
 *
 * where USE is "dsnd verp 1" or "dsnd message-id 1". HMAC-SHA-256, as every language that sends mail has it
 * at hand. A return address is USER+TOKEN-local=domain@DOMAIN; where that is longer than 64 bytes (RFC 5321
 * 4.5.3.1.1), or the address holds what mail systems mangle, USER+TOKEN@DOMAIN: it proves the address that a
 * bounce names, but cannot tell it. A Message-ID is <TOKEN.RANDOM@DOMAIN>. */
#ifndef DSN_VERP_H
#define DSN_VERP_H

#include "error.h"
#include "strview.h"

#include <stdint.h>

#define DSN_VERP_LOCAL_MAX 64    /* bytes of a local part */
#define DSN_VERP_ADDRESS_MAX 320 /* bytes of an address to be signed */

/* The keys: immutable, counted, safe to share between threads. */
struct dsn_verp;

/* Reads keys: lines ID = KEY, the id one character (a-z or 2-7), the key 32 to 64 bytes in hexadecimal
 * digits; '#' begins a comment. The first signs, all verify. `name` is what problems call the file.
 * DSN_ERR_SYNTAX: the problems tell. */
enum dsn_error dsn_verp_new(const char *name, struct dsn_strview keys, struct dsn_problems *problems,
                            struct dsn_verp **out);
struct dsn_verp *dsn_verp_ref(struct dsn_verp *verp);
void dsn_verp_unref(struct dsn_verp *verp); /* NULL is fine */

/* What stands around the token of a return address. */
struct dsn_verp_form {
    const char *user;   /* before the delimiter: the mailbox, as in "bounces" */
    char delimiter;     /* the MTA's recipient delimiter: '+', '-' or '=' */
    const char *domain; /* where bounces go */
};

#define DSN_VERP_SIZE 321 /* of a return address or a Message-ID, with its NUL */

/* Writes the return address for mail to `address`, for bounces that come until `expires_at_s` (seconds since
 * 1970; rounded up to a full hour). DSN_ERR_INVALID: `address` is none, or the time is past the year 2089.
 * DSN_ERR_LIMIT: it is too long, or user and domain leave no room. */
enum dsn_error dsn_verp_return_address(const struct dsn_verp *verp, const struct dsn_verp_form *form,
                                       struct dsn_strview address, int64_t expires_at_s,
                                       char out[DSN_VERP_SIZE]);
/* Writes a Message-ID, with its brackets, for a message to `address` alone; each time another. */
enum dsn_error dsn_verp_message_id(const struct dsn_verp *verp, const char *domain,
                                   struct dsn_strview address, int64_t expires_at_s, char out[DSN_VERP_SIZE]);

enum dsn_verp_result {
    DSN_VERP_NONE,    /* no token in it */
    DSN_VERP_FORGED,  /* not signed with a key of ours, or not for this address */
    DSN_VERP_UNTOLD,  /* it does not tell its address, and none was given */
    DSN_VERP_EXPIRED, /* signed by us, too long ago */
    DSN_VERP_VALID,
};
const char *dsn_verp_result_name(enum dsn_verp_result result); /* "valid"; static */

struct dsn_verp_check {
    enum dsn_verp_result result;
    char key;                               /* id; 0: no token */
    int64_t expires_at_s;                   /* seconds since 1970 */
    char address[DSN_VERP_ADDRESS_MAX + 1]; /* it was signed for, in lower case; when expired or valid */
};

/* Checks a return address or a Message-ID. `candidate` is the address that it could be for, where it does not
 * tell it itself; may be absent. */
void dsn_verp_check(const struct dsn_verp *verp, struct dsn_strview text, struct dsn_strview candidate,
                    int64_t now_s, struct dsn_verp_check *out);

#endif
