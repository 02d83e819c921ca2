/* queue: when who gathers is woken. */
#include "unit.h"

#include "base/queue.h"

#include <pthread.h>

enum { ENOUGH = 100, LONG_MS = 60000 };

static struct dsn_queue *queue;
static char item;

static void open_queue(size_t max_items, size_t max_weight) {
    queue = dsn_queue_new(max_items, max_weight);
    ck_assert_ptr_nonnull(queue);
}

static void tear_down(void) {
    dsn_queue_free(queue);
}

static void push(size_t n, size_t weight) {
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(dsn_queue_try_push(queue, &item, weight), DSN_OK);
}

static void *push_enough(void *context) {
    (void)context;
    push(ENOUGH, 1);
    return NULL;
}

static void *push_one_and_close(void *context) {
    (void)context;
    push(1, 1);
    dsn_queue_close(queue);
    return NULL;
}

/* Gathers what another thread brings; returns how much is there then. */
static size_t gather_beside(void *(*bring)(void *)) {
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, bring, NULL), 0);
    dsn_queue_gather(queue, ENOUGH, LONG_MS);
    size_t n = dsn_queue_length(queue);
    pthread_join(thread, NULL);
    return n;
}

START_TEST(what_is_gathered_is_as_much_as_was_asked_for) {
    open_queue(10 * ENOUGH, 0);
    ck_assert_uint_eq(gather_beside(push_enough), ENOUGH);
}
END_TEST

START_TEST(the_end_is_not_waited_out) {
    open_queue(10 * ENOUGH, 0);
    ck_assert_uint_eq(gather_beside(push_one_and_close), 1);
}
END_TEST

START_TEST(more_than_half_of_a_small_queue_is_enough) {
    open_queue(4, 0);
    push(3, 1);
    dsn_queue_gather(queue, ENOUGH, LONG_MS);
    ck_assert_uint_eq(dsn_queue_length(queue), 3);
}
END_TEST

START_TEST(what_is_heavy_is_enough) {
    open_queue(10 * ENOUGH, 1000);
    push(1, 501);
    dsn_queue_gather(queue, ENOUGH, LONG_MS);
    ck_assert_uint_eq(dsn_queue_length(queue), 1);
}
END_TEST

START_TEST(who_gathered_is_woken_for_one_again) {
    void *taken = NULL;
    open_queue(10 * ENOUGH, 0);
    dsn_queue_gather(queue, ENOUGH, 0);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, push_one_and_close, NULL), 0);
    ck_assert_uint_eq(dsn_queue_pop(queue, &taken, 1, 0, LONG_MS), 1);
    ck_assert_ptr_eq(taken, &item);
    pthread_join(thread, NULL);
}
END_TEST

RUN_SUITE_WITH("queue", NULL, tear_down, what_is_gathered_is_as_much_as_was_asked_for,
               the_end_is_not_waited_out, more_than_half_of_a_small_queue_is_enough, what_is_heavy_is_enough,
               who_gathered_is_woken_for_one_again)
