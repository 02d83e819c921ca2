/* curve: the list of clients, and the thread that looks them up in it. ZeroMQ asks at inproc://zeromq.zap.01
 * for each connection, and lets nobody in before it has the answer. */
#include "curve.h"

#include "base/log.h"
#include "base/sv.h"
#include "base/wake.h"
#include "wire.h"

#include <glib.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define ENDPOINT "inproc://zeromq.zap.01"
#define BINARY_KEY_SIZE 32

struct dsn_curve {
    struct dsn_curve_settings settings;
    struct dsn_curve_keys keys;
    pthread_mutex_t lock;
    GHashTable *clients; /* key to name, both texts; guarded by the lock */
    void *socket;
    int wake_fd;
    pthread_t thread;
    bool started;
    _Atomic bool stopping;
    struct dsn_wire_message request;
};

/* The list */

/* "KEY NAME"; a line that begins with "# " or is empty is a comment. A key may begin with #, too. */
static bool read_client(char *line, GHashTable *clients) {
    g_strstrip(line);
    if (line[0] == '\0' || g_str_has_prefix(line, "# ") || strcmp(line, "#") == 0)
        return true;
    char **words = g_strsplit_set(line, " \t", 2);
    bool good = dsn_curve_is_key(words[0]);
    if (good)
        g_hash_table_insert(clients, g_strdup(words[0]), g_strdup(words[1] ? g_strstrip(words[1]) : ""));
    g_strfreev(words);
    return good;
}

static enum dsn_error read_clients(const char *path, struct dsn_problems *problems, GHashTable **out) {
    GError *failure = NULL;
    char *text;
    if (!g_file_get_contents(path, &text, NULL, &failure)) {
        dsn_problems_add(problems, path, 0, "%s", failure->message);
        g_error_free(failure);
        return DSN_ERR_SYNTAX;
    }
    GHashTable *clients = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    char **lines = g_strsplit(text, "\n", -1);
    bool good = true;
    for (unsigned i = 0; lines[i]; i++)
        if (!read_client(lines[i], clients)) {
            dsn_problems_add(problems, path, i + 1,
                             "no key; expected 40 characters as dsnd keys prints them, and a name");
            good = false;
        }
    g_strfreev(lines);
    g_free(text);
    if (good)
        *out = clients;
    else
        g_hash_table_unref(clients);
    return good ? DSN_OK : DSN_ERR_SYNTAX;
}

enum dsn_error dsn_curve_reload(struct dsn_curve *curve, struct dsn_problems *problems) {
    GHashTable *clients = NULL;
    enum dsn_error error = read_clients(curve->settings.clients, problems, &clients);
    if (error)
        return error;
    pthread_mutex_lock(&curve->lock);
    GHashTable *old = curve->clients;
    curve->clients = clients;
    pthread_mutex_unlock(&curve->lock);
    if (old)
        g_hash_table_unref(old);
    return DSN_OK;
}

enum dsn_error dsn_curve_check(const struct dsn_curve_settings *settings, struct dsn_problems *problems) {
    GHashTable *clients = NULL;
    struct dsn_curve_keys keys;
    enum dsn_error error = dsn_curve_keys_read(settings->keys, problems, &keys);
    enum dsn_error second = read_clients(settings->clients, problems, &clients);
    sodium_memzero(&keys, sizeof keys);
    if (clients)
        g_hash_table_unref(clients);
    return error ? error : second;
}

/* Its name, freed with g_free; NULL: nobody that we know. */
static char *look_up(struct dsn_curve *curve, struct dsn_strview binary_key) {
    char key[DSN_CURVE_KEY_SIZE];
    if (binary_key.n != BINARY_KEY_SIZE ||
        !zmq_z85_encode(key, (const uint8_t *)binary_key.p, BINARY_KEY_SIZE))
        return NULL;
    pthread_mutex_lock(&curve->lock);
    char *name = g_strdup(g_hash_table_lookup(curve->clients, key));
    pthread_mutex_unlock(&curve->lock);
    return name;
}

/* ZAP: version, request id, domain, address, identity, mechanism, credentials. */
static void serve(struct dsn_curve *curve) {
    struct dsn_wire_message *m = &curve->request;
    while (dsn_wire_receive(curve->socket, m) == DSN_OK) {
        bool is_curve = m->n == 7 && dsn_sv_eq(dsn_wire_frame(m, 5), DSN_LIT("CURVE"));
        char *name = is_curve ? look_up(curve, dsn_wire_frame(m, 6)) : NULL;
        const struct dsn_strview reply[] = {DSN_LIT("1.0"),
                                            dsn_wire_frame(m, 1),
                                            name ? DSN_LIT("200") : DSN_LIT("400"),
                                            name ? DSN_LIT("OK") : DSN_LIT("not on the list"),
                                            dsn_sv_str(name),
                                            DSN_LIT("")};
        DSN_LOG(DSN_LOG_INFO, name ? "feed-client" : "feed-refused",
                dsn_log_sv("address", dsn_wire_frame(m, 3)), dsn_log_str("name", name));
        dsn_wire_send(curve->socket, reply, G_N_ELEMENTS(reply));
        g_free(name);
        dsn_wire_clear(m);
    }
}

static void *run(void *argument) {
    struct dsn_curve *curve = argument;
    zmq_pollitem_t items[] = {{.socket = curve->socket, .events = ZMQ_POLLIN},
                              {.fd = curve->wake_fd, .events = ZMQ_POLLIN}};
    while (!curve->stopping)
        if (zmq_poll(items, G_N_ELEMENTS(items), -1) > 0 && items[0].revents)
            serve(curve);
    return NULL;
}

/* Opening */

static enum dsn_error start(struct dsn_curve *curve) {
    curve->wake_fd = dsn_wake_open();
    curve->socket = zmq_socket(curve->settings.context, ZMQ_REP);
    if (curve->wake_fd < 0 || !curve->socket || zmq_bind(curve->socket, ENDPOINT) != 0)
        return DSN_ERR_IO;
    curve->started = pthread_create(&curve->thread, NULL, run, curve) == 0;
    if (curve->started)
        pthread_setname_np(curve->thread, "curve");
    return curve->started ? DSN_OK : DSN_ERR_MEMORY;
}

enum dsn_error dsn_curve_open(const struct dsn_curve_settings *settings, struct dsn_problems *problems,
                              struct dsn_curve **out) {
    struct dsn_curve *curve = g_new0(struct dsn_curve, 1);
    curve->settings = *settings;
    curve->wake_fd = -1;
    pthread_mutex_init(&curve->lock, NULL);
    enum dsn_error error = dsn_curve_keys_read(settings->keys, problems, &curve->keys);
    if (!error)
        error = dsn_curve_reload(curve, problems);
    if (!error)
        error = start(curve);
    if (error)
        dsn_curve_close(curve);
    else
        *out = curve;
    return error;
}

void dsn_curve_close(struct dsn_curve *curve) {
    if (!curve)
        return;
    curve->stopping = true;
    if (curve->started) {
        dsn_wake(curve->wake_fd);
        pthread_join(curve->thread, NULL);
    }
    if (curve->socket)
        zmq_close(curve->socket);
    if (curve->wake_fd >= 0)
        close(curve->wake_fd);
    if (curve->clients)
        g_hash_table_unref(curve->clients);
    pthread_mutex_destroy(&curve->lock);
    sodium_memzero(&curve->keys, sizeof curve->keys);
    g_free(curve);
}

const struct dsn_curve_keys *dsn_curve_keys(const struct dsn_curve *curve) {
    return &curve->keys;
}
