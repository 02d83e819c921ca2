/* message: the MIME structure of a mail. Knows GMime, and is the only module that does; knows nothing of
 * reports. GMime decodes everything, and reads every mail whose bytes leave a doubt of its structure. */
#include "message.h"
#include "address.h"
#include "base/sv.h"
#include "base/utf8.h"
#include "bounds.h"
#include "entity.h"
#include "fields.h"

#include <gmime/gmime.h>

enum { MAX_INNER = 3 }; /* messages inside messages that are read as mail of their own */

/* A returned message, and the part that it became. */
struct original {
    size_t part;
    GMimeMessage *message;    /* borrowed from the whole; NULL: */
    struct dsn_strview bytes; /* it is not read yet */
};

struct walk {
    struct dsn_arena *arena;
    const struct dsn_limits *limits;
    struct dsn_strview bytes; /* what GMime reads */
    struct dsn_message *out;
    size_t capacity;
    struct original *originals;
    size_t n_originals, originals_capacity;
    unsigned inner;  /* how deep in returned messages we are */
    bool unfinished; /* the last line of the whole has no end */
    bool failed;     /* memory ran out */
};

static const struct {
    const char *type;
    enum dsn_part_role role;
} roles[] = {
    {"message/delivery-status", DSN_PART_DELIVERY_STATUS},
    {"message/global-delivery-status", DSN_PART_DELIVERY_STATUS},
    {"message/feedback-report", DSN_PART_FEEDBACK},
    {"message/disposition-notification", DSN_PART_DISPOSITION},
    {"message/global-disposition-notification", DSN_PART_DISPOSITION},
    {"message/tracking-status", DSN_PART_TRACKING},
    {"message/rfc822", DSN_PART_ORIGINAL},
    {"message/global", DSN_PART_ORIGINAL},
    {"message/partial", DSN_PART_ORIGINAL},
    {"message/global-headers", DSN_PART_ORIGINAL},
    {"text/rfc822-headers", DSN_PART_ORIGINAL},
    {"text/rfc822", DSN_PART_ORIGINAL},
    {"message/rfc822-headers", DSN_PART_ORIGINAL},
    {"text/html", DSN_PART_HTML},
    {"text/csv", DSN_PART_OTHER},
    {"text/calendar", DSN_PART_OTHER},
    {"text/vcard", DSN_PART_OTHER},
    {"text/x-vcard", DSN_PART_OTHER},
};

static enum dsn_part_role role_of(struct dsn_strview type) {
    for (size_t i = 0; i < G_N_ELEMENTS(roles); i++) {
        if (dsn_sv_eq(type, dsn_sv_str(roles[i].type)))
            return roles[i].role;
    }
    return dsn_sv_starts_nocase(type, DSN_LIT("text/")) ? DSN_PART_TEXT : DSN_PART_OTHER;
}

/* What part begins so is that, whatever its type says: mail programs that send a report on, and gateways,
 * make files of its parts. RFC 3464 2.2, RFC 5965 3.1; the last two are what the last server has put before a
 * message. */
static const struct {
    const char *field;
    enum dsn_part_role role;
} beginnings[] = {
    {"Reporting-MTA:", DSN_PART_DELIVERY_STATUS}, {"Original-Envelope-Id:", DSN_PART_DELIVERY_STATUS},
    {"Feedback-Type:", DSN_PART_FEEDBACK},        {"Return-Path: <", DSN_PART_ORIGINAL},
    {"Received: from ", DSN_PART_ORIGINAL},
};

static enum dsn_part_role role_by_content(const struct walk *w, struct dsn_strview type,
                                          struct dsn_strview bytes) {
    enum dsn_part_role role = role_of(type);
    if ((role != DSN_PART_TEXT && role != DSN_PART_OTHER) ||
        !dsn_sv_starts_nocase(w->out->type, DSN_LIT("multipart/")))
        return role;
    struct dsn_strview begin = dsn_sv_trim(dsn_sv(bytes.p, MIN(bytes.n, 80)));
    for (size_t i = 0; i < G_N_ELEMENTS(beginnings); i++) {
        if (dsn_sv_starts_nocase(begin, dsn_sv_str(beginnings[i].field)))
            return beginnings[i].role;
    }
    return role;
}

struct dsn_strview dsn_message_canonical(struct dsn_arena *arena, struct dsn_strview bytes) {
    while (bytes.n && (bytes.p[0] == '\n' || bytes.p[0] == '\r')) /* no message is without a header */
        bytes = dsn_sv_from(bytes, 1);
    struct dsn_strview line, rest = bytes;
    bool quoted = dsn_sv_starts_nocase(bytes, DSN_LIT(">From ")); /* as mboxes do, and who saves from them */
    if ((quoted || dsn_sv_starts_nocase(bytes, DSN_LIT("From "))) && dsn_sv_next_line(&rest, &line))
        bytes = rest;
    if (dsn_sv_find_char(bytes, '\r', 0) == SIZE_MAX)
        return bytes.p ? bytes : dsn_sv("", 0);
    struct dsn_buffer out;
    dsn_buffer_init(&out, arena, bytes.n);
    for (size_t i = 0, end; i < bytes.n; i = end + 1) {
        end = MIN(dsn_sv_find_char(bytes, '\r', i), bytes.n);
        dsn_buffer_add(&out, dsn_sv_range(bytes.p + i, bytes.p + end));
        if (end < bytes.n && (end + 1 == bytes.n || bytes.p[end + 1] != '\n'))
            dsn_buffer_add_char(&out, '\n');
    }
    return dsn_buffer_view(&out);
}

static struct dsn_strview keep(struct walk *w, const char *s) {
    struct dsn_strview repaired = dsn_utf8_repair(w->arena, dsn_sv_str(s));
    return dsn_arena_copy(w->arena, dsn_utf8_cut(repaired, w->limits->max_field_bytes));
}

/* What GMime would make of the value of a header; a view of what is plain. */
static struct dsn_strview decode_value(struct walk *w, struct dsn_strview raw) {
    if (dsn_utf8_ascii(raw) && dsn_sv_find_nocase(raw, DSN_LIT("=?"), 0) == SIZE_MAX)
        return dsn_utf8_cut(raw, w->limits->max_field_bytes);
    struct dsn_strview terminated = dsn_arena_copy(w->arena, raw);
    char *text = terminated.p ? g_mime_utils_header_decode_text(NULL, terminated.p) : NULL;
    struct dsn_strview value = dsn_sv_trim(keep(w, text));
    g_free(text);
    return value;
}

static void take_fields(struct walk *w, const struct dsn_entity *entity, const struct dsn_field **out,
                        size_t *n) {
    for (size_t i = 0; i < entity->n_fields; i++)
        entity->fields[i].value = decode_value(w, entity->fields[i].value);
    w->out->truncated |= entity->truncated;
    *out = entity->fields;
    *n = entity->n_fields;
}

static struct dsn_field *copy_headers(struct walk *w, GMimeObject *object, size_t *n) {
    GMimeHeaderList *list = g_mime_object_get_header_list(object);
    int count = g_mime_header_list_get_count(list);
    if ((unsigned)count > w->limits->max_headers) {
        count = (int)w->limits->max_headers;
        w->out->truncated = true;
    }
    struct dsn_field *fields = dsn_arena_alloc(w->arena, ((size_t)count + 1) * sizeof *fields);
    *n = fields ? (size_t)count : 0;
    for (int i = 0; fields && i < count; i++) {
        GMimeHeader *header = g_mime_header_list_get_header_at(list, i);
        fields[i].name = keep(w, g_mime_header_get_name(header));
        fields[i].value = dsn_sv_trim(keep(w, g_mime_header_get_value(header)));
    }
    return fields;
}

/* Headers of a text that is a header, or begins with one. */
static void read_headers(struct walk *w, struct dsn_strview text, struct dsn_part *part) {
    struct dsn_fields fields;
    if (!dsn_fields_next_group(w->arena, w->limits, &text, &fields))
        return;
    for (size_t i = 0; i < fields.n; i++) {
        fields.items[i].name = dsn_utf8_repair(w->arena, fields.items[i].name);
        fields.items[i].value = dsn_header_decode(w->arena, fields.items[i].value);
    }
    part->headers = fields.items;
    part->n_headers = fields.n;
}

static struct dsn_strview lower_type(struct walk *w, GMimeObject *object) {
    GMimeContentType *type = g_mime_object_get_content_type(object);
    const char *media = g_mime_content_type_get_media_type(type);
    const char *subtype = g_mime_content_type_get_media_subtype(type);
    struct dsn_strview joined = dsn_arena_join(w->arena, dsn_sv_str(media ? media : "text"), DSN_LIT("/"),
                                               dsn_sv_str(subtype ? subtype : "plain"));
    return dsn_utf8_repair(w->arena, dsn_arena_lower(w->arena, joined));
}

static struct dsn_strview decoded_content(struct walk *w, GMimePart *part) {
    GMimeDataWrapper *content = g_mime_part_get_content(part);
    if (!content)
        return dsn_sv("", 0);
    GMimeStream *mem = g_mime_stream_mem_new();
    g_mime_data_wrapper_write_to_stream(content, mem);
    GByteArray *bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(mem));
    struct dsn_strview copy =
        dsn_arena_copy(w->arena, dsn_sv(bytes->len ? (char *)bytes->data : "", bytes->len));
    g_object_unref(mem);
    return copy;
}

/* ISO-2022-JP is 7-bit, so that it passes for ASCII: its escapes tell. */
static bool holds_escapes(struct dsn_strview bytes) {
    for (size_t i = dsn_sv_find_char(bytes, '\033', 0); i != SIZE_MAX;
         i = dsn_sv_find_char(bytes, '\033', i + 1)) {
        if (i + 1 < bytes.n && (bytes.p[i + 1] == '$' || bytes.p[i + 1] == '('))
            return true;
    }
    return false;
}

/* A NUL in an 8-bit text ("=00" where somebody forgot to quote a "=") would end it. */
static struct dsn_strview blank_nuls(struct walk *w, struct dsn_strview bytes, const char *charset) {
    if (dsn_sv_find_char(bytes, '\0', 0) == SIZE_MAX || g_ascii_strncasecmp(charset, "utf-16", 6) == 0 ||
        g_ascii_strncasecmp(charset, "utf-32", 6) == 0 || g_ascii_strncasecmp(charset, "ucs", 3) == 0)
        return bytes;
    char *p = dsn_arena_alloc(w->arena, bytes.n);
    for (size_t i = 0; p && i < bytes.n; i++)
        p[i] = bytes.p[i] ? bytes.p[i] : ' ';
    return dsn_sv(p, p ? bytes.n : 0);
}

static struct dsn_strview convert(struct walk *w, struct dsn_strview bytes, const char *charset) {
    iconv_t cd = g_mime_iconv_open("UTF-8", charset);
    if (cd == (iconv_t)-1)
        return DSN_NONE;
    bytes = blank_nuls(w, bytes, charset);
    char *text = g_mime_iconv_strndup(cd, bytes.p, bytes.n);
    struct dsn_strview copy = text ? dsn_arena_copy(w->arena, dsn_sv_str(text)) : DSN_NONE;
    g_free(text);
    g_mime_iconv_close(cd);
    return copy;
}

/* What the part declares comes last where the bytes say otherwise: mislabelled text is common. */
static struct dsn_strview to_utf8(struct walk *w, struct dsn_strview bytes, const char *declared) {
    struct dsn_strview text = DSN_NONE;
    if (holds_escapes(bytes))
        text = convert(w, bytes, "iso-2022-jp");
    if (!text.p && dsn_utf8_valid(bytes) && !(declared && g_ascii_strcasecmp(declared, "utf-7") == 0))
        return bytes;
    if (!text.p && declared && g_ascii_strcasecmp(declared, "utf-8") &&
        g_ascii_strcasecmp(declared, "us-ascii"))
        text = convert(w, bytes, declared);
    if (!text.p && !(declared && g_ascii_strcasecmp(declared, "utf-8") == 0))
        text = convert(w, bytes, "windows-1252");
    return dsn_utf8_repair(w->arena, text.p ? text : bytes);
}

static struct dsn_part *add_part(struct walk *w, enum dsn_part_role role, struct dsn_strview type) {
    if (w->out->n_parts >= w->limits->max_parts) {
        w->out->truncated = true;
        return NULL;
    }
    struct dsn_part *parts = dsn_arena_grow(w->arena, (void *)(guintptr)w->out->parts, w->out->n_parts,
                                            &w->capacity, sizeof *parts);
    if (!parts) {
        w->failed = true;
        return NULL;
    }
    w->out->parts = parts;
    struct dsn_part *part = &parts[w->out->n_parts++];
    *part = (struct dsn_part){.role = role, .type = type};
    return part;
}

static void add_leaf(struct walk *w, struct dsn_strview type, struct dsn_strview bytes, const char *charset) {
    struct dsn_part *part = add_part(w, role_by_content(w, type, bytes), type);
    if (!part || part->role == DSN_PART_OTHER)
        return;
    if (part->role == DSN_PART_ORIGINAL)
        read_headers(w, bytes, part);
    else
        part->text = to_utf8(w, bytes, charset);
}

static void walk_leaf(struct walk *w, GMimeObject *object) {
    struct dsn_strview type = lower_type(w, object);
    if (GMIME_IS_PART(object))
        add_leaf(w, type, decoded_content(w, GMIME_PART(object)),
                 g_mime_object_get_content_type_parameter(object, "charset"));
    else
        add_part(w, role_of(type), type);
}

static void add_original(struct walk *w, struct original original) {
    struct original *originals =
        dsn_arena_grow(w->arena, w->originals, w->n_originals, &w->originals_capacity, sizeof *originals);
    w->failed |= !originals;
    if (!originals)
        return;
    w->originals = originals;
    originals[w->n_originals++] = original;
}

/* Whether a body follows its header: a header that was cut off has none. */
static bool has_body(GMimeMessage *message) {
    GMimeObject *root = g_mime_message_get_mime_part(message);
    if (GMIME_IS_MULTIPART(root))
        return g_mime_multipart_get_count(GMIME_MULTIPART(root)) > 0;
    GMimeDataWrapper *content = GMIME_IS_PART(root) ? g_mime_part_get_content(GMIME_PART(root)) : NULL;
    return content && g_mime_stream_length(g_mime_data_wrapper_get_stream(content)) > 0;
}

static void walk_original(struct walk *w, GMimeObject *object) {
    struct dsn_part *part = add_part(w, DSN_PART_ORIGINAL, lower_type(w, object));
    GMimeMessage *message = g_mime_message_part_get_message(GMIME_MESSAGE_PART(object));
    if (!part || !message)
        return;
    part->headers = copy_headers(w, GMIME_OBJECT(message), &part->n_headers);
    part->ended = has_body(message);
    add_original(w, (struct original){.part = w->out->n_parts - 1, .message = message});
}

static void add_loose_text(struct walk *w, const char *text) {
    struct dsn_strview view = dsn_sv_trim(dsn_sv_str(text));
    struct dsn_part *part = view.n ? add_part(w, DSN_PART_TEXT, DSN_LIT("text/plain")) : NULL;
    if (part)
        part->text = to_utf8(w, dsn_arena_copy(w->arena, view), NULL);
}

static void walk(struct walk *w, GMimeObject *object, unsigned depth) {
    if (depth > w->limits->max_depth) {
        w->out->truncated = true;
        return;
    }
    if (GMIME_IS_MESSAGE_PART(object)) {
        walk_original(w, object);
    } else if (GMIME_IS_MULTIPART(object)) {
        GMimeMultipart *multipart = GMIME_MULTIPART(object);
        int count = g_mime_multipart_get_count(multipart);
        if (count == 0) { /* a boundary that never comes: all of the text is before it */
            add_loose_text(w, g_mime_multipart_get_prologue(multipart));
            add_loose_text(w, g_mime_multipart_get_epilogue(multipart));
        }
        for (int i = 0; i < count && !w->failed; i++)
            walk(w, g_mime_multipart_get_part(multipart, i), depth + 1);
    } else if (object) {
        walk_leaf(w, object);
    }
}

static bool holds_report(const struct dsn_message *message) {
    for (size_t i = 0; i < message->n_parts; i++) {
        enum dsn_part_role role = message->parts[i].role;
        if (role >= DSN_PART_DELIVERY_STATUS && role < DSN_PART_ORIGINAL)
            return true;
    }
    return false;
}

static void fill(struct walk *w, GMimeMessage *message);
static bool read_whole(struct walk *w);

/* Originals of a message that is no report itself may be reports that somebody forwarded. */
static void fill_inner(struct walk *w) {
    if (holds_report(w->out) || w->inner >= MAX_INNER)
        return;
    for (size_t i = 0; i < w->n_originals && !w->failed; i++) {
        const struct original *original = &w->originals[i];
        struct dsn_part *part = (struct dsn_part *)(guintptr)&w->out->parts[original->part];
        struct dsn_message *message = dsn_arena_alloc(w->arena, sizeof *message);
        struct walk inner = {.arena = w->arena,
                             .limits = w->limits,
                             .bytes = original->bytes,
                             .out = message,
                             .inner = w->inner + 1};
        w->failed |= !message;
        if (message && original->message)
            fill(&inner, original->message);
        else if (message && !read_whole(&inner))
            continue;
        part->inner = message;
    }
}

/* Whether the end is missing. A multipart that has begun has to be closed; elsewhere, the last line ends. */
static bool is_cut_off(const struct walk *w, GMimeObject *root) {
    if (GMIME_IS_MULTIPART(root) && g_mime_multipart_get_count(GMIME_MULTIPART(root)) > 0)
        return !GMIME_MULTIPART(root)->write_end_boundary;
    return w->unfinished;
}

static void fill_body(struct walk *w, GMimeObject *root) {
    if (!root)
        return;
    w->out->type = lower_type(w, root);
    w->out->cut_off = is_cut_off(w, root);
    const char *report_type = g_mime_object_get_content_type_parameter(root, "report-type");
    if (report_type)
        w->out->report_type = dsn_utf8_repair(w->arena, dsn_arena_lower(w->arena, dsn_sv_str(report_type)));
    walk(w, root, 0);
    if (GMIME_IS_MULTIPART(root))
        fill_inner(w);
}

static void fill(struct walk *w, GMimeMessage *message) {
    w->out->headers = copy_headers(w, GMIME_OBJECT(message), &w->out->n_headers);
    fill_body(w, g_mime_message_get_mime_part(message));
}

/* The parser reads from `array`, and so do the parts, for as long as they live. */
static GMimeParser *new_parser(GByteArray *array) {
    GMimeStream *stream = g_mime_stream_mem_new();
    g_mime_stream_mem_set_byte_array(GMIME_STREAM_MEM(stream), array);
    g_mime_stream_mem_set_owner(GMIME_STREAM_MEM(stream), FALSE);
    GMimeParser *parser = g_mime_parser_new_with_stream(stream);
    g_object_unref(stream);
    return parser;
}

/* The C library loads a charset's code when it is first used, and unloads it as soon as nobody uses it: what
 * is usual in mail is held, or loading would cost more than all else. */
static void hold_charsets(void) {
    static const char *const usual[] = {"iso-8859-1", "iso-8859-15", "windows-1252", "iso-2022-jp",
                                        "shift_jis",  "utf-7",       "windows-1251", "gb18030"};
    static iconv_t held[G_N_ELEMENTS(usual)];
    static gsize done = 0;
    if (!g_once_init_enter(&done))
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(usual); i++)
        held[i] = g_mime_iconv_open("UTF-8", usual[i]);
    g_once_init_leave(&done, (gsize)held);
}

static bool read_with_gmime(struct walk *w) {
    bool truncated;
    w->bytes = dsn_bounds_cut(w->arena, w->limits, w->bytes, &truncated);
    if (!w->bytes.p)
        return false;
    w->out->truncated = truncated;
    GByteArray array = {.data = (guint8 *)(guintptr)w->bytes.p, .len = (guint)w->bytes.n};
    GMimeParser *parser = new_parser(&array);
    GMimeMessage *message = g_mime_parser_construct_message(parser, NULL);
    g_object_unref(parser);
    if (!message)
        return false;
    fill(w, message);
    g_object_unref(message);
    return true;
}

/* What needs no GMime, where it leaves no doubt */

static bool walk_entity(struct walk *w, const struct dsn_entity *entity, const struct dsn_content *content,
                        unsigned depth);

static bool walk_parts(struct walk *w, struct dsn_parts *parts, unsigned depth) {
    struct dsn_strview bytes;
    while (!w->failed && dsn_parts_next(parts, &bytes)) {
        struct dsn_entity part;
        struct dsn_content content;
        if (!dsn_entity_read(w->arena, w->limits, bytes, DSN_KEEP_CONTENT, &part) ||
            !dsn_content_read(w->arena, &part, &content))
            return false;
        part.body.n -= part.body.n && part.body.p[part.body.n - 1] == '\n'; /* it belongs to the delimiter */
        if (!walk_entity(w, &part, &content, depth))
            return false;
    }
    return true;
}

static bool walk_returned(struct walk *w, struct dsn_strview type, struct dsn_strview bytes) {
    struct dsn_entity original;
    if (!dsn_entity_read(w->arena, w->limits, bytes, DSN_KEEP_FIELDS, &original))
        return false;
    struct dsn_part *part = add_part(w, DSN_PART_ORIGINAL, type);
    if (part) {
        take_fields(w, &original, &part->headers, &part->n_headers);
        part->ended = true;
        add_original(w, (struct original){.part = w->out->n_parts - 1, .bytes = bytes});
    }
    return true;
}

/* A view of the body where it is not encoded. False: GMime has to do more than decode it. */
static bool decode_body(struct walk *w, const struct dsn_entity *entity, struct dsn_strview *out) {
    struct dsn_strview name = dsn_arena_copy(w->arena, entity->encoding);
    GMimeEncoding state;
    g_mime_encoding_init_decode(&state, name.p ? g_mime_content_encoding_from_string(name.p)
                                               : GMIME_CONTENT_ENCODING_DEFAULT);
    *out = entity->body;
    if (state.encoding != GMIME_CONTENT_ENCODING_BASE64 &&
        state.encoding != GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE)
        return state.encoding != GMIME_CONTENT_ENCODING_UUENCODE;
    char *p = dsn_arena_alloc(w->arena, g_mime_encoding_outlen(&state, out->n) + 1);
    *out = dsn_sv(p, p ? g_mime_encoding_flush(&state, out->p, out->n, p) : 0);
    w->failed |= !p;
    return true;
}

static bool walk_entity(struct walk *w, const struct dsn_entity *entity, const struct dsn_content *content,
                        unsigned depth) {
    struct dsn_strview type = content->type;
    if (depth > w->limits->max_depth) {
        w->out->truncated = true;
        return true;
    }
    if (dsn_sv_starts_nocase(type, DSN_LIT("multipart/"))) {
        struct dsn_parts parts;
        if (dsn_sv_eq(type, DSN_LIT("multipart/digest")) || /* its parts are messages by default */
            !dsn_parts_begin(entity->body, content->boundary, &parts) || !walk_parts(w, &parts, depth + 1))
            return false;
        if (depth == 0)
            w->out->cut_off = !parts.closed;
        return true;
    }
    struct dsn_strview body;
    if (!decode_body(w, entity, &body))
        return false;
    if (dsn_sv_eq(type, DSN_LIT("message/rfc822")))
        return body.p == entity->body.p && walk_returned(w, type, body);
    enum dsn_part_role role = role_of(type);
    if (dsn_sv_starts_nocase(type, DSN_LIT("message/")) &&
        (role == DSN_PART_OTHER || role == DSN_PART_ORIGINAL))
        return false;
    add_leaf(w, type, body, dsn_arena_copy(w->arena, content->charset).p);
    return true;
}

/* False: a doubt is left. */
static bool read_plainly(struct walk *w) {
    struct dsn_entity entity;
    struct dsn_content content;
    if (!dsn_entity_read(w->arena, w->limits, w->bytes, DSN_KEEP_FIELDS, &entity) ||
        !dsn_content_read(w->arena, &entity, &content))
        return false;
    take_fields(w, &entity, &w->out->headers, &w->out->n_headers);
    w->out->type = content.type;
    w->out->report_type = dsn_arena_lower(w->arena, content.report_type);
    w->out->cut_off = w->unfinished;
    if (!walk_entity(w, &entity, &content, 0))
        return false;
    if (content.boundary.p)
        fill_inner(w);
    return true;
}

static bool read_whole(struct walk *w) {
    const struct walk begin = *w;
    if (read_plainly(w))
        return true;
    *w = begin;
    *w->out = (struct dsn_message){0};
    return read_with_gmime(w);
}

/* GMime gives nothing back where the header never ends. */
static struct dsn_strview end_header(struct dsn_arena *arena, struct dsn_strview bytes) {
    for (size_t i = 0; i < bytes.n; i += dsn_sv_line_at(bytes, i).n) {
        if (i && bytes.p[i] == '\n')
            return bytes;
    }
    return dsn_arena_join(arena, bytes, DSN_LIT("\n\n"), DSN_LIT(""));
}

static bool has_header(struct dsn_strview bytes) {
    struct dsn_strview line, rest = bytes;
    while (dsn_sv_next_line(&rest, &line)) {
        size_t colon = dsn_sv_find_char(line, ':', 0);
        if (colon != SIZE_MAX && colon > 0 && dsn_sv_find_char(dsn_sv(line.p, colon), ' ', 0) == SIZE_MAX)
            return true;
        if (line.n)
            return false;
    }
    return false;
}

enum dsn_error dsn_message_read(struct dsn_arena *arena, const struct dsn_limits *limits,
                                struct dsn_strview bytes, struct dsn_message *out) {
    if (bytes.n > limits->max_bytes)
        bytes.n = limits->max_bytes;
    if (!has_header(bytes))
        return DSN_ERR_INVALID;
    struct dsn_strview whole = end_header(arena, bytes);
    if (!whole.p)
        return DSN_ERR_MEMORY;
    hold_charsets();
    struct dsn_message read = {0};
    struct walk w = {.arena = arena,
                     .limits = limits,
                     .bytes = whole,
                     .out = &read,
                     .unfinished = bytes.p[bytes.n - 1] != '\n'};
    if (!read_whole(&w))
        return w.bytes.p ? DSN_ERR_INVALID : DSN_ERR_MEMORY;
    if (w.failed || !read.headers)
        return DSN_ERR_MEMORY;
    *out = read;
    return DSN_OK;
}

struct dsn_strview dsn_header_get(const struct dsn_field *headers, size_t n, const char *name) {
    struct dsn_strview wanted = dsn_sv_str(name);
    for (size_t i = 0; i < n; i++) {
        if (dsn_sv_eq_nocase(headers[i].name, wanted))
            return headers[i].value;
    }
    return DSN_NONE;
}

struct dsn_strview dsn_header_decode(struct dsn_arena *arena, struct dsn_strview value) {
    struct dsn_strview repaired = dsn_utf8_repair(arena, value);
    if (dsn_sv_find_nocase(repaired, DSN_LIT("=?"), 0) == SIZE_MAX)
        return repaired;
    struct dsn_strview terminated = dsn_arena_copy(arena, repaired);
    char *text = terminated.p ? g_mime_utils_header_decode_text(NULL, terminated.p) : NULL;
    struct dsn_strview decoded = dsn_arena_copy(arena, dsn_utf8_repair(arena, dsn_sv_str(text)));
    g_free(text);
    return decoded;
}

int64_t dsn_date_read(struct dsn_arena *arena, struct dsn_strview text) {
    struct dsn_strview terminated = dsn_arena_copy(arena, dsn_comments_cut(arena, text));
    GDateTime *date = terminated.n ? g_mime_utils_header_decode_date(terminated.p) : NULL;
    if (!date)
        return DSN_NO_TIME;
    int64_t seconds = g_date_time_to_unix(date);
    g_date_time_unref(date);
    return seconds;
}
