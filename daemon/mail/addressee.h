/* addressee: whom a report is about. Each source may name another address: the return address, the fields of
 * the report, the returned message, the text for people. */
#ifndef MAIL_ADDRESSEE_H
#define MAIL_ADDRESSEE_H

#include "report.h"
#include "return_path.h"

/* How the address to act on is chosen. */
struct dsn_addressing {
    enum dsn_provenance order[DSN_PROVENANCES]; /* best first, ended by DSN_FROM_NOTHING */
    struct dsn_return_paths *paths;
};

/* Completes each recipient of a draft that was read: what each source tells, and the best of it. */
void dsn_addressees_choose(struct dsn_draft *draft, const struct dsn_addressing *how);

#endif
