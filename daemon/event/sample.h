/* sample: a message that says itself how it is to be read, in a header for each event:
 *
 *     X-Expect: FORMAT KIND RECIPIENT STATUS CODE
 *
 * where '-' stands for what is absent, and need not be written at the end: "X-Expect: challenge none". */
#ifndef EVENT_SAMPLE_H
#define EVENT_SAMPLE_H

#include "dsn/reader.h"

/* What is wrong with how a sample is read: a text that the caller frees with g_free; NULL where nothing is.
 * `format`: that it has to be read by; NULL: by the one that it names. */
char *dsn_sample_refuse(struct dsn_reader *reader, struct dsn_strview message, const char *format);

#endif
