/* enqueue: `dsnd enqueue`, from an MTA's pipe into the inbox that sources of the kind "stream" read. Whatever
 * goes wrong, the MTA is told to keep the message: a bounce that it gave up on would be lost. */
#include "cli.h"
#include "redis/queue.h"
#include "server.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define READ_BYTES 65536

/* Reads all of standard input and keeps the first `max_bytes`: more is not looked at anyway, and an MTA does
 * not like a pipe that breaks. */
static bool read_message(size_t max_bytes, GByteArray *out) {
    guint8 buffer[READ_BYTES];
    for (;;) {
        ssize_t n = read(STDIN_FILENO, buffer, sizeof buffer);
        if (n == 0)
            return true;
        if (n < 0 && errno != EINTR) {
            fprintf(stderr, "%s: standard input: %s\n", g_get_prgname(), g_strerror(errno));
            return false;
        }
        if (n > 0)
            g_byte_array_append(out, buffer, (guint)MIN((size_t)n, max_bytes - out->len));
    }
}

/* The address alone. Postfix writes the null sender as MAILER-DAEMON, unless it is told otherwise. */
static struct dsn_strview bare(const char *address) {
    size_t n = strlen(address);
    if (strcmp(address, "MAILER-DAEMON") == 0)
        return (struct dsn_strview){"", 0};
    if (n >= 2 && address[0] == '<' && address[n - 1] == '>')
        return (struct dsn_strview){address + 1, n - 2};
    return (struct dsn_strview){address, n};
}

static bool append(struct dsn_server *server, const char *inbox, const char *sender, char *const *recipients,
                   const GByteArray *message) {
    struct dsn_arguments entry;
    dsn_queue_entry_init(&entry, inbox);
    if (sender)
        dsn_queue_entry_add(&entry, DSN_QUEUE_FROM, bare(sender));
    for (; *recipients; recipients++)
        dsn_queue_entry_add(&entry, DSN_QUEUE_TO, bare(*recipients));
    dsn_queue_entry_add(&entry, DSN_QUEUE_MESSAGE,
                        (struct dsn_strview){(const char *)message->data, message->len});
    redisReply *reply =
        dsn_server_ask(server, entry.texts->len, dsn_arguments_texts(&entry), dsn_arguments_sizes(&entry));
    bool done = reply && reply->type == REDIS_REPLY_STRING && dsn_server_replicated(server);
    freeReplyObject(reply);
    dsn_arguments_clear(&entry);
    return done;
}

/* Two that look at the same time may both find room: the bound is not exact. */
static bool has_room(struct dsn_server *server, const struct dsn_conf *conf, const char *inbox) {
    const char *argv[] = {"XLEN", inbox};
    redisReply *reply = dsn_server_ask(server, G_N_ELEMENTS(argv), argv, NULL);
    bool known = reply && reply->type == REDIS_REPLY_INTEGER;
    bool room = known && reply->integer < conf->queue_max_messages;
    if (known && !room)
        fprintf(stderr, "%s: the queue is full: %s holds %lld messages\n", g_get_prgname(), inbox,
                reply->integer);
    freeReplyObject(reply);
    return room;
}

static int store(const struct dsn_conf *conf, const char *sender, char *const *recipients,
                 const GByteArray *message) {
    static const char *const no_scripts[] = {NULL};
    struct dsn_server *server = dsn_server_open(conf, no_scripts);
    char *inbox = dsn_queue_inbox(conf->redis_prefix);
    bool done = has_room(server, conf, inbox) && append(server, inbox, sender, recipients, message);
    g_free(inbox);
    dsn_server_close(server);
    return done ? EX_OK : EX_TEMPFAIL;
}

static int enqueue(const char *path, const char *sender, char *const *recipients) {
    struct dsn_conf *conf = dsn_server_conf(path);
    GByteArray *message = g_byte_array_new();
    int status = EX_TEMPFAIL;
    if (conf && read_message((size_t)conf->max_bytes + 1, message)) {
        status = message->len > 0 ? store(conf, sender, recipients, message) : EX_DATAERR;
        if (status == EX_DATAERR)
            fprintf(stderr, "%s: there is no message on standard input\n", g_get_prgname());
    }
    g_byte_array_unref(message);
    dsn_conf_free(conf);
    return status;
}

static void fail_for_now(int number) {
    (void)number;
    _exit(EX_TEMPFAIL);
}

/* By these GLib and the C library end a program that has no memory. An MTA may take a signal for a failure
 * for good. */
static void turn_signals(void) {
    static const int signals[] = {SIGABRT, SIGBUS, SIGSEGV, SIGTRAP};
    static char stack[64 * 1024]; /* the other one may be full */
    const stack_t own = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = fail_for_now, .sa_flags = SA_ONSTACK};
    sigaltstack(&own, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(signals); i++)
        sigaction(signals[i], &action, NULL);
}

int dsn_cli_enqueue(int argc, char **argv) {
    char *path = NULL, *sender = NULL;
    char **recipients = NULL;
    const GOptionEntry entries[] = {
        {"config", 'c', 0, G_OPTION_ARG_FILENAME, &path, "the configuration (" DSN_CONF_PATH ")", "FILE"},
        {"from", 'f', 0, G_OPTION_ARG_STRING, &sender, "the envelope's sender", "ADDRESS"},
        {"to", 'r', 0, G_OPTION_ARG_STRING_ARRAY, &recipients, "an envelope recipient, as are the operands",
         "ADDRESS"},
        {0},
    };
    int status = EX_TEMPFAIL;
    turn_signals();
    if (dsn_cli_options(
            &argc, &argv, entries, "[RECIPIENT...]",
            "Puts the message on standard input into the queue in Redis.\n"
            "Exit status: 0 it is there, 65 there was no message, 75 anything else: try again.")) {
        GPtrArray *all = g_ptr_array_new();
        for (char **recipient = recipients; recipient && *recipient; recipient++)
            g_ptr_array_add(all, *recipient);
        for (int i = 1; i < argc; i++)
            g_ptr_array_add(all, argv[i]);
        g_ptr_array_add(all, NULL);
        status = enqueue(path, sender, (char *const *)all->pdata);
        g_ptr_array_unref(all);
    }
    g_free(path);
    g_free(sender);
    g_strfreev(recipients);
    return status;
}
