/* status: how the running daemon is: its sources and sinks, and how far they are behind. It is asked by HTTP.
 */
#ifndef CLI_STATUS_H
#define CLI_STATUS_H

#include "run/conf.h"

/* Prints it, or in a line why it is not known. */
void dsn_status_print(const struct dsn_conf *conf);

#endif
