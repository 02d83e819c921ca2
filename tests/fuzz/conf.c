/* conf: the configuration. What is refused has to say why. */
#include "fuzz.h"
#include "run/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct dsn_problems *problems = dsn_problems_new();
    struct dsn_conf *conf = NULL;
    enum dsn_error error = dsn_conf_parse("fuzz.conf", dsn_sv((const char *)data, size), problems, &conf);
    PROMISE(error == DSN_OK || dsn_problems_count(problems) > 0);
    PROMISE(error || is_json(dsn_sv_str(dsn_policies_json(conf->policies))));
    dsn_conf_free(conf);
    dsn_problems_free(problems);
    return 0;
}
