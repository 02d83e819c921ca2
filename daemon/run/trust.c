/* trust: reads the keys that sign return addresses, if nobody else can. Knows files; what a key is, libdsn
 * knows. */
#include "trust.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_FILE_BYTES = 16 * 1024 };

static const char *refuse_file(int fd) {
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0)
        return g_strerror(errno);
    if (!S_ISREG(info.st_mode))
        return "is no file";
    if (info.st_uid != 0 && info.st_uid != geteuid())
        return "belongs to somebody else, who could write keys; expected root or our own user as its owner";
    if (info.st_mode & (S_IWGRP | S_IRWXO))
        return "can be read by anybody, or written by its group; expected mode 0640 or stricter";
    return info.st_size > MAX_FILE_BYTES ? "is larger than 16 KiB" : NULL;
}

enum dsn_error dsn_trust_load_keys(const struct dsn_conf *conf, struct dsn_problems *problems,
                                   struct dsn_verp **out) {
    char text[MAX_FILE_BYTES];
    *out = NULL;
    if (!conf->verp_keys)
        return DSN_OK;
    int fd = open(conf->verp_keys, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    const char *refusal = refuse_file(fd);
    ssize_t n = refusal ? 0 : read(fd, text, sizeof text);
    if (n < 0)
        refusal = g_strerror(errno);
    if (fd >= 0)
        close(fd);
    if (refusal) {
        dsn_problems_add(problems, conf->verp_keys, 0, "%s", refusal);
        return DSN_ERR_SYNTAX;
    }
    enum dsn_error error =
        dsn_verp_new(conf->verp_keys, (struct dsn_strview){text, (size_t)n}, problems, out);
    sodium_memzero(text, sizeof text);
    return error;
}

bool dsn_trust_set_up(const struct dsn_conf *conf, const struct dsn_verp *keys, struct dsn_trust *out) {
    /* As the choices of [trust] stand in conf.c. */
    static const enum dsn_action actions[] = {DSN_ACTION_NONE, DSN_ACTION_COUNT, DSN_ACTION_SUPPRESS};
    *out = (struct dsn_trust){
        .verp = keys,
        .message_id_domains = (const char *const *)conf->trust_message_id_domains,
        .relays = (const char *const *)conf->trust_relays,
        .weak_verifies = conf->trust_weak != 0,
        .bounce = actions[conf->trust_unverified],
        .complaint = actions[conf->trust_unverified_complaints],
    };
    return keys || out->message_id_domains || out->relays;
}

struct dsn_judging dsn_trust_judging(const struct dsn_conf *conf, const char *ruleset) {
    struct dsn_trust trust;
    dsn_trust_set_up(conf, NULL, &trust);
    return (struct dsn_judging){
        .policies = conf->policies,
        .ruleset = ruleset,
        .unverified_suppresses = trust.bounce == DSN_ACTION_SUPPRESS,
        .unverified_complaints_suppress = trust.complaint == DSN_ACTION_SUPPRESS,
    };
}
