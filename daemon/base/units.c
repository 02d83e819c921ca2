/* units: reads durations, sizes and numbers. Knows no configuration. */
#include "units.h"

#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    int64_t factor;
};

/* Digits, an optional space, and one of the units. */
static bool read_amount(const char *text, const struct unit *units, size_t n, int64_t *out) {
    char *end;
    if (!g_ascii_isdigit(text[0]))
        return false;
    errno = 0;
    int64_t amount = g_ascii_strtoll(text, &end, 10);
    if (errno != 0)
        return false;
    if (*end == ' ')
        end++;
    for (size_t i = 0; i < n; i++)
        if (strcmp(end, units[i].name) == 0 && amount <= INT64_MAX / units[i].factor) {
            *out = amount * units[i].factor;
            return true;
        }
    return false;
}

bool dsn_units_duration(const char *text, int64_t *out_ms) {
    static const struct unit units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                                        {"h", 3600000}, {"d", 86400000}, {"w", 604800000}};
    return read_amount(text, units, sizeof units / sizeof units[0], out_ms);
}

bool dsn_units_size(const char *text, int64_t *out_bytes) {
    static const struct unit units[] = {{"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};
    return read_amount(text, units, sizeof units / sizeof units[0], out_bytes);
}

bool dsn_units_number(const char *text, int64_t *out) {
    static const struct unit units[] = {{"", 1}};
    return text[0] && text[strlen(text) - 1] != ' ' && read_amount(text, units, 1, out);
}

bool dsn_units_instant(const char *text, int64_t *out_ms) {
    GTimeZone *utc = g_time_zone_new_utc();
    GDateTime *at = g_date_time_new_from_iso8601(text, utc);
    g_time_zone_unref(utc);
    if (!at)
        return false;
    *out_ms = g_date_time_to_unix(at) * 1000 + g_date_time_get_microsecond(at) / 1000;
    g_date_time_unref(at);
    return true;
}
