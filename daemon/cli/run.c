/* run: the daemon, in the foreground. Reads the configuration, starts the pipeline, and answers signals. */
#include "cli.h"

#include "base/log.h"
#include "run/knowledge.h"
#include "run/pipeline.h"
#include "run/service.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct daemon {
    struct dsn_conf *conf;
    struct dsn_pipeline *pipeline;
    int signal_fd;
    bool interrupted;
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

/* SIGHUP: loads the knowledge again. What is wrong is refused and logged, and the old stays. */
static void reload(struct daemon *daemon) {
    struct dsn_problems *problems = dsn_problems_new();
    struct dsn_knowledge *knowledge = NULL;
    dsn_service_reloading();
    enum dsn_error error = dsn_knowledge_load(daemon->conf->knowledge_dir, problems, &knowledge);
    for (size_t i = 0; i < dsn_problems_count(problems); i++)
        DSN_LOG(DSN_LOG_ERROR, "reload-problem", dsn_log_str("problem", dsn_problems_get(problems, i)));
    if (error) {
        DSN_LOG(DSN_LOG_ERROR, "reload-refused", dsn_log_str("error", dsn_error_text(error)));
    } else {
        dsn_pipeline_set_knowledge(daemon->pipeline, knowledge);
        DSN_LOG(DSN_LOG_INFO, "reloaded", dsn_log_str("ruleset", dsn_knowledge_ruleset(knowledge)));
        dsn_knowledge_unref(knowledge);
    }
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
    while (!fds[1].revents) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return;
        if (fds[0].revents)
            answer_signal(daemon);
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
    if (!once)
        return daemon->interrupted ? DSN_EXIT_OK : DSN_EXIT_FAILED;
    bool all = !error && !daemon->interrupted && counts->aside + counts->unsettled + counts->postponed == 0;
    return all ? DSN_EXIT_OK : DSN_EXIT_FAILED;
}

static int run_pipeline(struct daemon *daemon, bool once, struct dsn_knowledge *knowledge) {
    char why[512];
    struct dsn_counts counts = {0};
    if (dsn_pipeline_open(daemon->conf, knowledge, once, why, sizeof why, &daemon->pipeline) != DSN_OK) {
        fprintf(stderr, "dsnd: %s\n", why);
        return DSN_EXIT_FAILED;
    }
    bool started = dsn_pipeline_start(daemon->pipeline) == DSN_OK;
    if (started) {
        DSN_LOG(DSN_LOG_INFO, "started", dsn_log_str("ruleset", dsn_knowledge_ruleset(knowledge)),
                dsn_log_int("pid", getpid()));
        dsn_service_ready();
        wait_for_end(daemon);
    } else {
        fprintf(stderr, "dsnd: threads could not be started\n");
        dsn_pipeline_stop(daemon->pipeline, 0);
    }
    enum dsn_error error = dsn_pipeline_close(daemon->pipeline, &counts);
    return started ? conclude(daemon, once, error, &counts) : DSN_EXIT_FAILED;
}

static int run(const char *path, bool once) {
    struct daemon daemon = {.signal_fd = catch_signals()};
    struct dsn_problems *problems = dsn_problems_new();
    struct dsn_knowledge *knowledge = NULL;
    int status = DSN_EXIT_FAILED;
    enum dsn_error error = dsn_conf_load(path, problems, &daemon.conf);
    if (!error)
        error = dsn_knowledge_load(daemon.conf->knowledge_dir, problems, &knowledge);
    dsn_cli_print_problems(problems);
    if (!error) {
        dsn_log_setup((enum dsn_log_level)daemon.conf->log_level, daemon.conf->mask_addresses != 0);
        status = run_pipeline(&daemon, once, knowledge);
    } else if (dsn_problems_count(problems) == 0) {
        fprintf(stderr, "dsnd: %s\n", dsn_error_text(error));
    }
    dsn_knowledge_unref(knowledge);
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
