/* verp: makes and checks signed return addresses and Message-IDs (dsn/verp.h has the format). Knows keys,
 * base32 and HMAC; knows no message and no file. */
#include "verp.h"
#include "address.h"
#include "base/sv.h"

#include <glib.h>
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>

enum {
    HEAD_DIGITS = 5, /* id of the key, hours */
    MAC_DIGITS = 16,
    TOKEN_DIGITS = HEAD_DIGITS + MAC_DIGITS,
    MAC_BYTES = 10,
    KEY_MIN_BYTES = 32,
    KEY_MAX_BYTES = 64,
    MAX_KEYS = 32,
    HOUR_S = 3600,
};
#define MAX_HOURS ((INT64_C(1) << 20) - 1)

static const char base32[] = "abcdefghijklmnopqrstuvwxyz234567"; /* RFC 4648 6 */
static const char *const uses[] = {
    [DSN_VERP_RETURN_ADDRESS] = "dsnd verp 1", [DSN_VERP_MESSAGE_ID] = "dsnd message-id 1"};

struct key {
    unsigned char bytes[KEY_MAX_BYTES];
    size_t n; /* 0: no such key */
};

struct dsn_verp {
    gint references;           /* atomic */
    struct key keys[MAX_KEYS]; /* by the digit that is their id */
    char signer;               /* id of the key that signs */
};

/* Digits */

static int digit_value(char c) {
    const char *found = c ? strchr(base32, dsn_to_lower(c)) : NULL;
    return found ? (int)(found - base32) : -1;
}

/* The first 5 * n_digits bits of `bytes`. */
static void write_digits(const unsigned char *bytes, size_t n_digits, char *out) {
    for (size_t i = 0; i < n_digits; i++) {
        unsigned value = 0;
        for (size_t bit = i * 5; bit < i * 5 + 5; bit++)
            value = value << 1 | (bytes[bit / 8] >> (7 - bit % 8) & 1u);
        out[i] = base32[value];
    }
}

static void write_hours(int64_t hours, char *out) {
    for (int i = 3; i >= 0; i--, hours >>= 5)
        out[i] = base32[hours & 31];
}

static int64_t read_hours(const char *digits) {
    int64_t hours = 0;
    for (size_t i = 0; i < 4; i++)
        hours = hours * 32 + digit_value(digits[i]);
    return hours;
}

/* Keys */

/* Takes "ID = KEY"; returns what is wrong with it, NULL where nothing is. */
static const char *take_key(struct dsn_verp *verp, struct dsn_strview line) {
    size_t equals = dsn_sv_find_char(line, '=', 0);
    if (equals == SIZE_MAX)
        return "no key; expected ID = KEY";
    struct dsn_strview id = dsn_sv_trim(dsn_sv(line.p, equals)),
                       hex = dsn_sv_trim(dsn_sv_from(line, equals + 1));
    int place = id.n == 1 && dsn_to_lower(id.p[0]) == id.p[0] ? digit_value(id.p[0]) : -1;
    if (place < 0)
        return "no id of a key; expected one character, a-z or 2-7";
    struct key *key = &verp->keys[place], read;
    const char *end;
    if (key->n)
        return "this id stands here a second time";
    if (sodium_hex2bin(read.bytes, sizeof read.bytes, hex.p, hex.n, NULL, &read.n, &end) != 0 ||
        end != hex.p + hex.n || read.n < KEY_MIN_BYTES)
        return "no key; expected 64 to 128 hexadecimal digits";
    *key = read;
    if (!verp->signer)
        verp->signer = id.p[0];
    return NULL;
}

/* Problems never say what stands in the file: somebody may show them to others. */
static bool take_keys(struct dsn_verp *verp, const char *name, struct dsn_strview text,
                      struct dsn_problems *problems) {
    struct dsn_strview line;
    bool good = true;
    for (unsigned number = 1; dsn_sv_next_line(&text, &line); number++) {
        line = dsn_sv_trim(line);
        const char *wrong = line.n && line.p[0] != '#' ? take_key(verp, line) : NULL;
        if (!wrong)
            continue;
        dsn_problems_add(problems, name, number, "%s", wrong);
        good = false;
    }
    if (good && !verp->signer)
        dsn_problems_add(problems, name, 0, "there is no key; expected lines ID = KEY");
    return good && verp->signer;
}

enum dsn_error dsn_verp_new(const char *name, struct dsn_strview keys, struct dsn_problems *problems,
                            struct dsn_verp **out) {
    struct dsn_verp *verp = sodium_init() >= 0 ? g_try_new0(struct dsn_verp, 1) : NULL;
    if (!verp)
        return DSN_ERR_MEMORY;
    verp->references = 1;
    if (!take_keys(verp, name, keys, problems)) {
        dsn_verp_unref(verp);
        return DSN_ERR_SYNTAX;
    }
    *out = verp;
    return DSN_OK;
}

struct dsn_verp *dsn_verp_ref(struct dsn_verp *verp) {
    g_atomic_int_inc(&verp->references);
    return verp;
}

void dsn_verp_unref(struct dsn_verp *verp) {
    if (!verp || !g_atomic_int_dec_and_test(&verp->references))
        return;
    sodium_memzero(verp, sizeof *verp);
    g_free(verp);
}

/* Signing */

/* `head` is the first 5 digits, in lower case; `address` is folded. */
static void sign(const struct key *key, enum dsn_verp_use use, const char *head, struct dsn_strview address,
                 char out[MAC_DIGITS]) {
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_state state;
    const struct dsn_strview parts[] = {
        dsn_sv_str(uses[use]), DSN_LIT("\n"), {head, HEAD_DIGITS}, DSN_LIT("\n"), address};
    crypto_auth_hmacsha256_init(&state, key->bytes, key->n);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        crypto_auth_hmacsha256_update(&state, (const unsigned char *)parts[i].p, parts[i].n);
    crypto_auth_hmacsha256_final(&state, mac);
    _Static_assert(MAC_BYTES * 8 == MAC_DIGITS * 5, "digits take 5 bits each");
    write_digits(mac, MAC_DIGITS, out);
    sodium_memzero(&state, sizeof state);
}

static enum dsn_error make_token(const struct dsn_verp *verp, enum dsn_verp_use use,
                                 struct dsn_strview folded, int64_t expires_at_s,
                                 char out[TOKEN_DIGITS + 1]) {
    if (expires_at_s < 0 || expires_at_s > MAX_HOURS * HOUR_S || !dsn_address_usable(folded))
        return DSN_ERR_INVALID;
    if (folded.n > DSN_VERP_ADDRESS_MAX)
        return DSN_ERR_LIMIT;
    out[0] = verp->signer;
    write_hours((expires_at_s + HOUR_S - 1) / HOUR_S, out + 1);
    sign(&verp->keys[digit_value(verp->signer)], use, out, folded, out + HEAD_DIGITS);
    out[TOKEN_DIGITS] = '\0';
    return DSN_OK;
}

/* What every mail system takes in a dot-atom (RFC 5322 3.2.3) without giving it a meaning of its own, as it
 * does with '!', '%', '/', '|' and '#'. */
static bool is_plain(char c) {
    return dsn_is_alnum(c) || (c && strchr("._+-=", c));
}

/* "user@example.org" as "user=example.org"; empty where it cannot be in a local part. */
static void encode(struct dsn_strview folded, char out[DSN_VERP_LOCAL_MAX + 1]) {
    size_t at = folded.n - dsn_address_domain(folded).n - 1;
    out[0] = '\0';
    if (folded.n > DSN_VERP_LOCAL_MAX || folded.p[0] == '.' || folded.p[folded.n - 1] == '.')
        return;
    for (size_t i = 0; i < folded.n; i++) {
        if (i != at && (!is_plain(folded.p[i]) || (folded.p[i] == '.' && folded.p[i + 1] == '.')))
            return;
    }
    memcpy(out, folded.p, folded.n);
    out[at] = '=';
    out[folded.n] = '\0';
}

enum dsn_error dsn_verp_return_address(const struct dsn_verp *verp, const struct dsn_verp_form *form,
                                       struct dsn_strview address, int64_t expires_at_s,
                                       char out[DSN_VERP_SIZE]) {
    char token[TOKEN_DIGITS + 1], encoded[DSN_VERP_LOCAL_MAX + 1];
    struct dsn_arena *arena = dsn_arena_new();
    struct dsn_strview folded = arena ? dsn_address_read(arena, address, false) : DSN_NONE;
    folded = folded.p ? dsn_address_fold(arena, folded) : DSN_NONE;
    size_t before = strlen(form->user) + 1 + TOKEN_DIGITS;
    enum dsn_error error =
        arena ? make_token(verp, DSN_VERP_RETURN_ADDRESS, folded, expires_at_s, token) : DSN_ERR_MEMORY;
    if (!error &&
        (before > DSN_VERP_LOCAL_MAX || DSN_VERP_LOCAL_MAX + strlen(form->domain) + 2 > DSN_VERP_SIZE))
        error = DSN_ERR_LIMIT;
    if (!error) {
        encode(folded, encoded);
        bool told = encoded[0] && before + 1 + strlen(encoded) <= DSN_VERP_LOCAL_MAX;
        snprintf(out, DSN_VERP_SIZE, "%s%c%s%s%s@%s", form->user, form->delimiter, token, told ? "-" : "",
                 told ? encoded : "", form->domain);
    }
    dsn_arena_free(arena);
    return error;
}

enum dsn_error dsn_verp_message_id(const struct dsn_verp *verp, const char *domain,
                                   struct dsn_strview address, int64_t expires_at_s,
                                   char out[DSN_VERP_SIZE]) {
    char token[TOKEN_DIGITS + 1], serial[MAC_DIGITS + 1] = "";
    unsigned char random[MAC_BYTES];
    struct dsn_arena *arena = dsn_arena_new();
    struct dsn_strview folded = arena ? dsn_address_read(arena, address, false) : DSN_NONE;
    folded = folded.p ? dsn_address_fold(arena, folded) : DSN_NONE;
    enum dsn_error error =
        arena ? make_token(verp, DSN_VERP_MESSAGE_ID, folded, expires_at_s, token) : DSN_ERR_MEMORY;
    if (!error && sizeof token + sizeof serial + strlen(domain) + 3 > DSN_VERP_SIZE)
        error = DSN_ERR_LIMIT;
    if (!error) {
        randombytes_buf(random, sizeof random);
        write_digits(random, MAC_DIGITS, serial);
        snprintf(out, DSN_VERP_SIZE, "<%s.%s@%s>", token, serial, domain);
    }
    dsn_arena_free(arena);
    return error;
}

/* Checking */

/* The address behind a token that ends at `end`: up to the '@', which cannot be farther than a local part is
 * long. */
static struct dsn_strview encoded_at(struct dsn_strview text, size_t end) {
    size_t n = 0;
    while (n < DSN_VERP_LOCAL_MAX && end + n < text.n && is_plain(text.p[end + n]))
        n++;
    return end + n < text.n && text.p[end + n] == '@' ? dsn_sv(text.p + end, n) : DSN_NONE;
}

/* Whether the word of text at [begin, end) is a token: what it is for shows by what stands behind it. */
static bool read_token(struct dsn_strview text, size_t begin, size_t end, struct dsn_verp_token *out) {
    if (end - begin != TOKEN_DIGITS || end == text.n)
        return false;
    for (size_t i = begin; i < end; i++) {
        if (digit_value(text.p[i]) < 0)
            return false;
    }
    char next = text.p[end];
    *out = (struct dsn_verp_token){.digits = {text.p + begin, TOKEN_DIGITS}};
    if (next == '.')
        out->use = DSN_VERP_MESSAGE_ID;
    else if (next == '-')
        out->encoded = encoded_at(text, end + 1);
    return next == '.' || next == '@' || out->encoded.n;
}

bool dsn_verp_next(struct dsn_strview text, size_t *from, struct dsn_verp_token *out) {
    for (size_t i = *from; i < text.n;) {
        size_t begin = i;
        while (i < text.n && dsn_is_alnum(text.p[i]))
            i++;
        if (read_token(text, begin, i, out)) {
            *from = i;
            return true;
        }
        if (i == begin)
            i++;
    }
    *from = text.n;
    return false;
}

/* Writes the address that the token is said to be for; false where nothing says it. */
static bool claim(const struct dsn_verp_token *token, struct dsn_strview candidate,
                  char out[DSN_VERP_ADDRESS_MAX + 1]) {
    struct dsn_strview claimed = token->encoded.p ? token->encoded : candidate;
    if (!claimed.n || claimed.n > DSN_VERP_ADDRESS_MAX)
        return false;
    memcpy(out, claimed.p, claimed.n);
    out[claimed.n] = '\0';
    if (!token->encoded.p)
        return true;
    for (char *p = out; *p; p++)
        *p = dsn_to_lower(*p);
    char *at = strrchr(out, '='); /* a domain has none */
    if (at)
        *at = '@';
    return at != NULL;
}

void dsn_verp_judge(const struct dsn_verp *verp, const struct dsn_verp_token *token,
                    struct dsn_strview candidate, int64_t now_s, struct dsn_verp_check *out) {
    char digits[TOKEN_DIGITS], mac[MAC_DIGITS];
    struct dsn_verp_check check = {.result = DSN_VERP_UNTOLD};
    for (size_t i = 0; i < TOKEN_DIGITS; i++)
        digits[i] = dsn_to_lower(token->digits.p[i]);
    const struct key *key = &verp->keys[digit_value(digits[0])];
    check.key = digits[0];
    check.expires_at_s = read_hours(digits + 1) * HOUR_S;
    if (!key->n) {
        check.result = DSN_VERP_FORGED;
    } else if (claim(token, candidate, check.address)) {
        sign(key, token->use, digits, dsn_sv_str(check.address), mac);
        check.result = sodium_memcmp(mac, digits + HEAD_DIGITS, MAC_DIGITS) != 0 ? DSN_VERP_FORGED
                       : now_s > check.expires_at_s                              ? DSN_VERP_EXPIRED
                                                                                 : DSN_VERP_VALID;
    }
    if (check.result < DSN_VERP_EXPIRED)
        check.address[0] = '\0';
    *out = check;
}

void dsn_verp_check(const struct dsn_verp *verp, struct dsn_strview text, struct dsn_strview candidate,
                    int64_t now_s, struct dsn_verp_check *out) {
    struct dsn_verp_token token;
    size_t from = 0;
    *out = (struct dsn_verp_check){.result = DSN_VERP_NONE};
    struct dsn_arena *arena = dsn_arena_new();
    if (!arena)
        return;
    candidate = dsn_address_fold(arena, dsn_address_read(arena, candidate, false));
    while (out->result < DSN_VERP_EXPIRED && dsn_verp_next(text, &from, &token)) {
        struct dsn_verp_check check;
        dsn_verp_judge(verp, &token, candidate, now_s, &check);
        if (check.result > out->result)
            *out = check;
    }
    dsn_arena_free(arena);
}

const char *dsn_verp_result_name(enum dsn_verp_result result) {
    static const char *const names[] = {
        [DSN_VERP_NONE] = "none",       [DSN_VERP_FORGED] = "forged", [DSN_VERP_UNTOLD] = "untold",
        [DSN_VERP_EXPIRED] = "expired", [DSN_VERP_VALID] = "valid",
    };
    return names[result];
}
