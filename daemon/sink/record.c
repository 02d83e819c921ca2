/* record: an event copied to one piece of memory of its own. */
#include "sink.h"

#include "base/sv.h"

#include <stdlib.h>
#include <string.h>

static struct dsn_strview copy(char **end, struct dsn_strview s) {
    struct dsn_strview out = {*end, s.n};
    if (s.n > 0)
        memcpy(*end, s.p, s.n);
    *end += s.n;
    return out;
}

static const char *or_empty(const char *s) {
    return s ? s : "";
}

struct dsn_record *dsn_record_new(const struct dsn_event *event, const struct dsn_verdict *verdict,
                                  const struct dsn_judgement *judgement, int64_t observed_at_ms) {
    struct dsn_strview reason = dsn_sv_str(verdict->reason ? verdict->reason->name : NULL);
    struct dsn_strview rule = dsn_sv_str(verdict->rule), provider = dsn_sv_str(verdict->provider);
    struct dsn_strview scope = dsn_sv_str(judgement->scope), evidence = dsn_sv_str(judgement->evidence);
    size_t weight = sizeof(struct dsn_record) + event->json.n + event->topic.n + event->address.n +
                    event->domain.n + reason.n + rule.n + provider.n + scope.n + evidence.n;
    struct dsn_record *record = malloc(weight);
    if (!record)
        return NULL;
    char *end = (char *)(record + 1);
    *record = (struct dsn_record){
        .json = copy(&end, event->json),
        .topic = copy(&end, event->topic),
        .address = copy(&end, event->address),
        .domain = copy(&end, event->domain),
        .reason = copy(&end, reason),
        .rule = copy(&end, rule),
        .provider = copy(&end, provider),
        .scope = copy(&end, scope),
        .evidence = copy(&end, evidence),
        .policy = judgement->policy,
        .weak = judgement->weak,
        .clears = judgement->clears,
        .happened_at_ms = judgement->happened_at_ms,
        .kind = dsn_kind_name(verdict->kind),
        .type = or_empty(dsn_type_name(verdict->type)),
        .action = or_empty(dsn_action_name(verdict->action)),
        .observed_at_ms = observed_at_ms,
        .weight = weight,
    };
    memcpy(record->id, event->id, sizeof record->id);
    return record;
}

void dsn_record_free(struct dsn_record *record) {
    if (!record)
        return;
    free(record->refusal);
    free(record);
}
