/* addressee: whom a report is about. Knows where addresses stand, nothing of what failed. */
#include "addressee.h"
#include "address.h"
#include "base/sv.h"
#include "prose.h"

#include <glib.h>

enum { MAX_RETURN_ADDRESSES = 16 };

/* Headers in which whoever delivers a message notes its envelope recipient. */
static const char *const envelope_headers[] = {"Delivered-To", "X-Original-To", "Envelope-To",
                                               "X-Envelope-To"};

/* Headers of the returned message that say to whom it went. */
static const char *const addressee_headers[] = {"To", "Cc", "Bcc", "Resent-To"};

static void tell(struct dsn_recipient *recipient, enum dsn_provenance from, struct dsn_strview address) {
    if (from && !recipient->told[from].n && dsn_address_usable(address))
        recipient->told[from] = address;
}

/* The return addresses that the report may have come to: that of the message that a complaint is about, and
 * what whoever delivered this one noted. */
struct return_addresses {
    struct dsn_strview items[1 + MAX_RETURN_ADDRESSES];
    size_t n;
};

static void list_return_addresses(struct dsn_draft *draft, struct return_addresses *out) {
    const struct dsn_message *message = draft->message;
    out->items[0] = draft->return_path;
    out->n = 1;
    for (size_t i = 0; i < message->n_headers && out->n < G_N_ELEMENTS(out->items); i++) {
        const struct dsn_field *header = &message->headers[i];
        if (dsn_sv_is_one_of(header->name, envelope_headers, G_N_ELEMENTS(envelope_headers)))
            out->items[out->n++] = dsn_address_read(draft->arena, header->value, false);
    }
}

/* Whom one of them names. */
static struct dsn_strview read_verp(struct dsn_draft *draft, const struct dsn_recipient *recipient,
                                    const struct return_addresses *addresses,
                                    struct dsn_return_paths *paths) {
    struct dsn_strview found = DSN_NONE;
    for (size_t i = 0; i < addresses->n && !found.n; i++)
        found =
            dsn_return_paths_read(paths, draft->arena, addresses->items[i], recipient->told, DSN_PROVENANCES);
    return found;
}

static struct dsn_strview read_scope(const struct return_addresses *addresses,
                                     struct dsn_return_paths *paths) {
    struct dsn_strview found = DSN_NONE;
    for (size_t i = 0; i < addresses->n && !found.n; i++)
        found = dsn_return_paths_scope(paths, addresses->items[i]);
    return found;
}

/* The one address in the headers of those names; absent where there are several, or none. */
static struct dsn_strview sole_address(struct dsn_draft *draft, const char *const *headers,
                                       size_t n_headers) {
    const struct dsn_original *original = &draft->report.original;
    struct dsn_strview sole = DSN_NONE, found[2];
    for (size_t i = 0; i < original->n_headers; i++) {
        if (!dsn_sv_is_one_of(original->headers[i].name, headers, n_headers))
            continue;
        size_t n = dsn_addresses_of(draft->arena, original->headers[i].value, found, G_N_ELEMENTS(found));
        if (n > 1 || (n == 1 && sole.n && !dsn_sv_eq_nocase(sole, found[0])))
            return DSN_NONE;
        if (n && !sole.n)
            sole = found[0];
    }
    return sole;
}

/* The only addressee of the returned message, unless that is its sender (as in mail to hidden recipients) or
 * a placeholder, or it came from a list: To is the list's own address as often as the subscriber's. */
static struct dsn_strview sole_addressee(struct dsn_draft *draft) {
    static const char *const sender[] = {"From"};
    const struct dsn_original *original = &draft->report.original;
    if (original->list_id.n || dsn_header_get(original->headers, original->n_headers, "List-Post").n)
        return DSN_NONE;
    struct dsn_strview address = sole_address(draft, addressee_headers, G_N_ELEMENTS(addressee_headers));
    bool own = address.n && dsn_sv_eq_nocase(address, sole_address(draft, sender, G_N_ELEMENTS(sender)));
    return own || (address.n && dsn_address_redacted(address)) ? DSN_NONE : address;
}

/* What the reader of the report has found goes to its source; its fields tell the rest. */
static void gather(struct dsn_recipient *recipient) {
    enum dsn_provenance from = recipient->recipient_from;
    tell(recipient, from, recipient->recipient);
    tell(recipient, DSN_FROM_ORIGINAL, recipient->original_recipient);
    if (!from || from == DSN_FROM_FINAL)
        tell(recipient, DSN_FROM_FINAL, recipient->final_recipient);
}

static void choose(struct dsn_recipient *recipient, const enum dsn_provenance *order) {
    recipient->recipient = DSN_NONE;
    recipient->recipient_from = DSN_FROM_NOTHING;
    for (; *order && !recipient->recipient.n; order++) {
        recipient->recipient = recipient->told[*order];
        recipient->recipient_from = recipient->recipient.n ? *order : DSN_FROM_NOTHING;
    }
}

static bool names(struct dsn_strview text, struct dsn_strview address) {
    return address.n && dsn_sv_find_nocase(text, address, 0) != SIZE_MAX;
}

/* Whoever sent the mail, as the returned message and the addressees of the report tell; read when first
 * asked. */
struct senders {
    struct dsn_prose_own own;
    bool read;
};

static void read_senders(struct dsn_draft *draft, struct senders *senders) {
    static const char *const headers[] = {"From", "Sender", "Return-Path"};
    const struct dsn_original *original = &draft->report.original;
    struct dsn_prose_own *own = &senders->own;
    if (senders->read)
        return;
    senders->read = true;
    dsn_prose_own_read(draft, own);
    for (size_t i = 0; i < G_N_ELEMENTS(headers) && own->n < DSN_PROSE_MAX_OWN; i++) {
        struct dsn_strview value = dsn_header_get(original->headers, original->n_headers, headers[i]);
        own->n += value.n && dsn_addresses_of(draft->arena, value, &own->addresses[own->n], 1);
    }
}

/* Whether the answer names the sender and not whom we mailed: "<news@us>: user unknown" is no word about the
 * recipient. */
static bool names_sender(struct dsn_draft *draft, const struct dsn_recipient *recipient,
                         struct senders *senders) {
    struct dsn_strview answer = recipient->diagnostic;
    bool named = names(answer, recipient->final_recipient), found = false;
    for (size_t i = 0; i < DSN_PROVENANCES; i++)
        named |= names(answer, recipient->told[i]);
    if (named || dsn_sv_find_char(answer, '@', 0) == SIZE_MAX)
        return false;
    read_senders(draft, senders);
    for (size_t i = 0; i < senders->own.n; i++)
        found |= names(answer, senders->own.addresses[i]);
    return found;
}

void dsn_addressees_choose(struct dsn_draft *draft, const struct dsn_addressing *how) {
    struct return_addresses addresses;
    struct senders senders = {0};
    list_return_addresses(draft, &addresses);
    draft->report.scope = read_scope(&addresses, how->paths);
    for (size_t i = 0; i < draft->n; i++) {
        struct dsn_recipient *recipient = &draft->recipients[i];
        gather(recipient);
        if (draft->n == 1) { /* of several, nobody knows whom these mean */
            tell(recipient, DSN_FROM_HEADER, sole_addressee(draft));
            tell(recipient, DSN_FROM_VERP, read_verp(draft, recipient, &addresses, how->paths));
        }
        choose(recipient, how->order);
        recipient->names_sender = names_sender(draft, recipient, &senders);
    }
}
