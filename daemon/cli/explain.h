/* explain: what `dsnd explain` has to say of one subject, and the two ways of saying it. */
#ifndef CLI_EXPLAIN_H
#define CLI_EXPLAIN_H

#include "event/reader.h"
#include "verdict/knowledge.h"

/* Everything is borrowed; what a subject is not about is NULL or 0. */
struct dsn_explanation {
    const char *subject;             /* as it was asked for; of a message, its name */
    const char *source;              /* of a message: "file", "mbox" ...; NULL: it is none */
    size_t number;                   /* of the message in an mbox, from 1; 0: it is no mbox */
    const struct dsn_reason *reason; /* the subject is one */
    const struct dsn_code *codes[2]; /* it has these codes */
    size_t n_codes;
    struct dsn_reader *reader;       /* read `report` last */
    const struct dsn_report *report; /* of a message, or of an answer (with one recipient) */
};

/* The words of `text` that a rule's expression matches, for people: NULL where it has none, or where they
 * cannot be told. Freed with g_free. */
char *dsn_explain_words(const struct dsn_rule *rule, struct dsn_strview text);

/* For people, as wide as the terminal is. */
enum dsn_error dsn_explain_text(const struct dsn_explanation *explanation);
/* A JSON object on a line (dsnd(1)). */
enum dsn_error dsn_explain_json(const struct dsn_explanation *explanation);

#endif
