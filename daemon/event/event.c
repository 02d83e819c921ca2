/* event: a recipient's report and verdict as JSON, version 1 (design: "The event"). Knows yajl; knows no
 * sink. */
#include "dsn/event.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/sv.h"
#include "base/utf8.h"
#include "mail/address.h"
#include "mail/message.h"
#include "reader.h"
#include "verdict/knowledge.h"

#include <sodium.h>
#include <stdio.h>

#define KEY(gen, name) yajl_gen_string(gen, (const unsigned char *)(name), sizeof(name) - 1)
#define STR(gen, name, value) (KEY(gen, name), dsn_json_str(gen, value))
#define TEXT(gen, name, value) (KEY(gen, name), dsn_json_text(gen, value))
#define TIME(gen, name, value) (KEY(gen, name), put_time(gen, value))

static void put_time(yajl_gen gen, int64_t seconds) {
    char text[DSN_CLOCK_RFC3339_SIZE];
    dsn_json_str(gen, seconds == DSN_NO_TIME ? NULL : dsn_clock_rfc3339_seconds(seconds, text));
}

static void put_verdict(yajl_gen gen, const struct dsn_verdict *verdict) {
    const struct dsn_reason *reason = verdict->reason;
    STR(gen, "kind", dsn_kind_name(verdict->kind));
    STR(gen, "type", dsn_type_name(verdict->type));
    STR(gen, "reason", reason ? reason->name : NULL);
    STR(gen, "category", reason ? reason->category : NULL);
    STR(gen, "blame", reason ? reason->blame : NULL);
    STR(gen, "severity", reason ? dsn_level_name(verdict->severity) : NULL);
    STR(gen, "action", dsn_action_name(verdict->action));
    STR(gen, "confidence", reason ? dsn_level_name(verdict->confidence) : NULL);
}

static void put_told(yajl_gen gen, const struct dsn_recipient *r) {
    KEY(gen, "addresses");
    yajl_gen_map_open(gen);
    for (int from = DSN_FROM_VERP; from < DSN_PROVENANCES; from++) {
        dsn_json_str(gen, dsn_provenance_name((enum dsn_provenance)from));
        dsn_json_text(gen, r->told[from]);
    }
    yajl_gen_map_close(gen);
}

static void put_recipient(yajl_gen gen, const struct dsn_recipient *r) {
    char status[16];
    TEXT(gen, "recipient", r->recipient);
    STR(gen, "recipient_from", dsn_provenance_name(r->recipient_from));
    put_told(gen, r);
    TEXT(gen, "final_recipient", r->final_recipient);
    TEXT(gen, "original_recipient", r->original_recipient);
    STR(gen, "status", r->status.cls ? dsn_status_format(r->status, status) : NULL);
    KEY(gen, "smtp_code");
    if (r->smtp_code)
        yajl_gen_integer(gen, r->smtp_code);
    else
        yajl_gen_null(gen);
    STR(gen, "smtp_command", dsn_smtp_command_name(r->smtp_command));
    TEXT(gen, "diagnostic", r->diagnostic);
    TEXT(gen, "diagnostic_type", r->diagnostic_type);
    TEXT(gen, "dsn_action", r->dsn_action);
    TEXT(gen, "remote_mta", r->remote_mta);
    STR(gen, "provider", r->verdict.provider);
    TIME(gen, "last_attempt_date", r->last_attempt_date);
    TIME(gen, "will_retry_until", r->will_retry_until);
}

static void put_report(yajl_gen gen, const struct dsn_report *report) {
    TEXT(gen, "reporting_mta", report->reporting_mta);
    TEXT(gen, "received_from_mta", report->received_from_mta);
    TIME(gen, "arrival_date", report->arrival_date);
    TEXT(gen, "envelope_id", report->envelope_id);
    TEXT(gen, "feedback_type", report->feedback_type);
    TEXT(gen, "source_ip", report->source_ip);
    TEXT(gen, "format", report->format);
}

static void put_headers(yajl_gen gen, const struct dsn_original *o, const char *const *names) {
    KEY(gen, "headers");
    yajl_gen_map_open(gen);
    for (; names && *names; names++) {
        struct dsn_strview value = dsn_header_get(o->headers, o->n_headers, *names);
        if (!value.p)
            continue;
        dsn_json_str(gen, *names);
        dsn_json_text(gen, value);
    }
    yajl_gen_map_close(gen);
}

static void put_original(struct dsn_reader *reader, const struct dsn_original *o, const char *const *names) {
    yajl_gen gen = reader->json;
    KEY(gen, "message");
    yajl_gen_map_open(gen);
    TEXT(gen, "message_id", o->message_id);
    TEXT(gen, "from", o->from);
    TEXT(gen, "to", o->to);
    TEXT(gen, "subject", o->subject);
    TIME(gen, "date", o->date.n ? dsn_date_read(reader->arena, o->date) : DSN_NO_TIME);
    TEXT(gen, "list_id", o->list_id);
    TEXT(gen, "feedback_id", o->feedback_id);
    put_headers(gen, o, names);
    yajl_gen_map_close(gen);
}

static void put_source(yajl_gen gen, const struct dsn_event_source *source, struct dsn_strview name) {
    char text[DSN_CLOCK_RFC3339_SIZE];
    KEY(gen, "source");
    yajl_gen_map_open(gen);
    STR(gen, "kind", source->kind);
    TEXT(gen, "name", name);
    if (source->number) {
        KEY(gen, "number");
        yajl_gen_integer(gen, (long long)source->number);
    }
    yajl_gen_map_close(gen);
    STR(gen, "observed_at", dsn_clock_rfc3339(source->observed_at_ms, text));
}

/* Lengths go in before the texts, so that no two different triples hash the same bytes. */
static void hash_part(crypto_generichash_state *state, struct dsn_strview s) {
    uint64_t length = s.n;
    crypto_generichash_update(state, (const unsigned char *)&length, sizeof length);
    crypto_generichash_update(state, (const unsigned char *)(s.n ? s.p : ""), s.n);
}

/* The message is hashed once, however many recipients it has. */
static void hash_message(struct dsn_reader *reader, crypto_generichash_state *state) {
    if (reader->hashed) {
        memcpy(state, reader->hash, sizeof *state);
        return;
    }
    crypto_generichash_init(state, NULL, 0, DSN_EVENT_ID_LEN / 2);
    hash_part(state, reader->bytes);
    memcpy(reader->hash, state, sizeof *state);
    reader->hashed = true;
}

static void make_id(struct dsn_reader *reader, const struct dsn_recipient *r, size_t i,
                    char id[DSN_EVENT_ID_LEN + 1]) {
    unsigned char digest[DSN_EVENT_ID_LEN / 2];
    crypto_generichash_state state;
    char nameless[24];
    snprintf(nameless, sizeof nameless, "#%zu", i);
    hash_message(reader, &state);
    hash_part(&state, r->recipient.p         ? r->recipient
                      : r->final_recipient.p ? r->final_recipient
                                             : dsn_sv_str(nameless));
    hash_part(&state, dsn_sv_str(dsn_kind_name(r->verdict.kind)));
    crypto_generichash_final(&state, digest, sizeof digest);
    sodium_bin2hex(id, DSN_EVENT_ID_LEN + 1, digest, sizeof digest);
}

/* A level of the topic: what could be taken for a separator or a command becomes '_'; absent is "-". */
static void add_level(struct dsn_buffer *topic, struct dsn_strview level, bool dots) {
    if (topic->n)
        dsn_buffer_add_char(topic, '.');
    if (!level.n)
        dsn_buffer_add_char(topic, '-');
    for (size_t i = 0; i < level.n; i++) {
        char c = level.p[i];
        bool plain = dsn_is_alnum(c) || c == '-' || c == '_' || (c & 0x80) || (dots && c == '.');
        dsn_buffer_add_char(topic, plain ? c : '_');
    }
}

static struct dsn_strview make_topic(struct dsn_arena *arena, const struct dsn_verdict *verdict,
                                     struct dsn_strview domain) {
    struct dsn_buffer topic;
    dsn_buffer_init(&topic, arena, 80);
    add_level(&topic, dsn_sv_str(dsn_kind_name(verdict->kind)), false);
    add_level(&topic, dsn_sv_str(dsn_type_name(verdict->type)), false);
    add_level(&topic, dsn_sv_str(verdict->reason ? verdict->reason->name : NULL), false);
    add_level(&topic, domain, true);
    return dsn_buffer_view(&topic);
}

static enum dsn_error write_json(struct dsn_reader *reader, const struct dsn_recipient *r,
                                 const struct dsn_event_source *source, const char *id,
                                 struct dsn_strview *out) {
    yajl_gen gen = reader->json;
    yajl_gen_reset(gen, NULL);
    yajl_gen_clear(gen);
    yajl_gen_map_open(gen);
    KEY(gen, "v");
    yajl_gen_integer(gen, 1);
    STR(gen, "id", id);
    put_verdict(gen, &r->verdict);
    put_recipient(gen, r);
    put_report(gen, &reader->report);
    put_original(reader, &reader->report.original, source->headers);
    STR(gen, "trust", dsn_trust_name(r->trust));
    STR(gen, "trust_by", dsn_evidence_name(r->trust_by));
    STR(gen, "rule", r->verdict.rule);
    STR(gen, "ruleset", dsn_knowledge_ruleset(reader->knowledge));
    put_source(gen, source, dsn_utf8_repair(reader->arena, source->name));
    const unsigned char *json;
    size_t n;
    if (yajl_gen_map_close(gen) != yajl_gen_status_ok ||
        yajl_gen_get_buf(gen, &json, &n) != yajl_gen_status_ok)
        return DSN_ERR_MEMORY;
    *out = dsn_json_shown(reader->arena, dsn_sv((const char *)json, n));
    return out->p ? DSN_OK : DSN_ERR_MEMORY;
}

enum dsn_error dsn_event_write(struct dsn_reader *reader, size_t i, const struct dsn_event_source *source,
                               struct dsn_event *out) {
    static const struct dsn_recipient nobody = {.last_attempt_date = DSN_NO_TIME,
                                                .will_retry_until = DSN_NO_TIME};
    const struct dsn_recipient *r = i < reader->report.n_recipients ? &reader->report.recipients[i] : &nobody;
    struct dsn_event event = {0};
    make_id(reader, r, i, event.id);
    event.address = dsn_address_fold(reader->arena, r->recipient);
    event.domain = dsn_address_domain(event.address);
    event.topic = make_topic(reader->arena, &r->verdict, event.domain);
    enum dsn_error error = write_json(reader, r, source, event.id, &event.json);
    if (dsn_arena_failed(reader->arena))
        error = DSN_ERR_MEMORY;
    if (!error)
        *out = event;
    return error;
}
