/* conf: the configuration, /etc/dsnd/dsnd.conf. Every key has a default; whatever is unknown or makes no
 * sense is a problem with file and line. config/dsnd.conf shows all of it. */
#ifndef RUN_CONF_H
#define RUN_CONF_H

#include "dsn/error.h"
#include "dsn/reader.h"

#define DSN_CONF_PATH "/etc/dsnd/dsnd.conf"

struct dsn_conf_source {
    char *name;         /* of [source NAME] */
    int64_t kind, done; /* the place in the list of choices; done as enum dsn_maildir_done */
    char *path;
    int64_t rescan_ms;
};

struct dsn_conf {
    char *redis_server, *redis_prefix, *redis_password_file;
    char *redis_password; /* what the file says; NULL: none */
    int64_t redis_shards, redis_timeout_ms;
    int64_t stream_maxlen, max_domains;
    int64_t seen_expiry_ms, address_expiry_ms, stats_expiry_ms;
    bool has_feed;
    char *feed_bind;
    int64_t feed_hwm, feed_heartbeat_ms;
    struct dsn_conf_source *sources;
    size_t n_sources;
    int64_t max_bytes, max_parts, max_depth, max_headers, max_recipients, max_field_bytes;
    int64_t workers; /* 0: one a core */
    int64_t queue, queue_bytes;
    int64_t drain_ms;
    char *knowledge_dir;
    int64_t log_level; /* enum dsn_log_level */
    int64_t mask_addresses;
    char **event_headers; /* ended by NULL; NULL: none */
};

/* Reads the file. DSN_ERR_SYNTAX: the problems tell. */
enum dsn_error dsn_conf_load(const char *path, struct dsn_problems *problems, struct dsn_conf **out);
/* Reads a text; `name` is what problems call it. */
enum dsn_error dsn_conf_parse(const char *name, struct dsn_strview text, struct dsn_problems *problems,
                              struct dsn_conf **out);
void dsn_conf_free(struct dsn_conf *conf); /* NULL is fine */

struct dsn_limits dsn_conf_limits(const struct dsn_conf *conf);

#endif
