/* words: the values of the vocabulary by their words. */
#include "words.h"
#include "base/sv.h"
#include "dsn/report.h"

const char *dsn_word_kind(int value) {
    return dsn_kind_name((enum dsn_kind)value);
}

const char *dsn_word_type(int value) {
    return dsn_type_name((enum dsn_type)value);
}

const char *dsn_word_action(int value) {
    return dsn_action_name((enum dsn_action)value);
}

const char *dsn_word_level(int value) {
    return dsn_level_name((enum dsn_level)value);
}

const char *dsn_word_command(int value) {
    return dsn_smtp_command_name((enum dsn_smtp_command)value);
}

const char *dsn_word_provenance(int value) {
    return dsn_provenance_name((enum dsn_provenance)value);
}

const char *dsn_word_trust(int value) {
    return dsn_trust_name((enum dsn_trust_level)value);
}

int dsn_word_find(dsn_word_fn *word, struct dsn_strview text) {
    for (int value = 0; text.n && value < DSN_WORDS_MAX; value++) {
        if (dsn_sv_eq(text, dsn_sv_str(word(value))))
            return value;
    }
    return -1;
}
