/* queue: a bounded queue of pointers between threads. Bounded twice: by number, and by weight (bytes), so
 * that memory stays flat whatever the backlog and however large its messages. */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include "dsn/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dsn_queue;

/* NULL when memory runs out. `max_weight` 0: any weight. */
struct dsn_queue *dsn_queue_new(size_t max_items, size_t max_weight);
/* What is still in it is not freed: drain it first. NULL is fine. */
void dsn_queue_free(struct dsn_queue *queue);

/* Waits for room, then appends. An item heavier than the queue waits until it is empty. DSN_ERR_BUSY: the
 * queue was closed; the item stays the caller's. */
enum dsn_error dsn_queue_push(struct dsn_queue *queue, void *item, size_t weight);
/* The same without waiting. DSN_ERR_LIMIT: there is no room now. */
enum dsn_error dsn_queue_try_push(struct dsn_queue *queue, void *item, size_t weight);

/* Takes up to `max` items into `out`, at most `max_weight` together (one always goes; 0: any weight). Waits
 * until there is one, the queue is closed, or `timeout_ms` have passed (0: not at all; negative: for ever).
 * Returns how many. */
size_t dsn_queue_pop(struct dsn_queue *queue, void **out, size_t max, size_t max_weight, int64_t timeout_ms);

/* Waits until there are `n` items, or half of what there is room for, the queue is closed, or `timeout_ms`
 * have passed. Nobody is woken for the items before. For the only one who takes from the queue. */
void dsn_queue_gather(struct dsn_queue *queue, size_t n, int64_t timeout_ms);

size_t dsn_queue_length(struct dsn_queue *queue);
/* Nothing goes in any more; what is in it still comes out. */
void dsn_queue_close(struct dsn_queue *queue);
/* Closed and empty: nothing will ever come out again. */
bool dsn_queue_finished(struct dsn_queue *queue);

#endif
