/* format_file: reads the files of formats. Knows their keys, nothing of messages. */
#include "format_file.h"
#include "format.h"

#include "base/sv.h"
#include "verdict/words.h"

#include <string.h>

/* The section that holds for all formats. */
#define SHARED "shared"
/* Until it is known how many formats there are: what is shared, from here on. */
#define SHARED_FORMAT (UINT_MAX - DSN_SHARED)

static const char *const allowed[] = {
    "kind",      "class",       "generic",    "delay",        "temporary", "begin",      "end",  "stop",
    "recipient", "recipient.*", "diagnostic", "diagnostic.*", "common",    "common.*",   "from", "subject",
    "header",    "header.*",    "body",       "body.*",       "not-body",  "not-header", "find", "sample",
    "about",     "end.*",       "before",     "before.*",     "like",      NULL,
};

struct loading {
    struct dsn_formats *formats;
    struct dsn_problems *problems;
    const struct dsn_keyfile *kf; /* that is being read, and its section */
    const struct dsn_keyfile_group *group;
    GPtrArray *header_patterns, *body_patterns; /* of char * */
    enum dsn_error error;
};

static void complain(struct loading *l, const struct dsn_keyfile_group *group, const char *key,
                     const char *why) {
    dsn_problems_add(l->problems, l->kf->name, dsn_keyfile_line(group, key), "%s: %s", key, why);
    l->error = DSN_ERR_SYNTAX;
}

static void add_capture(struct loading *l, const struct dsn_keyfile_group *group,
                        const struct dsn_keyfile_key *key, struct dsn_captures *list) {
    char *why = NULL;
    struct dsn_capture *capture = NULL;
    enum dsn_error error = dsn_capture_new(key->value, &capture, &why);
    if (error == DSN_ERR_SYNTAX)
        complain(l, group, key->name, why);
    else if (error)
        l->error = error;
    if (capture) {
        list->items = g_renew(struct dsn_capture *, list->items, list->n + 1);
        list->items[list->n++] = capture;
    }
    g_free(why);
}

/* "recipient" and "recipient.2" are both of "recipient". */
static bool is_key_of(const char *key, const char *name) {
    size_t n = strlen(name);
    return strncmp(key, name, n) == 0 && (key[n] == '\0' || key[n] == '.');
}

static void add_captures(struct loading *l, const struct dsn_keyfile_group *group, const char *name,
                         struct dsn_captures *list) {
    for (size_t i = 0; i < group->n; i++) {
        if (is_key_of(group->keys[i].name, name))
            add_capture(l, group, &group->keys[i], list);
    }
}

/* `format`: its index. */
static void append_condition(struct loading *l, bool header, char *pattern, unsigned format, bool negated) {
    struct dsn_condition condition = {.format = format, .negated = negated};
    g_ptr_array_add(header ? l->header_patterns : l->body_patterns, pattern);
    g_array_append_val(header ? l->formats->header_conditions : l->formats->body_conditions, condition);
}

static void add_condition(struct loading *l, bool header, char *pattern, struct dsn_format *format,
                          bool negated) {
    append_condition(l, header, pattern, (unsigned)l->formats->n, negated);
    format->n_conditions += !negated;
    format->evident_only &= negated || !header;
}

/* A pattern on the value of one header, as a pattern on the whole header. */
static char *header_pattern(const char *name, const char *pattern) {
    char *quoted = g_regex_escape_string(name, -1);
    const char *gap = *pattern == '^' ? "[ ]?" : "[^\\n]*";
    char *whole = g_strdup_printf("(?m:^%s:%s(?:%s))", quoted, gap, pattern + (*pattern == '^'));
    g_free(quoted);
    return whole;
}

static void add_conditions(struct loading *l, struct dsn_format *format) {
    for (size_t i = 0; i < l->group->n; i++) {
        const char *key = l->group->keys[i].name, *pattern = l->group->keys[i].value;
        if (strcmp(key, "from") == 0)
            add_condition(l, true, header_pattern("From", pattern), format, false);
        else if (strcmp(key, "subject") == 0)
            add_condition(l, true, header_pattern("Subject", pattern), format, false);
        else if (strncmp(key, "header.", 7) == 0)
            add_condition(l, true, header_pattern(key + 7, pattern), format, false);
        else if (strcmp(key, "header") == 0 || strcmp(key, "not-header") == 0)
            add_condition(l, true, g_strdup_printf("(?m:%s)", pattern), format, *key == 'n');
        else if (is_key_of(key, "body") || strcmp(key, "not-body") == 0)
            add_condition(l, false, g_strdup_printf("(?m:%s)", pattern), format, *key == 'n');
    }
}

static void read_kind(struct loading *l, struct dsn_format *format) {
    const char *value = dsn_keyfile_get(l->group, "kind");
    int kind = value ? dsn_word_find(dsn_word_kind, dsn_sv_str(value)) : DSN_KIND_BOUNCE;
    format->kind = kind < 0 ? DSN_KIND_BOUNCE : (enum dsn_kind)kind;
    if (kind < 0)
        complain(l, l->group, "kind", "expected bounce, delay, complaint, auto-reply, delivered or none");
}

static void read_class(struct loading *l, const struct dsn_keyfile_group *group, struct dsn_format *format) {
    const char *value = dsn_keyfile_get(group, "class");
    if (value && strcmp(value, "4") != 0 && strcmp(value, "5") != 0)
        complain(l, group, "class", "expected 4 or 5");
    else if (value)
        format->cls = (uint8_t)(*value - '0');
}

static void read_find(struct loading *l, const struct dsn_keyfile_group *group, struct dsn_format *format) {
    const struct {
        const char *name;
        bool *flag;
    } ways[] = {
        {"anywhere", &format->anywhere},
        {"x-failed-recipients", &format->from_header},
        {"original", &format->from_original},
        {"from", &format->replier},
    };
    char **values = dsn_keyfile_get_list(group, "find");
    for (size_t i = 0; values && values[i]; i++) {
        bool known = false;
        for (size_t k = 0; k < G_N_ELEMENTS(ways); k++) {
            if (strcmp(values[i], ways[k].name) == 0)
                known = *ways[k].flag = true;
        }
        if (!known)
            complain(l, group, "find", "expected some of: anywhere; x-failed-recipients; original; from");
    }
    g_strfreev(values);
}

static void read_flag(struct loading *l, const char *key, bool *flag) {
    const char *value = dsn_keyfile_get(l->group, key);
    if (value && strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
        complain(l, l->group, key, "expected yes or no");
    *flag = value && strcmp(value, "yes") == 0;
}

/* The section of the same file whose expressions hold where this one has none of its own; NULL: none. */
static const struct dsn_keyfile_group *read_like(struct loading *l) {
    const char *name = dsn_keyfile_get(l->group, "like");
    const struct dsn_keyfile_group *like = name ? dsn_keyfile_find(l->kf, name) : NULL;
    if (name && !like)
        complain(l, l->group, "like", "there is no such section in this file");
    return like;
}

static void read_format(struct loading *l) {
    struct dsn_format format = {
        .name = g_strdup(l->group->name), .file = g_strdup(l->kf->name), .evident_only = true};
    const struct {
        const char *name;
        struct dsn_captures *list;
    } lists[] = {
        {"begin", &format.begin},   {"end", &format.end},
        {"stop", &format.stop},     {"recipient", &format.recipient},
        {"common", &format.common}, {"diagnostic", &format.diagnostic},
        {"delay", &format.delay},   {"temporary", &format.temporary},
        {"before", &format.before},
    };
    if (!dsn_keyfile_only(l->kf, l->group, allowed, l->problems))
        l->error = DSN_ERR_SYNTAX;
    format.sample = g_strdup(dsn_keyfile_get(l->group, "sample"));
    format.sample_line = dsn_keyfile_line(l->group, "sample");
    read_kind(l, &format);
    read_class(l, l->group, &format);
    read_find(l, l->group, &format);
    read_flag(l, "generic", &format.generic);
    const struct dsn_keyfile_group *like = read_like(l);
    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
        add_captures(l, l->group, lists[i].name, lists[i].list);
        if (like && !lists[i].list->n)
            add_captures(l, like, lists[i].name, lists[i].list);
    }
    if (like && !format.cls)
        read_class(l, like, &format);
    if (like)
        read_find(l, like, &format);
    add_conditions(l, &format);
    if (!format.n_conditions)
        complain(l, l->group, l->group->name,
                 "nothing says how it is recognised; expected from, subject, header or body");
    l->formats->items = g_renew(struct dsn_format, l->formats->items, l->formats->n + 1);
    l->formats->items[l->formats->n++] = format;
}

/* What a pattern asks for, without what may not stand around it: a text that has not even that need not be
 * looked at closer. */
static char *without_lookaround(const char *pattern) {
    GRegex *lookaround = g_regex_new("\\(\\?<?[!=][^()]*\\)", 0, 0, NULL);
    char *words = g_regex_replace_literal(lookaround, pattern, -1, 0, "", 0, NULL);
    char *whole = g_strdup_printf("(?m:%s)", words ? words : pattern);
    g_regex_unref(lookaround);
    g_free(words);
    return whole;
}

/* What holds for all formats: where a returned message begins, what a report has in its header, the words of
 * a delay, and what is no part of a report. */
static void read_shared(struct loading *l) {
    static const char *const keys[] = {"end",     "end.*", "header",  "header.*", "delay",
                                       "delay.*", "aside", "aside.*", "about",    NULL};
    if (!dsn_keyfile_only(l->kf, l->group, keys, l->problems))
        l->error = DSN_ERR_SYNTAX;
    add_captures(l, l->group, "end", &l->formats->end);
    add_captures(l, l->group, "delay", &l->formats->delay);
    add_captures(l, l->group, "aside", &l->formats->aside);
    for (size_t i = 0; i < l->group->n; i++) {
        const struct dsn_keyfile_key *key = &l->group->keys[i];
        if (is_key_of(key->name, "header"))
            append_condition(l, true, g_strdup_printf("(?m:%s)", key->value),
                             SHARED_FORMAT + DSN_SHARED_REPORT, false);
        else if (is_key_of(key->name, "delay"))
            append_condition(l, false, without_lookaround(key->value), SHARED_FORMAT + DSN_SHARED_DELAY,
                             false);
        else if (is_key_of(key->name, "aside"))
            append_condition(l, false, without_lookaround(key->value), SHARED_FORMAT + DSN_SHARED_ASIDE,
                             false);
    }
}

/* The shared section, and every format that is (or is not) a generic one. */
static void read_file(struct loading *l, const struct dsn_keyfile *kf, bool generic) {
    l->kf = kf;
    for (size_t i = 0; i < kf->n; i++) {
        l->group = &kf->groups[i];
        const char *value = dsn_keyfile_get(l->group, "generic");
        if ((value && strcmp(value, "yes") == 0) != generic)
            continue;
        if (strcmp(l->group->name, SHARED) == 0)
            read_shared(l);
        else
            read_format(l);
    }
}

static void compile(struct loading *l, GPtrArray *patterns, struct dsn_matcher **out) {
    size_t bad;
    char *why = NULL;
    enum dsn_error error =
        dsn_matcher_new((const char *const *)(void *)patterns->pdata, patterns->len, out, &bad, &why);
    if (error == DSN_ERR_SYNTAX) {
        GArray *conditions =
            out == &l->formats->header ? l->formats->header_conditions : l->formats->body_conditions;
        bool known = bad < patterns->len;
        size_t i = known ? g_array_index(conditions, struct dsn_condition, bad).format : l->formats->n;
        const struct dsn_format *format = i < l->formats->n ? &l->formats->items[i] : NULL;
        dsn_problems_add(l->problems, format ? format->file : "formats", 0, "[%s]: \"%s\": %s",
                         format ? format->name : SHARED, known ? (char *)patterns->pdata[bad] : "", why);
    }
    if (error)
        l->error = error;
    g_free(why);
}

/* Puts the conditions of no format behind the formats', now that it is known where that is; returns whether
 * there are any. */
static bool place_shared(GArray *conditions, size_t n_formats) {
    bool any = false;
    for (guint i = 0; i < conditions->len; i++) {
        struct dsn_condition *condition = &g_array_index(conditions, struct dsn_condition, i);
        if (condition->format < SHARED_FORMAT)
            continue;
        condition->format += (unsigned)n_formats - SHARED_FORMAT;
        any = true;
    }
    return any;
}

enum dsn_error dsn_formats_new(const struct dsn_keyfile *const *files, size_t n,
                               struct dsn_problems *problems, struct dsn_formats **out) {
    struct dsn_formats *formats = g_new0(struct dsn_formats, 1);
    formats->header_conditions = g_array_new(FALSE, TRUE, sizeof(struct dsn_condition));
    formats->body_conditions = g_array_new(FALSE, TRUE, sizeof(struct dsn_condition));
    struct loading l = {
        .formats = formats,
        .problems = problems,
        .header_patterns = g_ptr_array_new_with_free_func(g_free),
        .body_patterns = g_ptr_array_new_with_free_func(g_free),
    };
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < n; i++)
            read_file(&l, files[i], pass == 1);
    }
    formats->asks_header = place_shared(formats->header_conditions, formats->n);
    place_shared(formats->body_conditions, formats->n);
    if (!l.error)
        compile(&l, l.header_patterns, &formats->header);
    if (!l.error)
        compile(&l, l.body_patterns, &formats->body);
    g_ptr_array_unref(l.header_patterns);
    g_ptr_array_unref(l.body_patterns);
    if (l.error)
        dsn_formats_free(formats);
    else
        *out = formats;
    return l.error;
}

static void free_captures(struct dsn_captures *list) {
    for (size_t i = 0; i < list->n; i++)
        dsn_capture_free(list->items[i]);
    g_free(list->items);
}

static void free_format(struct dsn_format *format) {
    struct dsn_captures *lists[] = {&format->begin,     &format->end,        &format->stop,
                                    &format->recipient, &format->diagnostic, &format->common,
                                    &format->delay,     &format->temporary,  &format->before};
    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++)
        free_captures(lists[i]);
    g_free(format->name);
    g_free(format->file);
    g_free(format->sample);
}

void dsn_formats_free(struct dsn_formats *formats) {
    if (!formats)
        return;
    for (size_t i = 0; i < formats->n; i++)
        free_format(&formats->items[i]);
    g_free(formats->items);
    free_captures(&formats->end);
    free_captures(&formats->delay);
    free_captures(&formats->aside);
    dsn_matcher_free(formats->header);
    dsn_matcher_free(formats->body);
    g_array_unref(formats->header_conditions);
    g_array_unref(formats->body_conditions);
    g_free(formats);
}

bool dsn_formats_sample(const struct dsn_formats *formats, size_t i, struct dsn_format_sample *out) {
    if (i >= formats->n)
        return false;
    const struct dsn_format *format = &formats->items[i];
    *out = (struct dsn_format_sample){format->name, format->file, format->sample_line, format->sample};
    return true;
}
