/* ndjson: every event of the stream as a line of a file, each once, also where dsnd was killed. */
#ifndef SINK_NDJSON_H
#define SINK_NDJSON_H

#include "sink.h"

struct dsn_ndjson_settings {
    const char *path;
    const char *cloudevents; /* their source: lines are CloudEvents; NULL: events */
};

/* Opens the file, and locks it. On failure `why` (of `why_size` bytes) says for people what is wrong. */
enum dsn_error dsn_ndjson_open(const struct dsn_ndjson_settings *settings, char *why, size_t why_size,
                               struct dsn_sink **out);

#endif
