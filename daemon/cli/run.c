/* run: the daemon, in the foreground. Reads the configuration, starts the pipeline, and answers signals. */
#include "cli.h"

#include "base/log.h"
#include "lookup/lookup.h"
#include "run/http.h"
#include "run/knowledge.h"
#include "run/pipeline.h"
#include "run/service.h"
#include "run/trust.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define LOOK_MAX_MS 1000 /* how often to look whether a thread is stuck */

struct daemon {
    struct dsn_conf *conf;
    struct dsn_pipeline *pipeline;
    struct dsn_lookup_settings lookup_settings;
    struct dsn_lookup *lookup; /* NULL: none is configured */
    struct dsn_http *http;     /* NULL: nobody asked for it */
    int signal_fd;
    bool interrupted, stuck;
    bool left; /* a thread is, that must find what it uses */
};

/* Signals come by a file descriptor, to this thread alone. SIGPIPE is an errno here; SIGIO comes when
 * somebody opens a file that maildir.c has a lease on. */
static int catch_signals(void) {
    sigset_t signals;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGIO, SIG_IGN);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* What GLib cannot go on after, which is running out of memory: it would end us by a signal. */
static void end_at_once(const char *domain, GLogLevelFlags level, const char *message, void *data) {
    if (!(level & G_LOG_LEVEL_ERROR)) {
        g_log_default_handler(domain, level, message, data);
        return;
    }
    DSN_LOG(DSN_LOG_ERROR, "out-of-memory", dsn_log_str("error", message));
    _exit(DSN_EXIT_FAILED);
}

/* What SIGHUP loads again. */
static enum dsn_error load(const struct dsn_conf *conf, struct dsn_problems *problems,
                           struct dsn_knowledge **knowledge, struct dsn_verp **keys) {
    enum dsn_error error = dsn_trust_load_keys(conf, problems, keys);
    enum dsn_error second = dsn_knowledge_load(conf->knowledge_dir, problems, knowledge);
    if (!second && !dsn_policies_check(conf->policies, *knowledge, problems))
        second = DSN_ERR_SYNTAX;
    return error ? error : second;
}

/* SIGHUP: loads the knowledge and the keys again. What is wrong is refused and logged, and the old stays. */
static void reload(struct daemon *daemon) {
    struct dsn_problems *problems = dsn_problems_new();
    struct dsn_knowledge *knowledge = NULL;
    dsn_service_reloading();
    struct dsn_verp *keys = NULL;
    enum dsn_error error = load(daemon->conf, problems, &knowledge, &keys);
    enum dsn_error second = dsn_pipeline_reload_outlets(daemon->pipeline, problems);
    error = error ? error : second;
    for (size_t i = 0; i < dsn_problems_count(problems); i++)
        DSN_LOG(DSN_LOG_ERROR, "reload-problem", dsn_log_str("problem", dsn_problems_get(problems, i)));
    if (error) {
        DSN_LOG(DSN_LOG_ERROR, "reload-refused", dsn_log_str("error", dsn_error_text(error)));
    } else {
        dsn_pipeline_set_knowledge(daemon->pipeline, knowledge, keys);
        DSN_LOG(DSN_LOG_INFO, "reloaded", dsn_log_str("ruleset", dsn_knowledge_ruleset(knowledge)));
    }
    dsn_knowledge_unref(knowledge);
    dsn_verp_unref(keys);
    dsn_problems_free(problems);
    dsn_service_ready();
}

static void answer_signal(struct daemon *daemon) {
    struct signalfd_siginfo info;
    if (read(daemon->signal_fd, &info, sizeof info) != sizeof info)
        return;
    if (info.ssi_signo == SIGHUP) {
        reload(daemon);
        return;
    }
    DSN_LOG(DSN_LOG_INFO, "stopping",
            dsn_log_str("signal", info.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT"));
    dsn_service_stopping();
    /* The second time somebody means it. */
    dsn_pipeline_stop(daemon->pipeline, daemon->interrupted ? 0 : daemon->conf->drain_ms);
    daemon->interrupted = true;
}

static void wait_for_end(struct daemon *daemon) {
    struct pollfd fds[] = {{.fd = daemon->signal_fd, .events = POLLIN},
                           {.fd = dsn_pipeline_done_fd(daemon->pipeline), .events = POLLIN}};
    int look_ms = (int)MIN(daemon->conf->max_time_ms, LOOK_MAX_MS);
    while (!fds[1].revents) {
        if (poll(fds, 2, look_ms) < 0 && errno != EINTR)
            return;
        if (fds[0].revents)
            answer_signal(daemon);
        daemon->stuck = dsn_pipeline_watch(daemon->pipeline);
    }
}

/* 0: all is settled, or (without --once) we were asked to leave. */
static int conclude(const struct daemon *daemon, bool once, enum dsn_error error,
                    const struct dsn_counts *counts) {
    DSN_LOG(DSN_LOG_INFO, "stopped", dsn_log_int("messages", (int64_t)counts->settled),
            dsn_log_int("events", (int64_t)counts->events),
            dsn_log_int("duplicates", (int64_t)counts->duplicates),
            dsn_log_int("set_aside", (int64_t)counts->aside),
            dsn_log_int("unsettled", (int64_t)counts->unsettled),
            dsn_log_int("postponed", (int64_t)counts->postponed));
    if (daemon->stuck)
        return DSN_EXIT_STUCK;
    if (!once)
        return daemon->interrupted ? DSN_EXIT_OK : DSN_EXIT_FAILED;
    bool all = !error && !daemon->interrupted && counts->aside + counts->unsettled + counts->postponed == 0;
    return all ? DSN_EXIT_OK : DSN_EXIT_FAILED;
}

/* Answers to mail servers, which go on until all is settled. */
static enum dsn_error open_lookup(struct daemon *daemon, char *why, size_t why_size) {
    const struct dsn_conf *conf = daemon->conf;
    struct dsn_redis_settings redis = dsn_conf_redis(conf);
    redis.timeout_ms = conf->lookup_timeout_ms;
    daemon->lookup_settings = (struct dsn_lookup_settings){
        .listen = conf->lookup_listen,
        .access = (enum dsn_listener_access)conf->lookup_access,
        .max_clients = (size_t)conf->lookup_clients,
        .suppressed = {.redis = redis,
                       .prefix = conf->redis_prefix,
                       .shards = (unsigned)conf->redis_shards,
                       .cache_ms = conf->lookup_cache_ms},
        .answered = dsn_metrics_lookup,
        .context = dsn_pipeline_metrics(daemon->pipeline),
    };
    return dsn_lookup_open(&daemon->lookup_settings, why, why_size, &daemon->lookup);
}

static enum dsn_error open_all(struct daemon *daemon, bool once, struct dsn_knowledge *knowledge,
                               struct dsn_verp *keys) {
    char why[512];
    enum dsn_error error =
        dsn_pipeline_open(daemon->conf, knowledge, keys, once, why, sizeof why, &daemon->pipeline);
    if (!error && daemon->conf->has_lookup && !once)
        error = open_lookup(daemon, why, sizeof why);
    if (!error && daemon->conf->has_http && !once)
        error = dsn_http_open(daemon->conf, daemon->pipeline, why, sizeof why, &daemon->http);
    if (error)
        fprintf(stderr, "dsnd: %s\n", error == DSN_ERR_MEMORY ? dsn_error_text(error) : why);
    return error;
}

static enum dsn_error start_all(struct daemon *daemon) {
    enum dsn_error error = dsn_pipeline_start(daemon->pipeline);
    if (!error && daemon->lookup)
        error = dsn_lookup_start(daemon->lookup);
    return error;
}

static int run_pipeline(struct daemon *daemon, bool once, struct dsn_knowledge *knowledge,
                        struct dsn_verp *keys) {
    struct dsn_counts counts = {0};
    bool opened = open_all(daemon, once, knowledge, keys) == DSN_OK;
    bool started = opened && start_all(daemon) == DSN_OK;
    if (started) {
        DSN_LOG(DSN_LOG_INFO, "started", dsn_log_str("ruleset", dsn_knowledge_ruleset(knowledge)),
                dsn_log_int("pid", getpid()));
        dsn_service_ready();
        wait_for_end(daemon);
    } else if (opened) {
        fprintf(stderr, "dsnd: threads could not be started; expected a higher limit (TasksMax of the unit, "
                        "ulimit -u), or fewer [run] workers\n");
        dsn_pipeline_stop(daemon->pipeline, 0);
    }
    dsn_http_close(daemon->http);
    dsn_lookup_close(daemon->lookup); /* it counts in the pipeline's metrics */
    enum dsn_error error = dsn_pipeline_close(daemon->pipeline, &counts);
    daemon->left = error == DSN_ERR_BUSY;
    return started ? conclude(daemon, once, error, &counts) : DSN_EXIT_FAILED;
}

static int run(const char *path, bool once) {
    struct daemon daemon = {.signal_fd = catch_signals()};
    struct dsn_problems *problems = dsn_problems_new();
    struct dsn_knowledge *knowledge = NULL;
    struct dsn_verp *keys = NULL;
    int status = DSN_EXIT_FAILED;
    g_log_set_default_handler(end_at_once, NULL);
    enum dsn_error error = dsn_conf_load(path, problems, &daemon.conf);
    if (!error)
        error = load(daemon.conf, problems, &knowledge, &keys);
    dsn_cli_print_problems(problems);
    if (!error) {
        dsn_log_setup((enum dsn_log_level)daemon.conf->log_level, daemon.conf->mask_addresses != 0);
        status = run_pipeline(&daemon, once, knowledge, keys);
    } else if (dsn_problems_count(problems) == 0) {
        fprintf(stderr, "dsnd: %s\n", dsn_error_text(error));
    }
    if (daemon.left)
        _exit(status);
    dsn_knowledge_unref(knowledge);
    dsn_verp_unref(keys);
    dsn_conf_free(daemon.conf);
    dsn_problems_free(problems);
    close(daemon.signal_fd);
    return status;
}

int dsn_cli_run(int argc, char **argv) {
    char *path = NULL;
    gboolean once = FALSE;
    const GOptionEntry entries[] = {
        {"config", 'c', 0, G_OPTION_ARG_FILENAME, &path, "the configuration (" DSN_CONF_PATH ")", "FILE"},
        {"once", 0, 0, G_OPTION_ARG_NONE, &once, "settle what is there now, and end", NULL},
        {0},
    };
    int status = DSN_EXIT_USAGE;
    if (dsn_cli_options(&argc, &argv, entries, NULL,
                        "Takes bounces from their sources to Redis and to the feed.")) {
        if (argc > 1)
            status = dsn_cli_usage("run", "there is nothing to be done with \"%s\"", argv[1]);
        else
            status = run(path ? path : DSN_CONF_PATH, once);
    }
    g_free(path);
    return status;
}
