/* policy: what it takes until an address is suppressed, for how long, and what takes it back: policies as the
 * configuration has them, a real redis-server, and a clock that the test moves. */
#include "unit.h"

#include "policy/policy.h"
#include "redis/keys.h"
#include "sink/redis.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <hiredis/hiredis.h>
#include <math.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define DAY INT64_C(86400000)
#define START (INT64_C(20780) * DAY + DAY / 2) /* noon */
#define ADDRESS "jane@example.com"

static struct {
    char *folder, *socket;
    pid_t pid;
    redisContext *client;
    struct dsn_keyfile *file;
    struct dsn_policies *policies;
    struct dsn_store_settings settings;
    struct dsn_store *store;
    unsigned serial;
    struct dsn_record *last;
} world;

static int64_t idle(void *context) {
    (void)context;
    return INT64_MAX;
}

static bool give_up(void *context, bool away) {
    (void)context;
    return away;
}

static const struct dsn_redis_waiter waiter = {.wake_fd = -1, .idle = idle, .give_up = give_up};

static void start_redis(void) {
    world.folder = g_dir_make_tmp("dsnd-policy-XXXXXX", NULL);
    world.socket = g_build_filename(world.folder, "redis.sock", NULL);
    world.pid = fork();
    if (world.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails does not tear down */
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", world.socket, "--dir",
               world.folder, "--save", "", "--logfile", "log", NULL);
        _exit(127);
    }
    while (!world.client || world.client->err) {
        ck_assert_int_eq(waitpid(world.pid, NULL, WNOHANG), 0);
        redisFree(world.client);
        g_usleep(5000);
        world.client = redisConnectUnix(world.socket);
    }
}

static void open_store(const char *conf) {
    struct dsn_problems *problems = dsn_problems_new();
    ck_assert_int_eq(dsn_keyfile_new("dsnd.conf", dsn_sv_str(conf), true, problems, &world.file), DSN_OK);
    world.policies = dsn_policies_read(world.file, problems);
    ck_assert_msg(dsn_problems_count(problems) == 0, "%s", dsn_problems_get(problems, 0));
    dsn_problems_free(problems);
    static char server[256];
    g_snprintf(server, sizeof server, "unix:%s", world.socket);
    world.settings = (struct dsn_store_settings){
        .redis = {.server = server, .timeout_ms = 5000},
        .prefix = "dsn",
        .shards = 1,
        .stream_maxlen = 10000,
        .seen_expiry_ms = DAY,
        .address_expiry_ms = 180 * DAY,
        .stats_expiry_ms = DAY,
        .max_domains = 10,
        .policies = world.policies,
        .guard_bounces = 50,
        .guard_factor = 4,
        .guard_discard_ms = 2 * DAY,
    };
    ck_assert_int_eq(dsn_store_open(&world.settings, &waiter, &world.store), DSN_OK);
    ck_assert_int_eq(dsn_store_ready(world.store), DSN_OK);
}

static void close_store(void) {
    dsn_record_free(world.last);
    world.last = NULL;
    dsn_store_close(world.store);
    dsn_policies_free(world.policies);
    dsn_keyfile_free(world.file);
}

static void set_up(void) {
    start_redis();
    open_store("");
}

/* Another configuration; Redis stays. */
static void configure(const char *conf) {
    close_store();
    open_store(conf);
}

static void tear_down(void) {
    close_store();
    redisFree(world.client);
    world.client = NULL;
    kill(world.pid, SIGTERM);
    waitpid(world.pid, NULL, 0);
    char *log = g_build_filename(world.folder, "log", NULL);
    g_remove(log);
    g_free(log);
    g_remove(world.socket);
    g_rmdir(world.folder);
    g_free(world.socket);
    g_free(world.folder);
}

/* What happens to the address, beyond an ordinary bounce. */
struct what {
    const char *reason, *category;
    enum dsn_kind kind;
    enum dsn_action action;
    const char *scope;
    bool weak;
    int64_t late_ms; /* how long before it is seen it happened */
};

#define WHAT(kind, action, reason, category) ((struct what){reason, category, kind, action, NULL, false, 0})
#define BOUNCE(action, reason, category) WHAT(DSN_KIND_BOUNCE, action, reason, category)
#define UNKNOWN BOUNCE(DSN_ACTION_SUPPRESS, "user-unknown", "recipient")
#define FULL BOUNCE(DSN_ACTION_COUNT, "mailbox-full", "mailbox")
#define COMPLAINT WHAT(DSN_KIND_COMPLAINT, DSN_ACTION_SUPPRESS, "complaint", "complaint")
#define DELIVERED WHAT(DSN_KIND_DELIVERED, DSN_ACTION_NONE, "delivered", "delivered")

static void happens(struct what what, int64_t at_ms) {
    const struct dsn_reason reason = {.name = what.reason, .category = what.category};
    const struct dsn_verdict verdict = {
        .kind = what.kind, .action = what.action, .reason = &reason, .rule = "a-rule", .provider = "google"};
    struct dsn_event event = {.json = DSN_LIT("{\"v\":1}"),
                              .topic = DSN_LIT("t"),
                              .address = DSN_LIT(ADDRESS),
                              .domain = DSN_LIT("example.com")};
    g_snprintf(event.id, sizeof event.id, "%032u", ++world.serial);
    const struct dsn_policy *policy = dsn_policies_find(world.policies, &verdict);
    struct dsn_judgement judgement = {
        .policy = policy ? policy->name : "",
        .weak = what.weak,
        .clears = what.kind == DSN_KIND_DELIVERED,
        .happened_at_ms = at_ms - what.late_ms,
        .evidence = (char *)(policy ? "{\"event\":\"x\"" : NULL),
    };
    if (what.scope && (judgement.clears || (policy && policy->scoped)))
        g_strlcpy(judgement.scope, what.scope, sizeof judgement.scope);
    dsn_record_free(world.last);
    world.last = dsn_record_new(&event, &verdict, &judgement, at_ms);
    g_snprintf(world.last->token, sizeof world.last->token, "t%u", world.serial);
    dsn_store_send(world.store, &world.last, 1);
    ck_assert_int_eq(dsn_store_finish(world.store), DSN_OK);
    ck_assert_msg(world.last->state == DSN_RECORD_NEW, "%s", world.last->refusal);
}

static char *ask(const char *format, ...) {
    va_list args;
    va_start(args, format);
    redisReply *reply = redisvCommand(world.client, format, args);
    va_end(args);
    ck_assert_ptr_nonnull(reply);
    ck_assert_int_ne(reply->type, REDIS_REPLY_ERROR);
    char *text = g_strdup(reply->str ? reply->str : reply->type == REDIS_REPLY_INTEGER ? "integer" : "");
    freeReplyObject(reply);
    return text;
}

/* What the stream has last. */
static void assert_event(const char *expected) {
    redisReply *reply = redisCommand(world.client, "XREVRANGE {dsn}:events + - COUNT 1");
    ck_assert_str_eq(reply->element[0]->element[1]->element[5]->str, expected);
    freeReplyObject(reply);
}

static void assert_state(const char *expected) {
    char *state = ask("HGET {dsn}:rcpt:%s state", ADDRESS);
    ck_assert_str_eq(state, expected);
    g_free(state);
}

/* In which the list has the address until `at_ms`; 0: it is not on it. */
static double until_in(const char *scope) {
    char *score = ask("ZSCORE {dsn}:%s%s%ssuppressed %s", scope ? "scope:" : "", scope ? scope : "",
                      scope ? ":" : "", ADDRESS);
    double until = score[0] ? g_ascii_strtod(score, NULL) : 0;
    g_free(score);
    return until;
}

#define ASSERT_UNTIL(ms) ck_assert_double_eq(until_in(NULL), (double)(ms))

/* Bounces on `n` days, `step` days from one to the next. */
static int64_t on_days(struct what what, int n, int step, int64_t at_ms) {
    for (int i = 0; i < n; i++)
        happens(what, at_ms + i * step * DAY);
    return at_ms + (n - 1) * step * DAY;
}

START_TEST(an_unknown_user_is_suppressed_at_once_for_a_week_a_month_and_for_good) {
    happens(UNKNOWN, START);
    assert_state("suppressed");
    ASSERT_UNTIL(START + 7 * DAY);
    happens(UNKNOWN, START + 8 * DAY);
    ASSERT_UNTIL(START + 38 * DAY);
    happens(UNKNOWN, START + 40 * DAY);
    ck_assert(isinf(until_in(NULL)));
    happens(UNKNOWN, START + 500 * DAY);
    ck_assert(isinf(until_in(NULL)));
}
END_TEST

START_TEST(a_suppression_long_after_the_last_one_is_no_repetition) {
    happens(UNKNOWN, START);
    happens(UNKNOWN, START + (7 + 181) * DAY);
    ASSERT_UNTIL(START + (7 + 181 + 7) * DAY);
    happens(UNKNOWN, START + (7 + 181 + 7 + 180) * DAY);
    ASSERT_UNTIL(START + (7 + 181 + 7 + 180 + 30) * DAY);
}
END_TEST

START_TEST(more_of_the_same_while_suppressed_makes_it_longer_and_is_no_repetition) {
    happens(UNKNOWN, START);
    happens(UNKNOWN, START + 2 * DAY);
    ASSERT_UNTIL(START + 9 * DAY);
    happens(UNKNOWN, START + 10 * DAY);
    ASSERT_UNTIL(START + 40 * DAY);
}
END_TEST

START_TEST(a_full_mailbox_is_suppressed_after_five_bounces_over_three_weeks) {
    int64_t at = on_days(FULL, 5, 5, START); /* over 20 days */
    assert_state("watch");
    ASSERT_UNTIL(0);
    happens(FULL, at + DAY);
    assert_state("suppressed");
    ASSERT_UNTIL(at + 8 * DAY);
}
END_TEST

START_TEST(four_bounces_are_not_enough_however_long) {
    on_days(FULL, 4, 10, START);
    assert_state("watch");
    ASSERT_UNTIL(0);
}
END_TEST

START_TEST(a_retry_storm_counts_as_one) {
    for (int i = 0; i < 50; i++)
        happens(FULL, START + i * 60000);
    happens(FULL, START + 25 * DAY);
    assert_state("watch");
    char *days = ask("HGET {dsn}:rcpt:%s days:mailbox-full", ADDRESS);
    ck_assert_str_eq(days, "20780 20805");
    g_free(days);
}
END_TEST

START_TEST(bounces_older_than_the_window_are_forgotten) {
    happens(FULL, START);
    on_days(FULL, 4, 2, START + 60 * DAY); /* five in all, over 66 days; the first is out of the window */
    assert_state("watch");
    on_days(FULL, 4, 7, START + 70 * DAY);
    assert_state("suppressed");
}
END_TEST

START_TEST(daily_bounces_do_not_forget_when_they_began) {
    on_days(FULL, 21, 1, START);
    assert_state("watch");
    happens(FULL, START + 21 * DAY);
    assert_state("suppressed");
}
END_TEST

/* Every default, in one table: bounces on the days before the last one do not suppress, the last one does. */
static const struct {
    const char *reason, *category;
    enum dsn_action action;
    int bounces, over_days;
} defaults[] = {
    {"user-unknown", "recipient", DSN_ACTION_SUPPRESS, 1, 0},
    {"user-moved", "recipient", DSN_ACTION_SUPPRESS, 1, 0},
    {"user-unknown", "recipient", DSN_ACTION_COUNT, 5, 14}, /* where the verdict is not sure */
    {"user-disabled", "recipient", DSN_ACTION_COUNT, 3, 7},
    {"suppressed", "recipient", DSN_ACTION_COUNT, 3, 7},
    {"filtered", "recipient", DSN_ACTION_COUNT, 5, 14},
    {"mailbox-full", "mailbox", DSN_ACTION_COUNT, 5, 21},
    {"host-unknown", "domain", DSN_ACTION_SUPPRESS, 3, 3},
    {"not-accepting", "domain", DSN_ACTION_SUPPRESS, 1, 0},
    {"network-error", "network", DSN_ACTION_COUNT, 5, 14},
    {"expired", "network", DSN_ACTION_COUNT, 5, 14},
    {"unknown", "unknown", DSN_ACTION_COUNT, 5, 14},
    {"a-reason-of-ones-own", "mine", DSN_ACTION_COUNT, 5, 14},
};

START_TEST(every_default_threshold) {
    for (size_t k = 0; k < G_N_ELEMENTS(defaults); k++) {
        struct what what = BOUNCE(defaults[k].action, defaults[k].reason, defaults[k].category);
        int before = defaults[k].bounces - 1;
        g_free(ask("FLUSHALL"));
        for (int i = 0; i < before; i++)
            happens(what, START + i * DAY);
        if (before > 0)
            assert_state("watch");
        /* Enough of them, and a day too few. */
        if (before > 0 && defaults[k].over_days > before) {
            happens(what, START + (defaults[k].over_days - 1) * DAY);
            assert_state("watch");
        }
        happens(what, START + defaults[k].over_days * DAY);
        assert_state("suppressed");
    }
}
END_TEST

START_TEST(what_has_run_out_leaves_the_list) {
    happens(UNKNOWN, START);
    g_free(ask("ZADD {dsn}:suppressed %lld other@example.com", (long long)(START + DAY)));
    happens(FULL, START + 8 * DAY);
    assert_state("watch");
    redisReply *reply = redisCommand(world.client, "ZCARD {dsn}:suppressed");
    ck_assert_int_eq(reply->integer, 0);
    freeReplyObject(reply);
}
END_TEST

START_TEST(what_does_not_speak_against_the_address_changes_nothing) {
    static const enum dsn_action actions[] = {DSN_ACTION_FIX, DSN_ACTION_NONE};
    for (int i = 0; i < 40; i++)
        happens(BOUNCE(actions[i % 2], "blocked", "reputation"), START + i * DAY);
    assert_state("ok");
    assert_event("{\"v\":1}");
}
END_TEST

START_TEST(a_delivery_clears_and_starts_anew) {
    on_days(FULL, 4, 7, START);
    happens(DELIVERED, START + 22 * DAY);
    assert_state("ok");
    happens(FULL, START + 23 * DAY);
    assert_state("watch");
    happens(UNKNOWN, START + 24 * DAY);
    happens(DELIVERED, START + 25 * DAY);
    assert_state("ok");
    ASSERT_UNTIL(0);
    happens(UNKNOWN, START + 26 * DAY);
    ASSERT_UNTIL(START + 33 * DAY); /* a first one again */
}
END_TEST

START_TEST(a_delivery_before_the_bounce_says_nothing_about_it) {
    happens(UNKNOWN, START);
    struct what late = DELIVERED;
    late.late_ms = DAY;
    happens(late, START + DAY / 2);
    assert_state("suppressed");
}
END_TEST

START_TEST(a_complaint_is_for_good_and_a_delivery_does_not_clear_it) {
    happens(COMPLAINT, START);
    ck_assert(isinf(until_in(NULL)));
    happens(DELIVERED, START + DAY);
    assert_state("suppressed");
    ck_assert(isinf(until_in(NULL)));
}
END_TEST

START_TEST(a_complaint_about_one_list_is_no_matter_of_the_others) {
    struct what complaint = COMPLAINT, unknown = UNKNOWN;
    complaint.scope = unknown.scope = "news.example.org";
    happens(complaint, START);
    ck_assert(isinf(until_in("news.example.org")));
    ASSERT_UNTIL(0);
    char *scopes = ask("SRANDMEMBER {dsn}:scopes");
    ck_assert_str_eq(scopes, "news.example.org");
    g_free(scopes);
    happens(unknown, START); /* a mailbox that is not there is not there for anybody */
    ASSERT_UNTIL(START + 7 * DAY);
}
END_TEST

START_TEST(what_one_list_has_filtered_is_no_matter_of_the_others) {
    struct what filtered = BOUNCE(DSN_ACTION_COUNT, "filtered", "recipient"), elsewhere = filtered;
    filtered.scope = "news.example.org";
    elsewhere.scope = "shop.example.org";
    int64_t last = on_days(filtered, 4, 4, START);
    happens(elsewhere, last);
    ck_assert(until_in("news.example.org") <= 0);
    happens(filtered, last + 2 * DAY);
    ck_assert(until_in("news.example.org") == (double)(last + 9 * DAY));
    ck_assert(until_in("shop.example.org") <= 0);
    ASSERT_UNTIL(0);
}
END_TEST

START_TEST(stale_bounces_count_nothing) {
    struct what late = UNKNOWN;
    late.late_ms = 30 * DAY + 1;
    happens(late, START);
    assert_state("ok");
    late.late_ms = 29 * DAY;
    happens(late, START);
    assert_state("suppressed");
}
END_TEST

START_TEST(what_is_older_than_the_last_clearing_counts_nothing) {
    happens(DELIVERED, START);
    struct what late = UNKNOWN;
    late.late_ms = DAY;
    happens(late, START + DAY / 2);
    assert_state("ok");
    happens(UNKNOWN, START + DAY);
    assert_state("suppressed");
}
END_TEST

START_TEST(late_bounces_count_on_the_day_when_they_happened_in_any_order) {
    static const int days[] = {21, 3, 0, 9, 15};
    for (size_t i = 0; i < G_N_ELEMENTS(days); i++) {
        struct what late = FULL;
        late.late_ms = (22 - days[i]) * DAY;
        happens(late, START + 22 * DAY);
    }
    assert_state("suppressed");
}
END_TEST

START_TEST(reports_that_nothing_speaks_for_are_watched_and_never_suppress) {
    struct what forged = UNKNOWN, full = FULL;
    forged.weak = full.weak = true;
    on_days(forged, 10, 3, START);
    on_days(full, 10, 3, START);
    assert_state("watch");
    ASSERT_UNTIL(0);
    happens(FULL, START + 30 * DAY); /* nor do they count for those that are shown */
    assert_state("watch");
}
END_TEST

START_TEST(policies_are_configurable_for_a_reason_and_for_a_category) {
    configure("[policy]\nexpiry = 1d; never\n[policy user-unknown]\nbounces = 2\nover = 0s\n"
              "[policy network]\nbounces = 2\nover = 1d\nexpiry = 12h\n[policy mailbox-full]\nbounces = 0\n");
    happens(UNKNOWN, START);
    assert_state("watch");
    happens(UNKNOWN, START + DAY);
    ASSERT_UNTIL(START + 2 * DAY);
    on_days(FULL, 30, 1, START + 3 * DAY);
    assert_event("{\"v\":1}");
    happens(UNKNOWN, START + 40 * DAY);
    ck_assert(isinf(until_in(NULL)));
}
END_TEST

START_TEST(a_row_for_a_category_holds_for_all_its_reasons_together) {
    configure("[policy network]\nbounces = 2\nover = 1d\nexpiry = 12h\n");
    happens(BOUNCE(DSN_ACTION_COUNT, "expired", "network"), START);
    happens(BOUNCE(DSN_ACTION_COUNT, "network-error", "network"), START + DAY);
    ASSERT_UNTIL(START + DAY + DAY / 2);
}
END_TEST

START_TEST(the_decision_is_part_of_the_event) {
    happens(UNKNOWN, START);
    char *expected =
        g_strdup_printf("{\"v\":1,\"decisions\":[{\"state\":\"suppressed\",\"before\":\"ok\",\"scope\":null,"
                        "\"until_ms\":%lld,\"policy\":\"user-unknown\",\"days\":1}]}",
                        (long long)(START + 7 * DAY));
    assert_event(expected);
    g_free(expected);
}
END_TEST

START_TEST(a_lost_reply_counts_once) {
    happens(UNKNOWN, START);
    world.last->state = DSN_RECORD_PENDING;
    dsn_store_send(world.store, &world.last, 1);
    ck_assert_int_eq(dsn_store_finish(world.store), DSN_OK);
    ck_assert_int_eq(world.last->state, DSN_RECORD_NEW);
    char *bounces = ask("HGET {dsn}:rcpt:%s bounce", ADDRESS);
    ck_assert_str_eq(bounces, "1");
    g_free(bounces);
}
END_TEST

START_TEST(the_evidence_is_kept_and_the_oldest_of_it_goes_first) {
    on_days(FULL, 25, 1, START);
    redisReply *reply = redisCommand(world.client, "LRANGE {dsn}:why:%s 0 -1", ADDRESS);
    ck_assert_uint_eq(reply->elements, 20);
    ck_assert(g_str_has_prefix(reply->element[19]->str, "{\"event\":\"x\",\"entry\":\""));
    freeReplyObject(reply);
}
END_TEST

static void bounces(const char *address, const char *provider, int64_t at_ms) {
    const struct dsn_reason reason = {.name = "user-unknown", .category = "recipient"};
    const struct dsn_verdict verdict = {.kind = DSN_KIND_BOUNCE,
                                        .type = DSN_TYPE_HARD,
                                        .action = DSN_ACTION_SUPPRESS,
                                        .reason = &reason,
                                        .rule = "no-such-user",
                                        .provider = provider};
    struct dsn_event event = {.json = DSN_LIT("{\"v\":1}"),
                              .topic = DSN_LIT("t"),
                              .address = dsn_sv_str(address),
                              .domain = DSN_LIT("example.com")};
    g_snprintf(event.id, sizeof event.id, "%032u", ++world.serial);
    const struct dsn_judgement judgement = {
        .policy = "user-unknown", .happened_at_ms = at_ms, .evidence = (char *)"{\"event\":\"x\""};
    struct dsn_record *record = dsn_record_new(&event, &verdict, &judgement, at_ms);
    g_snprintf(record->token, sizeof record->token, "t%u", world.serial);
    dsn_store_send(world.store, &record, 1);
    ck_assert_int_eq(dsn_store_finish(world.store), DSN_OK);
    ck_assert_msg(record->state == DSN_RECORD_NEW, "%s", record->refusal);
    dsn_record_free(record);
}

/* A hard bounce of another address each time. */
static void another_bounces(const char *provider, int64_t at_ms) {
    static unsigned serial;
    char address[64];
    g_snprintf(address, sizeof address, "user%u@example.com", ++serial);
    bounces(address, provider, at_ms);
}

static long long count_of(const char *key) {
    redisReply *reply = redisCommand(world.client, "ZCARD {dsn}:%s", key);
    long long n = reply->integer;
    freeReplyObject(reply);
    return n;
}

static long long open_incidents(void) {
    redisReply *reply = redisCommand(world.client, "ZCOUNT {dsn}:incidents inf inf");
    long long n = reply->integer;
    freeReplyObject(reply);
    return n;
}

/* Ten days as they are: of two providers, 48 and 96 a day. */
static int64_t ordinary_days(void) {
    for (int hour = 0; hour < 240; hour++)
        for (int i = 0; i < 6; i++)
            another_bounces(i % 3 ? "google" : "microsoft", START + hour * (DAY / 24) + i * 60000);
    return START + 10 * DAY;
}

START_TEST(an_outage_is_held_and_announced) {
    int64_t at = ordinary_days();
    ck_assert_int_eq(count_of("held:google"), 0);
    for (int i = 0; i < 1000; i++)
        another_bounces("google", at + i * 1000);
    ck_assert_int_ge(count_of("held:google"), 1000); /* with those that came before it was one */
    another_bounces("microsoft", at + 1000000);      /* the others are not held */
    ck_assert_int_eq(count_of("held:microsoft"), 0);
    redisReply *reply = redisCommand(world.client, "XREVRANGE {dsn}:events + - COUNT 1200");
    unsigned incidents = 0, retractions = 0;
    for (size_t i = 0; i < reply->elements; i++)
        incidents += g_str_equal(reply->element[i]->element[1]->element[3]->str, "incident.-.open.google");
    for (size_t i = 0; i < reply->elements; i++)
        retractions += g_str_equal(reply->element[i]->element[1]->element[3]->str,
                                   "retraction.-.user-unknown.example.com");
    ck_assert_uint_eq(incidents, 1);
    ck_assert_int_eq(open_incidents(), 1);
    ck_assert_uint_ge(retractions, 49);
    ck_assert_uint_le(retractions, 80);
    freeReplyObject(reply);
}
END_TEST

START_TEST(a_mailing_whose_bounces_come_from_everywhere_is_no_outage) {
    int64_t at = ordinary_days();
    for (int i = 0; i < 900; i++)
        another_bounces(i % 3 ? "google" : "microsoft", at + i * 1000);
    ck_assert_int_eq(count_of("held:google") + count_of("held:microsoft"), 0);
}
END_TEST

START_TEST(an_outage_ends_and_what_was_held_is_forgotten) {
    int64_t at = ordinary_days();
    for (int i = 0; i < 500; i++)
        another_bounces("google", at + i * 1000);
    long long held = count_of("held:google");
    ck_assert_int_gt(held, 0);
    another_bounces("google", at + DAY); /* it is over: suppressed */
    ck_assert_int_eq(count_of("incidents") - open_incidents(), 1);
    ck_assert_int_eq(count_of("held:google"), held);
    for (int i = 0; i < 10; i++)
        another_bounces("google", at + 3 * DAY + i);
    ck_assert_int_eq(count_of("held:google"), 0);
}
END_TEST

START_TEST(who_was_held_and_bounces_again_days_later_is_suppressed_whatever_his_provider_does) {
    int64_t at = ordinary_days();
    for (int i = 0; i < 500; i++)
        another_bounces("google", at + i * 1000);
    bounces(ADDRESS, "google", at + 600 * 1000);
    assert_state("held");
    for (int i = 0; i < 500; i++)
        another_bounces("google", at + DAY + i * 1000);
    bounces(ADDRESS, "google", at + DAY + 600 * 1000);
    assert_state("held");
    for (int i = 0; i < 500; i++)
        another_bounces("google", at + 5 * DAY + i * 1000);
    ck_assert_int_eq(open_incidents(), 1);
    bounces(ADDRESS, "google", at + 5 * DAY + 600 * 1000);
    assert_state("suppressed");
    for (int i = 0; i < 200; i++) /* nor is he taken back with those that it called dead */
        another_bounces("google", at + 5 * DAY + (700 + i) * 1000);
    assert_state("suppressed");
}
END_TEST

START_TEST(an_outage_that_lasts_holds_again_whom_it_held) {
    int64_t at = ordinary_days();
    for (int minute = 0; minute < 3 * 24 * 60; minute += 1) {
        another_bounces("google", at + minute * 60000);
        if (minute == 600)
            bounces(ADDRESS, "google", at + minute * 60000);
    }
    bounces(ADDRESS, "google", at + 3 * DAY);
    assert_state("held");
}
END_TEST

START_TEST(shards_never_change) {
    /* As another implementation of SipHash has them. */
    ck_assert_uint_eq(dsn_keys_shard(DSN_LIT("example.com"), 1), 0);
    static const struct {
        const char *domain;
        unsigned shard;
    } known[] = {{"example.com", 7965}, {"gmail.com", 971}, {"example.org", 14170}, {"", 9194}};
    for (size_t i = 0; i < G_N_ELEMENTS(known); i++)
        ck_assert_uint_eq(dsn_keys_shard(dsn_sv_str(known[i].domain), 16384), known[i].shard);
}
END_TEST

/* What is wrong in a configuration is named by its line. */
static const struct {
    const char *conf, *problem;
} mistakes[] = {
    {"[policy]\nover = 5 mins\n", "dsnd.conf:2: over = 5 mins: no duration"},
    {"[policy]\nbounces = 1\n", "dsnd.conf:2: bounces = 1: what only counts never suppresses alone"},
    {"[policy expired]\nbounces = 11\n", "dsnd.conf:2: bounces = 11: no number of bounces"},
    {"[policy]\nwindow = 1h\n", "dsnd.conf:2: window = 1h: out of range; expected 1d to 365d"},
    {"[policy]\nstale = 1m\n", "dsnd.conf:2: stale = 1m: out of range; expected 1h to 3650d"},
    {"[policy expired]\nrepeat = 9999d\n",
     "dsnd.conf:2: repeat = 9999d: out of range; expected at most 3650d"},
    {"[policy expired]\nexpiry = 0s\n",
     "dsnd.conf:2: expiry = 0s: out of range; expected 1s to 3650d, or never"},
    {"[policy expired]\nexpiry = 7d; never; 1d\n",
     "dsnd.conf:2: expiry = 7d; never; 1d: nothing comes after never"},
    {"[policy expired]\nexpiry = 7\n", "dsnd.conf:2: expiry = 7: no duration"},
    {"[policy expired]\nover = 60d\n", "dsnd.conf:1: [policy expired]: over is as long as window"},
    {"[policy expired]\nreach = none\n", "dsnd.conf:2: reach = none: not a choice"},
    {"[policy expired]\nstale = 7d\n", "dsnd.conf:2: found unknown key \"stale\""},
    {"[policy No Name]\nbounces = 2\n", "dsnd.conf:1: [policy No Name]: no name"},
};

START_TEST(mistakes_are_named_by_line) {
    for (size_t i = 0; i < G_N_ELEMENTS(mistakes); i++) {
        struct dsn_problems *problems = dsn_problems_new();
        struct dsn_keyfile *file = NULL;
        ck_assert_int_eq(dsn_keyfile_new("dsnd.conf", dsn_sv_str(mistakes[i].conf), true, problems, &file),
                         DSN_OK);
        dsn_policies_free(dsn_policies_read(file, problems));
        ck_assert_uint_eq(dsn_problems_count(problems), 1);
        ck_assert_msg(g_str_has_prefix(dsn_problems_get(problems, 0), mistakes[i].problem), "%s",
                      dsn_problems_get(problems, 0));
        dsn_keyfile_free(file);
        dsn_problems_free(problems);
    }
}
END_TEST

START_TEST(a_policy_for_no_reason_is_a_mistake) {
    struct dsn_problems *problems = dsn_problems_new();
    struct dsn_keyfile *file = NULL;
    struct dsn_knowledge *knowledge = NULL;
    ck_assert_int_eq(dsn_knowledge_new_builtin(&knowledge), DSN_OK);
    const char *conf =
        "[policy mailbox]\nbounces = 2\n[policy expired]\nbounces = 2\n[policy mailbox-ful]\nbounces = 2\n";
    ck_assert_int_eq(dsn_keyfile_new("dsnd.conf", dsn_sv_str(conf), true, problems, &file), DSN_OK);
    struct dsn_policies *policies = dsn_policies_read(file, problems);
    ck_assert(!dsn_policies_check(policies, knowledge, problems));
    ck_assert_uint_eq(dsn_problems_count(problems), 1);
    ck_assert_str_eq(dsn_problems_get(problems, 0),
                     "dsnd.conf:5: [policy mailbox-ful]: there is no such reason or category");
    dsn_policies_free(policies);
    dsn_keyfile_free(file);
    dsn_knowledge_unref(knowledge);
    dsn_problems_free(problems);
}
END_TEST

RUN_SUITE_WITH("policy", set_up, tear_down,
               an_unknown_user_is_suppressed_at_once_for_a_week_a_month_and_for_good,
               a_suppression_long_after_the_last_one_is_no_repetition,
               more_of_the_same_while_suppressed_makes_it_longer_and_is_no_repetition,
               a_full_mailbox_is_suppressed_after_five_bounces_over_three_weeks,
               four_bounces_are_not_enough_however_long, a_retry_storm_counts_as_one,
               bounces_older_than_the_window_are_forgotten, daily_bounces_do_not_forget_when_they_began,
               every_default_threshold, what_has_run_out_leaves_the_list,
               what_does_not_speak_against_the_address_changes_nothing, a_delivery_clears_and_starts_anew,
               a_delivery_before_the_bounce_says_nothing_about_it,
               a_complaint_is_for_good_and_a_delivery_does_not_clear_it,
               a_complaint_about_one_list_is_no_matter_of_the_others,
               what_one_list_has_filtered_is_no_matter_of_the_others, stale_bounces_count_nothing,
               what_is_older_than_the_last_clearing_counts_nothing,
               late_bounces_count_on_the_day_when_they_happened_in_any_order,
               reports_that_nothing_speaks_for_are_watched_and_never_suppress,
               policies_are_configurable_for_a_reason_and_for_a_category,
               a_row_for_a_category_holds_for_all_its_reasons_together, the_decision_is_part_of_the_event,
               a_lost_reply_counts_once, the_evidence_is_kept_and_the_oldest_of_it_goes_first,
               an_outage_is_held_and_announced, a_mailing_whose_bounces_come_from_everywhere_is_no_outage,
               an_outage_ends_and_what_was_held_is_forgotten,
               who_was_held_and_bounces_again_days_later_is_suppressed_whatever_his_provider_does,
               an_outage_that_lasts_holds_again_whom_it_held, shards_never_change, mistakes_are_named_by_line,
               a_policy_for_no_reason_is_a_mistake)
