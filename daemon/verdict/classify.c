/* classify: from what a report says of a recipient to the verdict. Knows how rule, code and class outweigh
 * each other; what they mean stands in the catalogue and in the rules. */
#include "classify.h"
#include "base/sv.h"

static const char *provider_of(const struct dsn_classifier *c, const struct dsn_report *report,
                               const struct dsn_recipient *recipient) {
    const char *provider = dsn_provider_of_host(c->providers, recipient->remote_mta);
    if (!provider)
        provider = dsn_provider_of_text(c->providers, c->providers_scratch, recipient->diagnostic);
    if (!provider && !recipient->remote_mta.n)
        provider = dsn_provider_of_host(c->providers, report->reporting_mta);
    return provider;
}

/* The code that says more: a telling enhanced code, else a telling reply code, else whichever there is. */
static const struct dsn_code *telling_code(const struct dsn_reasoning *reasoning) {
    const struct dsn_code *status = reasoning->status_code, *reply = reasoning->reply_code;
    if (status && !status->vague && reasoning->status_exact)
        return status;
    if (reply && !reply->vague)
        return reply;
    if (status && !status->vague)
        return status;
    return status ? status : reply;
}

static void decide(const struct dsn_classifier *c, const struct dsn_reasoning *reasoning,
                   struct dsn_verdict *verdict) {
    const struct dsn_code *code = telling_code(reasoning);
    const struct dsn_rule *rule = reasoning->rule;
    bool specific = code && !code->vague;
    if (rule && !(rule->vague && specific)) {
        bool exact = rule->provider || rule->codes || rule->statuses;
        verdict->reason = rule->reason;
        verdict->rule = rule->id;
        verdict->confidence = rule->vague                                       ? DSN_LOW
                              : exact || (code && code->reason == rule->reason) ? DSN_HIGH
                                                                                : DSN_MEDIUM;
    } else if (code) {
        verdict->reason = code->reason;
        verdict->confidence =
            specific ? (code == reasoning->status_code && !reasoning->status_exact ? DSN_LOW : DSN_MEDIUM)
                     : DSN_LOW;
    } else {
        verdict->reason = dsn_catalogue_reason(c->catalogue, "unknown");
        verdict->confidence = DSN_LOW;
    }
    verdict->severity = verdict->rule || !code ? verdict->reason->severity : code->severity;
}

/* Hard or soft: the class decides, unless the reason is transient by nature or nothing is given up yet. */
static enum dsn_type type_of(const struct dsn_verdict *verdict, const struct dsn_recipient *recipient) {
    unsigned cls = recipient->status.cls ? recipient->status.cls : recipient->smtp_code / 100;
    if (verdict->kind == DSN_KIND_DELAY || verdict->reason->transient || cls == 4)
        return DSN_TYPE_SOFT;
    return DSN_TYPE_HARD;
}

/* Nobody is suppressed for a soft bounce, nor on a weak ground. A delay is no evidence: the bounce is still
 * to come. */
static enum dsn_action action_of(const struct dsn_verdict *verdict) {
    enum dsn_action action = verdict->reason->action;
    if (verdict->kind == DSN_KIND_DELAY)
        return action == DSN_ACTION_FIX ? action : DSN_ACTION_NONE;
    if (action == DSN_ACTION_SUPPRESS && (verdict->type == DSN_TYPE_SOFT || verdict->confidence == DSN_LOW))
        return DSN_ACTION_COUNT;
    return action;
}

static void classify_bounce(const struct dsn_classifier *c, const struct dsn_report *report,
                            struct dsn_recipient *recipient, struct dsn_reasoning *reasoning) {
    struct dsn_verdict *verdict = &recipient->verdict;
    verdict->provider = provider_of(c, report, recipient);
    struct dsn_rule_facts facts = {
        .provider = verdict->provider,
        .smtp_code = recipient->smtp_code,
        .status = recipient->status,
        .text = recipient->diagnostic,
    };
    reasoning->rule = dsn_rules_best(c->rules, c->rules_scratch, &facts, NULL, NULL);
    reasoning->status_code = dsn_catalogue_status(c->catalogue, recipient->status, &reasoning->status_exact);
    reasoning->reply_code = dsn_catalogue_reply(c->catalogue, recipient->smtp_code);
    decide(c, reasoning, verdict);
    if (report->guessed && verdict->confidence > DSN_LOW)
        verdict->confidence--;
    verdict->type = type_of(verdict, recipient);
    verdict->action = action_of(verdict);
}

/* Kinds that are no bounce have their reason by the kind. */
static void classify_other(const struct dsn_classifier *c, struct dsn_verdict *verdict) {
    verdict->reason = dsn_catalogue_reason(c->catalogue, dsn_kind_name(verdict->kind));
    if (!verdict->reason)
        return;
    verdict->action = verdict->reason->action;
    verdict->severity = verdict->reason->severity;
    verdict->confidence = DSN_HIGH;
}

void dsn_classify(const struct dsn_classifier *classifier, const struct dsn_report *report,
                  struct dsn_recipient *recipient, struct dsn_reasoning *reasoning) {
    struct dsn_reasoning own = {0};
    reasoning = reasoning ? reasoning : &own;
    *reasoning = own;
    recipient->verdict = (struct dsn_verdict){.kind = recipient->verdict.kind};
    if (recipient->verdict.kind == DSN_KIND_BOUNCE || recipient->verdict.kind == DSN_KIND_DELAY)
        classify_bounce(classifier, report, recipient, reasoning);
    else
        classify_other(classifier, &recipient->verdict);
}
