/* trust: reads the keys that sign return addresses, if nobody else can. What a key is, libdsn knows. */
#include "trust.h"

#include "base/secret.h"

#include <sodium.h>

enum dsn_error dsn_trust_load_keys(const struct dsn_conf *conf, struct dsn_problems *problems,
                                   struct dsn_verp **out) {
    char text[DSN_SECRET_SIZE];
    size_t n;
    *out = NULL;
    if (!conf->verp_keys)
        return DSN_OK;
    const char *refusal = dsn_secret_read(conf->verp_keys, false, text, &n);
    if (refusal) {
        dsn_problems_add(problems, conf->verp_keys, 0, "%s", refusal);
        return DSN_ERR_SYNTAX;
    }
    enum dsn_error error = dsn_verp_new(conf->verp_keys, (struct dsn_strview){text, n}, problems, out);
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
