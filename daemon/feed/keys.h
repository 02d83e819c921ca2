/* keys: key pairs of CURVE (ZeroMQ's encryption, RFC 26/CURVEZMQ) and their files: certificates as CZMQ
 * writes them and zmq.auth of pyzmq reads them. NAME.key has the public key, NAME.key_secret both. */
#ifndef FEED_KEYS_H
#define FEED_KEYS_H

#include "dsn/error.h"

#include <stdbool.h>
#include <stddef.h>

#define DSN_CURVE_KEY_SIZE 41 /* 40 characters of Z85 */

struct dsn_curve_keys {
    char public_key[DSN_CURVE_KEY_SIZE], secret_key[DSN_CURVE_KEY_SIZE];
};

/* Whether the text is a key as Z85 writes it. */
bool dsn_curve_is_key(const char *text);

/* Makes a pair. False: this ZeroMQ has no CURVE. */
bool dsn_curve_keys_make(struct dsn_curve_keys *out);
/* Writes NAME.key_secret (mode 0600) and NAME.key. Files that are there are left alone. On failure `why` (of
 * `why_size` bytes) says for people what is wrong. */
enum dsn_error dsn_curve_keys_write(const struct dsn_curve_keys *keys, const char *name, char *why,
                                    size_t why_size);

/* Reads both keys of a file that nobody else can read; or the public key of any file. What is wrong is a
 * problem. */
enum dsn_error dsn_curve_keys_read(const char *path, struct dsn_problems *problems,
                                   struct dsn_curve_keys *out);
enum dsn_error dsn_curve_public_key_read(const char *path, struct dsn_problems *problems,
                                         char out[DSN_CURVE_KEY_SIZE]);

/* Makes the socket a server, or a client of the server with that key. Before it is bound or connected. */
bool dsn_curve_serve(void *socket, const struct dsn_curve_keys *keys);
bool dsn_curve_connect(void *socket, const struct dsn_curve_keys *keys, const char *server_key);

#endif
