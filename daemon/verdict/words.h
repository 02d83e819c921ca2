/* words: the values of the vocabulary by their words, as files and events write them; the other way round are
 * the dsn_..._name functions. */
#ifndef VERDICT_WORDS_H
#define VERDICT_WORDS_H

#include "dsn/strview.h"

/* The word for a value, NULL where it has none. */
typedef const char *dsn_word_fn(int value);

dsn_word_fn dsn_word_kind, dsn_word_type, dsn_word_action, dsn_word_level, dsn_word_command,
    dsn_word_provenance, dsn_word_trust;

enum { DSN_WORDS_MAX = 16 }; /* values of any vocabulary are below */

/* -1: no value has that word. */
int dsn_word_find(dsn_word_fn *word, struct dsn_strview text);

#endif
