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

const char *dsn_smtp_command_name(enum dsn_smtp_command command) {
    static const char *const names[] = {NULL, "connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data"};
    return NAME_OF(names, command);
}

const char *dsn_level_name(enum dsn_level level) {
    static const char *const names[] = {"low", "medium", "high"};
    return NAME_OF(names, level);
}

const char *dsn_provenance_name(enum dsn_provenance provenance) {
    static const char *const names[] = {NULL, "verp", "original", "header", "final", "prose"};
    return NAME_OF(names, provenance);
}

const char *dsn_trust_name(enum dsn_trust_level level) {
    static const char *const names[] = {"none", "unverified", "verified"};
    return NAME_OF(names, level);
}

const char *dsn_evidence_name(enum dsn_evidence evidence) {
    static const char *const names[] = {NULL, "verp", "message-id", "message-id-domain", "relay"};
    return NAME_OF(names, evidence);
}

char *dsn_status_format(struct dsn_status status, char out[16]) {
    if (!status.cls)
        out[0] = '\0';
    else if (status.subject < 0)
        snprintf(out, 16, "%d.*", status.cls % 10);
    else if (status.detail < 0)
        snprintf(out, 16, "%d.%d.*", status.cls % 10, status.subject % 1000);
    else
        snprintf(out, 16, "%d.%d.%d", status.cls % 10, status.subject % 1000, status.detail % 1000);
    return out;
}
