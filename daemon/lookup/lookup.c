/* lookup: the server. One thread polls all connections; the questions of one round are asked together. Knows
 * sockets; knows no Redis. */
#include "lookup.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/wake.h"
#include "socketmap.h"

#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BACKLOG = 128,
    IDLE_MS = 300000, /* a connection that asks nothing for so long is closed */
    CROWDED_MS = 100,
};

struct client {
    int fd;
    struct dsn_socketmap talk;
    size_t n_sent;     /* of its answer */
    int64_t active_ms; /* monotonic, when it last asked */
    bool asks;         /* in this round */
    bool ended;        /* it sends nothing more */
    bool broken;       /* to be closed */
};

struct dsn_lookup {
    struct dsn_lookup_settings *settings;
    char *path; /* of the socket; NULL: TCP */
    int listener, wake_fd;
    pthread_t thread;
    bool started;
    bool crowded; /* another client could not be let in: the next try waits */
    _Atomic bool stopping;
    struct dsn_suppressed *suppressed;
    struct dsn_arena *arena; /* of a round */
    GPtrArray *clients;      /* of struct client */
    GPtrArray *queries;      /* of a round */
    GArray *fds;             /* of struct pollfd: wake_fd, listener, clients in their order */
};

/* Opening */

static bool is_stopping(void *context) {
    const struct dsn_lookup *lookup = context;
    return lookup->stopping;
}

static void free_client(void *data) {
    struct client *client = data;
    close(client->fd);
    g_free(client);
}

enum dsn_error dsn_lookup_open(struct dsn_lookup_settings *settings, char *why, size_t why_size,
                               struct dsn_lookup **out) {
    struct dsn_lookup *lookup = g_new0(struct dsn_lookup, 1);
    lookup->settings = settings;
    lookup->listener = -1;
    lookup->clients = g_ptr_array_new_with_free_func(free_client);
    lookup->queries = g_ptr_array_new();
    lookup->fds = g_array_new(FALSE, FALSE, sizeof(struct pollfd));
    lookup->arena = dsn_arena_new();
    lookup->wake_fd = dsn_wake_open();
    int prefix = snprintf(why, why_size, "[lookup] listen: ");
    enum dsn_error error =
        dsn_listener_open(&(struct dsn_listener_settings){settings->listen, settings->access, BACKLOG},
                          why + prefix, why_size - (size_t)prefix, &lookup->listener, &lookup->path);
    if (!error) {
        snprintf(why, why_size, "[lookup]: %s", dsn_error_text(DSN_ERR_MEMORY));
        lookup->suppressed = dsn_suppressed_new(&settings->suppressed, lookup->wake_fd, is_stopping, lookup);
        if (lookup->wake_fd < 0 || !lookup->suppressed || !lookup->arena)
            error = DSN_ERR_MEMORY;
    }
    if (error)
        dsn_lookup_close(lookup);
    else
        *out = lookup;
    return error;
}

/* Clients */

static struct client *client_at(const struct dsn_lookup *lookup, guint i) {
    return g_ptr_array_index(lookup->clients, i);
}

/* Whoever asked nothing for the longest time has to leave. A mail server connects again. */
static void drop_oldest(struct dsn_lookup *lookup) {
    guint oldest = 0;
    for (guint i = 1; i < lookup->clients->len; i++) {
        if (client_at(lookup, i)->active_ms < client_at(lookup, oldest)->active_ms)
            oldest = i;
    }
    if (lookup->clients->len > 0)
        g_ptr_array_remove_index_fast(lookup->clients, oldest);
}

static void accept_clients(struct dsn_lookup *lookup, int64_t now_ms) {
    for (int n = 0; n < BACKLOG; n++) {
        int fd = dsn_listener_accept(lookup->listener, &lookup->crowded);
        if (lookup->crowded || (fd >= 0 && lookup->clients->len >= lookup->settings->max_clients))
            drop_oldest(lookup);
        if (fd < 0)
            return;
        struct client *client = g_new0(struct client, 1);
        client->fd = fd;
        client->active_ms = now_ms;
        g_ptr_array_add(lookup->clients, client);
    }
}

static void read_some(struct client *client) {
    struct dsn_socketmap *talk = &client->talk;
    ssize_t n = read(client->fd, talk->in + talk->n_in, sizeof talk->in - talk->n_in);
    if (n > 0)
        talk->n_in += (size_t)n;
    else if (n == 0)
        client->ended = true;
    else
        client->broken = errno != EAGAIN && errno != EINTR;
}

static void write_some(struct client *client) {
    struct dsn_socketmap *talk = &client->talk;
    ssize_t n = send(client->fd, talk->out + client->n_sent, talk->n_out - client->n_sent, MSG_NOSIGNAL);
    if (n > 0)
        client->n_sent += (size_t)n;
    else
        client->broken = errno != EAGAIN && errno != EINTR;
    if (client->n_sent == talk->n_out)
        client->n_sent = talk->n_out = 0;
}

/* Takes a question off what the client has sent; true: it is asked in this round. */
static bool take_question(struct dsn_lookup *lookup, struct client *client, int64_t now_ms) {
    if (client->broken || client->talk.n_out)
        return false;
    enum dsn_socketmap_result result = dsn_socketmap_take(&client->talk, lookup->arena);
    client->broken = result == DSN_SOCKETMAP_BAD || (result == DSN_SOCKETMAP_MORE && client->ended);
    if (result >= DSN_SOCKETMAP_ASKED)
        client->active_ms = now_ms;
    if (result == DSN_SOCKETMAP_ANSWERED)
        write_some(client);
    return result == DSN_SOCKETMAP_ASKED;
}

static void answer(const struct dsn_lookup *lookup, struct client *client, int64_t asked_us) {
    const struct dsn_suppressed_query *query = &client->talk.query;
    DSN_LOG(DSN_LOG_DEBUG, "lookup", dsn_log_address("rcpt", query->address),
            dsn_log_str("state", query->suppressed ? "suppressed" : "not-found"));
    dsn_socketmap_answer(&client->talk);
    write_some(client);
    lookup->settings->answered(lookup->settings->context, query, dsn_clock_monotonic_us() - asked_us);
}

/* One question of each client. Returns whether there may be more. */
static bool answer_round(struct dsn_lookup *lookup, int64_t now_ms) {
    GPtrArray *asking = lookup->queries;
    bool any = false;
    int64_t asked_us = dsn_clock_monotonic_us();
    dsn_arena_reset(lookup->arena);
    g_ptr_array_set_size(asking, 0);
    for (guint i = 0; i < lookup->clients->len; i++) {
        struct client *client = client_at(lookup, i);
        size_t before = client->talk.n_in;
        client->asks = take_question(lookup, client, now_ms);
        if (client->asks)
            g_ptr_array_add(asking, &client->talk.query);
        any |= client->talk.n_in < before && client->talk.n_in > 0;
    }
    dsn_suppressed_ask(lookup->suppressed, (struct dsn_suppressed_query **)asking->pdata, asking->len);
    for (guint i = 0; i < lookup->clients->len; i++) {
        if (client_at(lookup, i)->asks)
            answer(lookup, client_at(lookup, i), asked_us);
    }
    return any;
}

static void close_finished(struct dsn_lookup *lookup, int64_t now_ms) {
    for (guint i = lookup->clients->len; i-- > 0;) {
        const struct client *client = client_at(lookup, i);
        bool finished = client->ended && client->talk.n_in == 0 && client->talk.n_out == 0;
        if (client->broken || finished || now_ms - client->active_ms >= IDLE_MS)
            g_ptr_array_remove_index_fast(lookup->clients, i);
    }
}

/* The loop */

static void add_fd(struct dsn_lookup *lookup, int fd, short events) {
    const struct pollfd entry = {.fd = fd, .events = events};
    g_array_append_val(lookup->fds, entry);
}

static void wait_for_clients(struct dsn_lookup *lookup) {
    g_array_set_size(lookup->fds, 0);
    add_fd(lookup, lookup->wake_fd, POLLIN);
    add_fd(lookup, lookup->listener, lookup->crowded ? 0 : POLLIN);
    for (guint i = 0; i < lookup->clients->len; i++) {
        const struct client *client = client_at(lookup, i);
        add_fd(lookup, client->fd,
               client->talk.n_out                                             ? POLLOUT
               : client->talk.n_in < sizeof client->talk.in && !client->ended ? POLLIN
                                                                              : 0);
    }
    struct pollfd *fds = (struct pollfd *)(void *)lookup->fds->data;
    int n = poll(fds, lookup->fds->len, lookup->crowded ? CROWDED_MS : IDLE_MS / 10);
    lookup->crowded = false;
    if (n <= 0)
        return;
    for (guint i = 0; i < lookup->clients->len; i++) {
        struct client *client = client_at(lookup, i);
        short ready = fds[i + 2].revents;
        if (ready & POLLOUT)
            write_some(client);
        else if (ready & POLLIN)
            read_some(client);
        else if (ready)
            client->broken = true;
    }
    if (fds[1].revents)
        accept_clients(lookup, dsn_clock_monotonic_ms());
}

static void *run(void *argument) {
    struct dsn_lookup *lookup = argument;
    while (!lookup->stopping) {
        wait_for_clients(lookup);
        while (answer_round(lookup, dsn_clock_monotonic_ms()) && !lookup->stopping)
            ;
        close_finished(lookup, dsn_clock_monotonic_ms());
    }
    return NULL;
}

enum dsn_error dsn_lookup_start(struct dsn_lookup *lookup) {
    if (pthread_create(&lookup->thread, NULL, run, lookup) != 0)
        return DSN_ERR_MEMORY;
    pthread_setname_np(lookup->thread, "lookup");
    lookup->started = true;
    return DSN_OK;
}

void dsn_lookup_close(struct dsn_lookup *lookup) {
    if (!lookup)
        return;
    lookup->stopping = true;
    if (lookup->started) {
        dsn_wake(lookup->wake_fd);
        pthread_join(lookup->thread, NULL);
    }
    g_ptr_array_unref(lookup->clients);
    g_ptr_array_unref(lookup->queries);
    g_array_unref(lookup->fds);
    dsn_suppressed_free(lookup->suppressed);
    dsn_arena_free(lookup->arena);
    if (lookup->listener >= 0)
        close(lookup->listener);
    if (lookup->path)
        unlink(lookup->path);
    if (lookup->wake_fd >= 0)
        close(lookup->wake_fd);
    g_free(lookup->path);
    g_free(lookup);
}
