/* format: reports that are no RFC 3464, read as config/formats/NAME.format describes them (dsnd-formats(5)).
 */
#ifndef MAIL_FORMAT_H
#define MAIL_FORMAT_H

#include "base/keyfile.h"
#include "report.h"

/* The formats of a knowledge: immutable, shared by all threads. */
struct dsn_formats;
/* One thread's scratch memory for them. */
struct dsn_formats_scratch;

/* `files` in order of precedence; only read during the call. DSN_ERR_SYNTAX: the problems say what and where.
 */
enum dsn_error dsn_formats_new(const struct dsn_keyfile *const *files, size_t n,
                               struct dsn_problems *problems, struct dsn_formats **out);
void dsn_formats_free(struct dsn_formats *formats); /* NULL is fine */

enum dsn_error dsn_formats_scratch_new(const struct dsn_formats *formats, struct dsn_formats_scratch **out);
void dsn_formats_scratch_free(struct dsn_formats_scratch *scratch); /* NULL is fine */
/* Before each message: forgets the one before, and gives this one its allowance of work. */
void dsn_formats_scratch_reset(struct dsn_formats_scratch *scratch);

enum dsn_format_rank {
    DSN_FORMAT_REPORT, /* what is surely a report: a bounce, a delay */
    DSN_FORMAT_OTHER,  /* what is surely none: auto-replies, challenges */
    DSN_FORMAT_GUESS,  /* generic formats */
};

/* Reads the draft's message by the first format of that rank that recognises it and finds a recipient.
 * Returns whether one did; a format of kind "none" that recognises it leaves the draft without recipients. */
bool dsn_format_read(const struct dsn_formats *formats, struct dsn_formats_scratch *scratch,
                     struct dsn_draft *draft, enum dsn_format_rank rank);

/* The message that is returned, or forwarded, inside the text itself: in the arena; NULL where there is none.
 */
struct dsn_message *dsn_format_embedded(const struct dsn_formats *formats,
                                        struct dsn_formats_scratch *scratch, struct dsn_draft *draft);

/* Whether a message is returned inside the text, and how much of its header is there. */
enum dsn_returned { DSN_RETURNED_NOT, DSN_RETURNED_BEGUN, DSN_RETURNED_HEADER };
enum dsn_returned dsn_format_returned(const struct dsn_formats *formats, struct dsn_formats_scratch *scratch,
                                      struct dsn_draft *draft);

/* Where a delivery status leaves out what the human part tells (no diagnostic, or one without a code), adds
 * that. */
void dsn_format_supplement(const struct dsn_formats *formats, struct dsn_formats_scratch *scratch,
                           struct dsn_draft *draft);

/* Whether what was read by the format of that name is a guess. */
bool dsn_formats_guesses(const struct dsn_formats *formats, struct dsn_strview name);

/* What proves a format, and where that is said. Lives as long as the formats. */
struct dsn_format_sample {
    const char *format, *file;
    unsigned line;
    const char *name; /* of the sample, as the file names it; NULL: it names none */
};

/* The samples of the formats by number, in the order in which these are tried. False past the end. */
bool dsn_formats_sample(const struct dsn_formats *formats, size_t i, struct dsn_format_sample *out);

#endif
