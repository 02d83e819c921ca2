/* message: a whole message, or a mail service's JSON. */
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    check_message(dsn_sv((const char *)data, size));
    return 0;
}
