/* lmtp: a source of messages that mail servers hand over by LMTP, on a socket that does not leave the host. A
 * client is told 250 when the events of its message are committed, or it is set aside among the dead letters,
 * and 451 otherwise: until then the message is the client's. One thread does all the talking; settle,
 * set_aside and release only tell it what to say. */
#include "dead.h"
#include "inflight.h"
#include "lmtp_session.h"
#include "marks.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/sv.h"
#include "base/wake.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_BYTES 65536
#define BACKLOG 32
#define IDLE_MS 300000 /* a client that says nothing for so long is sent away (RFC 5321 4.5.3.2.7) */
#define ANSWER_MS                                                                                            \
    120000          /* a message that is not committed by then is answered 451; clients wait for 10 minutes */
#define RETRY_MS 20 /* when the pipeline has no room for a message */
#define CROWDED_MS 100 /* when there is no file descriptor for another client */
#define HASH_BYTES 16

static const char accepted[] = "250 2.0.0 ok, its events are stored";
static const char kept[] = "250 2.0.0 ok, it cannot be processed and is set aside";
static const char not_now[] = "451 4.3.0 it could not be stored now, try again later";
static const char not_in_time[] = "451 4.4.2 it could not be stored in time, try again later";
static const char stopping[] = "421 4.3.2 shutting down";

struct client {
    int fd;
    struct dsn_lmtp_session *session;
    char in[IN_BYTES];
    size_t n_in;
    char *waits_for;    /* the item that its message became; NULL: the message is not one yet */
    int64_t changed_ms; /* monotonic: when it said something, or its message was whole */
};

/* A message, as it was handed over. */
struct mail {
    char *from, **to; /* `to` is ended by NULL */
    GByteArray *message;
    char hash[2 * HASH_BYTES + 1]; /* of that, once a worker has it: its name is another one each time */
};

struct handed {
    struct dsn_item item; /* first */
    struct mail mail;
    int64_t arrived_ms;
};

/* What is to be said of an item. */
struct answer {
    char *name;
    const char *reply; /* static; NULL: it hangs on whether the message can be set aside */
    char *error;       /* of a message to be set aside, as is the next */
    struct mail mail;
};

struct dsn_lmtp {
    struct dsn_source source; /* first */
    size_t max_bytes, max_clients;
    int listener, wake_fd;
    char *path;         /* of the socket; NULL: it has none */
    bool crowded;       /* another client could not be let in; the thread's own, as are the next three */
    GPtrArray *clients; /* of struct client */
    struct dsn_queue *out;
    uint64_t serial; /* of the last item */
    struct dsn_inflight *inflight;
    struct dsn_dead *dead; /* the thread's own */
    _Atomic bool stopped;
    pthread_mutex_t lock;
    GQueue answers; /* of struct answer; locked */
};

static struct dsn_lmtp *lmtp_of(struct dsn_source *source) {
    return (struct dsn_lmtp *)(void *)source;
}

static void clear_mail(struct mail *mail) {
    g_free(mail->from);
    g_strfreev(mail->to);
    if (mail->message)
        g_byte_array_unref(mail->message);
    *mail = (struct mail){0};
}

static void free_handed(struct dsn_item *item) {
    struct handed *handed = (void *)item;
    clear_mail(&handed->mail);
}

/* The envelope borrows from the mail and from `to`, which is to be freed. */
static struct dsn_envelope envelope_of(const struct mail *mail, GArray **to) {
    *to = g_array_new(FALSE, FALSE, sizeof(struct dsn_strview));
    for (size_t i = 0; mail->to[i]; i++) {
        struct dsn_strview address = dsn_sv_str(mail->to[i]);
        g_array_append_val(*to, address);
    }
    return (struct dsn_envelope){.from = dsn_sv_str(mail->from),
                                 .to = (const struct dsn_strview *)(const void *)(*to)->data,
                                 .n_to = (*to)->len};
}

static struct dsn_strview bytes_of(const struct mail *mail) {
    return (struct dsn_strview){(const char *)mail->message->data, mail->message->len};
}

/* Answers, from any thread */

static void free_answer(void *data) {
    struct answer *answer = data;
    g_free(answer->name);
    g_free(answer->error);
    clear_mail(&answer->mail);
    g_free(answer);
}

/* `error` NULL: there is nothing to be set aside. */
static void conclude(struct dsn_source *source, struct dsn_item *item, const char *reply, const char *error) {
    struct dsn_lmtp *lmtp = lmtp_of(source);
    struct handed *handed = (void *)item;
    struct answer *answer = g_new0(struct answer, 1);
    *answer = (struct answer){.name = g_strdup(item->name), .reply = reply, .error = g_strdup(error)};
    if (error) {
        answer->mail = handed->mail;
        handed->mail = (struct mail){0};
    }
    dsn_inflight_drop(lmtp->inflight, item);
    pthread_mutex_lock(&lmtp->lock);
    g_queue_push_tail(&lmtp->answers, answer);
    pthread_mutex_unlock(&lmtp->lock);
    dsn_wake(lmtp->wake_fd);
}

static enum dsn_error settle(struct dsn_source *source, struct dsn_item *item) {
    dsn_marks_forget(source->marks, item->mark);
    conclude(source, item, accepted, NULL);
    return DSN_OK;
}

/* If the client kept it, it would come again and again, and a worker might get stuck each time. */
static enum dsn_error set_aside(struct dsn_source *source, struct dsn_item *item, const char *error) {
    conclude(source, item, NULL, error);
    return DSN_OK;
}

static void release(struct dsn_source *source, struct dsn_item *item, bool again) {
    (void)again;
    conclude(source, item, not_now, NULL);
}

static void stop(struct dsn_source *source) {
    struct dsn_lmtp *lmtp = lmtp_of(source);
    lmtp->stopped = true;
    dsn_wake(lmtp->wake_fd);
}

/* Clients */

static struct client *client_at(const struct dsn_lmtp *lmtp, guint i) {
    return g_ptr_array_index(lmtp->clients, i);
}

static void free_client(void *data) {
    struct client *client = data;
    close(client->fd);
    dsn_lmtp_session_free(client->session);
    g_free(client->waits_for);
    g_free(client);
}

static bool is_waiting(const struct client *client) {
    return client->session->state == DSN_LMTP_WAITING;
}

static void touch(struct client *client) {
    client->changed_ms = dsn_clock_monotonic_ms();
}

/* Asked for at once, the same would be refused again and again. */
static void set_crowded(struct dsn_lmtp *lmtp, bool crowded) {
    if (crowded && !lmtp->crowded)
        DSN_LOG(DSN_LOG_WARNING, "source-trouble", dsn_log_str("source", lmtp->source.name),
                dsn_log_str("doing", "let a client in"), dsn_log_errno(errno));
    lmtp->crowded = crowded;
}

static void accept_clients(struct dsn_lmtp *lmtp) {
    while (lmtp->clients->len < lmtp->max_clients) {
        bool crowded;
        int fd = dsn_listener_accept(lmtp->listener, &crowded);
        set_crowded(lmtp, crowded);
        if (fd < 0)
            return;
        struct client *client = g_new0(struct client, 1);
        client->fd = fd;
        client->session = dsn_lmtp_session_new(g_get_host_name(), lmtp->max_bytes);
        touch(client);
        g_ptr_array_add(lmtp->clients, client);
    }
}

static char **copy_texts(const GPtrArray *texts) {
    char **copy = g_new0(char *, texts->len + 1);
    for (guint i = 0; i < texts->len; i++)
        copy[i] = g_strdup(texts->pdata[i]);
    return copy;
}

/* Offers the message of a client, and takes its bytes. What there is no room for stays with it. */
static void offer(struct dsn_lmtp *lmtp, struct client *client) {
    struct dsn_lmtp_session *session = client->session;
    int64_t now_ms = dsn_clock_real_ms();
    char *name = g_strdup_printf("%" PRId64 "-%" PRIu64, now_ms, ++lmtp->serial);
    struct dsn_item *item = dsn_inflight_claim(lmtp->inflight, &lmtp->source, name);
    struct handed *handed = (void *)item;
    handed->mail = (struct mail){.from = g_strdup(session->from),
                                 .to = copy_texts(session->to),
                                 .message = g_byte_array_ref(session->message)};
    handed->arrived_ms = now_ms;
    enum dsn_error error = dsn_queue_try_push(lmtp->out, item, session->message->len + sizeof *handed);
    if (!error) { /* the item is somebody else's from here on, and so are the bytes */
        client->waits_for = name;
        g_byte_array_unref(session->message);
        session->message = g_byte_array_new();
        return;
    }
    g_free(name);
    dsn_inflight_drop(lmtp->inflight, item);
    if (error != DSN_ERR_LIMIT)
        dsn_lmtp_session_answer(session, not_now);
}

/* Goes on with what the client has sent, until a message is whole. */
static void converse(struct dsn_lmtp *lmtp, struct client *client) {
    size_t n = dsn_lmtp_session_feed(client->session, client->in, client->n_in);
    memmove(client->in, client->in + n, client->n_in - n);
    client->n_in -= n;
    if (is_waiting(client) && !client->waits_for) {
        touch(client);
        offer(lmtp, client);
    }
}

static void answer_client(struct dsn_lmtp *lmtp, struct client *client, const char *reply) {
    g_clear_pointer(&client->waits_for, g_free);
    dsn_lmtp_session_answer(client->session, reply);
    touch(client);
    converse(lmtp, client);
}

static const char *bury(struct dsn_lmtp *lmtp, const struct answer *answer) {
    GArray *to;
    const struct dsn_envelope envelope = envelope_of(&answer->mail, &to);
    enum dsn_error error =
        dsn_dead_put(lmtp->dead, &envelope, bytes_of(&answer->mail), answer->name, answer->error);
    g_array_unref(to);
    if (!error)
        dsn_marks_forget(lmtp->source.marks, answer->mail.hash);
    return error ? not_now : kept;
}

/* Tells clients what became of their messages. One that has gone meanwhile sends its message again. */
static void give_answers(struct dsn_lmtp *lmtp) {
    struct answer *answer;
    for (;;) {
        pthread_mutex_lock(&lmtp->lock);
        answer = g_queue_pop_head(&lmtp->answers);
        pthread_mutex_unlock(&lmtp->lock);
        if (!answer)
            return;
        for (guint i = 0; i < lmtp->clients->len; i++)
            if (g_strcmp0(client_at(lmtp, i)->waits_for, answer->name) == 0) {
                answer_client(lmtp, client_at(lmtp, i), answer->reply ? answer->reply : bury(lmtp, answer));
                break;
            }
        free_answer(answer);
    }
}

/* False: it has gone. */
static bool read_some(struct dsn_lmtp *lmtp, struct client *client) {
    ssize_t n = read(client->fd, client->in + client->n_in, IN_BYTES - client->n_in);
    if (n <= 0)
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    client->n_in += (size_t)n;
    touch(client);
    converse(lmtp, client);
    return true;
}

static bool write_some(struct client *client) {
    GString *out = client->session->out;
    ssize_t n = send(client->fd, out->str, out->len, MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    g_string_erase(out, 0, n);
    return true;
}

/* What time alone brings about. */
static void look_at_clock(struct dsn_lmtp *lmtp, struct client *client) {
    int64_t since_ms = dsn_clock_monotonic_ms() - client->changed_ms;
    if (is_waiting(client) && since_ms >= ANSWER_MS)
        answer_client(lmtp, client, not_in_time);
    else if (is_waiting(client) && !client->waits_for)
        offer(lmtp, client);
    else if (!is_waiting(client) && client->session->state != DSN_LMTP_OVER &&
             (since_ms >= IDLE_MS || lmtp->stopped))
        dsn_lmtp_session_end(client->session,
                             lmtp->stopped ? stopping : "421 4.4.2 nothing was said for too long");
}

/* It is over, and all is said, or will not be listened to. */
static bool is_over(const struct dsn_lmtp *lmtp, const struct client *client) {
    bool deaf = lmtp->stopped || dsn_clock_monotonic_ms() - client->changed_ms >= IDLE_MS;
    return client->session->out->len > 0 ? deaf : client->session->state == DSN_LMTP_OVER;
}

/* False: the conversation is over, or the client is gone. */
static bool serve(struct dsn_lmtp *lmtp, struct client *client, short ready) {
    bool alive = !(ready & (POLLERR | POLLNVAL)) && !((ready & POLLHUP) && !(ready & POLLIN));
    if (alive && (ready & POLLIN))
        alive = read_some(lmtp, client);
    if (alive)
        look_at_clock(lmtp, client);
    if (alive && client->session->out->len > 0)
        alive = write_some(client);
    return alive && !is_over(lmtp, client);
}

/* The thread */

static short wanted(const struct client *client) {
    if (client->session->out->len > 0)
        return POLLOUT; /* one that does not listen need not speak */
    return is_waiting(client) ? 0 : POLLIN;
}

/* Waits until something is to be done. `fds` has room for the listener, the wake-up and every client. */
static void wait_for_something(struct dsn_lmtp *lmtp, struct pollfd *fds) {
    bool again = false, has_room = lmtp->clients->len < lmtp->max_clients && !lmtp->crowded;
    fds[0] = (struct pollfd){.fd = lmtp->wake_fd, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = has_room ? lmtp->listener : -1, .events = POLLIN};
    for (guint i = 0; i < lmtp->clients->len; i++) {
        const struct client *client = client_at(lmtp, i);
        fds[i + 2] = (struct pollfd){.fd = client->fd, .events = wanted(client)};
        again = again || (is_waiting(client) && !client->waits_for);
    }
    uint64_t count;
    int wait_ms = again ? RETRY_MS : lmtp->crowded ? CROWDED_MS : 1000;
    if (poll(fds, lmtp->clients->len + 2, wait_ms) > 0 && fds[0].revents &&
        read(lmtp->wake_fd, &count, sizeof count) < 0)
        DSN_LOG(DSN_LOG_DEBUG, "wake-failed", dsn_log_str("of", "lmtp"));
}

static void round_of(struct dsn_lmtp *lmtp, struct pollfd *fds) {
    wait_for_something(lmtp, fds);
    give_answers(lmtp);
    for (guint i = lmtp->clients->len; i > 0;
         i--) /* from the end: removing one moves the last into its place */
        if (!serve(lmtp, client_at(lmtp, i - 1), fds[i + 1].revents))
            g_ptr_array_remove_index_fast(lmtp->clients, i - 1);
    if (fds[1].revents || lmtp->crowded)
        accept_clients(lmtp);
}

static void stop_listening(struct dsn_lmtp *lmtp) {
    if (lmtp->listener >= 0)
        close(lmtp->listener);
    lmtp->listener = -1;
    lmtp->crowded = false;
    if (lmtp->path)
        unlink(lmtp->path);
    g_clear_pointer(&lmtp->path, g_free);
}

/* `once`: what is there now is nothing; whoever has messages still has them. */
static enum dsn_error run(struct dsn_source *source, struct dsn_queue *out, bool once) {
    struct dsn_lmtp *lmtp = lmtp_of(source);
    struct pollfd *fds = g_new(struct pollfd, lmtp->max_clients + 2);
    lmtp->out = out;
    while (!once && !lmtp->stopped)
        round_of(lmtp, fds);
    stop_listening(lmtp);
    while (lmtp->clients->len > 0 || dsn_inflight_count(lmtp->inflight) > 0)
        round_of(lmtp, fds);
    g_free(fds);
    return DSN_OK;
}

/* Reading */

/* A client hands over the same bytes again where we died on them. */
static void recognize(struct handed *handed) {
    unsigned char hash[HASH_BYTES];
    struct mail *mail = &handed->mail;
    crypto_generichash(hash, sizeof hash, mail->message->data, mail->message->len, NULL, 0);
    sodium_bin2hex(mail->hash, sizeof mail->hash, hash, sizeof hash);
    handed->item.mark = mail->hash;
    handed->item.deaths = dsn_marks_deaths(handed->item.source->marks, mail->hash);
}

static enum dsn_error read_item(struct dsn_source *source, struct dsn_item *item, size_t max_bytes,
                                struct dsn_bytes *out) {
    struct handed *handed = (void *)item;
    const struct dsn_strview message = bytes_of(&handed->mail);
    GArray *to;
    (void)source;
    recognize(handed);
    const struct dsn_envelope envelope = envelope_of(&handed->mail, &to);
    enum dsn_error error =
        message.n > 0 ? dsn_envelope_write(&envelope, message, max_bytes, out) : DSN_ERR_INVALID;
    out->arrived_ms = handed->arrived_ms;
    g_array_unref(to);
    return error;
}

static char *describe(const struct dsn_source *source, const struct dsn_item *item) {
    char *text = NULL;
    return asprintf(&text, "%s/%s", source->name, item->name) < 0 ? NULL : text;
}

/* Opening */

static void close_lmtp(struct dsn_source *source) {
    struct dsn_lmtp *lmtp = lmtp_of(source);
    stop_listening(lmtp);
    g_ptr_array_unref(lmtp->clients);
    dsn_inflight_free(lmtp->inflight);
    dsn_marks_close(source->marks);
    dsn_dead_free(lmtp->dead);
    g_queue_clear_full(&lmtp->answers, free_answer);
    pthread_mutex_destroy(&lmtp->lock);
    if (lmtp->wake_fd >= 0)
        close(lmtp->wake_fd);
    g_free(source->name);
    g_free(lmtp);
}

static const struct dsn_source_ops lmtp_ops = {
    .kind = "lmtp",
    .run = run,
    .stop = stop,
    .read = read_item,
    .describe = describe,
    .settle = settle,
    .set_aside = set_aside,
    .release = release,
    .close = close_lmtp,
};

enum dsn_error dsn_lmtp_open(const struct dsn_lmtp_settings *settings, char *why, size_t why_size,
                             struct dsn_source **out) {
    struct dsn_lmtp *lmtp = g_new0(struct dsn_lmtp, 1);
    lmtp->source = (struct dsn_source){.ops = &lmtp_ops, .name = g_strdup(settings->name)};
    lmtp->max_bytes = settings->max_bytes;
    lmtp->max_clients = settings->max_clients;
    lmtp->listener = -1;
    lmtp->wake_fd = dsn_wake_open();
    lmtp->clients = g_ptr_array_new_with_free_func(free_client);
    lmtp->inflight = dsn_inflight_new(sizeof(struct handed), free_handed);
    pthread_mutex_init(&lmtp->lock, NULL);
    g_queue_init(&lmtp->answers);
    snprintf(why, why_size, "source %s: %s", settings->name, strerror(errno));
    const struct dsn_listener_settings listen = {settings->listen, settings->access, BACKLOG};
    enum dsn_error error = lmtp->wake_fd < 0 ? DSN_ERR_IO : DSN_OK;
    lmtp->dead = dsn_dead_new(&settings->redis, settings->prefix, lmtp->source.name, lmtp->wake_fd);
    if (!error && !lmtp->dead)
        error = DSN_ERR_MEMORY;
    if (!error)
        error = dsn_listener_open(&listen, why, why_size, &lmtp->listener, &lmtp->path);
    if (error)
        close_lmtp(&lmtp->source);
    else
        *out = &lmtp->source;
    return error;
}
