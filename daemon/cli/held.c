/* held: `dsnd held`, what the outage guard holds back: to be looked at, released or discarded, all at once.
 */
#include "cli.h"
#include "output.h"
#include "roster.h"

#include "base/clock.h"
#include "base/sv.h"
#include "policy/policy.h"

#include <stdio.h>

#define TABLE_ROW "%-40s %-16s %-24s %-24s %s\n"

struct options {
    char *path, *provider, *note;
};

struct work {
    const struct options *options;
    const struct dsn_conf *conf;
    struct dsn_roster *roster;
    size_t changed, unchanged;
};

static bool print_entry(void *context, const struct dsn_roster_entry *entry) {
    char since[DSN_CLOCK_RFC3339_SIZE], until[DSN_CLOCK_RFC3339_SIZE];
    char *address = dsn_output_shown(entry->address);
    (void)context;
    printf(TABLE_ROW, address, entry->provider, dsn_clock_rfc3339(entry->since_ms, since),
           dsn_clock_rfc3339(entry->until_ms, until), *entry->rule ? entry->rule : entry->reason);
    g_free(address);
    return !ferror(stdout);
}

static bool apply(struct work *work, enum dsn_roster_act act, const struct dsn_roster_entry *entry,
                  int64_t until_ms) {
    const struct dsn_roster_change change = {
        .act = act,
        .address = entry->address,
        .until_ms = until_ms,
        .reason = *entry->reason ? entry->reason : NULL,
        .note = work->options->note,
        .event = *entry->event ? entry->event : NULL,
    };
    enum dsn_roster_result result = dsn_roster_apply(work->roster, &change);
    work->changed += result == DSN_ROSTER_CHANGED;
    work->unchanged += result == DSN_ROSTER_UNCHANGED;
    return result != DSN_ROSTER_FAILED;
}

/* Suppressed as the policy would have it, from now on. */
static bool release(void *context, const struct dsn_roster_entry *entry) {
    struct work *work = context;
    const struct dsn_policy *policy = dsn_policies_row(work->conf->policies, entry->policy);
    int64_t expiry_ms = policy ? policy->expiry_ms[0] : DSN_FOR_GOOD;
    return apply(work, DSN_ROSTER_RELEASE, entry,
                 expiry_ms == DSN_FOR_GOOD ? DSN_FOR_GOOD : dsn_clock_real_ms() + expiry_ms);
}

static bool discard(void *context, const struct dsn_roster_entry *entry) {
    return apply(context, DSN_ROSTER_DISCARD, entry, 0);
}

static const struct command {
    const char *name;
    dsn_roster_visit *visit;
} commands[] = {{"list", print_entry}, {"release", release}, {"discard", discard}};

static bool walk(struct work *work, const struct command *command, const char *provider) {
    static const struct dsn_roster_filter any = {0};
    dsn_roster_hold_to(work->roster, provider);
    return dsn_roster_walk(work->roster, &any, command->visit, work);
}

static int work_on(const struct command *command, const struct options *options) {
    struct dsn_conf *conf = dsn_server_conf(options->path);
    if (!conf)
        return DSN_EXIT_FAILED;
    struct work work = {.options = options, .conf = conf, .roster = dsn_roster_open(conf, NULL)};
    char *one[] = {options->provider, NULL},
         **all = options->provider ? NULL : dsn_roster_providers(work.roster);
    char **providers = options->provider ? one : all;
    bool good = providers != NULL;
    if (command->visit == print_entry)
        printf(TABLE_ROW, "ADDRESS", "PROVIDER", "SINCE", "UNTIL", "RULE");
    for (; good && *providers; providers++)
        good = walk(&work, command, *providers);
    if (command->visit != print_entry)
        fprintf(stderr, "%zu changed, %zu as they were\n", work.changed, work.unchanged);
    g_strfreev(all);
    dsn_roster_close(work.roster);
    dsn_conf_free(conf);
    return good ? DSN_EXIT_OK : DSN_EXIT_FAILED;
}

int dsn_cli_held(int argc, char **argv) {
    struct options options = {0};
    const struct command *command = NULL;
    const GOptionEntry entries[] = {
        {"config", 'c', 0, G_OPTION_ARG_FILENAME, &options.path, "the configuration (" DSN_CONF_PATH ")",
         "FILE"},
        {"provider", 0, 0, G_OPTION_ARG_STRING, &options.provider, "of this provider only", "NAME"},
        {"note", 0, 0, G_OPTION_ARG_STRING, &options.note, "why, for those who ask", "TEXT"},
        {0},
    };
    int status = DSN_EXIT_USAGE;
    if (dsn_cli_options(
            &argc, &argv, entries, "list|release|discard",
            "What would be suppressed, but looks like an outage of its provider: list tells what is held\n"
            "and until when (then it is forgotten), release suppresses it, discard clears it.")) {
        for (size_t i = 0; argc == 2 && i < G_N_ELEMENTS(commands); i++)
            if (strcmp(argv[1], commands[i].name) == 0)
                command = &commands[i];
        status = command ? work_on(command, &options)
                         : dsn_cli_usage("held", "found \"%s\"; expected one of list, release, discard",
                                         argc > 1 ? argv[argc > 2 ? 2 : 1] : "");
    }
    g_free(options.path);
    g_free(options.provider);
    g_free(options.note);
    return status;
}
