/* cloudevent: the envelope of CloudEvents 1.0. Knows of an event its kind, recipient and time. */
#include "cloudevent.h"

#include "base/json.h"
#include "base/sv.h"
#include "base/utf8.h"

char *dsn_cloudevent_source(const char *prefix) {
    return g_strdup_printf("/dsnd/%s", prefix);
}

static struct dsn_strview text_of(yajl_val event, const char *field) {
    const char *path[] = {field, NULL};
    yajl_val value = yajl_tree_get(event, path, yajl_t_string);
    struct dsn_strview text = dsn_sv_str(value ? YAJL_GET_STRING(value) : NULL);
    return dsn_utf8_valid(text) ? text : DSN_NONE;
}

/* An attribute that is absent or empty is left out (CloudEvents 1.0, 3.1). */
static void put_field(yajl_gen gen, const char *name, struct dsn_strview text) {
    if (text.n > 0)
        dsn_json_put(gen, name, text);
}

static void put_type(yajl_gen gen, struct dsn_strview kind) {
    char *type = g_strconcat("dsnd.", kind.n > 0 ? kind.p : "event", NULL);
    dsn_json_put(gen, "type", dsn_sv_str(type));
    g_free(type);
}

static void put_envelope(yajl_gen gen, const char *source, struct dsn_strview id, yajl_val tree,
                         struct dsn_strview event) {
    yajl_gen_map_open(gen);
    dsn_json_put(gen, "specversion", DSN_LIT("1.0"));
    dsn_json_put(gen, "id",
                 id.p && dsn_utf8_valid(id) ? id : DSN_LIT("")); /* required (CloudEvents 1.0, 3.1.1) */
    dsn_json_put(gen, "source", dsn_sv_str(source));
    put_type(gen, text_of(tree, "kind"));
    put_field(gen, "subject", text_of(tree, "recipient"));
    put_field(gen, "time", text_of(tree, "observed_at"));
    dsn_json_put(gen, "datacontenttype", DSN_LIT("application/json"));
    dsn_json_str(gen, "data");
    yajl_gen_number(gen, event.p, event.n); /* as it is: it is JSON */
    yajl_gen_map_close(gen);
}

void dsn_cloudevent_append(GString *out, const char *source, struct dsn_strview id,
                           struct dsn_strview event) {
    const unsigned char *text = NULL;
    size_t n = 0;
    yajl_val tree = dsn_json_object(event);
    yajl_gen gen = tree ? yajl_gen_alloc(&dsn_json_memory) : NULL;
    if (gen) {
        put_envelope(gen, source, id, tree, event);
        yajl_gen_get_buf(gen, &text, &n);
    }
    if (n > 0)
        g_string_append_len(out, (const char *)text, (gssize)n);
    else if (event.n > 0)
        g_string_append_len(out, event.p, (gssize)event.n);
    if (gen)
        yajl_gen_free(gen);
    yajl_tree_free(tree);
}
