/* judgement: see judgement.h. */
#include "judgement.h"

#include "base/json.h"
#include "base/sv.h"
#include "base/utf8.h"
#include "mail/message.h"

#include <string.h>
#include <yajl/yajl_gen.h>

/* What is kept with the address; all of it is in the stream, for as long as that keeps it. */
#define DIAGNOSTIC_MAX_BYTES 240

/* "News <news.example.com>" is news.example.com (RFC 2919); anything else as it is, folded and made one word.
 */
static void write_scope(struct dsn_strview value, char out[DSN_SCOPE_SIZE]) {
    size_t open = dsn_sv_find_char(value, '<', 0),
           close = dsn_sv_find_char(value, '>', open == SIZE_MAX ? 0 : open);
    if (open != SIZE_MAX && close != SIZE_MAX)
        value = dsn_sv(value.p + open + 1, close - open - 1);
    value = dsn_sv_trim(value);
    size_t n = 0;
    for (; n < value.n && n + 1 < DSN_SCOPE_SIZE; n++) {
        char c = dsn_to_lower(value.p[n]);
        out[n] = dsn_is_alnum(c) || strchr(".-_+@=", c) ? c : '_';
    }
    out[n] = '\0';
}

void dsn_scope_find(const struct dsn_policies *policies, const struct dsn_report *report,
                    char out[DSN_SCOPE_SIZE]) {
    const char *const *names = dsn_policies_scope_headers(policies);
    out[0] = '\0';
    for (; *names && !out[0]; names++)
        write_scope(dsn_header_get(report->original.headers, report->original.n_headers, *names), out);
    if (!out[0])
        write_scope(report->scope, out);
}

/* The last attempt, or when the reporting server had the message; a clock that is ahead is not believed. */
static int64_t happened_at(const struct dsn_report *report, const struct dsn_recipient *r,
                           int64_t observed_at_ms) {
    int64_t s = r->last_attempt_date != DSN_NO_TIME ? r->last_attempt_date : report->arrival_date;
    return s != DSN_NO_TIME && s > 0 && s < observed_at_ms / 1000 ? s * 1000 : observed_at_ms;
}

static void put(yajl_gen gen, const char *key, struct dsn_strview value) {
    if (value.n)
        dsn_json_put(gen, key, value);
}

static char *write_evidence(const struct dsn_judging *judging, const struct dsn_recipient *r,
                            const char *event_id, const struct dsn_judgement *judgement) {
    char status[16];
    const unsigned char *json;
    size_t n;
    yajl_gen gen = yajl_gen_alloc(&dsn_json_memory);
    yajl_gen_map_open(gen);
    dsn_json_str(gen, "at_ms");
    yajl_gen_integer(gen, judgement->happened_at_ms);
    put(gen, "event", dsn_sv_str(event_id));
    put(gen, "kind", dsn_sv_str(dsn_kind_name(r->verdict.kind)));
    put(gen, "reason", dsn_sv_str(r->verdict.reason->name));
    put(gen, "rule", dsn_sv_str(r->verdict.rule));
    put(gen, "ruleset", dsn_sv_str(judging->ruleset));
    put(gen, "provider", dsn_sv_str(r->verdict.provider));
    put(gen, "status", dsn_sv_str(dsn_status_format(r->status, status)));
    put(gen, "diagnostic", dsn_utf8_cut(r->diagnostic, DIAGNOSTIC_MAX_BYTES));
    put(gen, "trust", dsn_sv_str(dsn_trust_name(r->trust)));
    yajl_gen_map_close(gen);
    yajl_gen_get_buf(gen, &json, &n);
    char *text = g_strndup((const char *)json, n - 1);
    yajl_gen_free(gen);
    return text;
}

void dsn_judge(const struct dsn_judging *judging, const struct dsn_report *report, size_t i,
               const char *event_id, int64_t observed_at_ms, struct dsn_judgement *out) {
    const struct dsn_recipient *r = &report->recipients[i];
    bool complaint = r->verdict.kind == DSN_KIND_COMPLAINT;
    bool trusted = complaint ? judging->unverified_complaints_suppress : judging->unverified_suppresses;
    const struct dsn_policy *policy = dsn_policies_find(judging->policies, &r->verdict);
    *out = (struct dsn_judgement){
        .policy = policy ? policy->name : "",
        .weak = r->trust == DSN_TRUST_UNVERIFIED && !trusted,
        .happened_at_ms = happened_at(report, r, observed_at_ms),
    };
    /* Relayed or expanded does not say that there is a mailbox. */
    out->clears = !out->weak && r->verdict.kind == DSN_KIND_DELIVERED &&
                  dsn_sv_eq_nocase(r->dsn_action, DSN_LIT("delivered"));
    if (out->clears || (policy && policy->scoped))
        dsn_scope_find(judging->policies, report, out->scope);
    if (policy)
        out->evidence = write_evidence(judging, r, event_id, out);
}

void dsn_judgement_clear(struct dsn_judgement *judgement) {
    g_free(judgement->evidence);
    judgement->evidence = NULL;
}
