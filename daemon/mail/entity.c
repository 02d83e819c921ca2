/* entity: a header and its body, and the parts of a multipart, where their bytes leave no doubt. */
#include "entity.h"
#include "base/sv.h"

#include <stdint.h>

static bool is_fold(char c) {
    return c == ' ' || c == '\t';
}

/* Length of the name of the field that begins at `s`; 0 where none does. */
static size_t name_length(struct dsn_strview s) {
    size_t n = 0;
    while (n < s.n && s.p[n] > ' ' && s.p[n] < 127 && s.p[n] != ':')
        n++;
    return n < s.n && s.p[n] == ':' ? n : 0;
}

/* As GMime does it: the ends of the lines are all that goes. */
static struct dsn_strview unfold(struct dsn_arena *arena, struct dsn_strview raw) {
    struct dsn_strview value = dsn_sv_trim(raw);
    if (dsn_sv_find_char(value, '\n', 0) == SIZE_MAX)
        return value;
    struct dsn_buffer out;
    dsn_buffer_init(&out, arena, value.n);
    for (size_t i = 0, line; i < value.n; i += line) {
        line = dsn_sv_line_at(value, i).n;
        dsn_buffer_add(&out, dsn_sv(value.p + i, line - (value.p[i + line - 1] == '\n')));
    }
    return dsn_buffer_view(&out);
}

/* The lines of the field at `at`. */
static struct dsn_strview field_at(struct dsn_strview s, size_t at) {
    size_t end = at;
    do
        end += dsn_sv_line_at(s, end).n;
    while (end < s.n && is_fold(s.p[end]));
    return dsn_sv_range(s.p + at, s.p + end);
}

/* False: a second one contradicts the first. */
static bool note_content(struct dsn_arena *arena, struct dsn_strview name, struct dsn_strview raw,
                         struct dsn_entity *out) {
    if (dsn_sv_eq_nocase(name, DSN_LIT("Content-Type"))) {
        if (out->content.p)
            return false;
        out->content = unfold(arena, raw);
        return out->content.n > 0;
    }
    if (dsn_sv_eq_nocase(name, DSN_LIT("Content-Transfer-Encoding"))) {
        if (out->encoding.p)
            return false;
        out->encoding = unfold(arena, raw);
    }
    return true;
}

bool dsn_entity_read(struct dsn_arena *arena, const struct dsn_limits *limits, struct dsn_strview s,
                     enum dsn_keep keep, struct dsn_entity *out) {
    size_t at = 0, capacity = 0;
    *out = (struct dsn_entity){0};
    while (at < s.n && s.p[at] != '\n') {
        struct dsn_strview lines = field_at(s, at);
        size_t name = name_length(lines);
        if (!name || lines.n > limits->max_header_bytes || dsn_sv_find_char(lines, '\0', 0) != SIZE_MAX)
            return false;
        struct dsn_field field = {dsn_sv(lines.p, name), dsn_sv_from(lines, name + 1)};
        at += lines.n;
        if (dsn_sv_starts_nocase(field.name, DSN_LIT("Content-"))) {
            if (!note_content(arena, field.name, field.value, out))
                return false;
        } else if (keep == DSN_KEEP_FIELDS) {
            if (out->n_fields >= limits->max_headers) {
                out->truncated = true;
                continue;
            }
            field.value = unfold(arena, field.value);
            out->fields = dsn_arena_grow(arena, out->fields, out->n_fields, &capacity, sizeof field);
            if (!out->fields)
                return false;
            out->fields[out->n_fields++] = field;
        }
    }
    if (at >= s.n || (keep == DSN_KEEP_FIELDS && !out->fields))
        return false;
    out->body = dsn_sv_from(s, at + 1);
    return true;
}

/* Takes the characters that `belongs` accepts off `*s`. */
static struct dsn_strview take(struct dsn_strview *s, bool (*belongs)(char)) {
    size_t n = 0;
    while (n < s->n && belongs(s->p[n]))
        n++;
    struct dsn_strview taken = dsn_sv(s->p, n);
    *s = dsn_sv_from(*s, n);
    return taken;
}

static bool take_char(struct dsn_strview *s, char c) {
    bool there = s->n && s->p[0] == c;
    if (there)
        *s = dsn_sv_from(*s, 1);
    return there;
}

static bool is_type_char(char c) {
    return dsn_is_alnum(c) || strchr("-.+_", c);
}

/* In a value without quotes: what real senders write there, "/" and "=" too, and nobody misreads. */
static bool is_value_char(char c) {
    return dsn_is_alnum(c) || strchr("'+_-./=:,?", c);
}

static bool is_quotable(char c) {
    return c >= ' ' && c < 127 && c != '"' && c != '\\';
}

static bool take_value(struct dsn_strview *s, struct dsn_strview *out) {
    bool quoted = take_char(s, '"');
    *out = take(s, quoted ? is_quotable : is_value_char);
    return out->n && (!quoted || take_char(s, '"')) && !dsn_is_space(out->p[out->n - 1]) &&
           dsn_sv_find_nocase(*out, DSN_LIT("=?"), 0) == SIZE_MAX;
}

static bool take_parameter(struct dsn_strview *s, struct dsn_content *out) {
    const struct {
        struct dsn_strview name, *value;
    } known[] = {
        {DSN_LIT("boundary"), &out->boundary},
        {DSN_LIT("charset"), &out->charset},
        {DSN_LIT("report-type"), &out->report_type},
    };
    struct dsn_strview name = take(s, is_type_char), value;
    if (!name.n || !take_char(s, '=') || !take_value(s, &value))
        return false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!dsn_sv_eq_nocase(name, known[i].name))
            continue;
        if (known[i].value->p)
            return false;
        *known[i].value = value;
    }
    return true;
}

bool dsn_content_read(struct dsn_arena *arena, const struct dsn_entity *entity, struct dsn_content *out) {
    struct dsn_strview s = entity->content;
    *out = (struct dsn_content){.type = DSN_LIT("text/plain")};
    if (!s.p)
        return true;
    struct dsn_strview type = take(&s, is_type_char);
    if (!type.n || !take_char(&s, '/'))
        return false;
    struct dsn_strview subtype = take(&s, is_type_char);
    out->type = dsn_arena_lower(arena, dsn_sv_range(type.p, subtype.p + subtype.n));
    if (!subtype.n || !out->type.p)
        return false;
    for (take(&s, is_fold); s.n; take(&s, is_fold)) {
        if (!take_char(&s, ';'))
            return false;
        take(&s, is_fold);
        if (s.n && !take_parameter(&s, out))
            return false;
    }
    return true;
}

/* A line "--BOUNDARY" or "--BOUNDARY--". */
struct delimiter {
    size_t begin, end;
    bool last;
};

static bool next_delimiter(struct dsn_strview s, struct dsn_strview boundary, struct delimiter *out) {
    for (const char *p = s.p, *hit; p < s.p + s.n; p = hit + 1) {
        hit = memmem(p, (size_t)(s.p + s.n - p), boundary.p, boundary.n);
        if (!hit)
            return false;
        size_t at = (size_t)(hit - s.p);
        if (at < 2 || hit[-1] != '-' || hit[-2] != '-' || (at > 2 && hit[-3] != '\n'))
            continue;
        struct dsn_strview line = dsn_sv_line_at(s, at), tail = dsn_sv_from(line, boundary.n);
        bool last = dsn_sv_starts_nocase(tail, DSN_LIT("--"));
        if (dsn_sv_trim(dsn_sv_from(tail, last ? 2 : 0)).n)
            continue;
        *out = (struct delimiter){at - 2, at + line.n, last};
        return true;
    }
    return false;
}

bool dsn_parts_begin(struct dsn_strview body, struct dsn_strview boundary, struct dsn_parts *out) {
    struct delimiter first;
    *out = (struct dsn_parts){.boundary = boundary};
    if (!boundary.n || !next_delimiter(body, boundary, &first) || first.last)
        return false;
    out->rest = dsn_sv_from(body, first.end);
    return true;
}

bool dsn_parts_next(struct dsn_parts *parts, struct dsn_strview *part) {
    struct delimiter next;
    if (parts->closed || !parts->rest.n)
        return false;
    if (!next_delimiter(parts->rest, parts->boundary, &next)) {
        *part = parts->rest;
        parts->rest = DSN_NONE;
        return true;
    }
    *part = dsn_sv(parts->rest.p, next.begin);
    parts->closed = next.last;
    parts->rest = dsn_sv_from(parts->rest, next.end);
    return true;
}
