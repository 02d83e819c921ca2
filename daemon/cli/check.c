/* check: `dsnd check`, reads the configuration and the knowledge as run would, tries every rule on its
 * examples and every format on its sample, and says everything that is wrong. */
#include "cli.h"

#include "base/sv.h"
#include "event/sample.h"
#include "feed/curve.h"
#include "mail/format.h"
#include "run/conf.h"
#include "run/knowledge.h"
#include "run/trust.h"
#include "verdict/builtin.h"
#include "verdict/proof.h"

#include <stdio.h>

/* The text of a sample: from the folder of your own formats, else a built-in one; NULL where there is none.
 * Freed with g_free. */
static char *find_sample(const char *directory, const char *name, size_t *n) {
    char *text = NULL, *path = directory ? g_build_filename(directory, "formats", name, NULL) : NULL;
    if (path)
        g_file_get_contents(path, &text, n, NULL);
    g_free(path);
    for (size_t i = 0; i < dsn_builtin_samples_count && !text; i++) {
        const struct dsn_knowledge_file *sample = &dsn_builtin_samples[i];
        const char *slash = strrchr(sample->name, '/');
        if (strcmp(slash ? slash + 1 : sample->name, name) == 0)
            text = g_memdup2(sample->text.p, *n = sample->text.n);
    }
    return text;
}

/* What is wrong with the sample of a format, freed with g_free; NULL where nothing is. */
static char *refuse_sample(struct dsn_reader *reader, const char *directory,
                           const struct dsn_format_sample *sample) {
    size_t n = 0;
    char *text = sample->name ? find_sample(directory, sample->name, &n) : NULL;
    char *refusal = text ? dsn_sample_refuse(reader, dsn_sv(text, n), sample->format)
                         : g_strdup(sample->name ? "there is no such file beside it"
                                                 : "nothing proves it; expected sample = FILE");
    g_free(text);
    return refusal;
}

static enum dsn_error prove_formats(struct dsn_knowledge *knowledge, const char *directory,
                                    struct dsn_problems *problems, size_t *n) {
    struct dsn_format_sample sample;
    struct dsn_reader *reader;
    enum dsn_error error = dsn_reader_new(knowledge, NULL, &reader);
    if (error)
        return error;
    for (*n = 0; dsn_formats_sample(dsn_knowledge_formats(knowledge), *n, &sample); ++*n) {
        char *refusal = refuse_sample(reader, directory, &sample);
        if (!refusal)
            continue;
        dsn_problems_add(problems, sample.file, sample.line, "[%s] sample%s%s: %s", sample.format,
                         sample.name ? " = " : "", sample.name ? sample.name : "", refusal);
        error = DSN_ERR_SYNTAX;
        g_free(refusal);
    }
    dsn_reader_free(reader);
    return error;
}

/* `policies` may be NULL. */
static enum dsn_error check_knowledge(const char *directory, const struct dsn_policies *policies,
                                      struct dsn_problems *problems) {
    struct dsn_knowledge *knowledge = NULL;
    size_t n_rules, n_examples, n_formats = 0;
    enum dsn_error error = directory ? dsn_knowledge_load(directory, problems, &knowledge)
                                     : dsn_knowledge_new(NULL, 0, problems, &knowledge);
    if (error)
        return error;
    if (!dsn_knowledge_prove(knowledge, problems, &n_examples))
        error = DSN_ERR_SYNTAX;
    if (policies && !dsn_policies_check(policies, knowledge, problems))
        error = DSN_ERR_SYNTAX;
    enum dsn_error second = prove_formats(knowledge, directory, problems, &n_formats);
    error = error ? error : second;
    dsn_rules_all(dsn_knowledge_rules(knowledge), &n_rules);
    printf("knowledge %s: %zu rules, %zu examples, %zu formats%s\n", dsn_knowledge_ruleset(knowledge),
           n_rules, n_examples, n_formats, error ? "" : ", all as they should be");
    dsn_knowledge_unref(knowledge);
    return error;
}

static enum dsn_error check(const char *path, const char *directory, struct dsn_problems *problems) {
    struct dsn_conf *conf = NULL;
    struct dsn_verp *keys = NULL;
    enum dsn_error error = path ? dsn_conf_load(path, problems, &conf) : DSN_OK;
    if (conf)
        error = dsn_trust_load_keys(conf, problems, &keys);
    if (conf && conf->feed_keys && !error)
        error = dsn_curve_check(
            &(struct dsn_curve_settings){.keys = conf->feed_keys, .clients = conf->feed_clients}, problems);
    dsn_verp_unref(keys);
    if (conf)
        printf("%s: %zu source%s\n", path, conf->n_sources, conf->n_sources == 1 ? "" : "s");
    enum dsn_error second = check_knowledge(conf && !directory ? conf->knowledge_dir : directory,
                                            conf ? conf->policies : NULL, problems);
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
        dsn_cli_knowledge_option(&directory),
        {0},
    };
    int status = DSN_EXIT_USAGE;
    if (dsn_cli_options(&argc, &argv, entries, NULL,
                        "Checks the configuration, codes, rules and formats, and tries each rule on its "
                        "examples and each\n"
                        "format on its sample.\n"
                        "With --knowledge and without --config, no configuration is read.")) {
        if (argc > 1)
            status = dsn_cli_usage("check", "there is nothing to be done with \"%s\"", argv[1]);
        else
            status = report(path || directory ? path : DSN_CONF_PATH, directory);
    }
    g_free(path);
    g_free(directory);
    return status;
}
