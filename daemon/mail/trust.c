/* trust: finds signed return addresses and Message-IDs in a message, and the weaker signs that it answers
 * mail of ours. A token proves itself wherever it stands, so every header is looked at. Knows no key and no
 * policy. */
#include "trust.h"
#include "address.h"
#include "base/sv.h"

#include <glib.h>
#include <stdint.h>

enum { MAX_CHECKS = 2000 }; /* signatures computed for a message: a few milliseconds, whatever it holds */

static bool is_same(const struct dsn_verp_token *a, const struct dsn_verp_token *b) {
    return a->use == b->use && dsn_sv_eq_nocase(a->digits, b->digits) &&
           dsn_sv_eq_nocase(a->encoded, b->encoded);
}

static void read_text(struct dsn_signs *signs, struct dsn_strview text, bool addressed) {
    struct dsn_verp_token token;
    for (size_t from = 0; signs->n < DSN_SIGNS_MAX && dsn_verp_next(text, &from, &token);) {
        size_t i = 0;
        while (i < signs->n && !is_same(&signs->found[i].token, &token))
            i++;
        if (i < signs->n)
            continue;
        signs->found[signs->n].token = token;
        signs->found[signs->n++].addressed = addressed;
    }
}

static void read_headers(struct dsn_signs *signs, const struct dsn_field *headers, size_t n, bool addressed) {
    for (size_t i = 0; i < n; i++)
        read_text(signs, headers[i].value, addressed);
}

/* A complaint names the sender as Original-Mail-From (RFC 5965 3.2). */
static void read_parts(struct dsn_signs *signs, const struct dsn_message *message) {
    for (size_t i = 0; i < message->n_parts; i++) {
        const struct dsn_part *part = &message->parts[i];
        read_text(signs, part->text, part->role == DSN_PART_FEEDBACK);
        read_headers(signs, part->headers, part->n_headers, false);
        if (part->inner)
            read_parts(signs, part->inner);
    }
}

/* What the report was sent to comes first, what it only quotes last. */
static void read_tokens(struct dsn_signs *signs, const struct dsn_message *message,
                        const struct dsn_original *original) {
    read_headers(signs, message->headers, message->n_headers, true);
    read_text(signs, dsn_header_get(original->headers, original->n_headers, "Return-Path"), true);
    read_headers(signs, original->headers, original->n_headers, false);
    read_parts(signs, message);
}

/* Weaker signs */

static bool is_listed(const char *const *names, struct dsn_strview name) {
    for (; names && *names; names++) {
        if (dsn_sv_eq_nocase(name, dsn_sv_str(*names)))
            return true;
    }
    return false;
}

static bool has_our_message_id(const struct dsn_report *report, const struct dsn_trust *trust) {
    struct dsn_strview domain = dsn_address_domain(dsn_sv_trim(report->original.message_id));
    if (domain.n && domain.p[domain.n - 1] == '>')
        domain.n--;
    return is_listed(trust->message_id_domains, domain);
}

/* "from ... by HOST with ..." (RFC 5321 4.4). */
static bool names_relay(struct dsn_strview received, const struct dsn_trust *trust) {
    size_t by =
        dsn_sv_starts_nocase(received, DSN_LIT("by ")) ? 0 : dsn_sv_find_nocase(received, DSN_LIT(" by "), 0);
    if (by == SIZE_MAX)
        return false;
    struct dsn_strview host = dsn_sv_trim(dsn_sv_from(received, by + 3));
    size_t n = 0;
    while (n < host.n && !dsn_is_space(host.p[n]) && !strchr("(;", host.p[n]))
        n++;
    return is_listed(trust->relays, dsn_sv(host.p, n));
}

static bool went_through_relay(const struct dsn_report *report, const struct dsn_trust *trust) {
    const struct dsn_original *original = &report->original;
    for (size_t i = 0; trust->relays && i < original->n_headers; i++) {
        if (dsn_sv_eq_nocase(original->headers[i].name, DSN_LIT("Received")) &&
            names_relay(original->headers[i].value, trust))
            return true;
    }
    return false;
}

void dsn_signs_read(const struct dsn_message *message, const struct dsn_report *report,
                    const struct dsn_trust *trust, struct dsn_signs *out) {
    *out = (struct dsn_signs){.weak = DSN_EVIDENCE_NONE};
    if (trust->verp)
        read_tokens(out, message, &report->original);
    if (has_our_message_id(report, trust))
        out->weak = DSN_EVIDENCE_MESSAGE_ID_DOMAIN;
    else if (went_through_relay(report, trust))
        out->weak = DSN_EVIDENCE_RELAY;
}

/* Judging */

/* An address that the report names, and where. */
struct candidate {
    enum dsn_provenance from;
    struct dsn_strview address, folded;
};

/* What is judged, and by what. */
struct judging {
    struct dsn_arena *arena;
    struct dsn_signs *signs;
    const struct dsn_trust *trust;
    int64_t now_s;
    struct candidate candidates[DSN_PROVENANCES];
    size_t n;
    bool sole; /* the report has one recipient */
};

static bool is_valid(const struct judging *j, const struct dsn_verp_token *token,
                     struct dsn_strview candidate, struct dsn_verp_check *check) {
    if (j->signs->checks >= MAX_CHECKS)
        return false;
    j->signs->checks++;
    dsn_verp_judge(j->trust->verp, token, candidate, j->now_s, check);
    return check->result == DSN_VERP_VALID;
}

/* A token that does not tell its address: is it for one that the report names? */
static bool proves_named(const struct judging *j, const struct dsn_verp_token *token, struct candidate *out) {
    struct dsn_verp_check check;
    for (size_t i = 0; i < j->n; i++) {
        if (is_valid(j, token, j->candidates[i].folded, &check)) {
            *out = j->candidates[i];
            return true;
        }
    }
    return false;
}

/* A return address that tells whom we mailed. Where the report was sent to it, it speaks for a sole recipient
 * even if the report names another address, as after a forward. */
static bool proves_told(const struct judging *j, const struct dsn_verp_token *token, bool addressed,
                        struct candidate *out) {
    struct dsn_verp_check check;
    if (!is_valid(j, token, DSN_NONE, &check))
        return false;
    struct dsn_strview address = dsn_sv_str(check.address);
    *out = (struct candidate){.from = DSN_FROM_VERP};
    for (size_t i = 0; i < j->n && !out->address.p; i++) {
        if (dsn_sv_eq(j->candidates[i].folded, address))
            out->address = j->candidates[i].address; /* as somebody wrote it */
    }
    if (!out->address.p && addressed && j->sole)
        out->address = dsn_arena_copy(j->arena, address);
    return out->address.p != NULL;
}

/* The addresses that the report names for this recipient; returns how many. */
static size_t name_candidates(struct dsn_arena *arena, const struct dsn_recipient *recipient,
                              struct candidate out[DSN_PROVENANCES]) {
    size_t n = 0;
    for (size_t from = DSN_FROM_VERP; from < DSN_PROVENANCES; from++) {
        struct dsn_strview address = recipient->told[from];
        if (address.n)
            out[n++] =
                (struct candidate){(enum dsn_provenance)from, address, dsn_address_fold(arena, address)};
    }
    return n;
}

void dsn_signs_judge(struct dsn_arena *arena, struct dsn_signs *signs, const struct dsn_trust *trust,
                     int64_t now_s, const struct dsn_report *report, struct dsn_recipient *recipient) {
    static const enum dsn_evidence by_use[] = {
        [DSN_VERP_RETURN_ADDRESS] = DSN_EVIDENCE_VERP, [DSN_VERP_MESSAGE_ID] = DSN_EVIDENCE_MESSAGE_ID};
    struct judging j = {arena, signs, trust, now_s, .sole = report->n_recipients == 1};
    if (signs->n)
        j.n = name_candidates(arena, recipient, j.candidates);
    recipient->trust_by = signs->weak;
    recipient->trust = signs->weak && trust->weak_verifies ? DSN_TRUST_VERIFIED : DSN_TRUST_UNVERIFIED;
    for (size_t i = 0; i < signs->n; i++) {
        const struct dsn_verp_token *token = &signs->found[i].token;
        struct candidate proved;
        if (token->encoded.p ? !proves_told(&j, token, signs->found[i].addressed, &proved)
                             : !proves_named(&j, token, &proved))
            continue;
        recipient->recipient = proved.address;
        recipient->recipient_from = proved.from;
        recipient->told[proved.from] = proved.address;
        recipient->trust = DSN_TRUST_VERIFIED;
        recipient->trust_by = by_use[token->use];
        return;
    }
}
