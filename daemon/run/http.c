/* http: a table of what can be asked for, and libmicrohttpd around it. One thread, few connections, little
 * memory each: whoever asks too much waits, and the pipeline does not notice. What needs Redis is left to the
 * watch, and its connection is suspended meanwhile. */
#include "http.h"

#include "base/arena.h"
#include "base/listener.h"
#include "base/log.h"
#include "base/sv.h"
#include "base/utf8.h"
#include "mail/address.h"
#include "snapshot.h"
#include "watch.h"

#include <glib.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 32
#define MAX_CONNECTIONS 32u
#define MAX_STREAMS 8u /* of server-sent events */
#define MAX_CONNECTION_BYTES ((size_t)32 * 1024)
#define BLOCK_BYTES ((size_t)16 * 1024)
#define TIMEOUT_S 15u
#define TYPE_TEXT "text/plain; charset=utf-8"
#define TYPE_JSON "application/json; charset=utf-8"

struct dsn_http {
    struct MHD_Daemon *daemon;
    const struct dsn_conf *conf;
    struct dsn_pipeline *pipeline;
    struct dsn_watch *watch;
    char *path; /* of the socket; NULL: it is TCP */
    pthread_mutex_t lock;
    bool closing;       /* with the lock: nobody is suspended any more */
    GPtrArray *streams; /* with the lock; of struct stream */
};

/* A watcher of server-sent events. */
struct stream {
    struct dsn_http *http;
    struct MHD_Connection *connection;
    struct dsn_watch_seen seen;
    GBytes *piece; /* being sent; NULL: none */
    size_t sent;   /* of it */
    bool suspended;
};

/* A request, from its headers to its end. */
struct request {
    struct dsn_http *http;
    struct MHD_Connection *connection;
    struct dsn_watch_question question; /* its address NULL: nothing was asked */
};

/* Answering */

/* No script, style or picture but ours, no frame around us, no form that leaves. */
static const struct {
    const char *name, *value;
} headers[] = {
    {MHD_HTTP_HEADER_CACHE_CONTROL, "no-store"},
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
     "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
};

/* Takes the response. */
static enum MHD_Result queue(struct MHD_Connection *connection, unsigned status, const char *type,
                             struct MHD_Response *response) {
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    for (size_t i = 0; i < G_N_ELEMENTS(headers); i++)
        MHD_add_response_header(response, headers[i].name, headers[i].value);
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result respond(struct MHD_Connection *connection, unsigned status, const char *type,
                               GString *body) {
    gsize n = body->len;
    char *text = g_string_free(body, FALSE);
    struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback(n, text, g_free);
    if (!response)
        g_free(text);
    return queue(connection, status, type, response);
}

static enum MHD_Result respond_text(struct MHD_Connection *connection, unsigned status, const char *text) {
    return respond(connection, status, TYPE_TEXT, g_string_new(text));
}

/* Metrics and health */

static enum MHD_Result answer_metrics(struct request *request) {
    GString *out = g_string_sized_new(16 * 1024);
    const struct dsn_depths depths = dsn_pipeline_depths(request->http->pipeline);
    dsn_metrics_write(dsn_pipeline_metrics(request->http->pipeline), &depths, out);
    return respond(request->connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", out);
}

static enum MHD_Result answer_health(struct request *request) {
    return respond_text(request->connection, MHD_HTTP_OK, "ok\n");
}

static enum MHD_Result answer_readiness(struct request *request) {
    const char *obstacle = dsn_pipeline_obstacle(request->http->pipeline);
    GString *out = g_string_new(NULL);
    g_string_printf(out, "%s\n", obstacle ? obstacle : "ready");
    return respond(request->connection, obstacle ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK, TYPE_TEXT,
                   out);
}

static enum MHD_Result answer_status(struct request *request) {
    char *text = dsn_snapshot_write(request->http->conf, request->http->pipeline, NULL);
    enum MHD_Result result = respond(request->connection, MHD_HTTP_OK, TYPE_JSON, g_string_new(text));
    g_free(text);
    return result;
}

/* The page */

static const char page_html[] =
#include "index.html.inc"
    ;
static const char page_css[] =
#include "page.css.inc"
    ;
static const char page_js[] =
#include "page.js.inc"
    ;

static const char page_icon[] =
#include "icon.svg.inc"
    ;

static enum MHD_Result answer_file(struct request *request, const char *type, const char *text) {
    return queue(
        request->connection, MHD_HTTP_OK, type,
        MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT));
}

static enum MHD_Result answer_html(struct request *request) {
    return answer_file(request, "text/html; charset=utf-8", page_html);
}

static enum MHD_Result answer_icon(struct request *request) {
    return answer_file(request, "image/svg+xml", page_icon);
}

static enum MHD_Result answer_css(struct request *request) {
    return answer_file(request, "text/css; charset=utf-8", page_css);
}

static enum MHD_Result answer_js(struct request *request) {
    return answer_file(request, "text/javascript; charset=utf-8", page_js);
}

/* Server-sent events */

/* Sends what is new, or suspends the connection until something is. */
static ssize_t send_piece(void *context, uint64_t position, char *out, size_t size) {
    struct stream *stream = context;
    struct dsn_http *http = stream->http;
    (void)position;
    ssize_t n = 0;
    pthread_mutex_lock(&http->lock);
    if (!stream->piece && (stream->piece = dsn_watch_next(http->watch, &stream->seen)))
        stream->sent = 0;
    if (stream->piece) {
        gsize whole;
        const char *p = g_bytes_get_data(stream->piece, &whole);
        n = (ssize_t)MIN(size, whole - stream->sent);
        memcpy(out, p + stream->sent, (size_t)n);
        stream->sent += (size_t)n;
        if (stream->sent == whole)
            g_clear_pointer(&stream->piece, g_bytes_unref);
    } else if (http->closing) {
        n = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        stream->suspended = true;
        MHD_suspend_connection(stream->connection);
    }
    pthread_mutex_unlock(&http->lock);
    return n;
}

/* With the lock. */
static void resume_streams(struct dsn_http *http) {
    for (guint i = 0; i < http->streams->len; i++) {
        struct stream *stream = g_ptr_array_index(http->streams, i);
        if (stream->suspended)
            MHD_resume_connection(stream->connection);
        stream->suspended = false;
    }
}

static void resume_watchers(void *context) {
    struct dsn_http *http = context;
    pthread_mutex_lock(&http->lock);
    resume_streams(http);
    pthread_mutex_unlock(&http->lock);
}

static void free_stream(void *context) {
    struct stream *stream = context;
    struct dsn_http *http = stream->http;
    pthread_mutex_lock(&http->lock);
    g_ptr_array_remove_fast(http->streams, stream);
    dsn_watch_set_watchers(http->watch, http->streams->len);
    pthread_mutex_unlock(&http->lock);
    g_clear_pointer(&stream->piece, g_bytes_unref);
    g_free(stream);
}

static enum MHD_Result answer_stream(struct request *request) {
    struct dsn_http *http = request->http;
    struct stream *stream = g_new0(struct stream, 1);
    *stream = (struct stream){.http = http, .connection = request->connection};
    pthread_mutex_lock(&http->lock);
    bool room = http->streams->len < MAX_STREAMS && !http->closing;
    if (room) {
        g_ptr_array_add(http->streams, stream);
        dsn_watch_set_watchers(http->watch, http->streams->len);
    }
    pthread_mutex_unlock(&http->lock);
    if (!room) {
        g_free(stream);
        return respond_text(request->connection, MHD_HTTP_SERVICE_UNAVAILABLE, "too many watch already\n");
    }
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, send_piece, stream, free_stream);
    if (!response)
        free_stream(stream);
    return queue(request->connection, MHD_HTTP_OK, "text/event-stream", response);
}

/* Questions about an address */

static void resume_asker(struct dsn_watch_question *question) {
    struct request *request = question->context;
    MHD_resume_connection(request->connection);
}

/* The address in "?q=", folded; NULL: there is none. */
static char *read_address(struct request *request) {
    const char *q = MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, "q");
    struct dsn_arena *arena = q && dsn_utf8_valid(dsn_sv_str(q)) ? dsn_arena_new() : NULL;
    struct dsn_strview address =
        arena ? dsn_address_read(arena, dsn_sv_trim(dsn_sv_str(q)), false) : DSN_NONE;
    char *folded = NULL;
    if (dsn_address_usable(address)) {
        address = dsn_address_fold(arena, address);
        folded = address.p ? g_strndup(address.p, address.n) : NULL;
    }
    dsn_arena_free(arena);
    return folded;
}

static enum MHD_Result answer_address(struct request *request) {
    struct dsn_http *http = request->http;
    struct dsn_watch_question *question = &request->question;
    if (question->address) /* asked, and answered */
        return question->answer
                   ? respond(request->connection, MHD_HTTP_OK, TYPE_JSON, g_string_new(question->answer))
                   : respond_text(request->connection, MHD_HTTP_SERVICE_UNAVAILABLE, "Redis is away\n");
    *question = (struct dsn_watch_question){read_address(request), NULL, resume_asker, request};
    if (!question->address)
        return respond_text(request->connection, MHD_HTTP_BAD_REQUEST, "this is no address\n");
    pthread_mutex_lock(&http->lock);
    bool asks = !http->closing;
    if (asks) {
        MHD_suspend_connection(request->connection);
        dsn_watch_ask(http->watch, question);
    }
    pthread_mutex_unlock(&http->lock);
    return asks ? MHD_YES : MHD_NO;
}

/* Requests */

static const struct {
    const char *path;
    enum MHD_Result (*answer)(struct request *request);
} routes[] = {
    {"/", answer_html},           {"/page.css", answer_css},   {"/page.js", answer_js},
    {"/icon.svg", answer_icon},   {"/stream", answer_stream},  {"/address", answer_address},
    {"/metrics", answer_metrics}, {"/healthz", answer_health}, {"/readyz", answer_readiness},
    {"/status", answer_status},
};

/* Whether the request was meant for us: a page of somebody else's whose name points to 127.0.0.1 (DNS
 * rebinding) asks under that name. Behind a UNIX socket there is no browser. */
static bool is_meant_for_us(const struct dsn_http *http, struct MHD_Connection *connection) {
    const char *host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
    if (http->path || !host)
        return true;
    size_t n = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    char *name = g_ascii_strdown(host, (gssize)MIN(n, strlen(host)));
    char *local = g_strdup_printf("%s:1", name);
    bool ours = strcmp(name, "localhost") == 0 || !dsn_listener_refuse(local);
    g_free(local);
    g_free(name);
    return ours;
}

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload, size_t *upload_n,
                              void **state) {
    struct dsn_http *http = context;
    struct request *request = *state;
    (void)version, (void)upload;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return respond_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "nothing can be changed here\n");
    if (!request) { /* the headers are there; what is answered now would close the connection */
        *state = request = g_new0(struct request, 1);
        request->http = http;
        request->connection = connection;
        return MHD_YES;
    }
    if (*upload_n > 0) { /* a body: nobody reads it */
        *upload_n = 0;
        return MHD_YES;
    }
    if (!is_meant_for_us(http, connection))
        return respond_text(connection, MHD_HTTP_MISDIRECTED_REQUEST,
                            "this is not the host that you asked for\n");
    for (size_t i = 0; i < G_N_ELEMENTS(routes); i++)
        if (strcmp(url, routes[i].path) == 0)
            return routes[i].answer(request);
    return respond_text(connection, MHD_HTTP_NOT_FOUND, "there is nothing here\n");
}

static void free_request(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code) {
    struct request *request = *state;
    (void)context, (void)connection, (void)code;
    if (request) {
        g_free(request->question.address);
        g_free(request->question.answer);
    }
    g_free(request);
    *state = NULL;
}

/* Opening and closing */

static void start(struct dsn_http *http, const struct dsn_conf *conf, int fd) {
    http->watch = dsn_watch_open(conf, http->pipeline, resume_watchers, http);
    if (!http->watch)
        return;
    http->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
                                    answer, http,                                 /* options */
                                    MHD_OPTION_LISTEN_SOCKET, fd,                 /* MHD closes it */
                                    MHD_OPTION_CONNECTION_LIMIT, MAX_CONNECTIONS, /* further ones wait */
                                    MHD_OPTION_CONNECTION_MEMORY_LIMIT, MAX_CONNECTION_BYTES, /* for each */
                                    MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT_S,                 /* of silence */
                                    MHD_OPTION_NOTIFY_COMPLETED, free_request, NULL, MHD_OPTION_END);
}

enum dsn_error dsn_http_open(const struct dsn_conf *conf, struct dsn_pipeline *pipeline, char *why,
                             size_t why_size, struct dsn_http **out) {
    int fd = -1;
    struct dsn_http *http = g_new0(struct dsn_http, 1);
    enum dsn_error error =
        dsn_listener_open(&(struct dsn_listener_settings){conf->http_listen, DSN_LISTENER_GROUP, BACKLOG},
                          why, why_size, &fd, &http->path);
    if (error) {
        g_free(http);
        return error;
    }
    http->conf = conf;
    http->pipeline = pipeline;
    http->streams = g_ptr_array_new();
    pthread_mutex_init(&http->lock, NULL);
    start(http, conf, fd);
    if (!http->daemon) {
        snprintf(why, why_size, "cannot answer at %s", conf->http_listen);
        close(fd);
        dsn_http_close(http);
        return DSN_ERR_IO;
    }
    DSN_LOG(DSN_LOG_INFO, "http-open", dsn_log_str("listen", conf->http_listen));
    *out = http;
    return DSN_OK;
}

/* libmicrohttpd wants nobody suspended when it stops. The watch ends after it: streams ask it for more until
 * they are freed. */
void dsn_http_close(struct dsn_http *http) {
    if (!http)
        return;
    pthread_mutex_lock(&http->lock);
    http->closing = true;
    resume_streams(http);
    pthread_mutex_unlock(&http->lock);
    dsn_watch_stop(http->watch);
    if (http->daemon)
        MHD_stop_daemon(http->daemon);
    dsn_watch_free(http->watch);
    if (http->path)
        unlink(http->path);
    g_ptr_array_unref(http->streams);
    pthread_mutex_destroy(&http->lock);
    g_free(http->path);
    g_free(http);
}
