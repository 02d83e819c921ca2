/* main: finds the command and runs it. */
#include "cli/cli.h"
#include "version.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"run", dsn_cli_run, "the daemon: bounces from its sources to Redis and the feed"},
    {"parse", dsn_cli_parse, "print the events of messages: files, maildirs, mboxes, directories"},
    {"classify", dsn_cli_classify, "say what an answer such as \"550 5.1.1 ...\" means"},
    {"explain", dsn_cli_explain, "explain a code, a reason, or the verdicts on a message"},
    {"stats", dsn_cli_stats, "what happened lately, and who is suppressed"},
    {"verp", dsn_cli_verp, "sign return addresses, so that forged bounces are told apart"},
    {"suppress", dsn_cli_suppress, "the suppression list: look, add, remove, import, export, undo"},
    {"held", dsn_cli_held, "what an outage holds back: list, release or discard it"},
    {"replay", dsn_cli_replay, "judge stored events by other rules: what would change, and the change"},
    {"enqueue", dsn_cli_enqueue, "put a message from an MTA's pipe into the queue"},
    {"dead", dsn_cli_dead, "the messages of the queue that could not be processed"},
    {"tail", dsn_cli_tail, "follow the feed, without a gap"},
    {"keys", dsn_cli_keys, "make a key pair for an encrypted feed"},
    {"check", dsn_cli_check, "check the configuration, the codes, the rules and the formats"},
};

static int help(FILE *out, int status) {
    fputs("usage: dsnd COMMAND [OPTION...] [ARGUMENT...]\n\n", out);
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fputs("\nEach command explains itself: dsnd COMMAND --help. More: man dsnd\n", out);
    return status;
}

/* What a command has printed and did not get there is a failure. */
static int end(int status) {
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fprintf(stderr, "%s: not all could be written to standard output\n", g_get_prgname());
    return status == DSN_EXIT_OK ? DSN_EXIT_FAILED : status;
}

int main(int argc, char **argv) {
    setlocale(LC_CTYPE, "");
    if (argc < 2)
        return help(stderr, DSN_EXIT_USAGE);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
        return help(stdout, DSN_EXIT_OK);
    if (strcmp(argv[1], "--version") == 0) {
        puts("dsnd " DSND_VERSION);
        return DSN_EXIT_OK;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return end(commands[i].run(argc - 1, argv + 1));
    }
    fprintf(stderr, "dsnd: there is no command \"%s\"\n\n", argv[1]);
    return help(stderr, DSN_EXIT_USAGE);
}
