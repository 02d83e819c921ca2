/* service: sd_notify, where libsystemd was there at build time. */
#include "service.h"

#include <glib.h>
#include <string.h>

#ifdef HAVE_LIBSYSTEMD

#include "base/clock.h"

#include <systemd/sd-daemon.h>

void dsn_service_ready(void) {
    sd_notify(0, "READY=1");
}

void dsn_service_reloading(void) {
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)dsn_clock_monotonic_ms() * 1000);
}

void dsn_service_stopping(void) {
    sd_notify(0, "STOPPING=1");
}

#else

void dsn_service_ready(void) {
}

void dsn_service_reloading(void) {
}

void dsn_service_stopping(void) {
}

#endif

/* The first, where there are several. */
char *dsn_service_state(void) {
    const char *folders = g_getenv("STATE_DIRECTORY");
    return folders ? g_strndup(folders, strcspn(folders, ":")) : NULL;
}
