/* netstring: what a mail server asks with. A frame that is whole is the same when it is written again, and
 * every beginning of it waits for more. */
#include "fuzz.h"
#include "lookup/netstring.h"

enum { MAX_CONTENT = 1000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct dsn_strview bytes = dsn_sv((const char *)data, size), content;
    size_t taken = 0;
    if (dsn_netstring_read(bytes, MAX_CONTENT, &content, &taken) != DSN_NETSTRING_WHOLE)
        return 0;
    PROMISE(taken <= size && content.p + content.n + 1 == bytes.p + taken);
    for (size_t n = 0; n < taken; n++)
        PROMISE(dsn_netstring_read(dsn_sv(bytes.p, n), MAX_CONTENT, &content, &taken) == DSN_NETSTRING_MORE);
    return 0;
}
