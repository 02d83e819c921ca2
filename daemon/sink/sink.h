/* sink: where events go. The store (Redis) makes them durable, exactly once; publishers tell others of what
 * the store has, whoever stored it. A record is one event on its way to the store, copied out of the reader
 * that made it. */
#ifndef SINK_SINK_H
#define SINK_SINK_H

#include "dsn/event.h"
#include "policy/judgement.h"
#include "redis/streams.h"

#include <stdint.h>

enum dsn_record_state {
    DSN_RECORD_PENDING,   /* not in the store */
    DSN_RECORD_NEW,       /* stored by us */
    DSN_RECORD_DUPLICATE, /* was in the store before: counted by somebody else */
    DSN_RECORD_REFUSED,   /* the store will never take it: `refusal` says why */
};

#define DSN_RECORD_TOKEN_SIZE 40
#define DSN_RECORD_ENTRY_SIZE 44 /* two 64-bit numbers and a dash */

struct dsn_record {
    char id[DSN_EVENT_ID_LEN + 1];
    char token[DSN_RECORD_TOKEN_SIZE]; /* says whose commit it was when its reply is lost; never the same
                                          twice */
    struct dsn_strview json, topic, address, domain; /* in memory of the record, as is all that follows */
    struct dsn_strview reason, rule, provider;       /* empty where there is none */
    const char *kind, *type, *action;                /* static names; "" where there is none */
    const char *policy;                 /* as long as the policies live; "" where there is none */
    struct dsn_strview scope, evidence; /* see struct dsn_judgement */
    bool weak, clears;
    int64_t observed_at_ms, happened_at_ms;
    size_t weight; /* bytes that the record takes */

    enum dsn_record_state state;
    char entry[DSN_RECORD_ENTRY_SIZE]; /* id in the store's stream, when NEW or DUPLICATE */
    char *refusal;                     /* when REFUSED */
};

/* Copies what it needs; `token` is the caller's to write. NULL: no memory. */
struct dsn_record *dsn_record_new(const struct dsn_event *event, const struct dsn_verdict *verdict,
                                  const struct dsn_judgement *judgement, int64_t observed_at_ms);
void dsn_record_free(struct dsn_record *record);

/* A publisher: is given every entry of the store's streams in order, by a follower, and belongs to its
 * thread. */
struct dsn_sink;

struct dsn_sink_ops {
    const char *kind;
    /* Where it goes on: a position's text, freed with g_free; NULL: at the end. */
    char *(*resume)(struct dsn_sink *sink);
    void (*publish)(struct dsn_sink *sink, const struct dsn_entry *entry);
    /* All entries up to the position were given. False: what came since the last time could not be kept, and
     * has to come again. */
    bool (*settle)(struct dsn_sink *sink, const struct dsn_position *position);
    /* Does what is due (a heartbeat) and returns when it wants to be called again, in monotonic ms. */
    int64_t (*idle)(struct dsn_sink *sink, int64_t now_ms);
    /* Its file may have been moved away. NULL: it has none. */
    void (*reopen)(struct dsn_sink *sink);
    void (*close)(struct dsn_sink *sink);
};

struct dsn_sink {
    const struct dsn_sink_ops *ops;
};

#endif
