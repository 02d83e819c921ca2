/* unit: what the unit tests share: running one suite, comparing strviews, and a reader made once a process.
 */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include "base/arena.h"
#include "base/sv.h"
#include "dsn/dsn.h"

#include <check.h>
#include <stdlib.h>

static inline void assert_sv(struct dsn_strview actual, const char *expected) {
    ck_assert_msg(dsn_sv_eq(actual, dsn_sv_str(expected)), "expected \"%s\", got \"%.*s\"", expected,
                  (int)actual.n, actual.p ? actual.p : "");
}

/* `set_up` and `tear_down` (both may be NULL) run around each test, in its process. */
static inline int run_suite(const char *name, void (*set_up)(void), void (*tear_down)(void),
                            const TTest *const *tests, size_t n) {
    Suite *suite = suite_create(name);
    TCase *cases = tcase_create(name);
    tcase_set_timeout(cases, 60); /* sanitizers are slow */
    tcase_add_checked_fixture(cases, set_up, tear_down);
    for (size_t i = 0; i < n; i++)
        tcase_add_test(cases, tests[i]);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#define RUN_SUITE_WITH(name, set_up, tear_down, ...)                                                         \
    int main(void) {                                                                                         \
        const TTest *const tests[] = {__VA_ARGS__};                                                          \
        return run_suite(name, set_up, tear_down, tests, sizeof tests / sizeof tests[0]);                    \
    }
#define RUN_SUITE(name, ...) RUN_SUITE_WITH(name, NULL, NULL, __VA_ARGS__)

#endif
