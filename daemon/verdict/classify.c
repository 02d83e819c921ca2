/* classify: from what a report says of a recipient to the verdict. Knows how rule, code and class outweigh
 * each other; what they mean stands in the catalogue and in the rules. */
#include "classify.h"
#include "base/sv.h"

#include <glib.h>

/* Notes why, and passes on what. */
static int because(const char **why, const char *text, int value) {
    *why = text;
    return value;
}

static const char *provider_of(const struct dsn_classifier *c, const struct dsn_report *report,
                               const struct dsn_recipient *recipient, const char **from) {
    const char *provider = dsn_provider_of_host(c->providers, recipient->remote_mta);
    *from = "by the name of the remote MTA";
    if (!provider) {
        provider = dsn_provider_of_text(c->providers, c->scratch, recipient->diagnostic);
        *from = "by its wording";
    }
    if (!provider && !recipient->remote_mta.n) {
        provider = dsn_provider_of_host(c->providers, report->reporting_mta);
        *from = "by the name of the reporting MTA";
    }
    if (!provider)
        *from = NULL;
    return provider;
}

/* A code that can mean what it is said to, in reply to that command; NULL where it cannot, or there is none.
 */
static const struct dsn_code *applicable(const struct dsn_code *code, enum dsn_smtp_command command) {
    return code && code->reason->needs_rcpt && dsn_is_before_rcpt(command) ? NULL : code;
}

/* The code that says more: a telling enhanced code, else a telling reply code, else whichever there is. Of
 * x.0.0, which programs fill in where the server gave no enhanced code, even a vague reply code says more. */
static const struct dsn_code *telling_code(const struct dsn_reasoning *reasoning,
                                           enum dsn_smtp_command command) {
    const struct dsn_code *status = applicable(reasoning->status_code, command),
                          *reply = applicable(reasoning->reply_code, command);
    if (status && !status->vague && reasoning->status_exact)
        return status;
    if (reply && !reply->vague)
        return reply;
    if (status && !status->vague)
        return status;
    return status && !(reply && g_str_has_suffix(status->name, ".0.0")) ? status : reply;
}

/* Whether a code tells of what passes, or of another side, such as 5.1.8 of the sender. */
static bool contradicts(const struct dsn_code *code, const struct dsn_rule *rule) {
    return code->reason->transient || strcmp(code->reason->blame, rule->reason->blame) != 0;
}

/* How sure a rule is. Some reasons are not to be believed on words alone: a server that knows its mailboxes
 * says so with a code, and what quotes it without one may be anybody's summary. */
static enum dsn_level confidence_of_rule(const struct dsn_rule *rule, const struct dsn_code *code,
                                         enum dsn_smtp_command command, const struct dsn_reasoning *reasoning,
                                         const char **why) {
    bool coded = reasoning->reply_code || (reasoning->status_code && !reasoning->status_code->vague);
    if (rule->vague)
        return because(why, "the rule is vague", DSN_LOW);
    if (rule->provider || rule->codes || rule->statuses || rule->command)
        return because(why, "the rule goes by more than words", DSN_HIGH);
    if (code && code->reason == rule->reason)
        return because(why, "code and text agree", DSN_HIGH);
    if (rule->reason->action == DSN_ACTION_SUPPRESS && code && !code->vague && contradicts(code, rule))
        return because(why, "the code says something else, by which nobody is suppressed", DSN_LOW);
    if (rule->reason->needs_code && command == DSN_COMMAND_DATA)
        return because(why, "words alone do not undo that the server had taken the recipient", DSN_LOW);
    if (rule->reason->needs_code && !rule->certain && !coded)
        return because(why, "words alone, without a code, do not make this reason sure", DSN_LOW);
    return because(why, "the text says so, and no code agrees", DSN_MEDIUM);
}

static enum dsn_level confidence_of_code(const struct dsn_code *code, const struct dsn_reasoning *reasoning,
                                         const char **why) {
    if (code->vague)
        return because(why, "the code says little", DSN_LOW);
    if (code == reasoning->status_code && !reasoning->status_exact)
        return because(why, "the code itself is not in the catalogue", DSN_LOW);
    return because(why, "the code says so, and no rule knows the text", DSN_MEDIUM);
}

static void decide(const struct dsn_classifier *c, struct dsn_reasoning *reasoning,
                   enum dsn_smtp_command command, struct dsn_verdict *verdict) {
    const struct dsn_code *code = telling_code(reasoning, command);
    const struct dsn_rule *rule = reasoning->rule;
    struct dsn_because *why = &reasoning->because;
    if (rule && !(rule->vague && code && !code->vague)) {
        why->reason = "the rule that wins says so";
        verdict->reason = rule->reason;
        verdict->rule = rule->id;
        verdict->confidence = confidence_of_rule(rule, code, command, reasoning, &why->confidence);
    } else if (code) {
        why->reason = rule ? "the code says more than a vague rule" : "no rule matches, so the code decides";
        verdict->reason = code->reason;
        verdict->confidence = confidence_of_code(code, reasoning, &why->confidence);
    } else {
        why->reason = "no rule matches, and there is no code";
        verdict->reason = dsn_catalogue_reason(c->catalogue, "unknown");
        verdict->confidence = because(&why->confidence, "nothing is known", DSN_LOW);
    }
    verdict->severity = verdict->rule || !code ? verdict->reason->severity : code->severity;
}

/* Hard or soft: the class decides, unless the reason is transient by nature or nothing is given up yet. */
static enum dsn_type type_of(const struct dsn_verdict *verdict, const struct dsn_recipient *recipient,
                             const char **why) {
    unsigned cls = recipient->status.cls ? recipient->status.cls : recipient->smtp_code / 100;
    if (verdict->kind == DSN_KIND_DELAY)
        return because(why, "delivery is still tried", DSN_TYPE_SOFT);
    if (verdict->reason->transient)
        return because(why, "this reason passes, whatever the code says", DSN_TYPE_SOFT);
    if (cls == 4)
        return because(why, "a code of class 4 is temporary", DSN_TYPE_SOFT);
    return because(why, cls ? "a code of class 5 is permanent" : "delivery was given up", DSN_TYPE_HARD);
}

/* Nobody is suppressed for a soft bounce, nor on a weak ground. A delay is no evidence: the bounce is still
 * to come. */
static enum dsn_action action_of(const struct dsn_verdict *verdict, const char **why) {
    enum dsn_action action = verdict->reason->action;
    if (verdict->kind == DSN_KIND_DELAY && action != DSN_ACTION_FIX)
        return because(why, "a delay is no evidence: the bounce is still to come", DSN_ACTION_NONE);
    if (action == DSN_ACTION_SUPPRESS && verdict->type == DSN_TYPE_SOFT)
        return because(why, "the reason would suppress, but a soft bounce suppresses nobody",
                       DSN_ACTION_COUNT);
    if (action == DSN_ACTION_SUPPRESS && verdict->confidence == DSN_LOW)
        return because(why, "the reason would suppress, but it is not sure enough", DSN_ACTION_COUNT);
    return because(why, "the reason calls for it", (int)action);
}

static void note_match(const struct dsn_rule *rule, void *data) {
    g_ptr_array_add(data, (gpointer)(guintptr)rule);
}

static void classify_bounce(const struct dsn_classifier *c, const struct dsn_report *report,
                            struct dsn_recipient *recipient, struct dsn_reasoning *reasoning) {
    struct dsn_verdict *verdict = &recipient->verdict;
    verdict->provider = provider_of(c, report, recipient, &reasoning->provider_from);
    struct dsn_rule_facts facts = {
        .provider = verdict->provider,
        .smtp_code = recipient->smtp_code,
        .status = recipient->status,
        .command = recipient->smtp_command,
        .text = recipient->diagnostic,
    };
    reasoning->rule = dsn_rules_best(c->rules, c->scratch, &facts, reasoning->matched ? note_match : NULL,
                                     reasoning->matched);
    reasoning->status_code = dsn_catalogue_status(c->catalogue, recipient->status, &reasoning->status_exact);
    reasoning->reply_code = dsn_catalogue_reply(c->catalogue, recipient->smtp_code);
    decide(c, reasoning, recipient->smtp_command, verdict);
    if (report->guessed && verdict->confidence > DSN_LOW)
        verdict->confidence =
            because(&reasoning->because.confidence, "a level less, as the report was guessed from prose",
                    (int)verdict->confidence - 1);
    verdict->type = type_of(verdict, recipient, &reasoning->because.type);
    verdict->action = action_of(verdict, &reasoning->because.action);
}

/* Kinds that are no bounce have their reason by the kind. */
static void classify_other(const struct dsn_classifier *c, struct dsn_verdict *verdict,
                           struct dsn_because *why) {
    verdict->reason = dsn_catalogue_reason(c->catalogue, dsn_kind_name(verdict->kind));
    if (!verdict->reason)
        return;
    verdict->action = verdict->reason->action;
    verdict->severity = verdict->reason->severity;
    verdict->confidence = DSN_HIGH;
    why->reason = why->confidence = "that is what the message is";
    why->action = "the reason calls for it";
}

void dsn_classify(const struct dsn_classifier *classifier, const struct dsn_report *report,
                  struct dsn_recipient *recipient, struct dsn_reasoning *reasoning) {
    struct dsn_reasoning own = {0};
    reasoning = reasoning ? reasoning : &own;
    *reasoning = (struct dsn_reasoning){.matched = reasoning->matched};
    recipient->verdict = (struct dsn_verdict){.kind = recipient->verdict.kind};
    if (recipient->verdict.kind == DSN_KIND_BOUNCE || recipient->verdict.kind == DSN_KIND_DELAY)
        classify_bounce(classifier, report, recipient, reasoning);
    else
        classify_other(classifier, &recipient->verdict, &reasoning->because);
}
