/* inputs: the messages in what a user names: files, directories, maildirs, mboxes and "-" (standard input),
 * in order. */
#ifndef CLI_INPUTS_H
#define CLI_INPUTS_H

#include "dsn/dsn.h"

#include <glib.h>

struct dsn_input {
    const char *kind; /* "file", "maildir", "mbox", "stdin" */
    char *name;       /* freed with g_free */
    size_t number;    /* of the message in an mbox, from 1; 0 elsewhere */
    GBytes *bytes;    /* of the message; freed with g_bytes_unref */
};

/* Called for each message, in order; takes what is in `input`. False stops. */
typedef bool (*dsn_input_fn)(struct dsn_input input, void *data);

/* Hands out every message of `path`, of each at most as much as a reader takes by default. What cannot be
 * read is named on standard error and the rest goes on; returns whether everything could be. */
bool dsn_inputs_read(const char *path, dsn_input_fn fn, void *data);

#endif
