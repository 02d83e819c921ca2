/* keys: `dsnd keys`, makes key pairs for an encrypted feed. */
#include "cli.h"
#include "feed/keys.h"

#include <sodium.h>
#include <stdio.h>

static int make(const char *name) {
    char why[512];
    struct dsn_curve_keys keys;
    if (!dsn_curve_keys_make(&keys)) {
        fputs("dsnd keys: the ZeroMQ here was built without CURVE\n", stderr);
        return DSN_EXIT_FAILED;
    }
    bool good = dsn_curve_keys_write(&keys, name, why, sizeof why) == DSN_OK;
    if (good)
        puts(keys.public_key);
    else
        fprintf(stderr, "dsnd keys: %s\n", why);
    sodium_memzero(&keys, sizeof keys);
    return good ? DSN_EXIT_OK : DSN_EXIT_FAILED;
}

int dsn_cli_keys(int argc, char **argv) {
    const GOptionEntry entries[] = {{0}};
    if (!dsn_cli_options(
            &argc, &argv, entries, "NAME",
            "Makes a key pair for an encrypted feed: NAME.key_secret, which stays with its owner, and "
            "NAME.key\nwith the public key, which is printed too. Files that are there are left alone."))
        return DSN_EXIT_USAGE;
    return argc == 2 && *argv[1] ? make(argv[1]) : dsn_cli_usage("keys", "expected one NAME");
}
