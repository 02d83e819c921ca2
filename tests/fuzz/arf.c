/* arf: the machine's part of a complaint, RFC 5965. */
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    return check_within("From: fbl@provider.example\nMIME-Version: 1.0\n"
                        "Content-Type: multipart/report; report-type=feedback-report; boundary=xyzzy\n\n"
                        "--xyzzy\n\nThis is a complaint.\n\n"
                        "--xyzzy\nContent-Type: message/feedback-report\n\n",
                        data, size,
                        "\n--xyzzy\nContent-Type: message/rfc822\n\nFrom: us@shop.example\n"
                        "To: lena@post.example\nSubject: news\n\nText\n--xyzzy--\n");
}
