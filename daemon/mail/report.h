/* report: from the parts of a message to what it says about each recipient. The readers of the single formats
 * (rfc3464, arf, autoreply, formats, prose) fill a draft; this module asks them in turn and completes the
 * result. */
#ifndef MAIL_REPORT_H
#define MAIL_REPORT_H

#include "dsn/reader.h"
#include "human.h"
#include "message.h"

#include <glib.h>

struct dsn_addressing;
struct dsn_formats;
struct dsn_formats_scratch;

/* A report that is still being read. */
struct dsn_draft {
    struct dsn_arena *arena;
    const struct dsn_limits *limits;
    const struct dsn_message *message; /* that the report was found in: the whole, or one forwarded in it */
    const struct dsn_formats *formats;
    struct dsn_formats_scratch *scratch;
    struct dsn_report report;
    struct dsn_strview
        return_path; /* of the message that a complaint is about; absent where it is not told */
    struct dsn_human human;
    struct dsn_recipient *recipients; /* becomes report.recipients */
    size_t n, capacity;
    bool json_too_deep; /* what may be a notification was not read for that */
    GTree *index;       /* their numbers, from 1, by final recipient; NULL: nobody was looked for */
    size_t indexed;
};

/* A new recipient, zeroed but for its times; NULL at the limit or when memory runs out (report.truncated is
 * set). */
struct dsn_recipient *dsn_draft_add(struct dsn_draft *draft);
/* The recipient with that final recipient, whatever its case; NULL where there is none, or no address. Once
 * found, or looked for, a recipient's final recipient stays as it is. */
struct dsn_recipient *dsn_draft_find(struct dsn_draft *draft, struct dsn_strview address);
/* Keeps the first `n` recipients, which may have changed. */
void dsn_draft_keep(struct dsn_draft *draft, size_t n);

/* Reads what `message` reports. A message that is no report gives a report without recipients. The verdict of
 * each recipient holds the kind alone. Everything lives in the arena. */
enum dsn_error dsn_report_read(struct dsn_arena *arena, const struct dsn_limits *limits,
                               const struct dsn_formats *formats, struct dsn_formats_scratch *scratch,
                               const struct dsn_addressing *addressing, const struct dsn_message *message,
                               struct dsn_report *out);

#endif
