/* wake: an eventfd, opened and written. */
#include "wake.h"

#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int dsn_wake_open(void) {
    return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void dsn_wake(int fd) {
    const uint64_t one = 1;
    ssize_t n = write(fd, &one, sizeof one); /* full means that it is awake */
    (void)n;
}
