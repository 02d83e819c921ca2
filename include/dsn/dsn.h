/* dsn: everything that libdsn offers. It reads bounce messages and says what they mean; it does no I/O. */
#ifndef DSN_DSN_H
#define DSN_DSN_H

#include "error.h"
#include "event.h"
#include "reader.h"
#include "report.h"
#include "strview.h"
#include "trust.h"
#include "verdict.h"
#include "verp.h"

#endif
