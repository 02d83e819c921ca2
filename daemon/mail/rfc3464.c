/* rfc3464: splits a delivery-status part into field groups. Knows RFC 3464 and RFC 6533, and how their fields
 * are misspelt. Knows no MIME, no rules, no sinks. */
#include "rfc3464.h"
#include "address.h"
#include "answer.h"
#include "base/sv.h"
#include "base/utf8.h"
#include "fields.h"

#include <glib.h>
#include <stddef.h>

enum form { TEXT, MTA, ADDRESS, XTEXT_ADDRESS, DATE, STATUS, DIAGNOSTIC };

struct known_field {
    const char *name; /* letters only, lower case */
    enum form form;
    bool per_recipient;
    size_t offset; /* in struct dsn_report or struct dsn_recipient */
};

#define MESSAGE(name, form, member)                                                                          \
    { name, form, false, offsetof(struct dsn_report, member) }
#define RECIPIENT(name, form, member)                                                                        \
    { name, form, true, offsetof(struct dsn_recipient, member) }

static const struct known_field known_fields[] = {
    MESSAGE("originalenvelopeid", TEXT, envelope_id),
    MESSAGE("reportingmta", MTA, reporting_mta),
    MESSAGE("dsngateway", MTA, dsn_gateway),
    MESSAGE("receivedfrommta", MTA, received_from_mta),
    MESSAGE("arrivaldate", DATE, arrival_date),
    RECIPIENT("originalrecipient", XTEXT_ADDRESS, original_recipient),
    RECIPIENT("finalrecipient", ADDRESS, final_recipient),
    RECIPIENT("action", TEXT, dsn_action),
    RECIPIENT("status", STATUS, status),
    RECIPIENT("remotemta", MTA, remote_mta),
    RECIPIENT("diagnosticcode", DIAGNOSTIC, diagnostic),
    RECIPIENT("lastattemptdate", DATE, last_attempt_date),
    RECIPIENT("finallogid", TEXT, final_log_id),
    RECIPIENT("willretryuntil", DATE, will_retry_until),
};

enum { MAX_NAME = 32 };

/* Letters of a name in lower case: "Diagnostic_Code " and "diagnostic-code" are one. */
static size_t letters_of(struct dsn_strview name, char out[MAX_NAME]) {
    size_t n = 0;
    for (size_t i = 0; i < name.n && n < MAX_NAME; i++) {
        if (dsn_is_alpha(name.p[i]))
            out[n++] = dsn_to_lower(name.p[i]);
    }
    return n;
}

/* Whether one letter added, left out or changed makes `a` into `b`, or two swapped. */
static bool one_slip(const char *a, size_t n, const char *b, size_t m) {
    if (n > m + 1 || m > n + 1)
        return false;
    size_t i = 0;
    while (i < n && i < m && a[i] == b[i])
        i++;
    size_t left_a = n - i, left_b = m - i;
    if (left_a == left_b && left_a >= 2 && a[i] == b[i + 1] && a[i + 1] == b[i])
        return memcmp(a + i + 2, b + i + 2, left_a - 2) == 0;
    size_t skip_a = n >= m, skip_b = m >= n;
    return left_a >= skip_a && left_b >= skip_b && left_a - skip_a == left_b - skip_b &&
           memcmp(a + i + skip_a, b + i + skip_b, left_a - skip_a) == 0;
}

static const struct known_field *find_field(struct dsn_strview name) {
    char letters[MAX_NAME];
    size_t n = letters_of(name, letters);
    for (size_t i = 0; i < G_N_ELEMENTS(known_fields); i++) {
        if (n == strlen(known_fields[i].name) && memcmp(letters, known_fields[i].name, n) == 0)
            return &known_fields[i];
    }
    if (n < 6 || dsn_sv_starts_nocase(name, DSN_LIT("x-"))) /* too short to guess, or somebody's own */
        return NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(known_fields); i++) {
        if (one_slip(letters, n, known_fields[i].name, strlen(known_fields[i].name)))
            return &known_fields[i];
    }
    return NULL;
}

static void store_diagnostic(struct dsn_draft *draft, struct dsn_recipient *recipient,
                             struct dsn_strview value) {
    struct dsn_strview type;
    struct dsn_strview text = dsn_typed_split(draft->arena, value, &type);
    text = dsn_answer_unfold(draft->arena, text);
    if (recipient->diagnostic.n && text.n) /* some write the field twice */
        text = dsn_arena_join(draft->arena, recipient->diagnostic, DSN_LIT(" "), text);
    if (text.n)
        recipient->diagnostic = text;
    if (type.n)
        recipient->diagnostic_type = type;
}

/* A name such as "dns; mx.example.com (192.0.2.1)" without type and comment. */
static struct dsn_strview read_mta(struct dsn_arena *arena, struct dsn_strview value) {
    struct dsn_strview type;
    struct dsn_strview name = dsn_comments_cut(arena, dsn_typed_split(arena, value, &type));
    return name.n ? name : DSN_NONE;
}

static void store(struct dsn_draft *draft, const struct known_field *known, struct dsn_recipient *recipient,
                  struct dsn_strview value) {
    char *base = known->per_recipient ? (char *)recipient : (char *)&draft->report;
    void *slot = base + known->offset;
    value = dsn_utf8_repair(draft->arena, value);
    switch (known->form) {
    case TEXT:
        *(struct dsn_strview *)slot = dsn_comments_cut(draft->arena, value);
        break;
    case MTA:
        *(struct dsn_strview *)slot = read_mta(draft->arena, value);
        break;
    case ADDRESS:
    case XTEXT_ADDRESS:
        *(struct dsn_strview *)slot = dsn_address_read(draft->arena, value, known->form == XTEXT_ADDRESS);
        break;
    case DATE:
        *(int64_t *)slot = dsn_date_read(draft->arena, value);
        break;
    case STATUS:
        *(struct dsn_status *)slot = dsn_status_read(dsn_comments_cut(draft->arena, value), NULL);
        break;
    case DIAGNOSTIC:
        store_diagnostic(draft, recipient, value);
        break;
    }
}

static bool is_filled(const struct known_field *known, const struct dsn_recipient *recipient) {
    if (known->form != ADDRESS && known->form != XTEXT_ADDRESS &&
        known->offset != offsetof(struct dsn_recipient, dsn_action))
        return false;
    return ((const struct dsn_strview *)(const void *)((const char *)recipient + known->offset))->n > 0;
}

static bool keep_extension(struct dsn_draft *draft, struct dsn_recipient *recipient, struct dsn_field field,
                           size_t *capacity) {
    struct dsn_field *grown = dsn_arena_grow(draft->arena, (void *)(guintptr)recipient->extensions,
                                             recipient->n_extensions, capacity, sizeof *grown);
    if (!grown)
        return false;
    field.name = dsn_utf8_repair(draft->arena, field.name);
    field.value = dsn_utf8_repair(draft->arena, field.value);
    grown[recipient->n_extensions++] = field;
    recipient->extensions = grown;
    return true;
}

/* One group. A blank line between two recipients may be missing: an address or an action that the recipient
 * has already begins the next. */
static bool read_group(struct dsn_draft *draft, const struct dsn_fields *fields) {
    struct dsn_recipient *recipient = NULL;
    size_t capacity = 0;
    bool found = false;
    for (size_t i = 0; i < fields->n; i++) {
        const struct known_field *known = find_field(fields->items[i].name);
        if (known && known->per_recipient && (!recipient || is_filled(known, recipient))) {
            recipient = dsn_draft_add(draft);
            capacity = 0;
            if (!recipient)
                return found;
        }
        if (known)
            store(draft, known, recipient, fields->items[i].value);
        else if (recipient)
            keep_extension(draft, recipient, fields->items[i], &capacity);
        found |= known != NULL;
    }
    return found;
}

/* A group that names no recipient continues the one before it (a blank line too many), or says nothing. */
static void merge_nameless(struct dsn_draft *draft, size_t first) {
    struct dsn_recipient *last = draft->n > first ? &draft->recipients[draft->n - 1] : NULL;
    if (!last || last->final_recipient.n || last->original_recipient.n || draft->n < 2)
        return;
    struct dsn_recipient *before = last - 1;
    if (!before->diagnostic.n) {
        before->diagnostic = last->diagnostic;
        before->diagnostic_type = last->diagnostic_type;
    }
    if (!before->status.cls)
        before->status = last->status;
    if (!before->dsn_action.n)
        before->dsn_action = last->dsn_action;
    draft->n--;
}

enum { MAX_LISTED = 64 };

/* Some write all recipients of one answer into one field: each has it then. */
static void part_listed(struct dsn_draft *draft, size_t first) {
    for (size_t i = first, n = draft->n; i < n; i++) {
        struct dsn_strview listed[MAX_LISTED], list = draft->recipients[i].final_recipient;
        if (dsn_sv_find_char(list, ',', 0) == SIZE_MAX || dsn_address_usable(list))
            continue;
        size_t found = dsn_addresses_of(draft->arena, list, listed, MAX_LISTED);
        draft->report.truncated |= found > MAX_LISTED;
        for (size_t j = 0; j < found && j < MAX_LISTED; j++) {
            struct dsn_recipient one = draft->recipients[i];
            struct dsn_recipient *recipient = j ? dsn_draft_add(draft) : &draft->recipients[i];
            if (!recipient)
                return;
            *recipient = one;
            recipient->final_recipient = listed[j];
        }
    }
}

bool dsn_rfc3464_read(struct dsn_draft *draft, struct dsn_strview text) {
    struct dsn_fields fields;
    bool found = false;
    while (dsn_fields_next_group(draft->arena, draft->limits, &text, &fields)) {
        size_t first = draft->n;
        found |= read_group(draft, &fields);
        draft->report.truncated |= fields.truncated;
        if (draft->n == first + 1)
            merge_nameless(draft, first);
        part_listed(draft, first);
    }
    return found;
}
