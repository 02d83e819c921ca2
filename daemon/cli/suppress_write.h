/* suppress_write: entries of the suppression list as lines: our own formats, and the columns of mail
 * services. */
#ifndef CLI_SUPPRESS_WRITE_H
#define CLI_SUPPRESS_WRITE_H

#include "roster.h"

#include <stdio.h>

struct dsn_suppress_format;

/* NULL: there is none of that name; dsn_suppress_format_names has all, separated by commas. */
const struct dsn_suppress_format *dsn_suppress_format(const char *name);
extern const char dsn_suppress_format_names[];

void dsn_suppress_write_head(FILE *out, const struct dsn_suppress_format *format);
void dsn_suppress_write(FILE *out, const struct dsn_suppress_format *format,
                        const struct dsn_roster_entry *entry);

#endif
