/* prose: finds the address that failed in running text. Knows what an address looks like and whose it cannot
 * be; knows no language. */
#include "prose.h"
#include "address.h"
#include "base/sv.h"

#include <glib.h>
#include <stdint.h>

enum { MAX_LOOKED_AT = 200 };

/* Headers whose addresses are those of the report itself. */
static const char *const own_headers[] = {
    "From",         "Sender",        "Reply-To",    "To",        "Return-Path",
    "Delivered-To", "X-Original-To", "Envelope-To", "Errors-To",
};

/* Whoever is reached here helps people, and never bounces. */
static const char *const helpers[] = {
    "postmaster", "mailer-daemon", "hostmaster", "abuse", "support",
    "helpdesk",   "noreply",       "no-reply",   "admin",
};

void dsn_prose_own_read(struct dsn_draft *draft, struct dsn_prose_own *out) {
    out->n = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(own_headers) && out->n < DSN_PROSE_MAX_OWN; i++) {
        struct dsn_strview header =
            dsn_header_get(draft->message->headers, draft->message->n_headers, own_headers[i]);
        size_t room = DSN_PROSE_MAX_OWN - out->n;
        size_t found = header.n ? dsn_addresses_of(draft->arena, header, out->addresses + out->n, room) : 0;
        out->n += found < room ? found : room;
    }
}

static bool is_own(const struct dsn_prose_own *own, struct dsn_strview address) {
    for (size_t i = 0; i < own->n; i++) {
        if (dsn_sv_eq_nocase(own->addresses[i], address))
            return true;
    }
    return false;
}

static bool is_helper(struct dsn_strview address) {
    struct dsn_strview domain = dsn_address_domain(address);
    struct dsn_strview local = dsn_sv(address.p, address.n - domain.n - 1);
    return dsn_sv_is_one_of(local, helpers, G_N_ELEMENTS(helpers));
}

/* Whether a word before the address may be part of it: some scripts set no space there. Where it would end
 * nobody knows, and half an address is somebody else's. */
static bool is_glued(struct dsn_strview address) {
    struct dsn_strview domain = dsn_address_domain(address);
    if (!(address.p[0] & 0x80) || (domain.p[-2] & 0x80))
        return false;
    gunichar first = g_utf8_get_char_validated(address.p, (gssize)address.n);
    return (gint32)first > 0 && g_unichar_iswide(first);
}

bool dsn_prose_may_fail(const struct dsn_prose_own *own, struct dsn_strview address) {
    return !is_own(own, address) && !is_helper(address) && !is_glued(address);
}

static bool is_address_char(char c) {
    return dsn_is_alnum(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~.", c)) || (c & 0x80);
}

/* What stands before a message's id, which looks like an address. */
static const char *const id_marks[] = {"message-id", "message id", "messageid", "msgid", "(id"};

static bool is_message_id(struct dsn_strview before) {
    while (before.n && strchr(" \t<:=\"", before.p[before.n - 1]))
        before.n--;
    for (size_t i = 0; i < G_N_ELEMENTS(id_marks); i++) {
        if (dsn_sv_ends_nocase(before, dsn_sv_str(id_marks[i])))
            return true;
    }
    return false;
}

/* The address around the '@' at `at`. */
static struct dsn_strview address_at(struct dsn_arena *arena, struct dsn_strview text, size_t at) {
    size_t begin = at, end = at + 1;
    while (begin && at - begin < 128 && is_address_char(text.p[begin - 1]))
        begin--;
    while (end < text.n && end - at < 256 &&
           (dsn_is_alnum(text.p[end]) || text.p[end] == '-' || text.p[end] == '.'))
        end++;
    while (end > at + 1 && (text.p[end - 1] == '.' || text.p[end - 1] == '-'))
        end--;
    while (begin < at &&
           strchr("'`=/*", text.p[begin])) /* quotes, bullets, and what stands before in "to=x@y" */
        begin++;
    struct dsn_strview address = dsn_address_read(arena, dsn_sv(text.p + begin, end - begin), false);
    bool dotted = dsn_sv_find_char(dsn_address_domain(address), '.', 0) != SIZE_MAX;
    bool usable = dotted && dsn_address_usable(address) && !is_message_id(dsn_sv(text.p, begin));
    return usable ? address : DSN_NONE;
}

size_t dsn_prose_address(struct dsn_draft *draft, const struct dsn_prose_own *own, struct dsn_strview text,
                         struct dsn_strview *out) {
    size_t at = dsn_sv_find_char(text, '@', 0);
    for (unsigned i = 0; at != SIZE_MAX && i < MAX_LOOKED_AT; i++) {
        struct dsn_strview address = address_at(draft->arena, text, at);
        if (address.n && dsn_prose_may_fail(own, address)) {
            *out = address;
            return 1;
        }
        at = dsn_sv_find_char(text, '@', at + 1);
    }
    return 0;
}
