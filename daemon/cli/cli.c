/* cli: what the commands share. */
#include "cli.h"

#include "base/clock.h"
#include "base/units.h"
#include "run/knowledge.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool dsn_cli_options(int *argc, char ***argv, const GOptionEntry *entries, const char *operands,
                     const char *summary) {
    char *name = g_strdup((*argv)[0]), *program = g_strconcat("dsnd ", name, NULL);
    GOptionContext *context = g_option_context_new(operands);
    GError *why = NULL;
    g_set_prgname(program);
    g_option_context_set_summary(context, summary);
    g_option_context_add_main_entries(context, entries, NULL);
    bool good = g_option_context_parse(context, argc, argv, &why);
    if (!good) {
        dsn_cli_usage(name, "%s", why->message);
        g_error_free(why);
    }
    if (good && *argc > 1 && strcmp((*argv)[1], "--") == 0) /* GLib leaves it */
        memmove(*argv + 1, *argv + 2, sizeof **argv * (size_t)(--*argc));
    g_option_context_free(context);
    g_free(program);
    g_free(name);
    return good;
}

GOptionEntry dsn_cli_knowledge_option(char **directory) {
    return (GOptionEntry){
        "knowledge", 0, 0, G_OPTION_ARG_FILENAME, directory, "your own codes, rules and formats", "DIR"};
}

GOptionEntry dsn_cli_remote_mta_option(char **remote_mta) {
    return (GOptionEntry){
        "remote-mta", 0, 0, G_OPTION_ARG_STRING, remote_mta, "the server that gave an answer", "HOST"};
}

int dsn_cli_usage(const char *command, const char *format, ...) {
    va_list args;
    fprintf(stderr, "dsnd %s: ", command);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "; see dsnd %s --help\n", command);
    return DSN_EXIT_USAGE;
}

void dsn_cli_print_problems(const struct dsn_problems *problems) {
    for (size_t i = 0; i < dsn_problems_count(problems); i++)
        fprintf(stderr, "dsnd: %s\n", dsn_problems_get(problems, i));
}

struct dsn_knowledge *dsn_cli_knowledge(const char *directory) {
    struct dsn_problems *problems = dsn_problems_new();
    struct dsn_knowledge *knowledge = NULL;
    enum dsn_error error = directory ? dsn_knowledge_load(directory, problems, &knowledge)
                                     : dsn_knowledge_new_builtin(&knowledge);
    dsn_cli_print_problems(problems);
    if (error && !dsn_problems_count(problems))
        fprintf(stderr, "dsnd: codes and rules could not be loaded: %s\n", dsn_error_text(error));
    dsn_problems_free(problems);
    return error ? NULL : knowledge;
}

bool dsn_cli_time(const char *text, int64_t *out_ms) {
    int64_t ago_ms;
    if (!dsn_units_duration(text, &ago_ms))
        return dsn_units_instant(text, out_ms);
    *out_ms = dsn_clock_real_ms() - ago_ms;
    return true;
}
