/* reader: one thread's scratch memory, and the message that it read last. Shared by reader.c and event.c
 * alone. */
#ifndef EVENT_READER_H
#define EVENT_READER_H

#include "base/arena.h"
#include "dsn/reader.h"
#include "verdict/classify.h"

#include <yajl/yajl_gen.h>

struct dsn_reader {
    struct dsn_knowledge *knowledge;
    struct dsn_limits limits;
    struct dsn_arena *arena;
    struct dsn_formats_scratch *formats_scratch;
    struct dsn_classifier classifier;
    yajl_gen json;
    struct dsn_strview bytes; /* of the last message, canonical */
    struct dsn_report report;
    struct dsn_reasoning reasoning; /* of dsn_reader_classify */
};

/* How the verdict on a recipient of the last report came about. */
void dsn_reader_explain(struct dsn_reader *reader, const struct dsn_recipient *recipient,
                        struct dsn_reasoning *reasoning);

#endif
