/* original: what the header of the returned message tells. Knows header names, nothing of reports. */
#include "original.h"

#include <glib.h>
#include <stddef.h>

static const struct {
    const char *name;
    size_t offset;
} wanted[] = {
    {"Message-ID", offsetof(struct dsn_original, message_id)},
    {"From", offsetof(struct dsn_original, from)},
    {"To", offsetof(struct dsn_original, to)},
    {"Subject", offsetof(struct dsn_original, subject)},
    {"Date", offsetof(struct dsn_original, date)},
    {"List-Id", offsetof(struct dsn_original, list_id)},
    {"Feedback-ID", offsetof(struct dsn_original, feedback_id)},
};

void dsn_original_read(const struct dsn_field *headers, size_t n, struct dsn_original *out) {
    *out = (struct dsn_original){.headers = headers, .n_headers = n};
    for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++) {
        struct dsn_strview value = dsn_header_get(headers, n, wanted[i].name);
        if (value.n)
            *(struct dsn_strview *)(void *)((char *)out + wanted[i].offset) = value;
    }
}

void dsn_original_of(const struct dsn_message *message, struct dsn_original *out) {
    for (size_t i = 0; i < message->n_parts; i++) {
        const struct dsn_part *part = &message->parts[i];
        if (part->role != DSN_PART_ORIGINAL || !part->headers)
            continue;
        dsn_original_read(part->headers, part->n_headers, out);
        return;
    }
}
