/* notification: what Amazon SES tells by SNS. */
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    return check_within("{\"notificationType\":\"Bounce\",\"bounce\":", data, size, "}");
}
