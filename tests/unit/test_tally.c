/* tally: counters by words. */
#include "base/tally.h"

#include "unit.h"

#include <pthread.h>
#include <stdio.h>

enum { THREADS = 4, ROUNDS = 20000, NAMES = 50 };

struct seen {
    size_t n;
    uint64_t sum, of_other, of_name_7;
};

static void see(void *context, const char *const words[], uint64_t count) {
    struct seen *seen = context;
    seen->n++;
    seen->sum += count;
    if (strcmp(words[0], DSN_TALLY_OTHER) == 0)
        seen->of_other += count;
    if (strcmp(words[0], "bounce") == 0 && strcmp(words[1], "name7") == 0)
        seen->of_name_7 += count;
}

static void *count_all(void *argument) {
    struct dsn_tally *tally = argument;
    char name[16];
    for (int i = 0; i < ROUNDS; i++) {
        int n = snprintf(name, sizeof name, "name%d", i % NAMES);
        dsn_tally_add(tally, (const struct dsn_strview[]){DSN_LIT("bounce"), {name, (size_t)n}});
    }
    return NULL;
}

static struct seen count_in_threads(size_t max) {
    struct dsn_tally *tally = dsn_tally_new(2, max);
    struct seen seen = {0};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count_all, tally), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    dsn_tally_each(tally, see, &seen);
    dsn_tally_free(tally);
    return seen;
}

START_TEST(threads_count_together_and_nothing_is_lost) {
    struct seen seen = count_in_threads(NAMES);
    ck_assert_uint_eq(seen.n, NAMES);
    ck_assert_uint_eq(seen.sum, THREADS * ROUNDS);
    ck_assert_uint_eq(seen.of_name_7, THREADS * ROUNDS / NAMES);
    ck_assert_uint_eq(seen.of_other, 0);
}
END_TEST

START_TEST(what_finds_no_place_is_counted_as_other) {
    struct seen seen = count_in_threads(10);
    ck_assert_uint_eq(seen.n, 11);
    ck_assert_uint_eq(seen.sum, THREADS * ROUNDS);
    ck_assert_uint_eq(seen.of_other, THREADS * ROUNDS / NAMES * (NAMES - 10));
}
END_TEST

START_TEST(where_a_word_ends_matters) {
    struct dsn_tally *tally = dsn_tally_new(2, 4);
    struct seen seen = {0};
    dsn_tally_add(tally, (const struct dsn_strview[]){DSN_LIT("ab"), DSN_LIT("c")});
    dsn_tally_add(tally, (const struct dsn_strview[]){DSN_LIT("a"), DSN_LIT("bc")});
    dsn_tally_add(tally, (const struct dsn_strview[]){DSN_LIT(""), DSN_LIT("abc")});
    dsn_tally_each(tally, see, &seen);
    ck_assert_uint_eq(seen.n, 3);
    dsn_tally_free(tally);
}
END_TEST

RUN_SUITE("tally", threads_count_together_and_nothing_is_lost, what_finds_no_place_is_counted_as_other,
          where_a_word_ends_matters)
