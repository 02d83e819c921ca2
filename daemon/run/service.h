/* service: what the service manager (systemd) wants to be told, and says. Does nothing where there is none.
 */
#ifndef RUN_SERVICE_H
#define RUN_SERVICE_H

void dsn_service_ready(void);
void dsn_service_reloading(void); /* dsn_service_ready ends it */
void dsn_service_stopping(void);

/* A folder for what outlives the process ($STATE_DIRECTORY), freed with g_free; NULL: none. */
char *dsn_service_state(void);

#endif
