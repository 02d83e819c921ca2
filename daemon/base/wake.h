/* wake: tells a thread that waits in poll(2), by an eventfd(2), that there is something to do. */
#ifndef BASE_WAKE_H
#define BASE_WAKE_H

/* Closed by close(2). -1: none can be had, errno says why. */
int dsn_wake_open(void);
/* From any thread: `fd` becomes readable, and stays so until its counter is read. */
void dsn_wake(int fd);

#endif
