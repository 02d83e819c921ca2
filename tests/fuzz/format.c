/* format: a user's file of formats, a NUL, and a message that is read by them alone. What is refused has to
 * say why. */
#include "event/reader.h"
#include "mail/format.h"
#include "mail/report.h"
#include "reader.h"

static struct dsn_formats *read_formats(struct dsn_strview text) {
    struct dsn_problems *problems = dsn_problems_new();
    struct dsn_keyfile *file = NULL;
    struct dsn_formats *formats = NULL;
    enum dsn_error error = dsn_keyfile_new("formats/fuzz.format", text, false, problems, &file);
    if (!error)
        error = dsn_formats_new((const struct dsn_keyfile *const[]){file}, 1, problems, &formats);
    PROMISE(error == DSN_OK || dsn_problems_count(problems) > 0);
    dsn_keyfile_free(file);
    dsn_problems_free(problems);
    return error ? NULL : formats;
}

static void check_report(const struct dsn_report *report) {
    PROMISE(report->n_recipients <= reader->limits.max_recipients);
    for (size_t i = 0; i < report->n_recipients; i++) {
        const struct dsn_recipient *r = &report->recipients[i];
        PROMISE(dsn_utf8_valid(r->recipient) && dsn_utf8_valid(r->diagnostic) &&
                dsn_utf8_valid(r->remote_mta));
        PROMISE(!r->recipient.n || dsn_address_usable(r->recipient));
    }
}

static void read_message(const struct dsn_formats *formats, struct dsn_strview text) {
    struct dsn_formats_scratch *scratch = NULL;
    struct dsn_message message = {0};
    struct dsn_report report = {0};
    dsn_arena_reset(reader->arena);
    struct dsn_strview bytes = dsn_message_canonical(reader->arena, text);
    PROMISE(dsn_formats_scratch_new(formats, &scratch) == DSN_OK);
    if (!dsn_message_read(reader->arena, &reader->limits, bytes, &message) &&
        !dsn_report_read(reader->arena, &reader->limits, formats, scratch, &reader->addressing, &message,
                         &report))
        check_report(&report);
    dsn_formats_scratch_free(scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct dsn_strview input = dsn_sv((const char *)data, size);
    size_t end = MIN(dsn_sv_find_char(input, '\0', 0), input.n);
    struct dsn_formats *formats = read_formats(dsn_sv(input.p, end));
    if (formats)
        read_message(formats, dsn_sv_from(input, end + 1));
    dsn_formats_free(formats);
    return 0;
}
