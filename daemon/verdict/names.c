/* names: the words of the vocabulary, as events, rules and commands write them. */
#include "dsn/report.h"

#include <glib.h>
#include <stdio.h>

#define NAME_OF(table, value) ((size_t)(value) < G_N_ELEMENTS(table) ? (table)[value] : NULL)

const char *dsn_kind_name(enum dsn_kind kind) {
    static const char *const names[] = {"none", "bounce", "delay", "complaint", "auto-reply", "delivered"};
    return NAME_OF(names, kind);
}

const char *dsn_type_name(enum dsn_type type) {
    static const char *const names[] = {NULL, "hard", "soft"};
    return NAME_OF(names, type);
}

const char *dsn_action_name(enum dsn_action action) {
    static const char *const names[] = {"none", "suppress", "count", "fix", "hold"};
    return NAME_OF(names, action);
}

const char *dsn_level_name(enum dsn_level level) {
    static const char *const names[] = {"low", "medium", "high"};
    return NAME_OF(names, level);
}

const char *dsn_provenance_name(enum dsn_provenance provenance) {
    static const char *const names[] = {NULL, "verp", "original", "header", "final", "prose"};
    return NAME_OF(names, provenance);
}

char *dsn_status_format(struct dsn_status status, char out[16]) {
    if (!status.cls)
        out[0] = '\0';
    else if (status.subject < 0)
        snprintf(out, 16, "%d.*", status.cls % 10);
    else
        snprintf(out, 16, "%d.%d.%d", status.cls % 10, status.subject % 1000, status.detail % 1000);
    return out;
}
