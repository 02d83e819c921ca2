/* check: reads the configuration and the knowledge as run would, and says everything that is wrong with them.
 */
#include "cli.h"

#include "run/conf.h"
#include "run/knowledge.h"

#include <stdio.h>

static int check(const char *path) {
    struct dsn_problems *problems = dsn_problems_new();
    struct dsn_knowledge *knowledge = NULL;
    struct dsn_conf *conf = NULL;
    enum dsn_error error = dsn_conf_load(path, problems, &conf);
    if (conf)
        error = dsn_knowledge_load(conf->knowledge_dir, problems, &knowledge);
    for (size_t i = 0; i < dsn_problems_count(problems); i++)
        fprintf(stderr, "%s\n", dsn_problems_get(problems, i));
    if (error && dsn_problems_count(problems) == 0)
        fprintf(stderr, "dsnd: %s\n", dsn_error_text(error));
    if (!error)
        printf("%s is fine: %zu source%s, rules %s\n", path, conf->n_sources, conf->n_sources == 1 ? "" : "s",
               dsn_knowledge_ruleset(knowledge));
    dsn_knowledge_unref(knowledge);
    dsn_conf_free(conf);
    dsn_problems_free(problems);
    return error ? DSN_EXIT_FAILED : DSN_EXIT_OK;
}

int dsn_cli_check(int argc, char **argv) {
    char *path = NULL;
    const GOptionEntry entries[] = {
        {"config", 'c', 0, G_OPTION_ARG_FILENAME, &path, "the configuration (" DSN_CONF_PATH ")", "FILE"},
        {0},
    };
    int status = DSN_EXIT_USAGE;
    if (dsn_cli_options(&argc, &argv, entries, NULL, "Checks the configuration, codes, rules and formats.")) {
        if (argc > 1)
            status = dsn_cli_usage("check", "there is nothing to be done with \"%s\"", argv[1]);
        else
            status = check(path ? path : DSN_CONF_PATH);
    }
    g_free(path);
    return status;
}
