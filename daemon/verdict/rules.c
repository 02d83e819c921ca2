/* rules: what the words of an answer mean. Knows the rule files and which rule wins; knows no report, and
 * nothing of what follows from a reason. */
#include "rules.h"
#include "base/sv.h"
#include "mail/answer.h"
#include "words.h"

/* Rules that have a pattern, in order of precedence. */
struct shelf {
    GPtrArray *patterns; /* texts ... */
    GPtrArray *rules;    /* ... and whose they are */
    struct dsn_matcher *matcher;
};

/* Many rules are for one provider's answers, and most answers are of none that is known. */
enum { OF_PROVIDERS, OF_ALL, N_SHELVES };

struct dsn_rules {
    GPtrArray *all;    /* struct dsn_rule */
    GPtrArray *silent; /* rules without a pattern */
    struct shelf shelves[N_SHELVES];
};

struct loader {
    struct dsn_rules *rules;
    const struct dsn_catalogue *catalogue;
    const struct dsn_providers *providers;
    struct dsn_problems *problems;
    const struct dsn_keyfile *kf;
    const struct dsn_keyfile_group *group;
    GHashTable *ids; /* id -> rule, over all files */
    bool good;
};

static void complain(struct loader *l, const char *key, const char *text) {
    dsn_problems_add(l->problems, l->kf->name, dsn_keyfile_line(l->group, key), "[%s] %s", l->group->name,
                     text);
    l->good = false;
}

static uint16_t *read_codes(struct loader *l) {
    char **list = dsn_keyfile_get_list(l->group, "code");
    if (!list)
        return NULL;
    uint16_t *codes = g_new0(uint16_t, g_strv_length(list) + 1);
    for (size_t i = 0; list[i]; i++) {
        unsigned code = 0;
        if (strlen(list[i]) != 3 || dsn_sv_read_uint(dsn_sv_str(list[i]), 3, &code) != 3 || code < 200 ||
            code > 599)
            complain(l, "code", "code: expected reply codes such as 550; 554");
        codes[i] = (uint16_t)code;
    }
    g_strfreev(list);
    return codes;
}

/* "5.1.1", "5.7.*", "5.*" */
static bool read_status(const char *text, struct dsn_status *out) {
    struct dsn_strview s = dsn_sv_str(text);
    size_t length = 0;
    *out = dsn_status_read(s, &length);
    if (out->cls)
        return length == s.n;
    unsigned cls, subject;
    if (dsn_sv_read_uint(s, 1, &cls) != 1 || !dsn_status_is_class(cls) || s.n < 3 || s.p[1] != '.')
        return false;
    *out = (struct dsn_status){.cls = (uint8_t)cls, .subject = -1, .detail = -1};
    size_t n = dsn_sv_read_uint(dsn_sv_from(s, 2), 3, &subject);
    if (n)
        out->subject = (int16_t)subject;
    return dsn_sv_eq(dsn_sv_from(s, 2 + n), n ? DSN_LIT(".*") : DSN_LIT("*"));
}

static struct dsn_status *read_statuses(struct loader *l) {
    char **list = dsn_keyfile_get_list(l->group, "status");
    if (!list)
        return NULL;
    struct dsn_status *statuses = g_new0(struct dsn_status, g_strv_length(list) + 1);
    for (size_t i = 0; list[i]; i++) {
        if (!read_status(list[i], &statuses[i]))
            complain(l, "status", "status: expected enhanced codes of class 2, 4 or 5, such as 5.1.1; 5.7.*");
    }
    g_strfreev(list);
    return statuses;
}

static const char **read_examples(struct loader *l) {
    GPtrArray *examples = g_ptr_array_new();
    for (size_t i = 0; i < l->group->n; i++) {
        if (g_str_has_prefix(l->group->keys[i].name, "example"))
            g_ptr_array_add(examples, (gpointer)(guintptr)l->group->keys[i].value);
    }
    if (!examples->len)
        complain(l, NULL, "has no example; expected at least one answer that this rule decides");
    g_ptr_array_add(examples, NULL);
    return (const char **)g_ptr_array_free(examples, FALSE);
}

/* NULL where there is none, or an empty one. */
static const char *read_text(const struct loader *l, const char *key) {
    const char *value = dsn_keyfile_get(l->group, key);
    return value && *value ? value : NULL;
}

static enum dsn_smtp_command read_command(struct loader *l) {
    const char *word = dsn_keyfile_get(l->group, "command");
    int command = dsn_word_find(dsn_word_command, dsn_sv_str(word));
    if (word && command < 0)
        complain(l, "command", "command: expected one of: connect, ehlo, starttls, auth, mail, rcpt, data");
    return command < 0 ? DSN_COMMAND_NONE : (enum dsn_smtp_command)command;
}

static bool read_flag(struct loader *l, const char *key) {
    const char *word = dsn_keyfile_get(l->group, key);
    bool yes = word && strcmp(word, "true") == 0;
    if (word && !yes && strcmp(word, "false") != 0)
        complain(l, key, "expected true or false");
    return yes;
}

/* Design: a provider's rule first, then code and status together, then one of them, then text alone. */
static unsigned specificity(const struct dsn_rule *rule) {
    return (rule->provider ? 8u : 0u) + (rule->codes ? 2u : 0u) + (rule->statuses ? 2u : 0u) +
           (rule->command ? 2u : 0u) + (rule->match ? 1u : 0u);
}

static gint compare(gconstpointer a, gconstpointer b) {
    const struct dsn_rule *x = *(struct dsn_rule *const *)a, *y = *(struct dsn_rule *const *)b;
    if (x->vague != y->vague)
        return x->vague ? 1 : -1;
    unsigned sx = specificity(x), sy = specificity(y);
    return sx != sy ? (sx > sy ? -1 : 1) : (x->rank > y->rank) - (x->rank < y->rank);
}

const char *dsn_rule_precedence(const struct dsn_rule *better, const struct dsn_rule *worse) {
    if (better->vague != worse->vague)
        return "it is vague";
    return specificity(better) > specificity(worse) ? "it is less specific" : "it comes later in the files";
}

static void shelve(struct dsn_rules *rules, struct dsn_rule *rule) {
    struct shelf *shelf = &rules->shelves[rule->provider ? OF_PROVIDERS : OF_ALL];
    if (rule->match) {
        g_ptr_array_add(shelf->patterns, (gpointer)(guintptr)rule->match);
        g_ptr_array_add(shelf->rules, rule);
    } else {
        g_ptr_array_add(rules->silent, rule);
    }
}

/* `rank` comes as the place in the files and becomes the place in the order of precedence. */
static void rank_rules(struct dsn_rules *rules) {
    GPtrArray *sorted = g_ptr_array_copy(rules->all, NULL, NULL);
    g_ptr_array_set_free_func(sorted, NULL);
    g_ptr_array_sort(sorted, compare);
    for (guint i = 0; i < sorted->len; i++) {
        struct dsn_rule *rule = g_ptr_array_index(sorted, i);
        rule->rank = i;
        shelve(rules, rule);
    }
    g_ptr_array_free(sorted, TRUE);
}

static void free_rule(gpointer p) {
    struct dsn_rule *rule = p;
    g_free(rule->codes);
    g_free(rule->statuses);
    g_free(rule->examples);
    g_free(rule);
}

static void check_id(struct loader *l, struct dsn_rule *rule) {
    const struct dsn_rule *before = g_hash_table_lookup(l->ids, rule->id);
    if (before) {
        char *text = g_strdup_printf("has an id that is taken by %s:%u; expected a new one", before->file,
                                     before->line);
        complain(l, NULL, text);
        g_free(text);
        return;
    }
    g_hash_table_insert(l->ids, (gpointer)(guintptr)rule->id, rule);
}

static void check_words(struct loader *l, struct dsn_rule *rule, const char *provider, const char *reason) {
    if (provider && !rule->provider)
        complain(l, "provider", "provider: expected a section of providers.conf");
    if (!rule->reason)
        complain(l, "reason", reason ? "reason: expected a reason of reasons.conf" : "has no reason");
    if (!rule->provider && !rule->codes && !rule->statuses && !rule->command && !rule->match)
        complain(l, NULL, "has no condition; expected one of: provider, code, status, command, match");
}

static void load_rule(struct loader *l) {
    static const char *const keys[] = {"provider", "code",    "status", "command",  "match",
                                       "reason",   "certain", "vague",  "example*", NULL};
    l->good &= dsn_keyfile_only(l->kf, l->group, keys, l->problems);
    struct dsn_rule *rule = g_new0(struct dsn_rule, 1);
    g_ptr_array_add(l->rules->all, rule);
    const char *provider = read_text(l, "provider"), *reason = read_text(l, "reason");
    rule->rank = l->rules->all->len;
    rule->id = l->group->name;
    rule->file = l->kf->name;
    rule->line = l->group->line;
    rule->provider = provider ? dsn_provider_find(l->providers, provider) : NULL;
    rule->match = read_text(l, "match");
    rule->reason = reason ? dsn_catalogue_reason(l->catalogue, reason) : NULL;
    rule->certain = read_flag(l, "certain");
    rule->vague = read_flag(l, "vague");
    rule->codes = read_codes(l);
    rule->statuses = read_statuses(l);
    rule->command = read_command(l);
    rule->examples = read_examples(l);
    check_id(l, rule);
    check_words(l, rule, provider, reason);
}

static bool compile_shelf(struct shelf *shelf, struct dsn_problems *problems) {
    size_t bad;
    char *why = NULL;
    if (!dsn_matcher_new((const char *const *)shelf->patterns->pdata, shelf->patterns->len, &shelf->matcher,
                         &bad, &why))
        return true;
    const struct dsn_rule *rule = bad < shelf->rules->len ? g_ptr_array_index(shelf->rules, bad) : NULL;
    dsn_problems_add(problems, rule ? rule->file : "rules", rule ? rule->line : 0,
                     "[%s] match is no regular expression that can be matched in linear time: %s",
                     rule ? rule->id : "", why ? why : "out of memory");
    g_free(why);
    return false;
}

static bool compile(struct dsn_rules *rules, struct dsn_problems *problems) {
    bool good = true;
    for (size_t i = 0; good && i < N_SHELVES; i++)
        good = compile_shelf(&rules->shelves[i], problems);
    return good;
}

enum dsn_error dsn_rules_new(const struct dsn_keyfile *const *files, size_t n,
                             const struct dsn_catalogue *catalogue, const struct dsn_providers *providers,
                             struct dsn_problems *problems, struct dsn_rules **out) {
    struct dsn_rules *rules = g_new0(struct dsn_rules, 1);
    rules->all = g_ptr_array_new_with_free_func(free_rule);
    rules->silent = g_ptr_array_new();
    for (size_t i = 0; i < N_SHELVES; i++)
        rules->shelves[i] = (struct shelf){.patterns = g_ptr_array_new(), .rules = g_ptr_array_new()};
    struct loader l = {.rules = rules, .catalogue = catalogue, .providers = providers, .problems = problems};
    l.ids = g_hash_table_new(g_str_hash, g_str_equal);
    l.good = true;
    for (size_t i = 0; i < n; i++) {
        l.kf = files[i];
        for (size_t j = 0; j < l.kf->n; j++) {
            l.group = &l.kf->groups[j];
            load_rule(&l);
        }
    }
    g_hash_table_destroy(l.ids);
    rank_rules(rules);
    if (!l.good || !compile(rules, problems)) {
        dsn_rules_free(rules);
        return DSN_ERR_SYNTAX;
    }
    *out = rules;
    return DSN_OK;
}

void dsn_rules_free(struct dsn_rules *rules) {
    if (!rules)
        return;
    for (size_t i = 0; i < N_SHELVES; i++) {
        dsn_matcher_free(rules->shelves[i].matcher);
        g_ptr_array_free(rules->shelves[i].patterns, TRUE);
        g_ptr_array_free(rules->shelves[i].rules, TRUE);
    }
    g_ptr_array_free(rules->silent, TRUE);
    g_ptr_array_free(rules->all, TRUE);
    g_free(rules);
}

enum dsn_error dsn_rules_scratch_fit(const struct dsn_rules *rules, struct dsn_matcher_scratch **scratch) {
    enum dsn_error error = DSN_OK;
    for (size_t i = 0; !error && i < N_SHELVES; i++)
        error = dsn_matcher_scratch_fit(rules->shelves[i].matcher, scratch);
    return error;
}

static bool code_matches(const uint16_t *codes, uint16_t code) {
    for (; codes && *codes; codes++) {
        if (*codes == code)
            return true;
    }
    return codes == NULL;
}

static bool status_matches(const struct dsn_status *statuses, struct dsn_status status) {
    for (; statuses && statuses->cls; statuses++) {
        if (statuses->cls == status.cls && (statuses->subject < 0 || statuses->subject == status.subject) &&
            (statuses->detail < 0 || statuses->detail == status.detail))
            return true;
    }
    return statuses == NULL;
}

struct search {
    const struct shelf *shelf;
    const struct dsn_rule_facts *facts;
    struct dsn_strview text;
    const struct dsn_rule *best;
    void (*matched)(const struct dsn_rule *rule, void *data);
    void *data;
};

static void consider(struct search *s, const struct dsn_rule *rule) {
    if ((rule->reason->needs_rcpt && dsn_is_before_rcpt(s->facts->command)) ||
        (rule->provider && rule->provider != s->facts->provider) ||
        (rule->command && rule->command != s->facts->command) ||
        !code_matches(rule->codes, s->facts->smtp_code) || !status_matches(rule->statuses, s->facts->status))
        return;
    if (s->matched)
        s->matched(rule, s->data);
    if (!s->best || rule->rank < s->best->rank)
        s->best = rule;
}

static size_t on_hit(size_t pattern, void *data) {
    struct search *s = data;
    const struct dsn_rule *rule = g_ptr_array_index(s->shelf->rules, pattern);
    consider(s, rule);
    return s->best == rule && !s->matched ? pattern : SIZE_MAX;
}

/* Whether a rule of the shelf may win, or is to be told of. */
static bool matters(const struct search *s, const struct shelf *shelf) {
    const struct dsn_rule *first = shelf->rules->len ? g_ptr_array_index(shelf->rules, 0) : NULL;
    return first && (s->matched || !s->best || first->rank < s->best->rank);
}

static void search_shelf(struct search *s, const struct shelf *shelf, struct dsn_matcher_scratch *scratch) {
    if (!matters(s, shelf))
        return;
    s->shelf = shelf;
    dsn_matcher_scan(shelf->matcher, scratch, s->text, on_hit, s);
}

const struct dsn_rule *dsn_rules_best(const struct dsn_rules *rules, struct dsn_matcher_scratch *scratch,
                                      const struct dsn_rule_facts *facts,
                                      void (*matched)(const struct dsn_rule *rule, void *data), void *data) {
    struct search s = {.facts = facts, .text = dsn_answer_own(facts->text), .matched = matched, .data = data};
    if (facts->provider)
        search_shelf(&s, &rules->shelves[OF_PROVIDERS], scratch);
    search_shelf(&s, &rules->shelves[OF_ALL], scratch);
    for (guint i = 0; i < rules->silent->len; i++)
        consider(&s, g_ptr_array_index(rules->silent, i));
    return s.best;
}

const struct dsn_rule *const *dsn_rules_all(const struct dsn_rules *rules, size_t *n) {
    *n = rules->all->len;
    return (const struct dsn_rule *const *)rules->all->pdata;
}
