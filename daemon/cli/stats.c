/* stats: `dsnd stats`, what the status page shows, in a terminal: the counters of the last days, the
 * suppression list, what is held, outages, the last events, and how the daemon is. Needs Redis only. */
#include "cli.h"
#include "output.h"
#include "server.h"
#include "status.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/sv.h"
#include "redis/overview.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WATCH_S = 2, BAR_WIDTH = 30, MOST_BARS = 12, MOST_EVENTS = 10, MOST_ADDRESSES = 10 };

struct bar {
    const char *name;
    uint64_t n;
};

static struct dsn_overview_day *day_at(const struct dsn_overview *overview, guint i) {
    return g_ptr_array_index(overview->days, i);
}

/* Bars */

static void print_bar(const char *name, uint64_t n, uint64_t most) {
    char *shown = dsn_output_shown(dsn_sv_str(name));
    guint width = most ? (guint)((n * BAR_WIDTH + most - 1) / most) : 0;
    printf("  %-20s %9" G_GUINT64_FORMAT "  ", shown, n);
    for (guint i = 0; i < width; i++)
        putchar('#');
    putchar('\n');
    g_free(shown);
}

static gint by_number(gconstpointer a, gconstpointer b) {
    const struct bar *ba = a, *bb = b;
    return ba->n != bb->n ? (ba->n < bb->n) - (ba->n > bb->n) : strcmp(ba->name, bb->name);
}

static void add_bar(void *bars, const char *name, uint64_t n) {
    const struct bar bar = {name, n};
    g_array_append_val((GArray *)bars, bar);
}

/* Of the fields that begin with `prefix`. `total`: of how many they should be; 0: whatever they are. */
static void print_bars(GHashTable *counts, const char *title, const char *prefix, uint64_t total) {
    GArray *bars = g_array_new(FALSE, FALSE, sizeof(struct bar));
    uint64_t sum = 0;
    dsn_overview_each(counts, prefix, add_bar, bars);
    g_array_sort(bars, by_number);
    for (guint i = 0; i < bars->len; i++)
        sum += g_array_index(bars, struct bar, i).n;
    if (sum > 0 && sum < total)
        printf("\n%s, of %" G_GUINT64_FORMAT " of them\n", title, sum);
    else if (sum > 0)
        printf("\n%s\n", title);
    for (guint i = 0; i < bars->len && i < MOST_BARS; i++) {
        const struct bar *bar = &g_array_index(bars, struct bar, i);
        print_bar(bar->name, bar->n, g_array_index(bars, struct bar, 0).n);
    }
    g_array_unref(bars);
}

/* The counts of all days together; the names are borrowed. */
static GHashTable *sum_up(const struct dsn_overview *overview) {
    GHashTable *sums = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
    for (guint i = 0; i < overview->days->len; i++) {
        GHashTableIter fields;
        gpointer field, count;
        g_hash_table_iter_init(&fields, day_at(overview, i)->counts);
        while (g_hash_table_iter_next(&fields, &field, &count)) {
            uint64_t *sum = g_new0(uint64_t, 1);
            *sum = dsn_overview_count(sums, field) + *(const uint64_t *)count;
            g_hash_table_replace(sums, field, sum);
        }
    }
    return sums;
}

static void print_sums(const struct dsn_overview *overview) {
    GHashTable *sums = sum_up(overview);
    print_bars(sums, "Kinds, 30 days", "kind:", 0);
    print_bars(sums, "Reasons, 30 days", "reason:", 0);
    print_bars(sums, "Providers, 30 days", "provider:", 0);
    g_hash_table_unref(sums);
}

static void print_days(const struct dsn_overview *overview) {
    uint64_t most = 0;
    for (guint i = 0; i < overview->days->len; i++)
        most = MAX(most, dsn_overview_count(day_at(overview, i)->counts, "events"));
    printf("Events by day, %d days: hard, soft, all\n", DSN_OVERVIEW_DAYS);
    for (guint i = 0; i < overview->days->len; i++) {
        const struct dsn_overview_day *day = day_at(overview, i);
        uint64_t n = dsn_overview_count(day->counts, "events");
        char *name = g_strdup_printf("%.8s %5" G_GUINT64_FORMAT " %5" G_GUINT64_FORMAT, day->day,
                                     dsn_overview_count(day->counts, "type:hard"),
                                     dsn_overview_count(day->counts, "type:soft"));
        if (n > 0)
            print_bar(name, n, most);
        g_free(name);
    }
}

/* Events and addresses */

/* A text of an event; "-" where it has none. Freed with g_free. */
static char *text_at(yajl_val event, const char *name) {
    const char *path[] = {name, NULL};
    yajl_val value = yajl_tree_get(event, path, yajl_t_string);
    return dsn_output_shown(dsn_sv_str(value ? YAJL_GET_STRING(value) : "-"));
}

static void print_event(const char *text) {
    static const struct {
        const char *name;
        int width;
    } columns[] = {{"observed_at", 19}, {"kind", 10},  {"type", 4},
                   {"reason", 20},      {"action", 8}, {"recipient", 0}};
    yajl_val event = dsn_json_object(dsn_sv_str(text));
    putchar(' ');
    for (size_t i = 0; i < G_N_ELEMENTS(columns) && event; i++) {
        char *shown = text_at(event, columns[i].name);
        printf(" %-*.*s", columns[i].width, columns[i].width ? columns[i].width : INT_MAX, shown);
        g_free(shown);
    }
    putchar('\n');
    yajl_tree_free(event);
}

static void print_address(const struct dsn_overview_address *address) {
    const char *const words[] = {address->address, address->reason, address->provider, address->rule};
    static const int widths[] = {40, 16, 12, 0};
    putchar(' ');
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        char *shown = dsn_output_shown(dsn_sv_str(*words[i] ? words[i] : "-"));
        printf(" %-*s", widths[i], shown);
        g_free(shown);
    }
    putchar('\n');
}

/* How many there are, why, and the latest of them. */
static void print_list(const char *name, const struct dsn_overview_list *list) {
    printf("\n%s: %" G_GUINT64_FORMAT " addresses\n", name, list->total);
    print_bars(list->counts, "  by reason", "reason:", list->total);
    print_bars(list->counts, "  by provider", "provider:", list->total);
    if (list->addresses->len > 0)
        puts("\n  the latest");
    for (guint i = 0; i < list->addresses->len && i < MOST_ADDRESSES; i++)
        print_address(g_ptr_array_index(list->addresses, i));
}

static void print_incidents(const struct dsn_overview *overview) {
    if (overview->incidents->len > 0)
        puts("\nIncidents");
    for (guint i = 0; i < overview->incidents->len; i++) {
        const struct dsn_overview_incident *incident = g_ptr_array_index(overview->incidents, i);
        char began[DSN_CLOCK_RFC3339_SIZE], over[DSN_CLOCK_RFC3339_SIZE];
        char *provider = dsn_output_shown(dsn_sv_str(incident->provider)),
             *answer = dsn_output_shown(dsn_sv_str(incident->answer));
        printf("  %.19s  %-19.19s  %-20s %s\n", dsn_clock_rfc3339(incident->began_ms, began),
               isfinite(incident->over_ms) ? dsn_clock_rfc3339((int64_t)incident->over_ms, over) : "open",
               provider, answer);
        g_free(provider);
        g_free(answer);
    }
}

static void print_all(const struct dsn_overview *overview) {
    print_days(overview);
    print_sums(overview);
    print_list("Suppressed", &overview->suppressed);
    print_list("Held", &overview->held);
    print_incidents(overview);
    printf("\nLast events, of %" G_GUINT64_FORMAT " in the stream\n", overview->n_events);
    for (guint i = 0; i < overview->entries->len && i < MOST_EVENTS; i++)
        print_event(((const struct dsn_overview_entry *)g_ptr_array_index(overview->entries, i))->event);
}

static int show(const struct dsn_conf *conf, bool watch) {
    static const char *const no_scripts[] = {NULL};
    struct dsn_server *server = dsn_server_open(conf, no_scripts);
    struct dsn_overview *overview = dsn_overview_new();
    bool good = true;
    do {
        struct dsn_redis *redis = dsn_server_redis(server);
        good = redis &&
               dsn_overview_read(overview, redis, conf->redis_prefix, (unsigned)conf->redis_shards) == DSN_OK;
        if (watch && isatty(STDOUT_FILENO))
            fputs("\033[H\033[2J", stdout); /* the whole screen anew */
        if (good)
            print_all(overview);
        else if (redis)
            fprintf(stderr, "dsnd stats: Redis (%s) does not answer as it should\n",
                    dsn_conf_redis_name(conf));
        dsn_status_print(conf);
        fflush(stdout);
    } while (watch && !ferror(stdout) && sleep(WATCH_S) == 0);
    dsn_overview_free(overview);
    dsn_server_close(server);
    return good ? DSN_EXIT_OK : DSN_EXIT_FAILED;
}

int dsn_cli_stats(int argc, char **argv) {
    char *path = NULL;
    gboolean watch = FALSE;
    const GOptionEntry entries[] = {
        {"config", 'c', 0, G_OPTION_ARG_FILENAME, &path, "the configuration (" DSN_CONF_PATH ")", "FILE"},
        {"watch", 'w', 0, G_OPTION_ARG_NONE, &watch, "go on, every two seconds", NULL},
        {0},
    };
    int status = DSN_EXIT_USAGE;
    if (dsn_cli_options(&argc, &argv, entries, NULL,
                        "Shows what Redis has: events by day, reason and provider, what is suppressed and "
                        "held and why, outages, the last events; and how far the daemon's sources and sinks "
                        "are behind.")) {
        struct dsn_conf *conf = argc > 1 ? NULL : dsn_server_conf(path);
        if (argc > 1)
            status = dsn_cli_usage("stats", "there is nothing to be done with \"%s\"", argv[1]);
        else
            status = conf ? show(conf, watch) : DSN_EXIT_FAILED;
        dsn_conf_free(conf);
    }
    g_free(path);
    return status;
}
