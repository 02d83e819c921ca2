/* roster: the suppression list as commands use it: walked through page by page, and changed an address at a
 * time, each change with the event that tells of it. Knows the keys (dsnd-redis(7)). */
#ifndef CLI_ROSTER_H
#define CLI_ROSTER_H

#include "base/arena.h"
#include "server.h"

struct dsn_roster;

/* The configuration is borrowed. `scope` NULL: everybody's list. */
struct dsn_roster *dsn_roster_open(const struct dsn_conf *conf, const char *scope);
void dsn_roster_close(struct dsn_roster *roster); /* NULL is fine */

/* An entry of the list; borrowed while it is visited. Texts are empty where nothing is known. */
struct dsn_roster_entry {
    struct dsn_strview address;
    int64_t until_ms, since_ms; /* until: DSN_FOR_GOOD */
    const char *reason, *rule, *policy, *provider, *event;
    const char *scope; /* NULL: everybody's */
    const char *story; /* its last line, JSON */
};

/* Which entries; NULL and 0 are any. */
struct dsn_roster_filter {
    char *reason, *rule, *policy, *provider, *domain;
    int64_t since_ms, until_ms; /* suppressed since then; before then */
};

/* False: stop. */
typedef bool dsn_roster_visit(void *context, const struct dsn_roster_entry *entry);

/* A time of the list as it is kept: milliseconds since 1970, or DSN_FOR_GOOD for "inf". */
int64_t dsn_roster_time(const char *text);

/* From now on it walks through what is held of a provider, and changes that. */
void dsn_roster_hold_to(struct dsn_roster *roster, const char *provider);
/* Providers of which anything may be held; freed with g_strfreev. NULL: it has said why. */
char **dsn_roster_providers(struct dsn_roster *roster);

/* Visits what is suppressed now. An entry that changes meanwhile may come twice. False: it has said why. */
bool dsn_roster_walk(struct dsn_roster *roster, const struct dsn_roster_filter *filter,
                     dsn_roster_visit *visit, void *context);

/* The last two are for what is held. */
enum dsn_roster_act { DSN_ROSTER_SUPPRESS, DSN_ROSTER_CLEAR, DSN_ROSTER_RELEASE, DSN_ROSTER_DISCARD };

struct dsn_roster_change {
    enum dsn_roster_act act;
    struct dsn_strview address; /* as it was written */
    int64_t until_ms;           /* or DSN_FOR_GOOD */
    const char *reason;         /* of a suppression */
    const char *note;           /* for the story, and the event; NULL: none */
    const char *event;          /* only where the decision rests on this event; NULL: whatever it rests on */
};

/* The first two have said why. */
enum dsn_roster_result {
    DSN_ROSTER_REFUSED, /* it is no mail address */
    DSN_ROSTER_FAILED,  /* Redis did not do it: no use to go on */
    DSN_ROSTER_UNCHANGED,
    DSN_ROSTER_CHANGED
};
enum dsn_roster_result dsn_roster_apply(struct dsn_roster *roster, const struct dsn_roster_change *change);

/* Names of the scopes in which anybody was ever suppressed; freed with g_strfreev. NULL: it has said why. */
char **dsn_roster_scopes(struct dsn_roster *roster);
/* The address as it is kept; absent: it is none. Lives until the next call. */
struct dsn_strview dsn_roster_fold(struct dsn_roster *roster, struct dsn_strview address);
/* The reply to COMMAND KEY..., KEY being `name` and the (folded) address, `more` what follows; NULL: none. */
struct redisReply *dsn_roster_ask(struct dsn_roster *roster, const char *command, const char *name,
                                  struct dsn_strview address, const char *const *more, size_t n_more);

#endif
