/* reader: the way into libdsn. Knowledge is loaded once and shared by all threads; each thread has a reader.
 *
 *     struct dsn_knowledge *knowledge;
 *     struct dsn_reader *reader;
 *     const struct dsn_report *report;
 *     if (dsn_knowledge_new_builtin(&knowledge) == DSN_OK && dsn_reader_new(knowledge, NULL, &reader) ==
 * DSN_OK
 *         && dsn_reader_read(reader, bytes, &report) == DSN_OK) ...
 */
#ifndef DSN_READER_H
#define DSN_READER_H

#include "error.h"
#include "report.h"
#include "verdict.h"

/* Codes, reasons, rules, providers and formats: immutable, counted, safe to share between threads. */
struct dsn_knowledge;

/* A file of knowledge, already read: its name says what it is (codes.conf, reasons.conf, providers.conf,
 * rules/NAME.rules, formats/NAME.format; the folder before that does not matter). */
struct dsn_knowledge_file {
    const char *name;
    struct dsn_strview text;
};

/* The knowledge that is built into libdsn. */
enum dsn_error dsn_knowledge_new_builtin(struct dsn_knowledge **out);
/* The built-in knowledge with `files` before it: a file with the name of a built-in one replaces it, and
 * rules and formats of other names are added and win over ours. DSN_ERR_SYNTAX: `problems` (may be NULL) says
 * what and where. The texts are copied. */
enum dsn_error dsn_knowledge_new(const struct dsn_knowledge_file *files, size_t n_files,
                                 struct dsn_problems *problems, struct dsn_knowledge **out);
struct dsn_knowledge *dsn_knowledge_ref(struct dsn_knowledge *knowledge);
void dsn_knowledge_unref(struct dsn_knowledge *knowledge); /* NULL is fine */
/* 16 hex digits that name the rules loaded. */
const char *dsn_knowledge_ruleset(const struct dsn_knowledge *knowledge);

/* What a message may cost. 0 in any field: the default. */
struct dsn_limits {
    size_t max_bytes;        /* of a message; more is cut off, default 4 MiB */
    unsigned max_parts;      /* MIME parts, default 200 */
    unsigned max_depth;      /* of nesting, default 10 */
    unsigned max_headers;    /* header fields in a header, default 1,000 */
    unsigned max_recipients; /* in a report, default 10,000 */
    unsigned max_json_depth; /* of JSON; what is deeper is not read: truncated; default 16, at most 32 */
    size_t max_header_bytes; /* of a header field, with its folds; more is not looked at, default 64 KiB */
    size_t max_field_bytes;  /* of a field's value, unfolded; more is cut off, default 8 KiB */
};

/* How a reader reads. 0 in any field: the default. */
struct dsn_options {
    struct dsn_limits limits;
    /* Where the address to act on is taken from, best first, ended by DSN_FROM_NOTHING; a source that is not
     * listed is never taken. Default: as in enum dsn_provenance. */
    enum dsn_provenance order[DSN_PROVENANCES];
    /* How return addresses name the recipient: regular expressions (PCRE) with a group
     * (?<recipient>USER=DOMAIN), or (?<scope>LIST), or both; ended by NULL. Default: as list managers and
     * mail services write them. Only read by dsn_reader_new. */
    const char *const *verp;
};

/* One thread's scratch memory. Holds a reference to its knowledge. */
struct dsn_reader;

/* `options` may be NULL. DSN_ERR_SYNTAX: an expression is wrong. DSN_ERR_LIMIT: there are too many (32). */
enum dsn_error dsn_reader_new(struct dsn_knowledge *knowledge, const struct dsn_options *options,
                              struct dsn_reader **out);
void dsn_reader_free(struct dsn_reader *reader); /* NULL is fine */

/* Reads a message: RFC 5322, any line ends, an mbox "From " line in front is skipped. `*out` lives until the
 * next call with this reader; `message` must live as long. DSN_ERR_INVALID: empty, or no mail at all. */
enum dsn_error dsn_reader_read(struct dsn_reader *reader, struct dsn_strview message,
                               const struct dsn_report **out);

/* Says of each recipient of the report that this reader read last whether it answers mail of ours (trust.h),
 * with the address that we mailed as its recipient where a signature tells it, and takes suppress back where
 * it does not. The report that dsn_reader_read handed out is changed. `now_s`: seconds since 1970, for
 * signatures that end. */
void dsn_reader_authenticate(struct dsn_reader *reader, const struct dsn_trust *trust, int64_t now_s);

/* What a single answer of a server means, as in "550 5.1.1 <x@example.com>: user unknown": the verdict of a
 * bounce with that diagnostic text. `remote_mta`: the server's name, by which rules of its provider apply;
 * may be absent. `*out` lives until the next call with this reader. */
enum dsn_error dsn_reader_classify(struct dsn_reader *reader, struct dsn_strview diagnostic,
                                   struct dsn_strview remote_mta, const struct dsn_recipient **out);

#endif
