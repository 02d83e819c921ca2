/* socketmap: what a mail server asks the lookup server, one question after the other. The first byte says in
 * how large pieces it comes, which must not matter. */
#include "fuzz.h"
#include "lookup/netstring.h"
#include "lookup/socketmap.h"
#include "mail/address.h"

static void check_text(struct dsn_strview text) {
    PROMISE(!text.n || dsn_utf8_valid(text));
}

/* Who is suppressed is any answer that Redis may give. */
static void answer(struct dsn_socketmap *talk) {
    struct dsn_suppressed_query *query = &talk->query;
    check_text(query->address);
    check_text(query->scope);
    PROMISE(dsn_address_usable(query->address) && dsn_sv_find_char(query->scope, ' ', 0) == SIZE_MAX);
    query->suppressed = query->address.n % 2;
    g_strlcpy(query->reason, query->suppressed ? "user-unknown" : "", sizeof query->reason);
    dsn_socketmap_answer(talk);
}

/* An answer is one netstring of plain words. */
static void check_answer(struct dsn_strview out) {
    static const char *const words[] = {"OK 550 5.7.1 ", "NOTFOUND ", "PERM "};
    struct dsn_strview content;
    size_t taken;
    bool known = false;
    PROMISE(dsn_netstring_read(out, out.n, &content, &taken) == DSN_NETSTRING_WHOLE && taken == out.n);
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
        known = known || dsn_sv_starts_nocase(content, dsn_sv_str(words[i]));
    PROMISE(known);
    for (size_t i = 0; i < content.n; i++)
        PROMISE(content.p[i] >= ' ' && content.p[i] < 0x7f);
}

static GString *converse(struct dsn_arena *arena, struct dsn_strview bytes, size_t piece) {
    struct dsn_socketmap *talk = g_new0(struct dsn_socketmap, 1);
    GString *heard = g_string_new(NULL);
    enum dsn_socketmap_result result = DSN_SOCKETMAP_MORE;
    while (bytes.n > 0 && result != DSN_SOCKETMAP_BAD) {
        size_t n = MIN(MIN(piece, bytes.n), sizeof talk->in - talk->n_in);
        PROMISE(n > 0); /* it never waits for more than it has room for */
        memcpy(talk->in + talk->n_in, bytes.p, n);
        talk->n_in += n;
        bytes = dsn_sv_from(bytes, n);
        while ((result = dsn_socketmap_take(talk, arena)) >= DSN_SOCKETMAP_ASKED) {
            if (result == DSN_SOCKETMAP_ASKED)
                answer(talk);
            check_answer(dsn_sv(talk->out, talk->n_out));
            g_string_append_len(heard, talk->out, (gssize)talk->n_out);
            talk->n_out = 0;
        }
    }
    g_string_append_printf(heard, "%s", result == DSN_SOCKETMAP_BAD ? "bad" : "");
    g_free(talk);
    return heard;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size)
        return 0;
    struct dsn_strview bytes = dsn_sv((const char *)data + 1, size - 1);
    struct dsn_arena *arena = dsn_arena_new();
    GString *whole = converse(arena, bytes, SIZE_MAX), *pieces = converse(arena, bytes, data[0] + 1u);
    PROMISE(g_string_equal(whole, pieces));
    g_string_free(whole, TRUE);
    g_string_free(pieces, TRUE);
    dsn_arena_free(arena);
    return 0;
}
