/* bounds: how much of a mail GMime may see, which has no limits of its own. */
#include "bounds.h"
#include "base/sv.h"

#include <stdint.h>

/* What GMime is given at most, for each part and for each header that the limits allow. */
enum { DELIMITERS_A_PART = 20, LINES_A_HEADER = 8 };

struct bounding {
    struct dsn_arena *arena;
    const struct dsn_limits *limits;
    struct dsn_strview bytes;
    char *copy;  /* of them, without what is too long; NULL: nothing is */
    bool failed; /* memory ran out */
};

/* Makes spaces of what a field has beyond its limit: GMime takes long over the parameters of a Content-Type.
 */
static void blank(struct bounding *b, size_t from, size_t to) {
    if (!b->copy)
        b->copy = (char *)(uintptr_t)dsn_arena_copy(b->arena, b->bytes).p;
    b->failed |= !b->copy;
    if (b->copy)
        memset(b->copy + from, ' ', to - from);
}

/* Where the paragraph at `from` ends, or as many lines of it as a header may have: the mail is to end there
 * (`*too_long`). */
static size_t paragraph_end(struct bounding *b, size_t from, bool *too_long) {
    struct dsn_strview s = b->bytes;
    size_t lines = (size_t)b->limits->max_headers * LINES_A_HEADER, max = b->limits->max_header_bytes;
    size_t field = from; /* where it begins */
    while (from < s.n && s.p[from] != '\n' && lines--) {
        size_t end = from + dsn_sv_line_at(s, from).n;
        if (s.p[from] != ' ' && s.p[from] != '\t')
            field = from;
        if (end - field > max + 1) /* with its line end; the one before goes with the line */
            blank(b, from > field + max ? from - 1 : field + max, end - 1);
        from = end;
    }
    *too_long = from < s.n && s.p[from] != '\n';
    return from;
}

/* Many boundaries, in many multiparts, or many header fields cost GMime seconds and hundreds of megabytes.
 * Returns where the mail becomes too much. What follows a line "--..." may be a header, and of a returned
 * message the paragraph after that. */
static size_t bearable_length(struct bounding *b) {
    struct dsn_strview s = b->bytes;
    size_t delimiters = (size_t)b->limits->max_parts * DELIMITERS_A_PART;
    bool too_long;
    size_t seen = paragraph_end(b, 0, &too_long);
    const char *hit = s.p;
    while (!too_long && (hit = memmem(hit, (size_t)(s.p + s.n - hit), "\n--", 3))) {
        size_t begin = (size_t)(++hit - s.p);
        if (!delimiters--)
            return begin;
        if (begin < seen)
            continue;
        seen = paragraph_end(b, begin, &too_long);
        struct dsn_strview header = dsn_sv_range(s.p + begin, s.p + seen);
        bool is_original = dsn_sv_find_nocase(header, DSN_LIT("message/"), 0) != SIZE_MAX;
        if (!too_long && is_original && seen < s.n)
            seen = paragraph_end(b, seen + 1, &too_long);
    }
    return too_long ? seen : s.n;
}

struct dsn_strview dsn_bounds_cut(struct dsn_arena *arena, const struct dsn_limits *limits,
                                  struct dsn_strview bytes, bool *truncated) {
    struct bounding b = {.arena = arena, .limits = limits, .bytes = bytes};
    struct dsn_strview bearable = dsn_sv(bytes.p, bearable_length(&b));
    *truncated = bearable.n < bytes.n || b.copy;
    if (b.failed)
        return DSN_NONE;
    if (b.copy)
        bearable.p = b.copy;
    return bearable.n < bytes.n ? dsn_arena_join(arena, bearable, DSN_LIT("\n\n"), DSN_LIT("")) : bearable;
}
