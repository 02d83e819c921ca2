/* explain_json: `dsnd explain --format json` for programs: an object on a line for each subject (dsnd(1)). */
#include "base/clock.h"
#include "base/json.h"
#include "base/sv.h"
#include "dsn/event.h"
#include "explain.h"

#include <stdio.h>
#include <string.h>

static void put_bool(yajl_gen gen, const char *name, bool value) {
    dsn_json_str(gen, name);
    yajl_gen_bool(gen, value);
}

/* "a; b" as an array. */
static void put_list(yajl_gen gen, const char *name, const char *items) {
    char **each = g_strsplit(items ? items : "", ";", -1);
    dsn_json_str(gen, name);
    yajl_gen_array_open(gen);
    for (size_t i = 0; each[i]; i++) {
        if (*g_strstrip(each[i]))
            dsn_json_str(gen, each[i]);
    }
    yajl_gen_array_close(gen);
    g_strfreev(each);
}

static void put_reason(yajl_gen gen, const struct dsn_reason *reason) {
    dsn_json_str(gen, "reason");
    yajl_gen_map_open(gen);
    dsn_json_put_str(gen, "name", reason->name);
    dsn_json_put_str(gen, "title", reason->title);
    dsn_json_put_str(gen, "category", reason->category);
    dsn_json_put_str(gen, "blame", reason->blame);
    dsn_json_put_str(gen, "action", dsn_action_name(reason->action));
    dsn_json_put_str(gen, "severity", dsn_level_name(reason->severity));
    put_bool(gen, "transient", reason->transient);
    dsn_json_put_str(gen, "meaning", reason->meaning);
    put_list(gen, "causes", reason->causes);
    put_list(gen, "remedies", reason->remedies);
    yajl_gen_map_close(gen);
}

static void put_questions(yajl_gen gen, const struct dsn_code *code) {
    dsn_json_str(gen, "questions");
    yajl_gen_array_open(gen);
    for (size_t i = 0; i < code->n_questions; i++) {
        yajl_gen_map_open(gen);
        dsn_json_put_str(gen, "question", code->questions[i]);
        dsn_json_put_str(gen, "answer", code->answers[i]);
        yajl_gen_map_close(gen);
    }
    yajl_gen_array_close(gen);
}

static void put_entry(yajl_gen gen, const struct dsn_code *code) {
    yajl_gen_map_open(gen);
    dsn_json_put_str(gen, "code", code->name);
    dsn_json_put_str(gen, "title", code->title);
    dsn_json_put_str(gen, "type", dsn_type_name(code->type));
    dsn_json_put_str(gen, "severity", dsn_level_name(code->severity));
    dsn_json_put_str(gen, "category", code->reason->category);
    dsn_json_put_str(gen, "reason", code->reason->name);
    dsn_json_put_str(gen, "action", dsn_action_name(code->reason->action));
    dsn_json_put_str(gen, "rfc", code->rfc);
    put_bool(gen, "vague", code->vague);
    dsn_json_put_str(gen, "meaning", code->meaning);
    put_list(gen, "causes", code->causes);
    put_list(gen, "remedies", code->remedies);
    put_questions(gen, code);
    put_list(gen, "related", code->related);
    yajl_gen_map_close(gen);
}

/* The event as `dsnd parse` and `dsnd classify` print it. */
static enum dsn_error put_event(yajl_gen gen, const struct dsn_explanation *e, size_t i) {
    struct dsn_event event;
    const struct dsn_event_source source = {.kind = e->source ? e->source : "text",
                                            .name = dsn_sv_str(e->subject),
                                            .number = e->number,
                                            .observed_at_ms = dsn_clock_real_ms()};
    enum dsn_error error = dsn_event_write(e->reader, i, &source, &event);
    dsn_json_str(gen, "event");
    if (error)
        yajl_gen_null(gen);
    else
        yajl_gen_number(gen, event.json.p,
                        event.json.n); /* yajl writes numbers as they are: here, an object */
    return error;
}

static void put_conditions(yajl_gen gen, const struct dsn_rule *rule) {
    char status[16];
    dsn_json_put_str(gen, "provider", rule->provider);
    dsn_json_str(gen, "code");
    yajl_gen_array_open(gen);
    for (const uint16_t *code = rule->codes; code && *code; code++)
        yajl_gen_integer(gen, *code);
    yajl_gen_array_close(gen);
    dsn_json_str(gen, "status");
    yajl_gen_array_open(gen);
    for (const struct dsn_status *s = rule->statuses; s && s->cls; s++)
        dsn_json_str(gen, dsn_status_format(*s, status));
    yajl_gen_array_close(gen);
    dsn_json_put_str(gen, "command", dsn_smtp_command_name(rule->command));
    dsn_json_put_str(gen, "match", rule->match);
}

static void put_words(yajl_gen gen, const struct dsn_rule *rule, struct dsn_strview text) {
    char *words = dsn_explain_words(rule, text);
    dsn_json_put_str(gen, "words", words);
    g_free(words);
}

static void put_rules(yajl_gen gen, const struct dsn_reasoning *why, struct dsn_strview diagnostic) {
    dsn_json_str(gen, "rules");
    yajl_gen_array_open(gen);
    for (guint i = 0; i < why->matched->len; i++) {
        const struct dsn_rule *rule = why->matched->pdata[i];
        yajl_gen_map_open(gen);
        dsn_json_put_str(gen, "rule", rule->id);
        dsn_json_put_str(gen, "file", rule->file);
        dsn_json_str(gen, "line");
        yajl_gen_integer(gen, rule->line);
        dsn_json_put_str(gen, "reason", rule->reason->name);
        put_bool(gen, "vague", rule->vague);
        put_conditions(gen, rule);
        put_words(gen, rule, diagnostic);
        put_bool(gen, "wins", rule == why->rule);
        dsn_json_put_str(gen, "loses_because",
                         rule == why->rule ? NULL : dsn_rule_precedence(why->rule, rule));
        yajl_gen_map_close(gen);
    }
    yajl_gen_array_close(gen);
}

static void put_catalogue(yajl_gen gen, const struct dsn_reasoning *why) {
    const struct dsn_code *codes[] = {why->reply_code, why->status_code};
    dsn_json_str(gen, "catalogue");
    yajl_gen_array_open(gen);
    for (size_t i = 0; i < G_N_ELEMENTS(codes); i++) {
        if (!codes[i])
            continue;
        yajl_gen_map_open(gen);
        dsn_json_put_str(gen, "code", codes[i]->name);
        dsn_json_put_str(gen, "reason", codes[i]->reason->name);
        put_bool(gen, "vague", codes[i]->vague);
        put_bool(gen, "exact", codes[i] == why->reply_code || why->status_exact);
        yajl_gen_map_close(gen);
    }
    yajl_gen_array_close(gen);
}

static void put_because(yajl_gen gen, const struct dsn_because *because) {
    dsn_json_str(gen, "because");
    yajl_gen_map_open(gen);
    dsn_json_put_str(gen, "reason", because->reason);
    dsn_json_put_str(gen, "confidence", because->confidence);
    dsn_json_put_str(gen, "type", because->type);
    dsn_json_put_str(gen, "action", because->action);
    yajl_gen_map_close(gen);
}

static enum dsn_error put_verdict(yajl_gen gen, const struct dsn_explanation *e, size_t i) {
    struct dsn_reasoning why;
    dsn_reader_explain(e->reader, &e->report->recipients[i], &why);
    yajl_gen_map_open(gen);
    enum dsn_error error = put_event(gen, e, i);
    dsn_json_put_str(gen, "provider_from", why.provider_from);
    put_rules(gen, &why, e->report->recipients[i].diagnostic);
    put_catalogue(gen, &why);
    put_because(gen, &why.because);
    yajl_gen_map_close(gen);
    dsn_reasoning_clear(&why);
    return error;
}

static enum dsn_error put_explanation(yajl_gen gen, const struct dsn_explanation *e) {
    enum dsn_error error = DSN_OK;
    yajl_gen_map_open(gen);
    char *subject = g_utf8_make_valid(e->subject, -1); /* a file's name may be anything */
    dsn_json_put_str(gen, "subject", subject);
    g_free(subject);
    if (e->reason)
        put_reason(gen, e->reason);
    if (e->n_codes) {
        dsn_json_str(gen, "codes");
        yajl_gen_array_open(gen);
        for (size_t i = 0; i < e->n_codes; i++)
            put_entry(gen, e->codes[i]);
        yajl_gen_array_close(gen);
    }
    if (e->report) {
        dsn_json_str(gen, "verdicts");
        yajl_gen_array_open(gen);
        for (size_t i = 0; !error && i < e->report->n_recipients; i++)
            error = put_verdict(gen, e, i);
        yajl_gen_array_close(gen);
    }
    yajl_gen_map_close(gen);
    return error;
}

enum dsn_error dsn_explain_json(const struct dsn_explanation *explanation) {
    const unsigned char *json;
    size_t n;
    yajl_gen gen = yajl_gen_alloc(&dsn_json_memory);
    enum dsn_error error = put_explanation(gen, explanation);
    if (!error && yajl_gen_get_buf(gen, &json, &n) != yajl_gen_status_ok)
        error = DSN_ERR_MEMORY;
    if (!error) {
        fwrite(json, 1, n, stdout);
        fputc('\n', stdout);
    }
    yajl_gen_free(gen);
    return error;
}
