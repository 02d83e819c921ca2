/* message: one message on its way through the pipeline: its item and what became of it. */
#ifndef RUN_MESSAGE_H
#define RUN_MESSAGE_H

#include "sink/sink.h"
#include "source/source.h"

enum dsn_fate {
    DSN_FATE_COMMIT,   /* read: its records (there may be none) are to be stored, then it is settled */
    DSN_FATE_ASIDE,    /* cannot be processed: set aside with `error` */
    DSN_FATE_POSTPONE, /* cannot be read now: offered again later */
    DSN_FATE_UNREADY,  /* still being written: offered again soon */
    DSN_FATE_GONE,     /* is not there any more */
};

struct dsn_message {
    struct dsn_item *item;
    enum dsn_fate fate;
    char *error; /* of ASIDE; the message's own */
    struct dsn_record **records;
    size_t n_records;
    size_t weight;    /* bytes, for the queue */
    int64_t begun_us; /* when a worker took it; monotonic */
};

struct dsn_message *dsn_message_new(struct dsn_item *item);
/* Frees all but the item. NULL is fine. */
void dsn_message_free(struct dsn_message *message);
/* Frees the records: they are stored and published. */
void dsn_message_drop_records(struct dsn_message *message);
/* Sets fate and error. */
void dsn_message_set_aside(struct dsn_message *message, const char *error);

#endif
