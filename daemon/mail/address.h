/* address: mail addresses as reports write them. Knows RFC 3464 address types, RFC 3461 xtext, RFC 6533 utf-8
 * addresses, comments and angle brackets. */
#ifndef MAIL_ADDRESS_H
#define MAIL_ADDRESS_H

#include "base/arena.h"

/* Reads "rfc822; <User@Example.COM> (comment)": type, comment and brackets are gone, the domain is
 * lower-cased, a utf-8 address is decoded. Absent where there is nothing. `xtext`: "+3D" is "="
 * (Original-Recipient). */
struct dsn_strview dsn_address_read(struct dsn_arena *arena, struct dsn_strview typed, bool xtext);

/* Whether it has a local part and a domain that mail could go to. */
bool dsn_address_usable(struct dsn_strview address);

/* The form in which addresses are compared and kept, whoever writes them how: lower case, NFC. `address` is
 * valid UTF-8. */
struct dsn_strview dsn_address_fold(struct dsn_arena *arena, struct dsn_strview address);

/* The part after the last '@'; absent where there is none. */
struct dsn_strview dsn_address_domain(struct dsn_strview address);

/* Whether it stands in place of one that is not told: "redacted@post.example". */
bool dsn_address_redacted(struct dsn_strview address);

/* Removes RFC 5322 comments outside quotes. */
struct dsn_strview dsn_comments_cut(struct dsn_arena *arena, struct dsn_strview text);

/* Splits "dns; mx.example.com" into its type (lower case) and the rest; a text without a type has an absent
 * one. */
struct dsn_strview dsn_typed_split(struct dsn_arena *arena, struct dsn_strview typed,
                                   struct dsn_strview *type);

enum { DSN_ADDRESSES_MAX = 64 }; /* of one header or field, that are looked at */

/* The addresses of a header such as To, at most `max`; returns how many there are in all. */
size_t dsn_addresses_of(struct dsn_arena *arena, struct dsn_strview header, struct dsn_strview *out,
                        size_t max);

#endif
