/* policy: the rows, built in and configured. */
#include "policy.h"

#include "base/sv.h"
#include "base/units.h"
#include "verdict/knowledge.h"

#include <stddef.h>
#include <string.h>

#define GROUP "policy"
#define GROUP_PREFIX "policy "
#define DEFAULT_NAME "default"
#define SECOND INT64_C(1000)
#define DAY (86400 * SECOND)
#define STALE (30 * DAY)

/* The keys of a row as they would stand in a file; NULL: as in [policy]. The grounds are in dsnd.conf(5). */
struct texts {
    const char *name, *bounces, *over, *window, *repeat, *expiry, *reach, *delivery;
};

static const struct texts builtin[] = {
    {DEFAULT_NAME, "5", "14d", "60d", "180d", "7d; 30d; never", "all", "clears"},
    {"user-unknown", .bounces = "1"},
    {"user-moved", .bounces = "1"},
    {"user-disabled", .bounces = "3", .over = "7d"},
    {"suppressed", .bounces = "3", .over = "7d"},
    {"filtered", .reach = "scope"},
    {"mailbox-full", .over = "21d"},
    {"host-unknown", .bounces = "3", .over = "3d"},
    {"not-accepting", .bounces = "1"},
    {"complaint", .bounces = "1", .expiry = "never", .reach = "scope", .delivery = "keeps"},
};

enum key_type { KEY_BOUNCES, KEY_DURATION, KEY_EXPIRY, KEY_CHOICE };

static const char *const reaches[] = {"all", "scope", NULL};
static const char *const deliveries[] = {"clears", "keeps", NULL};

static const struct key {
    const char *name;
    enum key_type type;
    size_t text, field;  /* in struct texts; in struct dsn_policy */
    int64_t min, max;    /* bounces, or ms */
    const char *refusal; /* of a duration outside of that */
    const char *const *choices;
} keys[] = {
#define KEY(name, type, field, ...)                                                                          \
    { #name, type, offsetof(struct texts, name), offsetof(struct dsn_policy, field), __VA_ARGS__ }
    KEY(bounces, KEY_BOUNCES, bounces, 0, DSN_POLICY_MAX_BOUNCES, NULL, NULL),
    KEY(over, KEY_DURATION, over_ms, 0, 365 * DAY, "out of range; expected at most 365d", NULL),
    KEY(window, KEY_DURATION, window_ms, DAY, 365 * DAY, "out of range; expected 1d to 365d", NULL),
    KEY(repeat, KEY_DURATION, repeat_ms, 0, 3650 * DAY, "out of range; expected at most 3650d", NULL),
    KEY(expiry, KEY_EXPIRY, expiry_ms, SECOND, 3650 * DAY, "out of range; expected 1s to 3650d, or never",
        NULL),
    KEY(reach, KEY_CHOICE, scoped, 0, 0, NULL, reaches),
    KEY(delivery, KEY_CHOICE, keeps, 0, 0, NULL, deliveries),
#undef KEY
};
#define N_KEYS G_N_ELEMENTS(keys)

struct dsn_policies {
    GPtrArray *rows; /* struct dsn_policy; the default one first */
    GArray *named;   /* struct named: the rows that the configuration has */
    GStringChunk *names;
    GString *json;
    int64_t stale_ms;
    char **scope_headers;
    char *file; /* for problems */
};

/* A row of the configuration, and where it stands. */
struct named {
    const char *name;
    unsigned line;
};

struct reading {
    const struct dsn_keyfile *file;
    struct dsn_problems *problems;
    struct dsn_policies *policies;
};

static void complain(const struct reading *reading, const struct dsn_keyfile_group *group, const char *key,
                     const char *found, const char *expected) {
    dsn_problems_add(reading->problems, reading->file->name, dsn_keyfile_line(group, key), "%s = %s: %s", key,
                     found, expected);
}

/* Each returns what is wrong, or NULL. */

static const char *set_bounces(const struct key *key, const char *text, void *field) {
    int64_t n;
    if (!dsn_units_number(text, &n) || n < key->min || n > key->max)
        return "no number of bounces; expected 0 (never) to 10, 1 is at once";
    *(int64_t *)field = n;
    return NULL;
}

static const char *set_duration(const struct key *key, const char *text, void *field) {
    int64_t ms;
    if (!dsn_units_duration(text, &ms))
        return "no duration; expected a number with its unit, one of ms, s, m, h, d, w, as in 14d";
    if (ms < key->min || ms > key->max)
        return key->refusal;
    *(int64_t *)field = ms;
    return NULL;
}

static const char *set_step(const struct key *key, const char *text, int64_t *out) {
    if (strcmp(text, "never") != 0)
        return set_duration(key, text, out);
    *out = DSN_FOR_GOOD;
    return NULL;
}

/* Of the first suppression, of the first repetition, and so on; the last one is that of all others. */
static const char *set_expiry(const struct key *key, const char *text, struct dsn_policy *policy) {
    char **steps = g_strsplit(text, ";", -1);
    const char *refusal = !steps[0] ? "no duration; expected one or more, as in 7d; 30d; never"
                          : g_strv_length(steps) > DSN_POLICY_MAX_STEPS ? "too many steps; expected at most 8"
                                                                        : NULL;
    int64_t ms[DSN_POLICY_MAX_STEPS];
    size_t n = 0;
    for (; !refusal && steps[n]; n++)
        refusal = set_step(key, g_strstrip(steps[n]), &ms[n]);
    for (size_t i = 0; !refusal && i + 1 < n; i++)
        refusal = ms[i] == DSN_FOR_GOOD ? "nothing comes after never" : NULL;
    g_strfreev(steps);
    if (!refusal) {
        memcpy(policy->expiry_ms, ms, n * sizeof ms[0]);
        policy->n_expiry = n;
    }
    return refusal;
}

static const char *set_choice(const struct key *key, const char *text, void *field) {
    for (int64_t i = 0; key->choices[i]; i++)
        if (strcmp(text, key->choices[i]) == 0) {
            *(int64_t *)field = i;
            return NULL;
        }
    return key->choices == reaches ? "not a choice; expected one of all, scope"
                                   : "not a choice; expected one of clears, keeps";
}

static const char *set(const struct key *key, const char *text, struct dsn_policy *policy) {
    void *field = (char *)policy + key->field;
    switch (key->type) {
    case KEY_BOUNCES:
        return set_bounces(key, text, field);
    case KEY_DURATION:
        return set_duration(key, text, field);
    case KEY_EXPIRY:
        return set_expiry(key, text, policy);
    default:
        return set_choice(key, text, field);
    }
}

static struct dsn_policy *row(const struct dsn_policies *policies, const char *name) {
    for (guint i = 0; i < policies->rows->len; i++) {
        struct dsn_policy *policy = g_ptr_array_index(policies->rows, i);
        if (strcmp(policy->name, name) == 0)
            return policy;
    }
    return NULL;
}

static void apply_texts(const struct texts *texts, struct dsn_policy *policy) {
    for (size_t i = 0; i < N_KEYS; i++) {
        const char *text = *(const char *const *)(const void *)((const char *)texts + keys[i].text);
        if (text)
            set(&keys[i], text, policy);
    }
}

static const struct texts *builtin_row(const char *name) {
    for (size_t i = 0; i < G_N_ELEMENTS(builtin); i++)
        if (strcmp(builtin[i].name, name) == 0)
            return &builtin[i];
    return NULL;
}

/* What a group says; `group` NULL: nothing. */
static void apply_group(const struct reading *reading, const struct dsn_keyfile_group *group,
                        struct dsn_policy *policy) {
    for (size_t i = 0; i < N_KEYS && group; i++) {
        const char *text = dsn_keyfile_get(group, keys[i].name);
        const char *refusal = text ? set(&keys[i], text, policy) : NULL;
        if (refusal)
            complain(reading, group, keys[i].name, text, refusal);
    }
    if (policy->over_ms >= policy->window_ms && policy->bounces > 1)
        dsn_problems_add(reading->problems, reading->file->name, dsn_keyfile_line(group, NULL),
                         "[policy %s]: over is as long as window, so that it is never reached; expected less",
                         policy->name);
}

/* A row: as [policy] has it, then as built in, then as the group says. */
static struct dsn_policy *add_row(const struct reading *reading, const char *name,
                                  const struct dsn_keyfile_group *group) {
    struct dsn_policies *policies = reading->policies;
    struct dsn_policy *policy = g_new0(struct dsn_policy, 1);
    const struct dsn_policy *base = row(policies, DEFAULT_NAME);
    const struct texts *texts = builtin_row(name);
    if (base)
        *policy = *base;
    policy->name = g_string_chunk_insert_const(policies->names, name);
    if (texts)
        apply_texts(texts, policy);
    apply_group(reading, group, policy);
    g_ptr_array_add(policies->rows, policy);
    return policy;
}

static bool is_name(const char *text) {
    return text[0] && text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0';
}

static void read_named(const struct reading *reading, const struct dsn_keyfile_group *group) {
    const char *allowed[N_KEYS + 1] = {NULL};
    const char *name = group->name + strlen(GROUP_PREFIX);
    struct named named = {NULL, group->line};
    for (size_t i = 0; i < N_KEYS; i++)
        allowed[i] = keys[i].name;
    dsn_keyfile_only(reading->file, group, allowed, reading->problems);
    if (!is_name(name) || strcmp(name, DEFAULT_NAME) == 0) {
        dsn_problems_add(reading->problems, reading->file->name, named.line,
                         "[%s]: no name; expected [policy NAME] with a reason or a category", group->name);
        return;
    }
    named.name = add_row(reading, name, group)->name;
    g_array_append_val(reading->policies->named, named);
}

/* What only [policy] has. */
static void read_general(const struct reading *reading, const struct dsn_keyfile_group *group) {
    struct dsn_policies *policies = reading->policies;
    const char *allowed[N_KEYS + 3] = {"stale", "scope_headers"};
    static const struct key stale = {
        .name = "stale",
        .type = KEY_DURATION,
        .min = 3600 * SECOND,
        .max = 3650 * DAY,
        .refusal = "out of range; expected 1h to 3650d",
    };
    for (size_t i = 0; i < N_KEYS; i++)
        allowed[i + 2] = keys[i].name;
    dsn_keyfile_only(reading->file, group, allowed, reading->problems);
    const char *text = dsn_keyfile_get(group, stale.name);
    const char *refusal = text ? set_duration(&stale, text, &policies->stale_ms) : NULL;
    if (refusal)
        complain(reading, group, stale.name, text, refusal);
    policies->scope_headers = dsn_keyfile_get_list(group, "scope_headers");
}

static void write_json(struct dsn_policies *policies) {
    GString *json = policies->json;
    for (guint i = 0; i < policies->rows->len; i++) {
        const struct dsn_policy *p = g_ptr_array_index(policies->rows, i);
        long long over = p->bounces > 1 ? (p->over_ms + DAY - 1) / DAY : 0;
        g_string_append_printf(
            json, "%c\"%s\":{\"bounces\":%lld,\"over\":%lld,\"window\":%lld,\"repeat\":%lld,", i ? ',' : '{',
            p->name, (long long)p->bounces, over, (long long)(p->window_ms / DAY), (long long)p->repeat_ms);
        g_string_append_printf(json, "\"keeps\":%s,\"expiry\":", p->keeps ? "true" : "false");
        for (size_t k = 0; k < p->n_expiry; k++)
            g_string_append_printf(json, "%c%lld", k ? ',' : '[', (long long)p->expiry_ms[k]);
        g_string_append(json, "]}");
    }
    g_string_append_c(json, '}');
}

bool dsn_policies_has_group(const char *group) {
    return strcmp(group, GROUP) == 0 || g_str_has_prefix(group, GROUP_PREFIX);
}

struct dsn_policies *dsn_policies_read(const struct dsn_keyfile *file, struct dsn_problems *problems) {
    struct dsn_policies *policies = g_new0(struct dsn_policies, 1);
    struct reading reading = {file, problems, policies};
    policies->rows = g_ptr_array_new_with_free_func(g_free);
    policies->named = g_array_new(FALSE, FALSE, sizeof(struct named));
    policies->names = g_string_chunk_new(256);
    policies->json = g_string_new(NULL);
    policies->stale_ms = STALE;
    policies->file = g_strdup(file->name);
    const struct dsn_keyfile_group *general = dsn_keyfile_find(file, GROUP);
    if (general)
        read_general(&reading, general);
    const struct dsn_policy *base = add_row(&reading, DEFAULT_NAME, general);
    if (base->bounces == 1)
        complain(&reading, general, "bounces", "1",
                 "what only counts never suppresses alone; expected 0 or 2 to 10");
    for (size_t i = 0; i < file->n; i++)
        if (g_str_has_prefix(file->groups[i].name, GROUP_PREFIX))
            read_named(&reading, &file->groups[i]);
    for (size_t i = 1; i < G_N_ELEMENTS(builtin); i++)
        if (!row(policies, builtin[i].name))
            add_row(&reading, builtin[i].name, NULL);
    write_json(policies);
    return policies;
}

void dsn_policies_free(struct dsn_policies *policies) {
    if (!policies)
        return;
    g_ptr_array_unref(policies->rows);
    g_array_unref(policies->named);
    g_string_chunk_free(policies->names);
    g_string_free(policies->json, TRUE);
    g_strfreev(policies->scope_headers);
    g_free(policies->file);
    g_free(policies);
}

const struct dsn_policy *dsn_policies_row(const struct dsn_policies *policies, const char *name) {
    return row(policies, name);
}

const struct dsn_policy *dsn_policies_find(const struct dsn_policies *policies,
                                           const struct dsn_verdict *verdict) {
    bool suppresses = verdict->action == DSN_ACTION_SUPPRESS;
    if ((!suppresses && verdict->action != DSN_ACTION_COUNT) || !verdict->reason)
        return NULL;
    const struct dsn_policy *policy = row(policies, verdict->reason->name);
    if (!policy)
        policy = row(policies, verdict->reason->category);
    if (!policy || (policy->bounces == 1 && !suppresses))
        policy = row(policies, DEFAULT_NAME);
    return policy->bounces > 0 ? policy : NULL;
}

const char *dsn_policies_json(const struct dsn_policies *policies) {
    return policies->json->str;
}

int64_t dsn_policies_stale_ms(const struct dsn_policies *policies) {
    return policies->stale_ms;
}

const char *const *dsn_policies_scope_headers(const struct dsn_policies *policies) {
    static const char *const none[] = {NULL};
    return policies->scope_headers ? (const char *const *)policies->scope_headers : none;
}

bool dsn_policies_check(const struct dsn_policies *policies, const struct dsn_knowledge *knowledge,
                        struct dsn_problems *problems) {
    const struct dsn_catalogue *catalogue = dsn_knowledge_catalogue(knowledge);
    bool good = true;
    for (guint i = 0; i < policies->named->len; i++) {
        const struct named *named = &g_array_index(policies->named, struct named, i);
        if (dsn_catalogue_reason(catalogue, named->name) ||
            dsn_catalogue_has_category(catalogue, named->name))
            continue;
        dsn_problems_add(problems, policies->file, named->line,
                         "[policy %s]: there is no such reason or category", named->name);
        good = false;
    }
    return good;
}
