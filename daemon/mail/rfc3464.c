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

/* A recipient whose fields are being read. */
struct group {
    struct dsn_recipient *recipient; /* NULL: none has begun */
    size_t capacity;                 /* of its extensions */
    struct dsn_buffer diagnostic;    /* some write the field twice, and somebody might a thousand times */
};

static void store_diagnostic(struct dsn_draft *draft, struct group *group, struct dsn_strview value) {
    struct dsn_strview type;
    struct dsn_strview text = dsn_typed_split(draft->arena, value, &type);
    struct dsn_buffer *all = &group->diagnostic;
    size_t max = draft->limits->max_field_bytes;
    text = dsn_answer_unfold(draft->arena, text);
    if (type.n)
        group->recipient->diagnostic_type = type;
    struct dsn_strview fits = dsn_utf8_cut(text, all->n + 1 < max ? max - all->n - 1 : 0);
    draft->report.truncated |= fits.n < text.n;
    if (!fits.n)
        return;
    if (!all->arena)
        dsn_buffer_init(all, draft->arena, fits.n);
    if (all->n)
        dsn_buffer_add_char(all, ' ');
    dsn_buffer_add(all, fits);
    group->recipient->diagnostic = dsn_buffer_view(all);
}

/* A name such as "dns; mx.example.com (192.0.2.1)" without type and comment. */
static struct dsn_strview read_mta(struct dsn_arena *arena, struct dsn_strview value) {
    struct dsn_strview type;
    struct dsn_strview name = dsn_comments_cut(arena, dsn_typed_split(arena, value, &type));
    return name.n ? name : DSN_NONE;
}

static void store(struct dsn_draft *draft, const struct known_field *known, struct group *group,
                  struct dsn_strview value) {
    char *base = known->per_recipient ? (char *)group->recipient : (char *)&draft->report;
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
        store_diagnostic(draft, group, value);
        break;
    }
}

static bool has(const struct dsn_recipient *recipient, const struct known_field *known) {
    const void *slot = (const char *)recipient + known->offset;
    return known->form == DATE     ? *(const int64_t *)slot != DSN_NO_TIME
           : known->form == STATUS ? ((const struct dsn_status *)slot)->cls > 0
                                   : ((const struct dsn_strview *)slot)->n > 0;
}

/* Whether another such field is of another recipient. */
static bool begins_next(const struct known_field *known, const struct dsn_recipient *recipient) {
    bool telling = known->form == ADDRESS || known->form == XTEXT_ADDRESS ||
                   known->offset == offsetof(struct dsn_recipient, dsn_action);
    return telling && has(recipient, known);
}

static void keep_extension(struct dsn_draft *draft, struct group *group, struct dsn_field field) {
    struct dsn_recipient *recipient = group->recipient;
    struct dsn_field *grown = dsn_arena_grow(draft->arena, (void *)(guintptr)recipient->extensions,
                                             recipient->n_extensions, &group->capacity, sizeof *grown);
    if (!grown)
        return;
    field.name = dsn_utf8_repair(draft->arena, field.name);
    field.value = dsn_utf8_repair(draft->arena, field.value);
    grown[recipient->n_extensions++] = field;
    recipient->extensions = grown;
}

/* One group. A blank line between two recipients may be missing: an address or an action that the recipient
 * has already begins the next. */
static bool read_group(struct dsn_draft *draft, const struct dsn_fields *fields) {
    struct group group = {0};
    bool found = false;
    for (size_t i = 0; i < fields->n; i++) {
        const struct known_field *known = find_field(fields->items[i].name);
        if (known && known->per_recipient && (!group.recipient || begins_next(known, group.recipient))) {
            group = (struct group){.recipient = dsn_draft_add(draft)};
            if (!group.recipient)
                return found;
        }
        if (known)
            store(draft, known, &group, fields->items[i].value);
        else if (group.recipient)
            keep_extension(draft, &group, fields->items[i]);
        found |= known != NULL;
    }
    return found;
}

/* Gives `to` what only `from` has. */
static void complete(struct dsn_recipient *to, const struct dsn_recipient *from) {
    if (!to->diagnostic.n)
        to->diagnostic_type = from->diagnostic_type;
    for (size_t i = 0; i < G_N_ELEMENTS(known_fields); i++) {
        const struct known_field *known = &known_fields[i];
        size_t size = known->form == DATE     ? sizeof(int64_t)
                      : known->form == STATUS ? sizeof(struct dsn_status)
                                              : sizeof(struct dsn_strview);
        if (known->per_recipient && !has(to, known))
            memcpy((char *)to + known->offset, (const char *)from + known->offset, size);
    }
    if (to->n_extensions)
        return;
    to->extensions = from->extensions;
    to->n_extensions = from->n_extensions;
}

/* A group that names no recipient continues the one before it (a blank line too many), or says nothing. */
static void merge_nameless(struct dsn_draft *draft, size_t first) {
    struct dsn_recipient *last = draft->n > first ? &draft->recipients[draft->n - 1] : NULL;
    if (!last || last->final_recipient.n || last->original_recipient.n || draft->n < 2)
        return;
    complete(last - 1, last);
    draft->n--;
}

/* Some write all recipients of one answer into one field: each has it then. */
static void part_listed(struct dsn_draft *draft, size_t first) {
    for (size_t i = first, n = draft->n; i < n; i++) {
        struct dsn_strview listed[DSN_ADDRESSES_MAX], list = draft->recipients[i].final_recipient;
        if (dsn_sv_find_char(list, ',', 0) == SIZE_MAX || dsn_address_usable(list))
            continue;
        size_t found = dsn_addresses_of(draft->arena, list, listed, DSN_ADDRESSES_MAX);
        draft->report.truncated |= found > DSN_ADDRESSES_MAX;
        for (size_t j = 0; j < found && j < DSN_ADDRESSES_MAX; j++) {
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
