/* reader: one thread's scratch memory, and the message that it read last. Shared by reader.c, event.c and
 * stored.c alone. */
#ifndef EVENT_READER_H
#define EVENT_READER_H

#include "base/arena.h"
#include "dsn/reader.h"
#include "mail/addressee.h"
#include "mail/message.h"
#include "verdict/classify.h"

#include <sodium.h>
#include <yajl/yajl_gen.h>

struct dsn_reader {
    struct dsn_knowledge *knowledge;
    struct dsn_limits limits;
    struct dsn_arena *arena;
    struct dsn_formats_scratch *formats_scratch;
    struct dsn_addressing addressing;
    struct dsn_classifier classifier;
    yajl_gen json;
    struct dsn_strview bytes; /* of the last message, canonical */
    unsigned char
        hash[sizeof(crypto_generichash_state)]; /* of `bytes`; copied in and out, as it wants alignment */
    bool hashed;
    struct dsn_message message;
    struct dsn_report report;
};

/* How the verdict on a recipient of the last report came about; the rules that matched best first. Cleared
 * with dsn_reasoning_clear. */
void dsn_reader_explain(struct dsn_reader *reader, const struct dsn_recipient *recipient,
                        struct dsn_reasoning *reasoning);
void dsn_reasoning_clear(struct dsn_reasoning *reasoning);

/* A message suppresses nobody where it names no address that could be, or was cut off: the rest may say
 * otherwise, or name somebody else (then it returns why, else NULL). Nor does one that was looked into
 * (`trust`) and answers no mail of ours, unless the operator wants it so. */
const char *dsn_reader_withhold(const struct dsn_report *report, const struct dsn_trust *trust,
                                struct dsn_recipient *recipient);

#endif
