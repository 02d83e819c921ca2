/* output: events as lines for people and for programs. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "dsn/dsn.h"

#include <glib.h>

enum dsn_output { DSN_OUTPUT_NDJSON, DSN_OUTPUT_JSON, DSN_OUTPUT_TABLE };

/* Reads "ndjson", "json" or "table"; NULL is `*out` as it is. False for anything else. */
bool dsn_output_parse(const char *name, enum dsn_output *out);

/* A text from a message or a folder as it is safe to show on a terminal: one line, without control and
 * direction-changing characters. Freed with g_free. */
char *dsn_output_shown(struct dsn_strview s);

/* Appends the events of the report that the reader read last. */
enum dsn_error dsn_output_events(GString *text, enum dsn_output format, struct dsn_reader *reader,
                                 const struct dsn_report *report, const struct dsn_event_source *source);
/* What stands before the first event, between two, and after the last. */
const char *dsn_output_begin(enum dsn_output format);
const char *dsn_output_end(enum dsn_output format);

#endif
