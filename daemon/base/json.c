/* json: gives yajl its memory, and makes JSON safe to show, and to read. */
#include "json.h"
#include "utf8.h"

#include <glib.h>
#include <stdint.h>
#include <stdio.h>

static void *allocate(void *context, size_t n) {
    (void)context;
    return g_malloc(n);
}

static void *reallocate(void *context, void *p, size_t n) {
    (void)context;
    return g_realloc(p, n);
}

static void release(void *context, void *p) {
    (void)context;
    g_free(p);
}

const yajl_alloc_funcs dsn_json_memory = {.malloc = allocate, .realloc = reallocate, .free = release};

/* RFC 8259 lets all of these stand in a string. */
static const struct {
    gunichar first, last;
} escaped[] = {
    {0x7F, 0x9F},     /* DEL, C1 controls */
    {0x061C, 0x061C}, /* ARABIC LETTER MARK */
    {0x200E, 0x200F}, /* LEFT-TO-RIGHT MARK, RIGHT-TO-LEFT MARK */
    {0x2028, 0x202E}, /* LINE and PARAGRAPH SEPARATOR; embeddings and overrides */
    {0x2066, 0x2069}, /* isolates */
};

static bool is_escaped(gunichar c) {
    for (size_t i = 0; i < G_N_ELEMENTS(escaped); i++) {
        if (c >= escaped[i].first && c <= escaped[i].last)
            return true;
    }
    return false;
}

/* Where the next of them is; the end where there is none. */
static const char *find_escaped(const char *p, const char *end) {
    while (p < end && !is_escaped((guchar)*p < 0x7F ? (guchar)*p : g_utf8_get_char(p)))
        p = g_utf8_next_char(p);
    return MIN(p, end);
}

struct dsn_strview dsn_json_shown(struct dsn_arena *arena, struct dsn_strview json) {
    const char *p = json.p, *end = json.p + json.n, *hit;
    if (dsn_utf8_ascii(json) && dsn_sv_find_char(json, 0x7F, 0) == SIZE_MAX)
        return json;
    if ((hit = find_escaped(p, end)) == end)
        return json;
    struct dsn_buffer out;
    dsn_buffer_init(&out, arena, json.n + 64);
    for (; hit < end; hit = find_escaped(p, end)) {
        char text[8];
        snprintf(text, sizeof text, "\\u%04x", (unsigned)g_utf8_get_char(hit) & 0xFFFF);
        dsn_buffer_add(&out, dsn_sv_range(p, hit));
        dsn_buffer_add(&out, dsn_sv_str(text));
        p = g_utf8_next_char(hit);
    }
    dsn_buffer_add(&out, dsn_sv_range(p, end));
    return out.failed ? DSN_NONE : dsn_buffer_view(&out);
}

enum dsn_error dsn_json_object_length(struct dsn_strview text, size_t max_depth, size_t *out) {
    size_t depth = 0, deepest = 0;
    bool quoted = false;
    if (!text.n || text.p[0] != '{')
        return DSN_ERR_SYNTAX;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '\0' || (c == '/' && !quoted)) /* it ends a C string; it begins a comment */
            return DSN_ERR_SYNTAX;
        if (quoted) {
            i += c == '\\';
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            depth++;
            if (depth > deepest)
                deepest = depth;
        } else if ((c == '}' || c == ']') && --depth == 0) {
            if (deepest > max_depth)
                return DSN_ERR_LIMIT;
            *out = i + 1;
            return DSN_OK;
        }
    }
    return DSN_ERR_SYNTAX;
}

yajl_val dsn_json_object(struct dsn_strview text) {
    text = dsn_sv_trim(text);
    size_t n;
    if (dsn_json_object_length(text, DSN_JSON_DEPTH_MAX, &n) != DSN_OK || n < text.n || !dsn_utf8_valid(text))
        return NULL;
    char *copy = g_strndup(text.p, text.n);
    yajl_val tree = yajl_tree_parse(copy, NULL, 0);
    g_free(copy);
    return tree;
}
