/* knowledge: a user's file of rules, providers, reasons or codes, beside the built-in others. The first byte
 * says which it is; what is refused has to say why. */
#include "base/prebuilt.h"
#include "event/reader.h"
#include "reader.h"
#include "verdict/builtin.h"
#include "verdict/catalogue.h"
#include "verdict/knowledge.h"
#include "verdict/provider.h"
#include "verdict/rules.h"

static struct dsn_problems *problems; /* of this input */

static enum dsn_error read_rules(const struct dsn_keyfile *file) {
    struct dsn_rules *rules = NULL;
    enum dsn_error error = dsn_rules_new(&file, 1, dsn_knowledge_catalogue(reader->knowledge),
                                         dsn_knowledge_providers(reader->knowledge), problems, &rules);
    dsn_rules_free(rules);
    return error;
}

static enum dsn_error read_providers(const struct dsn_keyfile *file) {
    struct dsn_providers *providers = NULL;
    enum dsn_error error = dsn_providers_new(file, problems, &providers);
    dsn_providers_free(providers);
    return error;
}

static enum dsn_error read_catalogue(const struct dsn_keyfile *codes, const struct dsn_keyfile *reasons) {
    struct dsn_catalogue *catalogue = NULL;
    enum dsn_error error = dsn_catalogue_new(codes, reasons, problems, &catalogue);
    dsn_catalogue_free(catalogue);
    return error;
}

static enum dsn_error read_reasons(const struct dsn_keyfile *file) {
    static struct dsn_keyfile *codes; /* none */
    if (!codes)
        PROMISE(dsn_keyfile_new("codes.conf", DSN_LIT(""), false, NULL, &codes) == DSN_OK);
    return read_catalogue(codes, file);
}

static enum dsn_error read_codes(const struct dsn_keyfile *file) {
    const struct dsn_keyfile *reasons = NULL;
    for (size_t i = 0; !reasons && i < dsn_builtin_files_count; i++)
        if (strcmp(dsn_prebuilt_files()[i].name, "reasons.conf") == 0)
            reasons = &dsn_prebuilt_files()[i];
    return read_catalogue(file, reasons);
}

static const struct {
    const char *name;
    enum dsn_error (*read)(const struct dsn_keyfile *file);
} files[] = {
    {"rules/fuzz.rules", read_rules},
    {"providers.conf", read_providers},
    {"reasons.conf", read_reasons},
    {"codes.conf", read_codes},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct dsn_keyfile *file = NULL;
    if (!size)
        return 0;
    size_t kind = data[0] % G_N_ELEMENTS(files);
    problems = dsn_problems_new();
    enum dsn_error error =
        dsn_keyfile_new(files[kind].name, dsn_sv((const char *)data + 1, size - 1), false, problems, &file);
    if (!error)
        error = files[kind].read(file);
    PROMISE(error == DSN_OK || dsn_problems_count(problems) > 0);
    dsn_keyfile_free(file);
    dsn_problems_free(problems);
    return 0;
}
