/* catalogue: what codes and reasons mean. Knows the two key files and the fallback from a code to its class;
 * knows no report and no rule. */
#include "catalogue.h"
#include "base/sv.h"
#include "mail/answer.h"
#include "words.h"

#include <string.h>

enum { FIRST_REPLY = 200, LAST_REPLY = 599 };

struct dsn_catalogue {
    GPtrArray *codes, *reasons; /* struct dsn_code, struct dsn_reason */
    GHashTable *statuses;       /* packed status -> struct dsn_code */
    GHashTable *reason_names;   /* name -> struct dsn_reason */
    const struct dsn_code *replies[LAST_REPLY - FIRST_REPLY + 1];
};

static const char *bool_word(int value) {
    static const char *const words[] = {"false", "true"};
    return value < 2 ? words[value] : NULL;
}

/* One file being read. */
struct loader {
    struct dsn_catalogue *catalogue;
    const struct dsn_keyfile *kf;
    struct dsn_problems *problems;
    const struct dsn_keyfile_group *group;
    bool good;
};

static void complain(struct loader *l, const char *key, const char *found, const char *expected) {
    dsn_problems_add(l->problems, l->kf->name, dsn_keyfile_line(l->group, key),
                     "[%s] found %s = \"%s\"; expected %s", l->group->name, key, found ? found : "",
                     expected);
    l->good = false;
}

static const char *text(struct loader *l, const char *key, bool needed) {
    const char *value = dsn_keyfile_get(l->group, key);
    if (value && *value)
        return value;
    if (needed)
        complain(l, key, NULL, "a text");
    return NULL;
}

/* The value of a word; `fallback` where the key is absent, -1: it has to be there. */
static int read_word(struct loader *l, const char *key, dsn_word_fn *word, int fallback) {
    const char *text = dsn_keyfile_get(l->group, key);
    int found = dsn_word_find(word, dsn_sv_str(text));
    if (found < 0 && (text || fallback < 0)) {
        GString *list = g_string_new("one of:");
        for (int value = 0; value < DSN_WORDS_MAX; value++) {
            if (word(value))
                g_string_append_printf(list, " %s", word(value));
        }
        complain(l, key, text, list->str);
        g_string_free(list, TRUE);
    }
    return found < 0 ? fallback : found;
}

static void load_reason(struct loader *l) {
    static const char *const keys[] = {"title",    "category",  "blame",      "action",
                                       "severity", "transient", "needs-code", "needs-rcpt",
                                       "meaning",  "causes",    "remedies",   NULL};
    l->good &= dsn_keyfile_only(l->kf, l->group, keys, l->problems);
    struct dsn_reason *reason = g_new0(struct dsn_reason, 1);
    reason->name = l->group->name;
    reason->title = text(l, "title", true);
    reason->category = text(l, "category", true);
    reason->blame = text(l, "blame", true);
    reason->meaning = text(l, "meaning", false);
    reason->causes = text(l, "causes", false);
    reason->remedies = text(l, "remedies", false);
    reason->action = (enum dsn_action)read_word(l, "action", dsn_word_action, -1);
    reason->severity = (enum dsn_level)read_word(l, "severity", dsn_word_level, -1);
    reason->transient = read_word(l, "transient", bool_word, 0);
    reason->needs_code = read_word(l, "needs-code", bool_word, 0);
    reason->needs_rcpt = read_word(l, "needs-rcpt", bool_word, 0);
    g_ptr_array_add(l->catalogue->reasons, reason);
    g_hash_table_insert(l->catalogue->reason_names, (gpointer)(guintptr)reason->name, reason);
}

static unsigned pack(struct dsn_status status) {
    return status.cls * 1000000u + (unsigned)status.subject * 1000u + (unsigned)status.detail;
}

/* Files the code under its name, "550" or "5.1.1". */
static void index_code(struct loader *l, const struct dsn_code *code) {
    size_t length = 0;
    unsigned reply;
    struct dsn_strview name = dsn_sv_str(code->name);
    struct dsn_status status = dsn_status_read(name, &length);
    if (status.cls && length == name.n)
        g_hash_table_insert(l->catalogue->statuses, GUINT_TO_POINTER(pack(status)), (gpointer)(guintptr)code);
    else if (name.n == 3 && dsn_sv_read_uint(name, 3, &reply) == 3 && reply >= FIRST_REPLY &&
             reply <= LAST_REPLY)
        l->catalogue->replies[reply - FIRST_REPLY] = code;
    else
        complain(l, "title", code->name, "a section named by a reply code (550) or an enhanced code (5.1.1)");
}

static void load_questions(struct loader *l, struct dsn_code *code) {
    static const char *const keys[DSN_MAX_QUESTIONS][2] = {
        {"question1", "answer1"}, {"question2", "answer2"}, {"question3", "answer3"},
        {"question4", "answer4"}, {"question5", "answer5"}, {"question6", "answer6"},
        {"question7", "answer7"}, {"question8", "answer8"},
    };
    for (unsigned i = 0; i < DSN_MAX_QUESTIONS; i++) {
        code->questions[i] = text(l, keys[i][0], false);
        code->answers[i] = text(l, keys[i][1], code->questions[i] != NULL);
        if (code->questions[i])
            code->n_questions = i + 1;
    }
}

static void load_code(struct loader *l) {
    static const char *const keys[] = {"title",     "type",    "severity", "reason",   "vague",
                                       "rfc",       "meaning", "causes",   "remedies", "related",
                                       "question*", "answer*", NULL};
    l->good &= dsn_keyfile_only(l->kf, l->group, keys, l->problems);
    struct dsn_code *code = g_new0(struct dsn_code, 1);
    code->name = l->group->name;
    code->title = text(l, "title", true);
    code->rfc = text(l, "rfc", false);
    code->meaning = text(l, "meaning", false);
    code->causes = text(l, "causes", false);
    code->remedies = text(l, "remedies", false);
    code->related = text(l, "related", false);
    code->type = (enum dsn_type)read_word(l, "type", dsn_word_type, -1);
    code->severity = (enum dsn_level)read_word(l, "severity", dsn_word_level, -1);
    code->vague = read_word(l, "vague", bool_word, 0);
    const char *reason = text(l, "reason", true);
    code->reason = reason ? dsn_catalogue_reason(l->catalogue, reason) : NULL;
    if (reason && !code->reason)
        complain(l, "reason", reason, "a reason of reasons.conf");
    load_questions(l, code);
    g_ptr_array_add(l->catalogue->codes, code);
    index_code(l, code);
}

static bool load(struct dsn_catalogue *catalogue, const struct dsn_keyfile *kf, struct dsn_problems *problems,
                 void (*load_group)(struct loader *)) {
    struct loader l = {.catalogue = catalogue, .kf = kf, .problems = problems, .good = true};
    for (size_t i = 0; i < kf->n; i++) {
        l.group = &kf->groups[i];
        load_group(&l);
    }
    return l.good;
}

enum dsn_error dsn_catalogue_new(const struct dsn_keyfile *codes, const struct dsn_keyfile *reasons,
                                 struct dsn_problems *problems, struct dsn_catalogue **out) {
    struct dsn_catalogue *catalogue = g_new0(struct dsn_catalogue, 1);
    catalogue->codes = g_ptr_array_new_with_free_func(g_free);
    catalogue->reasons = g_ptr_array_new_with_free_func(g_free);
    catalogue->statuses = g_hash_table_new(NULL, NULL);
    catalogue->reason_names = g_hash_table_new(g_str_hash, g_str_equal);
    bool good = load(catalogue, reasons, problems, load_reason);
    static const char *const needed[] = {"unknown", "complaint", "auto-reply", "delivered"};
    for (size_t i = 0; i < G_N_ELEMENTS(needed); i++) {
        if (dsn_catalogue_reason(catalogue, needed[i]))
            continue;
        dsn_problems_add(problems, reasons->name, 0, "expected a section [%s]", needed[i]);
        good = false;
    }
    good &= load(catalogue, codes, problems, load_code);
    if (!good) {
        dsn_catalogue_free(catalogue);
        return DSN_ERR_SYNTAX;
    }
    *out = catalogue;
    return DSN_OK;
}

void dsn_catalogue_free(struct dsn_catalogue *catalogue) {
    if (!catalogue)
        return;
    g_ptr_array_free(catalogue->codes, TRUE);
    g_ptr_array_free(catalogue->reasons, TRUE);
    g_hash_table_destroy(catalogue->statuses);
    g_hash_table_destroy(catalogue->reason_names);
    g_free(catalogue);
}

bool dsn_catalogue_has_category(const struct dsn_catalogue *catalogue, const char *name) {
    for (guint i = 0; i < catalogue->reasons->len; i++) {
        const struct dsn_reason *reason = g_ptr_array_index(catalogue->reasons, i);
        if (strcmp(reason->category, name) == 0)
            return true;
    }
    return false;
}

const struct dsn_reason *dsn_catalogue_reason(const struct dsn_catalogue *catalogue, const char *name) {
    return g_hash_table_lookup(catalogue->reason_names, name);
}

const struct dsn_code *dsn_catalogue_reply(const struct dsn_catalogue *catalogue, unsigned smtp_code) {
    return smtp_code >= FIRST_REPLY && smtp_code <= LAST_REPLY ? catalogue->replies[smtp_code - FIRST_REPLY]
                                                               : NULL;
}

const struct dsn_code *dsn_catalogue_status(const struct dsn_catalogue *catalogue, struct dsn_status status,
                                            bool *exact) {
    if (status.subject < 0)
        status.subject = status.detail = 0;
    const struct dsn_status fallbacks[] = {status, {status.cls, status.subject, 0}, {status.cls, 0, 0}};
    for (size_t i = 0; status.cls && i < G_N_ELEMENTS(fallbacks); i++) {
        const struct dsn_code *code =
            g_hash_table_lookup(catalogue->statuses, GUINT_TO_POINTER(pack(fallbacks[i])));
        *exact = i == 0;
        if (code)
            return code;
    }
    return NULL;
}
