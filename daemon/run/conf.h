/* conf: the configuration, /etc/dsnd/dsnd.conf. Every key has a default; whatever is unknown or makes no
 * sense is a problem with file and line. config/dsnd.conf shows all of it. */
#ifndef RUN_CONF_H
#define RUN_CONF_H

#include "dsn/error.h"
#include "dsn/reader.h"
#include "dsn/verp.h"
#include "policy/policy.h"
#include "redis/connection.h"

#define DSN_CONF_PATH "/etc/dsnd/dsnd.conf"

enum dsn_conf_source_kind { DSN_CONF_MAILDIR, DSN_CONF_STREAM, DSN_CONF_LMTP };

/* A source has the keys of its kind; the others are 0. */
struct dsn_conf_source {
    char *name;   /* of [source NAME] */
    int64_t kind; /* enum dsn_conf_source_kind */
    char *path;
    int64_t done; /* enum dsn_maildir_done */
    int64_t rescan_ms;
    int64_t claim_ms, max_deliveries;
    char *listen;
    int64_t access; /* enum dsn_listener_access */
    int64_t max_clients;
};

struct dsn_conf {
    char *redis_server, *redis_prefix, *redis_user, *redis_password_file;
    char **redis_sentinels; /* ended by NULL; NULL: none */
    char *redis_master;
    char **redis_cluster; /* ended by NULL; NULL: none */
    int64_t redis_wait_replicas;
    char *redis_password; /* what the file says; NULL: none */
    int64_t redis_shards, redis_timeout_ms;
    int64_t stream_maxlen, max_domains;
    int64_t seen_expiry_ms, address_expiry_ms, stats_expiry_ms;
    bool has_feed;
    char *feed_bind, *feed_replay;                /* NULL: no replay */
    char *feed_keys, *feed_clients;               /* both, or both NULL: not encrypted */
    char *ndjson_path;                            /* NULL: no file */
    int64_t feed_cloudevents, ndjson_cloudevents; /* 1: in their envelope */
    int64_t feed_insecure;                        /* 1: anyone may read it */
    int64_t feed_hwm, feed_heartbeat_ms;
    bool has_lookup;
    char *lookup_listen;
    int64_t lookup_access; /* enum dsn_listener_access */
    int64_t lookup_cache_ms, lookup_timeout_ms, lookup_clients;
    bool has_http;
    char *http_listen;
    int64_t queue_max_messages;
    struct dsn_conf_source *sources;
    size_t n_sources;
    int64_t max_bytes, max_parts, max_depth, max_headers, max_recipients;
    int64_t max_json_depth, max_header_bytes, max_field_bytes;
    int64_t max_time_ms; /* of CPU, for a message */
    int64_t workers;     /* 0: one a core */
    int64_t queue, queue_bytes;
    int64_t drain_ms;
    char *knowledge_dir;
    int64_t log_level; /* enum dsn_log_level */
    int64_t mask_addresses;
    char **event_headers; /* ended by NULL; NULL: none */
    char **order, **verp; /* names of sources, expressions; ended by NULL; NULL: as built in */
    char *verp_keys, *verp_user, *verp_domain; /* NULL: none */
    int64_t verp_delimiter;                    /* the place in the list of choices, see dsn_conf_verp_form */
    int64_t verp_lifetime_ms;
    char **trust_message_id_domains, **trust_relays;       /* ended by NULL; NULL: none */
    int64_t trust_weak;                                    /* 1: verified */
    int64_t trust_unverified, trust_unverified_complaints; /* 0 none, 1 count, 2 suppress */
    struct dsn_policies *policies;
    int64_t guard_bounces, guard_factor, guard_discard_ms;
};

/* Reads the file. DSN_ERR_SYNTAX: the problems tell. */
enum dsn_error dsn_conf_load(const char *path, struct dsn_problems *problems, struct dsn_conf **out);
/* Reads a text; `name` is what problems call it. */
enum dsn_error dsn_conf_parse(const char *name, struct dsn_strview text, struct dsn_problems *problems,
                              struct dsn_conf **out);
void dsn_conf_free(struct dsn_conf *conf); /* NULL is fine */

/* How Redis is to be reached, without scripts. Lives as long as `conf`. */
struct dsn_redis_settings dsn_conf_redis(const struct dsn_conf *conf);
/* What people call it. Lives as long as `conf`. */
const char *dsn_conf_redis_name(const struct dsn_conf *conf);
/* How messages are to be read. Lives as long as `conf`. */
struct dsn_options dsn_conf_options(const struct dsn_conf *conf);
/* What is wrong with a text as the user of return addresses; NULL where nothing is. */
const char *dsn_conf_refuse_user(const char *text);
/* Borrows from the configuration. Its domain is NULL where none is configured. */
struct dsn_verp_form dsn_conf_verp_form(const struct dsn_conf *conf);

#endif
