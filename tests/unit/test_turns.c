/* turns: who reads at a time. */
#include "unit.h"

#include "run/turns.h"

#include <stdatomic.h>

enum { READERS = 4, ROUNDS = 5000 };

static struct dsn_turns turns;
static _Atomic int reading, wrong;

static void set_up(void) {
    dsn_turns_init(&turns);
}

static void tear_down(void) {
    dsn_turns_clear(&turns);
}

static void *read_often(void *context) {
    (void)context;
    for (int i = 0; i < ROUNDS; i++) {
        bool alone = i % 10 == 0;
        dsn_turns_begin(&turns, alone);
        int others = reading++;
        wrong += alone && (others > 0 || reading > 1);
        reading--;
        dsn_turns_end(&turns);
    }
    return NULL;
}

START_TEST(who_is_alone_has_nobody_beside_it) {
    pthread_t threads[READERS];
    for (size_t i = 0; i < READERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, read_often, NULL), 0);
    for (size_t i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(wrong, 0);
}
END_TEST

START_TEST(any_number_reads_at_a_time_where_nobody_is_alone) {
    for (size_t i = 0; i < READERS; i++)
        dsn_turns_begin(&turns, false);
    for (size_t i = 0; i < READERS; i++)
        dsn_turns_end(&turns);
}
END_TEST

static void *read_alone(void *context) {
    (void)context;
    dsn_turns_begin(&turns, true);
    dsn_turns_end(&turns);
    return NULL;
}

START_TEST(the_turn_of_a_thread_that_is_stuck_is_ended_by_another) {
    pthread_t thread;
    dsn_turns_begin(&turns, false);
    ck_assert_int_eq(pthread_create(&thread, NULL, read_alone, NULL), 0);
    dsn_turns_end(&turns); /* for the one that began */
    pthread_join(thread, NULL);
}
END_TEST

RUN_SUITE_WITH("turns", set_up, tear_down, who_is_alone_has_nobody_beside_it,
               any_number_reads_at_a_time_where_nobody_is_alone,
               the_turn_of_a_thread_that_is_stuck_is_ended_by_another)
