/* format: reports that are no RFC 3464, read as config/formats/NAME.format describes them. */
#ifndef MAIL_FORMAT_H
#define MAIL_FORMAT_H

#include "report.h"

/* The formats of a knowledge: immutable, shared by all threads. */
struct dsn_formats;
/* One thread's scratch memory for them. */
struct dsn_formats_scratch;

/* Reads the draft's message by the first format that recognises it. Returns whether one did and found recipients. */
bool dsn_format_read(const struct dsn_formats *formats, struct dsn_formats_scratch *scratch, struct dsn_draft *draft);

#endif
