/* listener: addresses that do not leave the host, and the sockets to listen at them. Knows no protocol above.
 */
#include "listener.h"

#include "endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un un;
};

/* Returns the size of `out`; 0: this is no address of the loopback interface, or the path is too long. */
static socklen_t to_socket_address(const struct dsn_endpoint *address, union address *out) {
    memset(out, 0, sizeof *out);
    if (address->port == 0) {
        out->un.sun_family = AF_UNIX;
        return g_strlcpy(out->un.sun_path, address->host, sizeof out->un.sun_path) < sizeof out->un.sun_path
                   ? sizeof out->un
                   : 0;
    }
    if (inet_pton(AF_INET, address->host, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons((uint16_t)address->port);
        return ntohl(out->v4.sin_addr.s_addr) >> 24 == 127 ? sizeof out->v4 : 0;
    }
    if (inet_pton(AF_INET6, address->host, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons((uint16_t)address->port);
        return IN6_IS_ADDR_LOOPBACK(&out->v6.sin6_addr) ? sizeof out->v6 : 0;
    }
    return 0;
}

const char *dsn_listener_refuse(const char *text) {
    struct dsn_endpoint address;
    union address where;
    if (!dsn_endpoint_parse(text, &address))
        return "no address to listen at; expected 127.0.0.1:PORT, [::1]:PORT or unix:/PATH";
    socklen_t size = to_socket_address(&address, &where);
    bool is_path = address.port == 0;
    g_free(address.host);
    if (size > 0)
        return NULL;
    return is_path ? "too long for the path of a socket; expected at most 107 bytes"
                   : "not the loopback interface: nobody is asked for a password, so this must not leave the "
                     "host; "
                     "expected 127.0.0.1:PORT, [::1]:PORT or unix:/PATH";
}

/* Nobody listens at it any more. */
static bool is_left_behind(const union address *where, socklen_t size) {
    struct stat info;
    if (lstat(where->un.sun_path, &info) != 0 || !S_ISSOCK(info.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool left = fd >= 0 && connect(fd, &where->any, size) != 0 && errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    return left;
}

static bool bind_to(int fd, const union address *where, socklen_t size) {
    const int on = 1;
    if (where->any.sa_family != AF_UNIX)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, &where->any, size) == 0)
        return true;
    if (errno != EADDRINUSE || where->any.sa_family != AF_UNIX)
        return false;
    if (!is_left_behind(where, size)) {
        errno = EADDRINUSE;
        return false;
    }
    return unlink(where->un.sun_path) == 0 && bind(fd, &where->any, size) == 0;
}

/* Whatever the umask; nobody can connect before listen. */
static bool let_in(const union address *where, enum dsn_listener_access access) {
    static const mode_t modes[] = {
        [DSN_LISTENER_OWNER] = 0600, [DSN_LISTENER_GROUP] = 0660, [DSN_LISTENER_ALL] = 0666};
    return where->any.sa_family != AF_UNIX || chmod(where->un.sun_path, modes[access]) == 0;
}

/* A socket that listens, and errno where there is none. */
static int open_socket(const union address *where, socklen_t size,
                       const struct dsn_listener_settings *settings) {
    int fd = socket(where->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool bound = fd >= 0 && bind_to(fd, where, size);
    if (bound && let_in(where, settings->access) && listen(fd, settings->backlog) == 0)
        return fd;
    int error = errno;
    if (bound && where->any.sa_family == AF_UNIX)
        unlink(where->un.sun_path);
    if (fd >= 0)
        close(fd);
    errno = error;
    return -1;
}

enum dsn_error dsn_listener_open(const struct dsn_listener_settings *settings, char *why, size_t why_size,
                                 int *out, char **path) {
    const char *text = settings->address;
    struct dsn_endpoint address = {0};
    union address where;
    socklen_t size = dsn_endpoint_parse(text, &address) ? to_socket_address(&address, &where) : 0;
    g_free(address.host);
    if (size == 0) {
        snprintf(why, why_size, "%s: %s", text, dsn_listener_refuse(text));
        return DSN_ERR_INVALID;
    }
    int fd = open_socket(&where, size, settings);
    if (fd < 0) {
        snprintf(why, why_size, "cannot listen at %s: %s", text, strerror(errno));
        return DSN_ERR_IO;
    }
    *out = fd;
    *path = where.any.sa_family == AF_UNIX ? g_strdup(where.un.sun_path) : NULL;
    return DSN_OK;
}

int dsn_listener_accept(int listener, bool *crowded) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    *crowded = fd < 0 && errno != EAGAIN && errno != ECONNABORTED && errno != EINTR;
    return fd;
}

int dsn_listener_connect(const char *text, int timeout_ms) {
    const struct timeval timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
    struct dsn_endpoint address = {0};
    union address where;
    socklen_t size = dsn_endpoint_parse(text, &address) ? to_socket_address(&address, &where) : 0;
    g_free(address.host);
    errno = EINVAL;
    int fd = size > 0 ? socket(where.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) == 0 &&
        connect(fd, &where.any, size) == 0)
        return fd;
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return -1;
}
