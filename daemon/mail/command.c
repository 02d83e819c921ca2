/* command: which SMTP command an answer replied to. Knows how MTAs tell it, and how pipelining blurs it. */
#include "command.h"
#include "base/sv.h"

#include <glib.h>
#include <stdint.h>

static const struct {
    const char *words;
    enum dsn_smtp_command command;
} commands[] = {
    {"rcpt", DSN_COMMAND_RCPT},
    {"mail from", DSN_COMMAND_MAIL},
    {"mail command", DSN_COMMAND_MAIL},
    {"data", DSN_COMMAND_DATA},
    {"bdat", DSN_COMMAND_DATA},
    {"ehlo", DSN_COMMAND_EHLO},
    {"helo", DSN_COMMAND_EHLO},
    {"lhlo", DSN_COMMAND_EHLO},
    {"starttls", DSN_COMMAND_STARTTLS},
    {"auth", DSN_COMMAND_AUTH},
    {"initial connection", DSN_COMMAND_CONNECT},
    {"connect", DSN_COMMAND_CONNECT},
    {"initial greeting", DSN_COMMAND_CONNECT},
    {"recipient", DSN_COMMAND_RCPT},
    {"sender", DSN_COMMAND_MAIL},
    {"message body", DSN_COMMAND_DATA},
};

/* What stands before a command's name in an answer, and between the two. */
static const char *const leads[] = {"in reply to ", "in response to ", "response to ",
                                    "after ",       "smtp:",           "error from "};
static const char *const fillers[] = {"pipelined ", "sending ", "the ", "end of ", "end-of-", "\""};

static struct dsn_strview skip_fillers(struct dsn_strview text) {
    for (size_t i = 0; i < G_N_ELEMENTS(fillers); i++) {
        struct dsn_strview filler = dsn_sv_str(fillers[i]);
        if (dsn_sv_starts_nocase(text, filler))
            text = dsn_sv_from(text, filler.n);
    }
    return text;
}

enum dsn_smtp_command dsn_command_read(struct dsn_strview text) {
    text = skip_fillers(dsn_sv_trim(text));
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        struct dsn_strview words = dsn_sv_str(commands[i].words);
        if (dsn_sv_starts_nocase(text, words) && (text.n == words.n || !dsn_is_alnum(text.p[words.n])))
            return commands[i].command;
    }
    return DSN_COMMAND_NONE;
}

enum dsn_smtp_command dsn_command_of_answer(struct dsn_strview diagnostic) {
    for (size_t i = 0; i < G_N_ELEMENTS(leads); i++) {
        struct dsn_strview lead = dsn_sv_str(leads[i]);
        size_t at = dsn_sv_find_nocase(diagnostic, lead, 0);
        while (at != SIZE_MAX) {
            enum dsn_smtp_command command = dsn_command_read(dsn_sv_from(diagnostic, at + lead.n));
            if (command)
                return command;
            at = dsn_sv_find_nocase(diagnostic, lead, at + lead.n);
        }
    }
    return DSN_COMMAND_NONE;
}

static bool take(struct dsn_strview *line, const char *mark) {
    struct dsn_strview prefix = dsn_sv_str(mark), trimmed = dsn_sv_trim(*line);
    if (!dsn_sv_starts_nocase(trimmed, prefix))
        return false;
    *line = dsn_sv_trim(dsn_sv_from(trimmed, prefix.n));
    return true;
}

/* "503 Need RCPT", "554 5.5.1 no valid recipients": the answer to a DATA that was sent together with a RCPT
 * which failed. */
static bool lacks_recipients(struct dsn_strview reply) {
    return dsn_sv_starts_nocase(reply, DSN_LIT("503")) ||
           dsn_sv_find_nocase(reply, DSN_LIT("no valid recipients"), 0) != SIZE_MAX;
}

/* Sendmail pipelines MAIL, RCPT and DATA (RFC 2920) and prints the last of them before all the replies: where
 * DATA itself found no recipient, the replies before were to RCPT. */
static void undo_pipelining(struct dsn_transcript *transcript, size_t first) {
    bool refused = false;
    for (size_t i = first; i < transcript->n; i++)
        refused |= lacks_recipients(transcript->exchanges[i].reply);
    for (size_t i = first; refused && i < transcript->n; i++) {
        struct dsn_exchange *exchange = &transcript->exchanges[i];
        if (exchange->command == DSN_COMMAND_DATA && !lacks_recipients(exchange->reply))
            exchange->command = DSN_COMMAND_RCPT;
    }
}

void dsn_transcript_read(struct dsn_strview text, struct dsn_transcript *out) {
    struct dsn_strview line;
    enum dsn_smtp_command command = DSN_COMMAND_NONE;
    size_t first = 0; /* exchange of that command */
    out->n = 0;
    if (dsn_sv_find_nocase(text, DSN_LIT("<<<"), 0) == SIZE_MAX)
        return;
    while (out->n < DSN_TRANSCRIPT_MAX && dsn_sv_next_line(&text, &line)) {
        if (take(&line, ">>>")) {
            undo_pipelining(out, first);
            first = out->n;
            command = dsn_command_read(line);
        } else if (take(&line, "<<<") && command) {
            out->exchanges[out->n++] = (struct dsn_exchange){command, line};
        }
    }
    undo_pipelining(out, first);
}

/* A reply's text without its code: the report may have folded, prefixed or cut the code. */
static struct dsn_strview words_of(struct dsn_strview reply) {
    unsigned code;
    if (dsn_sv_read_uint(reply, 3, &code) == 3)
        reply = dsn_sv_from(reply, reply.n > 3 ? 4 : 3);
    return dsn_sv_trim(reply);
}

enum { MIN_WORDS = 4 }; /* bytes: fewer are found by chance */

enum dsn_smtp_command dsn_transcript_command(const struct dsn_transcript *transcript,
                                             struct dsn_strview diagnostic) {
    for (size_t i = 0; i < transcript->n; i++) {
        struct dsn_strview words = words_of(transcript->exchanges[i].reply);
        if (words.n >= MIN_WORDS && dsn_sv_find_nocase(diagnostic, words, 0) != SIZE_MAX)
            return transcript->exchanges[i].command;
    }
    return DSN_COMMAND_NONE;
}
