/* prose: what a mail system tells people, through the formats and the generic reader. */
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    return check_within("Return-Path: <>\nFrom: MAILER-DAEMON@mx.example\nSubject: Undelivered mail\n"
                        "Auto-Submitted: auto-replied\n\n",
                        data, size, "");
}
