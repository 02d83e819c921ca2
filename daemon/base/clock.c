/* clock: reads the system's clocks and writes UTC times. Knows no time zone, no locale. */
#include "clock.h"

#include <pthread.h>
#include <stdio.h>

static int64_t read_us(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t dsn_clock_real_us(void) {
    return read_us(CLOCK_REALTIME);
}

int64_t dsn_clock_real_ms(void) {
    return read_us(CLOCK_REALTIME) / 1000;
}

int64_t dsn_clock_monotonic_us(void) {
    return read_us(CLOCK_MONOTONIC);
}

int64_t dsn_clock_monotonic_ms(void) {
    return read_us(CLOCK_MONOTONIC) / 1000;
}

clockid_t dsn_clock_of_thread(void) {
    clockid_t clock;
    return pthread_getcpuclockid(pthread_self(), &clock) == 0 ? clock : CLOCK_THREAD_CPUTIME_ID;
}

int64_t dsn_clock_cpu_us(clockid_t clock) {
    return read_us(clock);
}

char *dsn_clock_rfc3339(int64_t real_ms, char out[DSN_CLOCK_RFC3339_SIZE]) {
    time_t seconds = (time_t)(real_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t n = strftime(out, DSN_CLOCK_RFC3339_SIZE, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out + n, DSN_CLOCK_RFC3339_SIZE - n, ".%03dZ", (int)(real_ms % 1000));
    return out;
}

char *dsn_clock_rfc3339_seconds(int64_t real_s, char out[DSN_CLOCK_RFC3339_SIZE]) {
    time_t seconds = (time_t)real_s;
    struct tm utc;
    gmtime_r(&seconds, &utc);
    strftime(out, DSN_CLOCK_RFC3339_SIZE, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return out;
}

char *dsn_clock_day(int64_t real_ms, char out[DSN_CLOCK_RFC3339_SIZE]) {
    time_t seconds = (time_t)(real_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    strftime(out, DSN_CLOCK_RFC3339_SIZE, "%Y%m%d", &utc);
    return out;
}
