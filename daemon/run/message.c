/* message: memory of a message on its way. */
#include "message.h"

#include "base/clock.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

struct dsn_message *dsn_message_new(struct dsn_item *item) {
    struct dsn_message *message = g_new0(struct dsn_message, 1);
    message->item = item;
    message->weight = sizeof *message;
    message->begun_us = dsn_clock_monotonic_us();
    return message;
}

void dsn_message_drop_records(struct dsn_message *message) {
    for (size_t i = 0; i < message->n_records; i++)
        dsn_record_free(message->records[i]);
    free(message->records);
    message->records = NULL;
    message->n_records = 0;
}

void dsn_message_free(struct dsn_message *message) {
    if (!message)
        return;
    dsn_message_drop_records(message);
    free(message->error);
    g_free(message);
}

void dsn_message_set_aside(struct dsn_message *message, const char *error) {
    if (message->fate == DSN_FATE_ASIDE)
        return; /* the first error tells most */
    message->fate = DSN_FATE_ASIDE;
    message->error = strdup(error);
}
