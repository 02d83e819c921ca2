/* suppress: `dsnd suppress`, the suppression list by hand. */
#include "cli.h"
#include "output.h"
#include "roster.h"
#include "suppress_import.h"
#include "suppress_write.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/sv.h"
#include "policy/policy.h"
#include "base/units.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#define TABLE_ROW "%-40s %-16s %-24s %-24s %s\n"

struct options {
    char *path, *scope, *format, *since, *until, *lasts, *note;
    gboolean dry_run;
    struct dsn_roster_filter filter;
    int64_t until_ms; /* of what is added: DSN_FOR_GOOD, or when `lasts` is over */
};

struct work {
    const struct options *options;
    struct dsn_conf *conf;
    struct dsn_roster *roster;
    char **operands;
    const struct dsn_suppress_format *format; /* NULL: a table */
    const char *file;
    size_t changed, unchanged, failed;
};

static char *shown_time(int64_t ms, char out[DSN_CLOCK_RFC3339_SIZE]) {
    if (ms > 0)
        return dsn_clock_rfc3339(ms, out);
    g_strlcpy(out, ms == DSN_FOR_GOOD ? "never" : "-", DSN_CLOCK_RFC3339_SIZE);
    return out;
}

static int conclude(const struct work *work) {
    fprintf(stderr, "%zu %s, %zu as they were, %zu failed\n", work->changed,
            work->options->dry_run ? "would be changed" : "changed", work->unchanged, work->failed);
    return work->failed ? DSN_EXIT_FAILED : DSN_EXIT_OK;
}

/* Returns false where Redis does not do it: no use to go on. */
static bool apply(struct work *work, const struct dsn_roster_change *change) {
    enum dsn_roster_result result = dsn_roster_apply(work->roster, change);
    work->changed += result == DSN_ROSTER_CHANGED;
    work->unchanged += result == DSN_ROSTER_UNCHANGED;
    work->failed += result == DSN_ROSTER_REFUSED || result == DSN_ROSTER_FAILED;
    return result != DSN_ROSTER_FAILED;
}

/* get */

static const char *text_of(yajl_val object, const char *key) {
    const char *path[] = {key, NULL};
    return YAJL_GET_STRING(yajl_tree_get(object, path, yajl_t_string));
}

static void print_word(const char *name, const char *value) {
    char *shown = dsn_output_shown(dsn_sv_str(value));
    if (*shown)
        printf(" %s=%s", name, shown);
    g_free(shown);
}

static void print_line(const char *json) {
    static const char *const words[] = {"reason",  "status",   "trust", "rule",
                                        "ruleset", "provider", "event", "entry"};
    static const char *const texts[] = {"diagnostic", "note"};
    const char *at_path[] = {"at_ms", NULL};
    char at[DSN_CLOCK_RFC3339_SIZE];
    yajl_val line = dsn_json_object(dsn_sv_str(json)), at_ms = yajl_tree_get(line, at_path, yajl_t_number);
    printf("  %s %s", shown_time(at_ms ? YAJL_GET_INTEGER(at_ms) : 0, at), text_of(line, "kind"));
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
        print_word(words[i], text_of(line, words[i]));
    putchar('\n');
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        char *shown = dsn_output_shown(dsn_sv_str(text_of(line, texts[i])));
        if (*shown)
            printf("      %s\n", shown);
        g_free(shown);
    }
    yajl_tree_free(line);
}

static const char *field(const struct redisReply *known, const char *name) {
    for (size_t i = 0; i + 1 < known->elements; i += 2)
        if (strcmp(known->element[i]->str, name) == 0)
            return known->element[i + 1]->str;
    return "";
}

static void print_state(const char *address, const struct redisReply *known) {
    static const char *const words[] = {"reason", "rule", "policy",    "provider",
                                        "hard",   "soft", "complaint", "delivered"};
    char since[DSN_CLOCK_RFC3339_SIZE], until[DSN_CLOCK_RFC3339_SIZE];
    const char *state = field(known, "state"), *end = field(known, "until");
    int64_t until_ms = dsn_roster_time(end);
    bool over = until_ms != DSN_FOR_GOOD && until_ms <= dsn_clock_real_ms();
    printf("%s: %s", address,
           !*state                                    ? "not known"
           : over && strcmp(state, "suppressed") == 0 ? "ok, no longer suppressed"
                                                      : state);
    if (*field(known, "since"))
        printf(" since %s", shown_time(g_ascii_strtoll(field(known, "since"), NULL, 10), since));
    if (*end)
        printf(" until %s", shown_time(until_ms, until));
    putchar('\n');
    if (known->elements > 0)
        putchar(' ');
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
        print_word(words[i], field(known, words[i]));
    if (known->elements > 0)
        putchar('\n');
}

static bool print_one(struct work *work, const char *address) {
    static const char *const all[] = {"0", "-1"};
    struct dsn_strview folded = dsn_roster_fold(work->roster, dsn_sv_str(address));
    if (!folded.p) {
        dsn_cli_usage("suppress get", "%s is no mail address", address);
        return false;
    }
    struct redisReply *known = dsn_roster_ask(work->roster, "HGETALL", "rcpt:", folded, NULL, 0);
    struct redisReply *story = known ? dsn_roster_ask(work->roster, "LRANGE", "why:", folded, all, 2) : NULL;
    if (story) {
        char *shown = dsn_output_shown(folded);
        print_state(shown, known);
        for (size_t i = 0; i < story->elements; i++)
            print_line(story->element[i]->str);
        g_free(shown);
    }
    freeReplyObject(known);
    freeReplyObject(story);
    return story != NULL;
}

static int get(struct work *work) {
    bool good = true;
    for (char **address = work->operands; *address; address++)
        good = print_one(work, *address) && good;
    return good ? DSN_EXIT_OK : DSN_EXIT_FAILED;
}

/* list, export */

static bool print_entry(void *context, const struct dsn_roster_entry *entry) {
    const struct work *work = context;
    char since[DSN_CLOCK_RFC3339_SIZE], until[DSN_CLOCK_RFC3339_SIZE];
    if (work->format) {
        dsn_suppress_write(stdout, work->format, entry);
    } else {
        char *address = dsn_output_shown(entry->address);
        printf(TABLE_ROW, address, *entry->reason ? entry->reason : "-", shown_time(entry->since_ms, since),
               shown_time(entry->until_ms, until), *entry->rule ? entry->rule : "-");
        g_free(address);
    }
    return !ferror(stdout);
}

static int list(struct work *work) {
    if (work->format)
        dsn_suppress_write_head(stdout, work->format);
    else
        printf(TABLE_ROW, "ADDRESS", "REASON", "SINCE", "UNTIL", "RULE");
    bool good = dsn_roster_walk(work->roster, &work->options->filter, print_entry, work);
    return good ? DSN_EXIT_OK : DSN_EXIT_FAILED;
}

/* add, remove */

static bool change_one(struct work *work, enum dsn_roster_act act, const char *address) {
    const struct options *o = work->options;
    const struct dsn_roster_change change = {
        .act = act,
        .address = dsn_sv_str(address),
        .until_ms = o->until_ms,
        .reason = o->filter.reason             ? o->filter.reason
                  : act == DSN_ROSTER_SUPPRESS ? "operator"
                                               : NULL,
        .note = o->note,
    };
    return apply(work, &change);
}

static int change_all(struct work *work, enum dsn_roster_act act) {
    char *line = NULL;
    size_t capacity = 0;
    bool goes_on = true;
    for (char **address = work->operands; *address && goes_on; address++) {
        if (strcmp(*address, "-") != 0)
            goes_on = change_one(work, act, *address);
        while (strcmp(*address, "-") == 0 && goes_on && getline(&line, &capacity, stdin) >= 0)
            goes_on = !*g_strstrip(line) || change_one(work, act, line);
    }
    free(line);
    return conclude(work);
}

static int add(struct work *work) {
    return change_all(work, DSN_ROSTER_SUPPRESS);
}

static int remove_all(struct work *work) {
    return change_all(work, DSN_ROSTER_CLEAR);
}

/* import */

static bool import_one(void *context, unsigned line, const struct dsn_suppress_imported *imported) {
    struct work *work = context;
    const struct options *o = work->options;
    const struct dsn_roster_change change = {
        .act = DSN_ROSTER_SUPPRESS,
        .address = imported->address,
        .until_ms = imported->until_ms ? imported->until_ms : o->until_ms,
        .reason = o->filter.reason   ? o->filter.reason
                  : imported->reason ? imported->reason
                                     : "imported",
        .note = imported->note ? imported->note : o->note,
    };
    bool over = change.until_ms != DSN_FOR_GOOD && change.until_ms <= dsn_clock_real_ms();
    bool goes_on = true;
    size_t failed = work->failed;
    if (over) {
        work->unchanged++;
    } else if (o->dry_run) {
        bool usable = dsn_roster_fold(work->roster, change.address).p != NULL;
        work->changed += usable;
        work->failed += !usable;
    } else {
        goes_on = apply(work, &change);
    }
    if (work->failed > failed)
        fprintf(stderr, "dsnd suppress import: %s:%u %s imported%s\n", work->file, line,
                o->dry_run ? "is no mail address and would not be" : "was not",
                goes_on ? "" : ", nor is what follows");
    return goes_on;
}

static int import(struct work *work) {
    bool good = true;
    for (char **path = work->operands; *path && good; path++) {
        FILE *in = strcmp(*path, "-") == 0 ? stdin : fopen(*path, "re");
        work->file = *path;
        if (!in) {
            fprintf(stderr, "dsnd suppress import: %s: %s\n", *path, g_strerror(errno));
            good = false;
            continue;
        }
        good = dsn_suppress_import(in, *path, import_one, work);
        if (in != stdin)
            fclose(in);
    }
    int status = conclude(work);
    return good ? status : DSN_EXIT_FAILED;
}

/* undo */

static bool undo_one(void *context, const struct dsn_roster_entry *entry) {
    struct work *work = context;
    if (work->options->dry_run) {
        work->changed++;
        return print_entry(work, entry);
    }
    const struct dsn_roster_change change = {
        .act = DSN_ROSTER_CLEAR,
        .address = entry->address,
        .reason = *entry->reason ? entry->reason : NULL,
        .note = work->options->note ? work->options->note : "undo",
        .event = *entry->event ? entry->event : NULL, /* not what somebody has decided anew meanwhile */
    };
    return apply(work, &change) && print_entry(work, entry);
}

static bool undo_scope(struct work *work, const char *scope) {
    struct dsn_roster *before = work->roster;
    work->roster = dsn_roster_open(work->conf, scope);
    bool good = dsn_roster_walk(work->roster, &work->options->filter, undo_one, work);
    dsn_roster_close(work->roster);
    work->roster = before;
    return good;
}

static int undo(struct work *work) {
    char **scopes = work->options->scope ? NULL : dsn_roster_scopes(work->roster);
    bool good =
        work->options->scope ? undo_scope(work, work->options->scope) : scopes && undo_scope(work, NULL);
    for (char **scope = scopes; good && scope && *scope; scope++)
        good = undo_scope(work, *scope);
    g_strfreev(scopes);
    int status = conclude(work);
    return good ? status : DSN_EXIT_FAILED;
}

/* The command line */

enum uses { FILTERS = 1, CHANGES = 2, FORMATS = 4, OPERANDS = 8, DRY_RUN = 16, NEEDS_FILTER = 32 };

static const struct command {
    const char *name;
    int (*run)(struct work *work);
    unsigned uses;
    const char *operands, *summary;
} commands[] = {
    {"get", get, OPERANDS, "ADDRESS...", "Tells the story of an address: its state, and what led to it."},
    {"list", list, FILTERS | FORMATS, NULL, "Lists what is suppressed."},
    {"export", list, FILTERS | FORMATS, NULL,
     "Writes what is suppressed as CSV, NDJSON or a mail service's columns."},
    {"add", add, CHANGES | OPERANDS, "ADDRESS... | -", "Suppresses addresses."},
    {"remove", remove_all, CHANGES | OPERANDS, "ADDRESS... | -",
     "Clears addresses: older bounces count no more."},
    {"import", import, CHANGES | OPERANDS | DRY_RUN, "FILE... | -",
     "Suppresses the addresses of a CSV or JSON file, ours, Mailgun's, SES's, SendGrid's, Postal's, "
     "listmonk's or Sisimai's."},
    {"undo", undo, FILTERS | NEEDS_FILTER | DRY_RUN, NULL,
     "Takes back the decisions that the filters find, and publishes retractions."},
};

static const char *read_time(const char *text, int64_t *out_ms) {
    return !text || dsn_cli_time(text, out_ms)
               ? NULL
               : "is no time; expected one as in 2026-11-24T12:00:00Z, or how long ago, as in 2d";
}

static const char *read_lasts(struct options *o) {
    int64_t ms;
    if (!o->lasts || strcmp(o->lasts, "never") == 0)
        return NULL;
    if (!dsn_units_duration(o->lasts, &ms) || ms == 0)
        return "is no duration; expected a number with its unit, one of s, m, h, d, w, or never";
    o->until_ms = dsn_clock_real_ms() + ms;
    return NULL;
}

/* It becomes a part of the feed's topic, between dots. */
static const char *refuse_reason(const char *reason) {
    return !reason || dsn_suppress_is_reason(reason)
               ? NULL
               : "is no reason; expected a word of small letters and hyphens, as in no-such-user";
}

static bool has_filter(const struct dsn_roster_filter *f) {
    return f->reason || f->rule || f->policy || f->provider || f->domain || f->since_ms || f->until_ms;
}

static int misuse(const struct command *command, struct options *o, int n,
                  const struct dsn_suppress_format **format) {
    const struct {
        const char *value, *refusal;
    } checks[] = {{o->since, read_time(o->since, &o->filter.since_ms)},
                  {o->until, read_time(o->until, &o->filter.until_ms)},
                  {o->lasts, read_lasts(o)},
                  {o->filter.reason, command->uses & CHANGES ? refuse_reason(o->filter.reason) : NULL}};
    for (size_t i = 0; i < G_N_ELEMENTS(checks); i++)
        if (checks[i].refusal)
            return dsn_cli_usage("suppress", "%s %s", checks[i].value, checks[i].refusal);
    *format = o->format                                                    ? dsn_suppress_format(o->format)
              : command->run == list && strcmp(command->name, "list") != 0 ? dsn_suppress_format("csv")
                                                                           : NULL;
    if (o->format && !*format)
        return dsn_cli_usage("suppress", "there is no format \"%s\"; expected one of %s", o->format,
                             dsn_suppress_format_names);
    if ((command->uses & OPERANDS) ? n == 0 : n > 0)
        return dsn_cli_usage("suppress", n ? "%s takes no operands" : "%s needs something to work on",
                             command->name);
    if ((command->uses & NEEDS_FILTER) && !has_filter(&o->filter))
        return dsn_cli_usage("suppress", "%s needs a filter, as --rule or --since", command->name);
    return DSN_EXIT_OK;
}

static int work_on(const struct command *command, struct options *o, char **operands, int n) {
    struct work work = {.options = o, .operands = operands};
    int status = misuse(command, o, n, &work.format);
    if (status)
        return status;
    work.conf = dsn_server_conf(o->path);
    if (!work.conf)
        return DSN_EXIT_FAILED;
    work.roster = dsn_roster_open(work.conf, o->scope);
    status = command->run(&work);
    dsn_roster_close(work.roster);
    dsn_conf_free(work.conf);
    return status;
}

static void add_options(GArray *entries, const GOptionEntry *more) {
    for (; more->long_name; more++)
        g_array_append_val(entries, *more);
}

static int run_command(const struct command *command, int argc, char **argv) {
    struct options o = {.until_ms = DSN_FOR_GOOD};
    const GOptionEntry common[] = {
        {"config", 'c', 0, G_OPTION_ARG_FILENAME, &o.path, "the configuration (" DSN_CONF_PATH ")", "FILE"},
        {"scope", 0, 0, G_OPTION_ARG_STRING, &o.scope, "of a list or stream, in place of everybody's",
         "NAME"},
        {0}};
    const GOptionEntry reason[] = {
        {"reason", 0, 0, G_OPTION_ARG_STRING, &o.filter.reason, "with this reason", "NAME"}, {0}};
    const GOptionEntry filters[] = {
        {"rule", 0, 0, G_OPTION_ARG_STRING, &o.filter.rule, "decided by this rule", "ID"},
        {"policy", 0, 0, G_OPTION_ARG_STRING, &o.filter.policy, "by this section [policy NAME]", "NAME"},
        {"provider", 0, 0, G_OPTION_ARG_STRING, &o.filter.provider, "of this provider's addresses", "NAME"},
        {"domain", 0, 0, G_OPTION_ARG_STRING, &o.filter.domain, "of addresses at this domain", "NAME"},
        {"since", 0, 0, G_OPTION_ARG_STRING, &o.since, "suppressed since then", "TIME"},
        {"until", 0, 0, G_OPTION_ARG_STRING, &o.until, "suppressed before then", "TIME"},
        {0}};
    const GOptionEntry changes[] = {
        {"for", 0, 0, G_OPTION_ARG_STRING, &o.lasts, "for how long, as in 30d (never ends)", "DURATION"},
        {"note", 0, 0, G_OPTION_ARG_STRING, &o.note, "why, for those who ask", "TEXT"},
        {0}};
    const GOptionEntry formats[] = {
        {"format", 0, 0, G_OPTION_ARG_STRING, &o.format, dsn_suppress_format_names, "NAME"}, {0}};
    const GOptionEntry dry_run[] = {
        {"dry-run", 0, 0, G_OPTION_ARG_NONE, &o.dry_run, "only say what would be done", NULL}, {0}};
    GArray *entries = g_array_new(TRUE, TRUE, sizeof(GOptionEntry));
    add_options(entries, common);
    if (command->uses & (FILTERS | CHANGES))
        add_options(entries, reason);
    if (command->uses & FILTERS)
        add_options(entries, filters);
    if (command->uses & CHANGES)
        add_options(entries, changes);
    if (command->uses & FORMATS)
        add_options(entries, formats);
    if (command->uses & DRY_RUN)
        add_options(entries, dry_run);
    int status = DSN_EXIT_USAGE;
    if (dsn_cli_options(&argc, &argv, (const GOptionEntry *)(const void *)entries->data, command->operands,
                        command->summary))
        status = work_on(command, &o, argv + 1, argc - 1);
    char *texts[] = {
        o.path, o.scope,         o.format,      o.since,         o.until,           o.lasts,
        o.note, o.filter.reason, o.filter.rule, o.filter.policy, o.filter.provider, o.filter.domain};
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(texts[i]);
    g_array_unref(entries);
    return status;
}

int dsn_cli_suppress(int argc, char **argv) {
    bool help = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
    for (size_t i = 0; argc > 1 && i < G_N_ELEMENTS(commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0) {
            char *name = g_strconcat("suppress ", argv[1], NULL);
            argv[1] = name;
            int status = run_command(&commands[i], argc - 1, argv + 1);
            g_free(name);
            return status;
        }
    if (!help)
        return dsn_cli_usage("suppress", argc > 1 ? "there is no command \"%s\"" : "no command given%s",
                             argc > 1 ? argv[1] : "");
    puts("usage: dsnd suppress COMMAND [OPTION...] [OPERAND...]\n");
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
        printf("  %-8s %s\n", commands[i].name, commands[i].summary);
    puts("\nEach explains itself: dsnd suppress COMMAND --help");
    return DSN_EXIT_OK;
}
