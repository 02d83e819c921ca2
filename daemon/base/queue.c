/* queue: a ring of pointers with a lock and two conditions. Knows nothing of what it carries. */
#include "queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct slot {
    void *item;
    size_t weight;
};

struct dsn_queue {
    pthread_mutex_t lock;
    pthread_cond_t not_empty, not_full;
    struct slot *slots;
    size_t max_items, max_weight;
    size_t first, n, weight;
    size_t gathered; /* by who waits for so many; 0: nobody does */
    bool closed;
};

/* Conditions that wait by the monotonic clock: setting the wall clock must not stretch a timeout. */
static void init_condition(pthread_cond_t *condition) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

struct dsn_queue *dsn_queue_new(size_t max_items, size_t max_weight) {
    struct dsn_queue *queue = calloc(1, sizeof *queue);
    if (!queue)
        return NULL;
    queue->slots = calloc(max_items, sizeof *queue->slots);
    if (!queue->slots) {
        free(queue);
        return NULL;
    }
    queue->max_items = max_items;
    queue->max_weight = max_weight ? max_weight : SIZE_MAX;
    pthread_mutex_init(&queue->lock, NULL);
    init_condition(&queue->not_empty);
    init_condition(&queue->not_full);
    return queue;
}

void dsn_queue_free(struct dsn_queue *queue) {
    if (!queue)
        return;
    pthread_cond_destroy(&queue->not_empty);
    pthread_cond_destroy(&queue->not_full);
    pthread_mutex_destroy(&queue->lock);
    free(queue->slots);
    free(queue);
}

static bool has_room(const struct dsn_queue *queue, size_t weight) {
    if (queue->n == 0)
        return true;
    return queue->n < queue->max_items && weight <= queue->max_weight &&
           queue->weight <= queue->max_weight - weight;
}

/* Whoever waits for room is woken when there is plenty of it: not once for every item. */
static bool is_half_empty(const struct dsn_queue *queue) {
    return queue->n <= queue->max_items / 2 && queue->weight <= queue->max_weight / 2;
}

static bool has_enough(const struct dsn_queue *queue) {
    return queue->n >= queue->gathered || !is_half_empty(queue);
}

/* Appends with the lock held; there is room. */
static void append(struct dsn_queue *queue, void *item, size_t weight) {
    queue->slots[(queue->first + queue->n) % queue->max_items] = (struct slot){item, weight};
    queue->n++;
    queue->weight += weight;
    if (has_enough(queue))
        pthread_cond_signal(&queue->not_empty);
}

enum dsn_error dsn_queue_push(struct dsn_queue *queue, void *item, size_t weight) {
    pthread_mutex_lock(&queue->lock);
    while (!queue->closed && !has_room(queue, weight))
        pthread_cond_wait(&queue->not_full, &queue->lock);
    enum dsn_error error = queue->closed ? DSN_ERR_BUSY : DSN_OK;
    if (!error)
        append(queue, item, weight);
    pthread_mutex_unlock(&queue->lock);
    return error;
}

enum dsn_error dsn_queue_try_push(struct dsn_queue *queue, void *item, size_t weight) {
    pthread_mutex_lock(&queue->lock);
    enum dsn_error error = queue->closed ? DSN_ERR_BUSY : has_room(queue, weight) ? DSN_OK : DSN_ERR_LIMIT;
    if (!error)
        append(queue, item, weight);
    pthread_mutex_unlock(&queue->lock);
    return error;
}

static struct timespec deadline_in(int64_t timeout_ms) {
    struct timespec when;
    clock_gettime(CLOCK_MONOTONIC, &when);
    int64_t ns = when.tv_nsec + timeout_ms % 1000 * 1000000;
    when.tv_sec += (time_t)(timeout_ms / 1000 + ns / 1000000000);
    when.tv_nsec = (long)(ns % 1000000000);
    return when;
}

/* Waits with the lock held until there is something, or will never be, or the time is over. */
static void wait_not_empty(struct dsn_queue *queue, int64_t timeout_ms) {
    struct timespec deadline = deadline_in(timeout_ms > 0 ? timeout_ms : 0);
    int rc = timeout_ms == 0;
    while (queue->n == 0 && !queue->closed && rc == 0)
        rc = timeout_ms < 0 ? pthread_cond_wait(&queue->not_empty, &queue->lock)
                            : pthread_cond_timedwait(&queue->not_empty, &queue->lock, &deadline);
}

void dsn_queue_gather(struct dsn_queue *queue, size_t n, int64_t timeout_ms) {
    struct timespec deadline = deadline_in(timeout_ms);
    int rc = 0;
    pthread_mutex_lock(&queue->lock);
    queue->gathered = n;
    while (!has_enough(queue) && !queue->closed && rc == 0)
        rc = pthread_cond_timedwait(&queue->not_empty, &queue->lock, &deadline);
    queue->gathered = 0;
    pthread_mutex_unlock(&queue->lock);
}

size_t dsn_queue_pop(struct dsn_queue *queue, void **out, size_t max, size_t max_weight, int64_t timeout_ms) {
    size_t taken = 0, weight = 0;
    pthread_mutex_lock(&queue->lock);
    wait_not_empty(queue, timeout_ms);
    while (queue->n > 0 && taken < max) {
        struct slot *slot = &queue->slots[queue->first];
        if (taken > 0 && max_weight > 0 && weight + slot->weight > max_weight)
            break;
        out[taken++] = slot->item;
        weight += slot->weight;
        queue->weight -= slot->weight;
        queue->first = (queue->first + 1) % queue->max_items;
        queue->n--;
    }
    if (taken > 0 && is_half_empty(queue))
        pthread_cond_broadcast(&queue->not_full);
    pthread_mutex_unlock(&queue->lock);
    return taken;
}

size_t dsn_queue_length(struct dsn_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    size_t n = queue->n;
    pthread_mutex_unlock(&queue->lock);
    return n;
}

void dsn_queue_close(struct dsn_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_cond_broadcast(&queue->not_empty);
    pthread_cond_broadcast(&queue->not_full);
    pthread_mutex_unlock(&queue->lock);
}

bool dsn_queue_finished(struct dsn_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    bool finished = queue->closed && queue->n == 0;
    pthread_mutex_unlock(&queue->lock);
    return finished;
}
