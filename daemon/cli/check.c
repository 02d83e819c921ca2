/* check: `dsnd check`, reads the configuration and the knowledge as run would, tries every rule on its
 * examples, and says everything that is wrong. */
#include "cli.h"

#include "run/conf.h"
#include "run/knowledge.h"
#include "verdict/proof.h"

#include <stdio.h>

static enum dsn_error check_knowledge(const char *directory, struct dsn_problems *problems) {
    struct dsn_knowledge *knowledge = NULL;
    size_t n_rules, n_examples;
    enum dsn_error error = directory ? dsn_knowledge_load(directory, problems, &knowledge)
                                     : dsn_knowledge_new(NULL, 0, problems, &knowledge);
    if (error)
        return error;
    if (!dsn_knowledge_prove(knowledge, problems, &n_examples))
        error = DSN_ERR_SYNTAX;
    dsn_rules_all(dsn_knowledge_rules(knowledge), &n_rules);
    printf("knowledge %s: %zu rules, %zu examples%s\n", dsn_knowledge_ruleset(knowledge), n_rules, n_examples,
           error ? "" : ", all as they should be");
    dsn_knowledge_unref(knowledge);
    return error;
}

static enum dsn_error check(const char *path, const char *directory, struct dsn_problems *problems) {
    struct dsn_conf *conf = NULL;
    enum dsn_error error = path ? dsn_conf_load(path, problems, &conf) : DSN_OK;
    if (conf)
        printf("%s: %zu source%s\n", path, conf->n_sources, conf->n_sources == 1 ? "" : "s");
    enum dsn_error second = check_knowledge(conf && !directory ? conf->knowledge_dir : directory, problems);
    dsn_conf_free(conf);
    return error ? error : second;
}

static int report(const char *path, const char *directory) {
    struct dsn_problems *problems = dsn_problems_new();
    enum dsn_error error = check(path, directory, problems);
    for (size_t i = 0; i < dsn_problems_count(problems); i++)
        fprintf(stderr, "%s\n", dsn_problems_get(problems, i));
    if (error && dsn_problems_count(problems) == 0)
        fprintf(stderr, "dsnd check: %s\n", dsn_error_text(error));
    dsn_problems_free(problems);
    return error ? DSN_EXIT_FAILED : DSN_EXIT_OK;
}

int dsn_cli_check(int argc, char **argv) {
    char *path = NULL, *directory = NULL;
    const GOptionEntry entries[] = {
        {"config", 'c', 0, G_OPTION_ARG_FILENAME, &path, "the configuration (" DSN_CONF_PATH ")", "FILE"},
        {"knowledge", 0, 0, G_OPTION_ARG_FILENAME, &directory,
         "codes, rules and formats of your own; without -c, no configuration is read", "DIR"},
        {0},
    };
    int status = DSN_EXIT_USAGE;
    if (dsn_cli_options(
            &argc, &argv, entries, NULL,
            "Checks the configuration, codes, rules and formats, and tries each rule on its examples.")) {
        if (argc > 1)
            status = dsn_cli_usage("check", "there is nothing to be done with \"%s\"", argv[1]);
        else
            status = report(path || directory ? path : DSN_CONF_PATH, directory);
    }
    g_free(path);
    g_free(directory);
    return status;
}
