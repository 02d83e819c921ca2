/* verp: `dsnd verp`, makes and checks signed return addresses and Message-IDs. */
#include "base/clock.h"
#include "base/sv.h"
#include "cli.h"
#include "output.h"
#include "run/trust.h"

#include <stdio.h>
#include <stdlib.h>

struct signing {
    const struct dsn_verp *keys;
    struct dsn_verp_form form;
    bool message_id;
    int64_t expires_at_s;
};

static bool sign_one(const struct signing *signing, const char *address) {
    char out[DSN_VERP_SIZE];
    struct dsn_strview view = dsn_sv_str(address);
    enum dsn_error error =
        signing->message_id
            ? dsn_verp_message_id(signing->keys, signing->form.domain, view, signing->expires_at_s, out)
            : dsn_verp_return_address(signing->keys, &signing->form, view, signing->expires_at_s, out);
    if (error) {
        char *shown = dsn_output_shown(view);
        fprintf(stderr, "dsnd verp: %s: %s\n", shown,
                error == DSN_ERR_INVALID ? "no mail address" : dsn_error_text(error));
        g_free(shown);
    } else {
        puts(out);
    }
    return !error;
}

static bool sign_lines(const struct signing *signing) {
    char *line = NULL;
    size_t capacity = 0;
    bool good = true;
    while (getline(&line, &capacity, stdin) >= 0) {
        if (*g_strstrip(line))
            good &= sign_one(signing, line);
        fflush(stdout); /* somebody may wait for each */
    }
    free(line);
    return good && !ferror(stdin);
}

static int sign_all(const struct signing *signing, char **addresses, int n) {
    bool good = true;
    for (int i = 0; i < n; i++)
        good &= g_str_equal(addresses[i], "-") ? sign_lines(signing) : sign_one(signing, addresses[i]);
    return good ? DSN_EXIT_OK : DSN_EXIT_FAILED;
}

static int check(const struct dsn_verp *keys, const char *text, const char *recipient) {
    char expires[DSN_CLOCK_RFC3339_SIZE];
    struct dsn_verp_check check;
    dsn_verp_check(keys, dsn_sv_str(text), dsn_sv_str(recipient), dsn_clock_real_ms() / 1000, &check);
    printf("%s", dsn_verp_result_name(check.result));
    if (check.key)
        printf(" key=%c expires=%s", check.key, dsn_clock_rfc3339_seconds(check.expires_at_s, expires));
    if (check.address[0])
        printf(" address=%s", check.address);
    putchar('\n');
    return check.result == DSN_VERP_VALID ? DSN_EXIT_OK : DSN_EXIT_FAILED;
}

struct options {
    char *path, *user;
    gboolean check, message_id;
};

static int work(const struct options *options, const struct dsn_conf *conf, const struct dsn_verp *keys,
                char **operands, int n) {
    struct signing signing = {
        .keys = keys,
        .form = dsn_conf_verp_form(conf),
        .message_id = options->message_id,
        .expires_at_s = (dsn_clock_real_ms() + conf->verp_lifetime_ms) / 1000,
    };
    if (options->user)
        signing.form.user = options->user;
    if (options->check)
        return check(keys, operands[0], n > 1 ? operands[1] : NULL);
    if (signing.form.domain)
        return sign_all(&signing, operands, n);
    fputs("dsnd verp: the configuration names no domain; expected [verp] domain = NAME\n", stderr);
    return DSN_EXIT_FAILED;
}

static int run(const struct options *options, char **operands, int n) {
    struct dsn_problems *problems = dsn_problems_new();
    struct dsn_conf *conf = NULL;
    struct dsn_verp *keys = NULL;
    int status = DSN_EXIT_FAILED;
    enum dsn_error error = dsn_conf_load(options->path ? options->path : DSN_CONF_PATH, problems, &conf);
    if (!error)
        error = dsn_trust_load_keys(conf, problems, &keys);
    dsn_cli_print_problems(problems);
    if (keys)
        status = work(options, conf, keys, operands, n);
    else if (!error)
        fputs("dsnd verp: the configuration names no keys; expected [verp] keys = FILE\n", stderr);
    dsn_verp_unref(keys);
    dsn_conf_free(conf);
    dsn_problems_free(problems);
    return status;
}

static const char *misuse(const struct options *options, int n) {
    if (n == 0)
        return options->check ? "no RETURN-ADDRESS given" : "no ADDRESS given";
    if (options->check && (n > 2 || options->message_id || options->user))
        return "--check takes a RETURN-ADDRESS or a Message-ID, and the RECIPIENT";
    return options->user ? dsn_conf_refuse_user(options->user) : NULL;
}

int dsn_cli_verp(int argc, char **argv) {
    struct options options = {0};
    const GOptionEntry entries[] = {
        {"config", 'c', 0, G_OPTION_ARG_FILENAME, &options.path, "the configuration (" DSN_CONF_PATH ")",
         "FILE"},
        {"user", 0, 0, G_OPTION_ARG_STRING, &options.user, "the mailbox, in place of [verp] user", "NAME"},
        {"message-id", 0, 0, G_OPTION_ARG_NONE, &options.message_id, "make Message-IDs", NULL},
        {"check", 0, 0, G_OPTION_ARG_NONE, &options.check, "check one; exit status 0: it is valid", NULL},
        {0},
    };
    int status = DSN_EXIT_USAGE;
    if (dsn_cli_options(
            &argc, &argv, entries, "ADDRESS... | --check RETURN-ADDRESS [RECIPIENT]",
            "Prints a signed return address for mail to each ADDRESS; - reads one a line from standard "
            "input.")) {
        const char *wrong = misuse(&options, argc - 1);
        status = wrong ? dsn_cli_usage("verp", "%s", wrong) : run(&options, argv + 1, argc - 1);
    }
    g_free(options.path);
    g_free(options.user);
    return status;
}
