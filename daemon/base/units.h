/* units: amounts as people write them in a configuration. A number without its unit is refused. */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include <stdbool.h>
#include <stdint.h>

/* "500ms", "30s", "5m", "12h", "7d", "2w" to milliseconds. */
bool dsn_units_duration(const char *text, int64_t *out_ms);
/* "512B", "64KiB", "4MiB", "1GiB" to bytes. */
bool dsn_units_size(const char *text, int64_t *out_bytes);
/* An instant (RFC 3339, ISO 8601; UTC where it names no zone) to milliseconds since 1970. */
bool dsn_units_instant(const char *text, int64_t *out_ms);
/* "10000": digits and nothing else. */
bool dsn_units_number(const char *text, int64_t *out);

#endif
