/* output: events as lines for people and for programs. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "dsn/dsn.h"

#include <glib.h>
#include <stdio.h>

enum dsn_output { DSN_OUTPUT_NDJSON, DSN_OUTPUT_JSON, DSN_OUTPUT_TABLE };

/* Reads "ndjson", "json" or "table"; NULL is `*out` as it is. False for anything else. */
bool dsn_output_parse(const char *name, enum dsn_output *out);

/* A text from a message or a folder as it is safe to show on a terminal: one line, without control and
 * direction-changing characters. Freed with g_free. */
char *dsn_output_shown(struct dsn_strview s);

/* Appends the events of the report that the reader read last. */
enum dsn_error dsn_output_events(GString *text, enum dsn_output format, struct dsn_reader *reader,
                                 const struct dsn_report *report, const struct dsn_event_source *source);
/* Appends a row of the table, as its headings say; what is absent is NULL. */
enum {
    DSN_COLUMN_KIND,
    DSN_COLUMN_TYPE,
    DSN_COLUMN_REASON,
    DSN_COLUMN_ACTION,
    DSN_COLUMN_CODE,
    DSN_COLUMN_STATUS,
    DSN_COLUMN_RECIPIENT,
    DSN_COLUMN_SOURCE,
    DSN_COLUMNS
};
void dsn_output_row(GString *text, const char *const columns[DSN_COLUMNS]);
/* Prints what stands before the first event (a table's header), and after the last. */
void dsn_output_begin(FILE *out, enum dsn_output format);
void dsn_output_end(FILE *out, enum dsn_output format);

#endif
