/* status: asks GET /status (dsnd-http(7)) and prints what it is told as tables. */
#include "status.h"

#include "output.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/listener.h"
#include "base/sv.h"

#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TIMEOUT_MS = 2000, MAX_BYTES = 1 << 20 };

/* Asking */

/* All that comes until the other side closes. */
static GString *receive(int fd) {
    GString *text = g_string_new(NULL);
    char piece[4096];
    ssize_t n;
    while ((n = read(fd, piece, sizeof piece)) > 0 && text->len < MAX_BYTES)
        g_string_append_len(text, piece, n);
    return text;
}

/* The object that the daemon answers with, freed with yajl_tree_free. NULL: it does not, and errno says why.
 */
static yajl_val ask(const char *address) {
    static const char request[] = "GET /status HTTP/1.0\r\nHost: localhost\r\n\r\n";
    yajl_val status = NULL;
    int fd = dsn_listener_connect(address, TIMEOUT_MS);
    if (fd < 0)
        return NULL;
    errno = EPROTO;
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == (ssize_t)(sizeof request - 1)) {
        GString *answer = receive(fd);
        const char *body = strstr(answer->str, "\r\n\r\n");
        status = body ? dsn_json_object(dsn_sv_str(body + strlen("\r\n\r\n"))) : NULL;
        g_string_free(answer, TRUE);
    }
    close(fd);
    return status;
}

/* Printing */

static yajl_val at(yajl_val object, const char *name, yajl_type type) {
    const char *path[] = {name, NULL};
    return yajl_tree_get(object, path, type);
}

static long long number_at(yajl_val object, const char *name) {
    yajl_val value = at(object, name, yajl_t_number);
    return value && YAJL_IS_INTEGER(value) ? YAJL_GET_INTEGER(value) : 0;
}

static void print_text(yajl_val object, const char *name, int width) {
    yajl_val value = at(object, name, yajl_t_string);
    char *shown = dsn_output_shown(dsn_sv_str(value ? YAJL_GET_STRING(value) : ""));
    printf("  %-*s", width, shown);
    g_free(shown);
}

/* What every row of a source or a sink begins with. */
static void print_end(yajl_val end) {
    long long lag_s = number_at(end, "lag_s");
    print_text(end, "name", 12);
    print_text(end, "where", 40);
    if (lag_s > 0)
        printf("  %7lld s", lag_s);
    else
        printf("  %9s", "-");
}

static void print_source(yajl_val source) {
    static const char *const counts[] = {"in_progress", "settled", "set_aside", "postponed"};
    print_end(source);
    for (size_t i = 0; i < G_N_ELEMENTS(counts); i++)
        printf("  %9lld", number_at(source, counts[i]));
    putchar('\n');
}

static void print_sink(yajl_val sink) {
    print_end(sink);
    putchar('\n');
}

static void print_each(yajl_val status, const char *name, void (*print)(yajl_val item)) {
    yajl_val list = at(status, name, yajl_t_array);
    for (size_t i = 0; list && i < YAJL_GET_ARRAY(list)->len; i++)
        print(YAJL_GET_ARRAY(list)->values[i]);
}

static void print_status(yajl_val status) {
    char started[DSN_CLOCK_RFC3339_SIZE];
    yajl_val obstacle = at(status, "obstacle", yajl_t_string);
    printf("\nThe daemon, started at %.19s:", dsn_clock_rfc3339(number_at(status, "started_ms"), started));
    if (obstacle && *YAJL_GET_STRING(obstacle))
        print_text(status, "obstacle", 0);
    else
        printf("  ready");
    printf("\n\n  %-12s  %-40s  %9s  %9s  %9s  %9s  %9s\n", "SOURCE", "WHERE", "BEHIND", "IN WORK", "SETTLED",
           "SET ASIDE", "POSTPONED");
    print_each(status, "sources", print_source);
    printf("\n  %-12s  %-40s  %9s\n  %-12s", "SINK", "WHERE", "BEHIND", "Redis");
    print_text(status, "redis", 40);
    printf("  %lld of %lld messages\n", number_at(status, "queue_done"), number_at(status, "queue_max"));
    print_each(status, "sinks", print_sink);
}

void dsn_status_print(const struct dsn_conf *conf) {
    if (!conf->has_http) {
        puts("\nThe daemon: not asked, as its configuration has no [http]");
        return;
    }
    yajl_val status = ask(conf->http_listen);
    if (status)
        print_status(status);
    else
        printf("\nThe daemon: nobody answers at %s (%s)\n", conf->http_listen, g_strerror(errno));
    yajl_tree_free(status);
}
