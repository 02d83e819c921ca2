/* return_path: return addresses that name the recipient. Knows how list managers and mail services write
 * them, and what only looks like them; knows no message. */
#include "return_path.h"
#include "address.h"
#include "base/sv.h"
#include "capture.h"

#include <glib.h>
#include <stdint.h>

enum { MAX_PATTERNS = 32 };

struct dsn_return_paths {
    struct dsn_capture *patterns[MAX_PATTERNS];
    size_t n;
    struct dsn_capture_scratch *scratch;
};

/* Where it cannot be told where the recipient begins ("owner-my-list-john-doe=..."), nothing is guessed. */
static const char *const builtin[] = {
    /* the signed ones of dsn/verp.h */
    "^[^@]*?[+=-][a-z2-7]{21}-(?<recipient>[^@]+=[^@=]+)@",
    /* bounces+USER-ID-HASH: SendGrid */
    "^bounces?\\+\\d+-[0-9a-f]{2,8}-(?<recipient>[^@]+=[^@=]+)@",
    /* Mailgun */
    "^bounce\\+[0-9a-f]+\\.[0-9a-f]+-(?<recipient>[^@]+=[^@=]+)@",
    /* Mailchimp */
    "^bounce-mc\\.\\w+_\\d+\\.\\w+-(?<recipient>[^@]+=[^@=]+)@",
    /* Sympa */
    "^[^+@]+\\+(?<recipient>[^@]+?==a==[^@=]+)==",
    /* ezmlm */
    "^[^@=]+?-return-\\d+-(?<recipient>[^@]+=[^@=]+)@",
    /* Mailman, Postfix, and most others */
    "^[^+@=]+\\+(?<recipient>[^@]+=[^@=]+)@",
    "^([^@=]*-)?(bounces?|returns?|verp)-(?<recipient>[^-+@=]+=[^@=]+)@",
    "^owner-[^-+@=]+-(?<recipient>[^-+@=]+=[^@=]+)@",
    NULL,
};

/* Schemes that write an address, or a signature, with '=' as well: SRS names who sent a forwarded message,
 * BATV and prvs the sender himself. */
static const char *const others[] = {
    "SRS0=", "SRS0+", "SRS0-", "SRS1=", "SRS1+", "SRS1-", "SRS=", "prvs=", "msprvs1=", "btv1=",
};

/* What stands for the '@' of the recipient, tried in order. */
static const char *const ats[] = {"==a==", "="};

static const char no_expression[] = "no regular expression that dsnd understands";

const char *dsn_return_paths_refuse(const char *pattern) {
    struct dsn_capture *capture = NULL;
    char *why = NULL;
    enum dsn_error error = dsn_capture_new(pattern, &capture, &why);
    g_free(why);
    if (error)
        return no_expression;
    bool tells = dsn_capture_has(capture, DSN_GROUP_RECIPIENT) || dsn_capture_has(capture, DSN_GROUP_SCOPE);
    dsn_capture_free(capture);
    return tells ? NULL
                 : "it finds nobody; expected a group (?<recipient>...) around USER=DOMAIN, or (?<scope>...)";
}

enum dsn_error dsn_return_paths_new(const char *const *patterns, struct dsn_return_paths **out) {
    struct dsn_return_paths *paths = g_try_new0(struct dsn_return_paths, 1);
    if (!paths)
        return DSN_ERR_MEMORY;
    enum dsn_error error = dsn_capture_scratch_new(&paths->scratch);
    for (patterns = patterns ? patterns : builtin; !error && *patterns; patterns++) {
        char *why = NULL;
        error = paths->n == MAX_PATTERNS ? DSN_ERR_LIMIT
                                         : dsn_capture_new(*patterns, &paths->patterns[paths->n], &why);
        paths->n += !error;
        g_free(why);
    }
    if (error)
        dsn_return_paths_free(paths);
    else
        *out = paths;
    return error;
}

void dsn_return_paths_free(struct dsn_return_paths *paths) {
    if (!paths)
        return;
    for (size_t i = 0; i < paths->n; i++)
        dsn_capture_free(paths->patterns[i]);
    dsn_capture_scratch_free(paths->scratch);
    g_free(paths);
}

static bool is_separator(char c) {
    return c == '+' || c == '-' || c == '_' || c == '.' || c == '=' || c == '#';
}

/* Offset of `word` in `text` where it begins a piece of it; SIZE_MAX where it nowhere does. */
static size_t find_piece(struct dsn_strview text, struct dsn_strview word) {
    size_t at = dsn_sv_find_nocase(text, word, 0);
    while (at != SIZE_MAX && at > 0 && !is_separator(text.p[at - 1]))
        at = dsn_sv_find_nocase(text, word, at + 1);
    return at;
}

static bool is_other_scheme(struct dsn_strview local) {
    for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
        if (find_piece(local, dsn_sv_str(others[i])) != SIZE_MAX)
            return true;
    }
    return false;
}

/* Whether the local part has `address` written into it. */
static bool names(struct dsn_arena *arena, struct dsn_strview local, struct dsn_strview address) {
    struct dsn_strview domain = dsn_address_domain(address);
    struct dsn_strview user = dsn_sv(address.p, address.n - domain.n - 1);
    for (size_t i = 0; i < G_N_ELEMENTS(ats); i++) {
        struct dsn_strview written = dsn_arena_join(arena, user, dsn_sv_str(ats[i]), domain);
        size_t at = written.n ? find_piece(local, written) : SIZE_MAX;
        size_t end = at + written.n;
        if (at != SIZE_MAX && (end == local.n || local.p[end] == '=' || local.p[end] == '+'))
            return true;
    }
    return false;
}

/* Labels of letters, digits and hyphens, two at least, the last one no number. */
static bool is_public_domain(struct dsn_strview domain) {
    size_t label = 0, labels = 1;
    bool digits = true;
    for (size_t i = 0; i < domain.n; i++) {
        char c = domain.p[i];
        if (c == '.') {
            if (i == label || domain.p[i - 1] == '-')
                return false;
            label = i + 1;
            labels++;
            digits = true;
        } else if (!(dsn_is_alnum(c) || (c & 0x80) || (c == '-' && i > label))) {
            return false;
        } else {
            digits &= dsn_is_digit(c);
        }
    }
    return labels > 1 && label < domain.n && !digits && domain.n <= 253 && domain.p[domain.n - 1] != '-';
}

/* "user=example.com" -> "user@example.com". */
static struct dsn_strview decode(struct dsn_arena *arena, struct dsn_strview written) {
    struct dsn_strview address = DSN_NONE;
    for (size_t i = 0; i < G_N_ELEMENTS(ats) && !address.n; i++) {
        struct dsn_strview at = dsn_sv_str(ats[i]);
        size_t last = SIZE_MAX, next = dsn_sv_find_nocase(written, at, 0);
        for (; next != SIZE_MAX; next = dsn_sv_find_nocase(written, at, next + at.n))
            last = next;
        if (last != SIZE_MAX)
            address = dsn_arena_join(arena, dsn_sv(written.p, last), DSN_LIT("@"),
                                     dsn_sv_from(written, last + at.n));
    }
    address = address.n ? dsn_address_read(arena, address, false) : DSN_NONE;
    bool good = dsn_address_usable(address) && is_public_domain(dsn_address_domain(address));
    return good ? address : DSN_NONE;
}

/* The first match of an expression that has such a group. */
static bool find(struct dsn_return_paths *paths, struct dsn_strview return_address, enum dsn_group group,
                 struct dsn_captured *out) {
    dsn_capture_scratch_refill(paths->scratch);
    for (size_t i = 0; i < paths->n; i++) {
        if (dsn_capture_has(paths->patterns[i], group) &&
            dsn_capture_find(paths->patterns[i], paths->scratch, return_address, 0, out))
            return true;
    }
    return false;
}

struct dsn_strview dsn_return_paths_read(struct dsn_return_paths *paths, struct dsn_arena *arena,
                                         struct dsn_strview return_address, const struct dsn_strview *known,
                                         size_t n_known) {
    struct dsn_captured captured;
    if (!dsn_address_usable(return_address))
        return DSN_NONE;
    struct dsn_strview domain = dsn_address_domain(return_address);
    struct dsn_strview local = dsn_sv(return_address.p, return_address.n - domain.n - 1);
    if (is_other_scheme(local))
        return DSN_NONE;
    for (size_t i = 0; i < n_known; i++) {
        if (dsn_address_usable(known[i]) && names(arena, local, known[i]))
            return known[i];
    }
    return find(paths, return_address, DSN_GROUP_RECIPIENT, &captured)
               ? decode(arena, captured.groups[DSN_GROUP_RECIPIENT])
               : DSN_NONE;
}

struct dsn_strview dsn_return_paths_scope(struct dsn_return_paths *paths, struct dsn_strview return_address) {
    struct dsn_captured captured;
    return dsn_address_usable(return_address) && find(paths, return_address, DSN_GROUP_SCOPE, &captured)
               ? captured.groups[DSN_GROUP_SCOPE]
               : DSN_NONE;
}
