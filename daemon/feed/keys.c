/* keys: CURVE key pairs. Knows their files, nothing of who may connect. */
#include "keys.h"

#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

bool dsn_curve_is_key(const char *text) {
    unsigned char binary[32];
    static const char alphabet[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    return strlen(text) == DSN_CURVE_KEY_SIZE - 1 && strspn(text, alphabet) == DSN_CURVE_KEY_SIZE - 1 &&
           zmq_z85_decode(binary, text) != NULL;
}

bool dsn_curve_keys_make(struct dsn_curve_keys *out) {
    return zmq_curve_keypair(out->public_key, out->secret_key) == 0;
}

/* Writing */

static enum dsn_error write_file(const char *path, mode_t mode, const char *text, char *why,
                                 size_t why_size) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fsync(fd) == 0;
    if (!good)
        snprintf(why, why_size, "%s: %s", path, g_strerror(errno));
    if (fd >= 0)
        close(fd);
    return good ? DSN_OK : DSN_ERR_IO;
}

enum dsn_error dsn_curve_keys_write(const struct dsn_curve_keys *keys, const char *name, char *why,
                                    size_t why_size) {
    char *secret_path = g_strconcat(name, ".key_secret", NULL),
         *public_path = g_strconcat(name, ".key", NULL);
    char secret[256], public[256];
    snprintf(secret, sizeof secret, "metadata\ncurve\n    public-key = \"%s\"\n    secret-key = \"%s\"\n",
             keys->public_key, keys->secret_key);
    snprintf(public, sizeof public, "metadata\ncurve\n    public-key = \"%s\"\n", keys->public_key);
    enum dsn_error error = write_file(secret_path, 0600, secret, why, why_size);
    if (!error) {
        error = write_file(public_path, 0644, public, why, why_size);
        if (error) /* half a pair is none */
            unlink(secret_path);
    }
    sodium_memzero(secret, sizeof secret);
    g_free(secret_path);
    g_free(public_path);
    return error;
}

/* Reading */

/* The value of `    name = "value"`. */
static bool find_key(const char *text, const char *name, char out[DSN_CURVE_KEY_SIZE]) {
    const char *line = strstr(text, name);
    const char *quote = line ? strchr(line, '"') : NULL;
    if (!quote || strcspn(quote + 1, "\"\n") != DSN_CURVE_KEY_SIZE - 1)
        return false;
    g_strlcpy(out, quote + 1, DSN_CURVE_KEY_SIZE);
    return dsn_curve_is_key(out);
}

static const char *read_keys(const char *path, bool is_secret, struct dsn_curve_keys *keys) {
    char text[DSN_SECRET_SIZE];
    size_t n;
    const char *refusal = dsn_secret_read(path, !is_secret, text, &n);
    if (!refusal && (!find_key(text, "public-key", keys->public_key) ||
                     (is_secret && !find_key(text, "secret-key", keys->secret_key))))
        refusal = is_secret ? "has no keys; expected a file NAME.key_secret of dsnd keys"
                            : "has no key; expected a file NAME.key of dsnd keys";
    sodium_memzero(text, sizeof text);
    return refusal;
}

enum dsn_error dsn_curve_keys_read(const char *path, struct dsn_problems *problems,
                                   struct dsn_curve_keys *out) {
    const char *refusal = read_keys(path, true, out);
    if (refusal)
        dsn_problems_add(problems, path, 0, "%s", refusal);
    return refusal ? DSN_ERR_SYNTAX : DSN_OK;
}

enum dsn_error dsn_curve_public_key_read(const char *path, struct dsn_problems *problems,
                                         char out[DSN_CURVE_KEY_SIZE]) {
    struct dsn_curve_keys keys = {0};
    const char *refusal = read_keys(path, false, &keys);
    if (refusal)
        dsn_problems_add(problems, path, 0, "%s", refusal);
    else
        memcpy(out, keys.public_key, DSN_CURVE_KEY_SIZE);
    return refusal ? DSN_ERR_SYNTAX : DSN_OK;
}

/* Sockets */

bool dsn_curve_serve(void *socket, const struct dsn_curve_keys *keys) {
    const int on = 1;
    return zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &on, sizeof on) == 0 &&
           zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->secret_key, DSN_CURVE_KEY_SIZE) == 0;
}

bool dsn_curve_connect(void *socket, const struct dsn_curve_keys *keys, const char *server_key) {
    return zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server_key, DSN_CURVE_KEY_SIZE) == 0 &&
           zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, keys->public_key, DSN_CURVE_KEY_SIZE) == 0 &&
           zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->secret_key, DSN_CURVE_KEY_SIZE) == 0;
}
