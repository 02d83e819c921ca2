/* cli: the commands of dsnd, one file each. Every command gets its own arguments (argv[0] is its name) and
 * returns an exit status: 0 all is well, 1 something could not be done, 2 wrong use, 3 a thread was stuck. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "dsn/dsn.h"

#include <glib.h>

enum dsn_exit { DSN_EXIT_OK = 0, DSN_EXIT_FAILED = 1, DSN_EXIT_USAGE = 2, DSN_EXIT_STUCK = 3 };

int dsn_cli_parse(int argc, char **argv);
int dsn_cli_classify(int argc, char **argv);
int dsn_cli_explain(int argc, char **argv);
int dsn_cli_check(int argc, char **argv);
int dsn_cli_run(int argc, char **argv);
int dsn_cli_stats(int argc, char **argv);
int dsn_cli_verp(int argc, char **argv);
int dsn_cli_suppress(int argc, char **argv);
int dsn_cli_held(int argc, char **argv);
int dsn_cli_replay(int argc, char **argv);
int dsn_cli_tail(int argc, char **argv);
int dsn_cli_keys(int argc, char **argv);
int dsn_cli_dead(int argc, char **argv);
int dsn_cli_enqueue(int argc, char **argv); /* exit statuses of sysexits.h, as MTAs know them */

/* Reads options with GLib's parser; what is left in argv are the operands. False: it has said why, and the
 * exit status is DSN_EXIT_USAGE. */
bool dsn_cli_options(int *argc, char ***argv, const GOptionEntry *entries, const char *operands,
                     const char *summary);
/* --knowledge DIR, as every command has it. */
GOptionEntry dsn_cli_knowledge_option(char **directory);
/* --remote-mta HOST, of commands that take answers. */
GOptionEntry dsn_cli_remote_mta_option(char **remote_mta);
/* Says on standard error what is wrong, and that --help helps. Returns DSN_EXIT_USAGE. */
int dsn_cli_usage(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* An instant (RFC 3339), or how long ago, as milliseconds since 1970. */
bool dsn_cli_time(const char *text, int64_t *out_ms);

/* Each on a line of standard error. */
void dsn_cli_print_problems(const struct dsn_problems *problems);

/* The knowledge built in, with the files of `directory` (may be NULL) in front. NULL: it has said why. */
struct dsn_knowledge *dsn_cli_knowledge(const char *directory);

#endif
