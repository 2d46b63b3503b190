/* SPDX-License-Identifier: MIT */
/*
 * Main: from the command line to the exit status. The one place that prints and exits.
 *
 *   parse -> [fork] -> log, signals -> machine_new -> faces -> pidfile -> machine_run -> status
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/daemon.h"
#include "cli/faces.h"
#include "cli/options.h"
#include "cli/signals.h"
#include "hw/machine/machine.h"
#include "state/replay.h"
#include "state/snapshot.h"

/* What the signal thread and the Ctrl-A keys need to know. */
typedef struct Session {
    const char *program;
    pthread_mutex_t lock;
    Machine *machine; /* lock; NULL: not built yet, or gone */
    int signals_seen; /* that ask for the end; signal thread only */
    bool has_terminal;
    struct termios terminal; /* as it was at start */
} Session;

static const char *program_name(const char *argv0) {
    const char *slash = argv0 ? strrchr(argv0, '/') : NULL;
    return slash ? slash + 1 : argv0 ? argv0 : "vitrine";
}

static int fail(const Session *s, Error *err) {
    fprintf(stderr, "%s: %s\n", s->program, err ? error_message(err) : "failed");
    error_free(err);
    return EXIT_FAILURE;
}

/* --- keys and signals --------------------------------------------------------------- */

static void quit_key(void *opaque) {
    Session *s = opaque;
    machine_request_shutdown(s->machine, SHUTDOWN_USER, EXIT_SUCCESS);
}

static void each_terminal(Machine *m, void (*change)(const Chardev *chr)) {
    for (unsigned i = 0; i < m->chardev_count; i++) {
        change(m->chardevs[i]);
    }
    for (unsigned i = 0; i < m->serial_count; i++) {
        if (m->serials[i]) {
            change(m->serials[i]);
        }
    }
}

/* Ends the process at once: nothing is built yet, or a first request was not heard. */
static void end_now(const Session *s, int number) {
    if (s->has_terminal) {
        tcsetattr(STDIN_FILENO, TCSANOW, &s->terminal);
    }
    _exit(128 + number);
}

static void handle_signal_locked(Session *s, int number) {
    Machine *m = s->machine;
    if (number == SIGTSTP) {
        if (m) {
            each_terminal(m, chardev_restore_terminal);
        }
        raise(SIGSTOP); /* the process; SIGCONT follows */
    } else if (number == SIGCONT) {
        if (m) {
            each_terminal(m, chardev_raw_terminal);
        }
    } else if (!m || s->signals_seen++ > 0) {
        end_now(s, number);
    } else {
        machine_request_shutdown(m, SHUTDOWN_SIGNAL, EXIT_SUCCESS);
    }
}

static void handle_signal(void *opaque, int number) {
    Session *s = opaque;
    pthread_mutex_lock(&s->lock);
    handle_signal_locked(s, number);
    pthread_mutex_unlock(&s->lock);
}

static void set_machine(Session *s, Machine *m) {
    pthread_mutex_lock(&s->lock);
    s->machine = m;
    pthread_mutex_unlock(&s->lock);
}

/* --- the run ------------------------------------------------------------------------ */

static bool open_log(Log *log, const CommandLine *cl, Error **errp) {
    return (!cl->log_filter || log_set_filter(log, cl->log_filter, errp)) &&
           (!cl->log_file || log_set_file(log, cl->log_file, errp)) &&
           (!cl->log_items || log_set_mask(log, cl->log_items, errp));
}

/* Where a pty or a server was put: a machine in the background cannot say so later. */
static void show_places(Machine *m) {
    for (unsigned i = 0; i < m->serial_count; i++) {
        const char *where = m->serials[i] ? chardev_where(m->serials[i]) : NULL;
        if (where) {
            fprintf(stderr, "serial %u is at %s\n", i, where);
        }
    }
}

/* On a terminal, which may be raw, it stands by itself: the guest's first lines follow. */
static void show_console(const Faces *f) {
    const char *end = isatty(STDERR_FILENO) ? "\r\n" : "\n";
    const char *space = isatty(STDERR_FILENO) ? end : "";
    if (f->web) {
        char why[48] = "";
        if (web_server_taken_port(f->web)) {
            snprintf(why, sizeof(why), " (port %u is taken)",
                     web_server_taken_port(f->web));
        }
        fprintf(stderr, "%sconsole: %s%s%s%s", space, web_server_url(f->web), why, end,
                space);
    }
    if (f->api) {
        const char *token = api_server_token(f->api);
        fprintf(stderr, "api: %s (%s%s)%s%s", api_server_url(f->api),
                token ? "token " : "the console's token", token ? token : "", end, space);
    }
}

/* What goes wrong on the host while the guest runs; the terminal may be raw. */
static void report_host(void *opaque, const char *message) {
    const Session *s = opaque;
    fprintf(stderr, "\r\n%s: %s\r\n", s->program, message);
}

/* -record and -replay; both NULL: *replay is NULL. */
static bool start_replay(Replay **replay, const CommandLine *cl, Machine *m,
                         Error **errp) {
    *replay = NULL;
    if (cl->record && cl->replay) {
        error_set(errp, "-record and -replay: choose one");
        return false;
    }
    if (cl->record) {
        *replay = replay_record(m, cl->record, errp);
    } else if (cl->replay) {
        *replay = replay_play(m, cl->replay, errp);
    }
    return *replay || (!cl->record && !cl->replay);
}

static int run_machine(Session *s, Machine *m, Faces *faces, Replay *replay) {
    int status = machine_run(m);
    int cause = __atomic_load_n(&m->shutdown, __ATOMIC_ACQUIRE);
    faces_close(faces);
    Error *err = m->error;
    m->error = NULL;
    Error *replay_err = NULL;
    if (!replay_finish(replay, &replay_err) && !err) {
        err = replay_err;
    } else {
        error_free(replay_err);
    }
    set_machine(s, NULL);
    machine_free(m); /* the terminal is the user's again before anything is printed */
    if (err) {
        return fail(s, err);
    }
    if (cause == SHUTDOWN_SIGNAL) {
        fprintf(stderr, "%s: ended by a signal\n", s->program);
    }
    return status;
}

/* What -loadvm names: a file, or a snapshot in the directory. */
static bool load_snapshot(Machine *m, const char *name, Error **errp) {
    return strchr(name, '/') ? snapshot_load(m, name, errp)
                             : snapshot_load_named(m, snapshot_dir(m), name, errp);
}

/* From here on `ready_fd` is the daemon's, or -1. */
static int build_and_run(Session *s, const CommandLine *cl, Log *log, int ready_fd) {
    const CharEscapes escapes = {.quit = quit_key, .opaque = s};
    Error *err = NULL;
    int pid_fd = -1, status = EXIT_FAILURE;
    MachineConfig config = cl->config;
    config.tmp_dir = getenv("TMPDIR");
    config.report = report_host;
    config.report_opaque = s;
    Machine *m = machine_new(&config, log, &escapes, &err);
    if (!m) {
        return fail(s, err);
    }
    if (cl->config.dump_dtb) {
        fprintf(stderr, "%s: wrote the device tree to %s\n", s->program,
                cl->config.dump_dtb);
        machine_free(m);
        return EXIT_SUCCESS;
    }
    Replay *replay;
    if (!start_replay(&replay, cl, m, &err)) {
        machine_free(m);
        return fail(s, err);
    }
    if (cl->loadvm && !load_snapshot(m, cl->loadvm, &err)) {
        machine_free(m);
        return fail(s, err);
    }
    show_places(m);
    Faces faces = {0};
    if (!faces_open(&faces, cl, m, &err)) {
        machine_free(m);
        return fail(s, err);
    }
    show_console(&faces);
    if ((cl->pidfile && !pidfile_create(cl->pidfile, &pid_fd, &err)) ||
        (ready_fd >= 0 && !daemon_ready(ready_fd, &err))) {
        faces_close(&faces);
        machine_free(m);
        status = fail(s, err);
    } else {
        set_machine(s, m);
        status = run_machine(s, m, &faces, replay);
    }
    if (pid_fd >= 0) {
        pidfile_remove(cl->pidfile, pid_fd);
    }
    return status;
}

static int run(Session *s, const CommandLine *cl) {
    Error *err = NULL;
    int ready_fd = -1, status = EXIT_FAILURE;
    if (cl->daemonize) {
        switch (daemon_fork(&ready_fd, &status, &err)) {
        case DAEMON_FAILED:
            return fail(s, err);
        case DAEMON_PARENT:
            return status;
        case DAEMON_CHILD:
            break;
        }
    }
    Log log;
    SignalThread signals;
    log_init(&log);
    s->has_terminal = tcgetattr(STDIN_FILENO, &s->terminal) == 0;
    if (!open_log(&log, cl, &err) || !signals_start(&signals, handle_signal, s, &err)) {
        status = fail(s, err);
    } else {
        status = build_and_run(s, cl, &log, ready_fd);
        signals_stop(&signals);
    }
    log_destroy(&log);
    return status;
}

int main(int argc, char **argv) {
    Session session = {.program = program_name(argv[0]),
                       .lock = PTHREAD_MUTEX_INITIALIZER};
    CommandLine cl;
    Error *err = NULL;
    int status = EXIT_SUCCESS;
    if (!command_line_parse(&cl, argc, argv, &err)) {
        status = fail(&session, err);
    } else if (cl.action == CLI_RUN) {
        status = run(&session, &cl);
    } else if (!command_line_show(&cl, stdout)) {
        status = EXIT_FAILURE;
    }
    command_line_destroy(&cl);
    return status;
}
