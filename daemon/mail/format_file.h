/* format_file: a format as its file describes it, compiled. Shared by format.c and format_file.c alone. */
#ifndef MAIL_FORMAT_FILE_H
#define MAIL_FORMAT_FILE_H

#include "base/keyfile.h"
#include "base/matcher.h"
#include "capture.h"
#include "dsn/verdict.h"

#include <glib.h>

/* Expressions of one key, tried in order. */
struct dsn_captures {
    struct dsn_capture **items;
    size_t n;
};

struct dsn_format {
    char *name, *file, *sample;
    unsigned sample_line; /* where it is named, or should be */
    enum dsn_kind kind;
    uint8_t cls;        /* class where the report states no code; 0: none */
    bool generic;       /* a guess: tried last, and said to be one */
    bool anywhere;      /* last resort: the first usable address in the text that is not the report's own */
    bool from_header;   /* recipients are those of X-Failed-Recipients, whatever the text says */
    bool from_original; /* where the text names nobody: the addressee of the returned message */
    bool replier;       /* the recipient is who wrote this */
    unsigned n_conditions; /* all have to hold */
    bool evident_only;     /* it looks at the text alone: only for what is evidently a report */
    struct dsn_captures begin, end, stop, recipient, before, diagnostic, common, delay, temporary;
};

/* What conditions tell that are of no format: their indices are those behind the formats'. Evidently a
 * report; perhaps of a delay; perhaps something that is to be left out. */
enum { DSN_SHARED_REPORT, DSN_SHARED_DELAY, DSN_SHARED_ASIDE, DSN_SHARED };

struct dsn_condition {
    unsigned format; /* index */
    bool negated;    /* must not match */
};

struct dsn_formats {
    struct dsn_format *items;
    size_t n;
    struct dsn_matcher *header, *body;
    GArray *header_conditions, *body_conditions; /* struct dsn_condition: by pattern */
    struct dsn_captures end;                     /* where a returned message begins, for all formats */
    struct dsn_captures delay;                   /* words of one that is still being tried, for all formats */
    struct dsn_captures aside;                   /* what was written by whatever carried the report */
    bool asks_header;                            /* they say what a report has in its header */
};

#endif
