/* cloudevent: an event in the envelope of CloudEvents 1.0 (structured JSON), for consumers that take those.
 */
#ifndef EVENT_CLOUDEVENT_H
#define EVENT_CLOUDEVENT_H

#include "dsn/strview.h"

#include <glib.h>

/* Appends the event with its id (dsnd-events(7)) as an envelope; `source` says whose events they are, see
 * dsn_cloudevent_source. What is no object in JSON is appended as it is. */
void dsn_cloudevent_append(GString *out, const char *source, struct dsn_strview id, struct dsn_strview event);
/* "/dsnd/PREFIX": in one Redis, and with one prefix, no two events have the same id. Freed with g_free. */
char *dsn_cloudevent_source(const char *prefix);

#endif
