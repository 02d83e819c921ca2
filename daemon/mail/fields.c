/* fields: groups of "Name: value" lines. Knows RFC 5322 folding, no field by name. */
#include "fields.h"
#include "base/sv.h"
#include "base/utf8.h"

static bool is_name_char(char c) {
    return c > ' ' && c < 127 && c != ':';
}

/* "Name : value" -> name and what follows the colon. */
static bool split_field(struct dsn_strview line, struct dsn_field *field) {
    size_t n = 0;
    while (n < line.n && is_name_char(line.p[n]))
        n++;
    size_t colon = n;
    while (colon < line.n && (line.p[colon] == ' ' || line.p[colon] == '\t'))
        colon++;
    if (n == 0 || colon == line.n || line.p[colon] != ':')
        return false;
    field->name = dsn_sv(line.p, n);
    field->value = dsn_sv_trim(dsn_sv_from(line, colon + 1));
    return true;
}

static bool is_blank(struct dsn_strview line) {
    return dsn_sv_trim(line).n == 0;
}

static bool is_continuation(struct dsn_strview line) {
    return line.n && (line.p[0] == ' ' || line.p[0] == '\t') && !is_blank(line);
}

/* Takes the continuation lines that follow and joins them to `value`. */
static struct dsn_strview take_folds(struct dsn_arena *arena, const struct dsn_limits *limits,
                                     struct dsn_strview *rest, struct dsn_strview value, bool *truncated) {
    struct dsn_strview next = *rest, line;
    if (!dsn_sv_next_line(&next, &line) || !is_continuation(line))
        return value;
    struct dsn_buffer joined;
    dsn_buffer_init(&joined, arena, value.n + 200);
    dsn_buffer_add(&joined, value);
    do {
        *rest = next;
        if (joined.n + line.n > limits->max_field_bytes) {
            *truncated = true;
            continue;
        }
        if (joined.n)
            dsn_buffer_add_char(&joined, ' ');
        dsn_buffer_add(&joined, dsn_sv_trim(line));
    } while (dsn_sv_next_line(&next, &line) && is_continuation(line));
    return dsn_buffer_view(&joined);
}

static bool add(struct dsn_arena *arena, const struct dsn_limits *limits, struct dsn_fields *out,
                struct dsn_field field) {
    if (out->n >= limits->max_headers) {
        out->truncated = true;
        return false;
    }
    struct dsn_field *items = dsn_arena_grow(arena, out->items, out->n, &out->capacity, sizeof *out->items);
    if (!items) {
        out->truncated = true;
        return false;
    }
    out->items = items;
    if (field.value.n > limits->max_field_bytes) {
        field.value = dsn_utf8_cut(field.value, limits->max_field_bytes);
        out->truncated = true;
    }
    items[out->n++] = field;
    return true;
}

bool dsn_fields_next_group(struct dsn_arena *arena, const struct dsn_limits *limits, struct dsn_strview *rest,
                           struct dsn_fields *out) {
    *out = (struct dsn_fields){0};
    struct dsn_strview line;
    while (dsn_sv_next_line(rest, &line)) {
        struct dsn_field field;
        if (is_blank(line)) {
            if (out->n)
                return true;
        } else if (split_field(line, &field)) {
            field.value = take_folds(arena, limits, rest, field.value, &out->truncated);
            add(arena, limits, out, field);
        }
    }
    return out->n > 0;
}
