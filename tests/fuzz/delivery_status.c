/* delivery_status: the machine's part of a report, RFC 3464. */
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    return check_within("From: MAILER-DAEMON@mx.example\nMIME-Version: 1.0\n"
                        "Content-Type: multipart/report; report-type=delivery-status; boundary=xyzzy\n\n"
                        "--xyzzy\n\nYour message was not delivered.\n\n"
                        "--xyzzy\nContent-Type: message/delivery-status\n\n",
                        data, size, "\n--xyzzy--\n");
}
