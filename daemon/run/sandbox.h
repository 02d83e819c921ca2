/* sandbox: takes from a thread what it does not need. The threads that read strangers' mail may compute, read
 * messages and log; whoever takes one over finds no socket, no program to start and no other file. */
#ifndef RUN_SANDBOX_H
#define RUN_SANDBOX_H

#include "dsn/error.h"

/* Holds for the calling thread, and cannot be undone. `readable` (ended by NULL): folders whose files it may
 * read, beside the C library's own (character sets are loaded when a message needs them). DSN_ERR_IO: the
 * kernel refused (errno says why): it lacks seccomp or Landlock; what it has is in force. */
enum dsn_error dsn_sandbox_enter(const char *const *readable);

#endif
