/* clock: what time it is. Knows no time zone but UTC. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define DSN_CLOCK_RFC3339_SIZE 32

int64_t dsn_clock_real_us(void);      /* microseconds since 1970 */
int64_t dsn_clock_real_ms(void);      /* milliseconds since 1970 */
int64_t dsn_clock_monotonic_us(void); /* microseconds since some instant; never goes back */
int64_t dsn_clock_monotonic_ms(void); /* the same in milliseconds */

/* The clock of the CPU time that this thread uses, for any thread to read as long as this one lives. */
clockid_t dsn_clock_of_thread(void);
int64_t dsn_clock_cpu_us(clockid_t clock); /* microseconds that were used */

/* Writes "2026-11-24T21:54:09.123Z"; "20261124" (the day in UTC). Both return `out`. */
char *dsn_clock_rfc3339(int64_t real_ms, char out[DSN_CLOCK_RFC3339_SIZE]);
/* The same of whole seconds: "2026-11-24T21:54:09Z". */
char *dsn_clock_rfc3339_seconds(int64_t real_s, char out[DSN_CLOCK_RFC3339_SIZE]);
char *dsn_clock_day(int64_t real_ms, char out[DSN_CLOCK_RFC3339_SIZE]);

#endif
