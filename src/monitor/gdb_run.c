/* SPDX-License-Identifier: MIT */
/* Gdb: going on, stopping, and telling why. */
#include <string.h>

#include "monitor/gdb_int.h"

enum { SIGNAL_INT = 2, SIGNAL_QUIT = 3, SIGNAL_TRAP = 5 };

/* --- stops ----------------------------------------------------------------------- */

static const char *watch_word(unsigned watching) {
    switch (watching) {
    case DEBUG_READ:
        return "rwatch";
    case DEBUG_WRITE:
        return "watch";
    default:
        return "awatch";
    }
}

/* gdb looks its watch point up by an address inside it. */
static vaddr address_inside(const DebugStop *stop) {
    return stop->address > stop->watched ? stop->address : stop->watched;
}

static void put_debug_stop(GdbSession *s, const DebugStop *stop) {
    s->cpu = stop->cpu;
    gdb_put(&s->reply, "T%02xthread:%02x;", SIGNAL_TRAP, s->cpu + 1);
    if (stop->reason == DEBUG_WATCH && stop->owner == DEBUG_OWNER_GDB) {
        gdb_put(&s->reply, "%s:%llx;", watch_word(stop->watching),
                (unsigned long long)address_inside(stop));
    }
}

static void put_stop(GdbSession *s) {
    RunState state = machine_run_state(s->m);
    if (state == RUN_DEBUG) {
        DebugStop stop = machine_debug_stop(s->m);
        put_debug_stop(s, &stop);
        return;
    }
    unsigned number = state == RUN_SHUTDOWN ? SIGNAL_QUIT
                      : s->interrupted      ? SIGNAL_INT
                                            : SIGNAL_TRAP;
    gdb_put(&s->reply, "T%02xthread:%02x;", number, s->cpu + 1);
}

void gdb_session_notice(GdbSession *s, bool machine_ended) {
    if (!s->running || s->over) {
        return;
    }
    if (machine_ended) {
        int status = __atomic_load_n(&s->m->shutdown_requested, __ATOMIC_ACQUIRE) >> 8;
        gdb_put(&s->reply, "W%02x", (unsigned)status & 0xff);
        s->over = true;
    } else if (machine_run_state(s->m) != RUN_RUNNING) {
        put_stop(s);
    } else {
        return;
    }
    s->running = false;
    s->interrupted = false;
    gdb_send(s);
}

void gdb_cmd_stop_reason(GdbSession *s, const char *args) {
    (void)args;
    put_stop(s);
}

void gdb_interrupt(GdbSession *s) {
    s->early = !s->running;
    if (s->running) {
        s->interrupted = true;
        machine_stop(s->m, RUN_PAUSED);
        gdb_session_notice(s, false);
    }
}

/* --- going on -------------------------------------------------------------------- */

static void resume(GdbSession *s, DebugPlan *plan) {
    Error *err = NULL;
    plan->interrupts = !(s->sstep & GDB_SSTEP_NOIRQ);
    /* Somebody else set it going: gdb waits for the next stop all the same. */
    bool ok =
        machine_debug_cont(s->m, plan, &err) || machine_run_state(s->m) == RUN_RUNNING;
    error_free(err);
    if (ok) {
        s->running = true;
    } else {
        gdb_error(s, GDB_E_PERM);
    }
}

/* An address behind s or c: where to go on. False: it is none. */
static bool move_pc(GdbSession *s, const char *args) {
    uint64_t pc;
    if (!*args) {
        return true;
    }
    if (!gdb_take_number(&args, &pc) || *args) {
        return false;
    }
    gdb_begin(s);
    bool ok = gdb_target_write_reg(s->m, gdb_cpu(s), GDB_REG_PC, pc);
    gdb_end(s);
    return ok;
}

static void resume_old_style(GdbSession *s, const char *args, DebugRun how) {
    DebugPlan plan = {.interrupts = false};
    if (!move_pc(s, args)) {
        gdb_error(s, GDB_E_INVAL);
        return;
    }
    unsigned stepped = s->run_cpu == GDB_ANY_THREAD ? s->cpu : (unsigned)s->run_cpu;
    for (unsigned i = 0; how == DEBUG_RUN_STEP && i < DEBUG_MAX_CPUS; i++) {
        plan.run[i] = i == stepped ? DEBUG_RUN_STEP : DEBUG_HOLD;
    }
    resume(s, &plan);
}

void gdb_cmd_continue(GdbSession *s, const char *args) {
    resume_old_style(s, args, DEBUG_GO);
}

void gdb_cmd_step(GdbSession *s, const char *args) {
    resume_old_style(s, args, DEBUG_RUN_STEP);
}

/* A hart knows no signals: the number is skipped, and what follows it is the address. */
static const char *skip_signal(const char *args) {
    const char *address = strchr(args, ';');
    return address ? address + 1 : "";
}

void gdb_cmd_continue_signal(GdbSession *s, const char *args) {
    resume_old_style(s, skip_signal(args), DEBUG_GO);
}

void gdb_cmd_step_signal(GdbSession *s, const char *args) {
    resume_old_style(s, skip_signal(args), DEBUG_RUN_STEP);
}

void gdb_cmd_vcont_which(GdbSession *s, const char *args) {
    (void)args;
    gdb_put(&s->reply, "vCont;c;C;s;S;t;r");
}

/* One action's letter and operands. False: it is not known, or broken. */
static bool take_action(const char **args, DebugRun *how, DebugPlan *plan) {
    uint64_t ignored;
    char letter = **args;
    if (!letter) {
        return false;
    }
    (*args)++;
    switch (letter) {
    case 'C':
        *how = DEBUG_GO;
        return gdb_take_number(args, &ignored);
    case 'c':
        *how = DEBUG_GO;
        return true;
    case 'S':
        *how = DEBUG_RUN_STEP;
        return gdb_take_number(args, &ignored);
    case 's':
        *how = DEBUG_RUN_STEP;
        return true;
    case 't':
        *how = DEBUG_HOLD;
        return true;
    case 'r':
        *how = DEBUG_RUN_STEP;
        return gdb_take_number(args, &plan->range_start) && gdb_take_text(args, ",") &&
               gdb_take_number(args, &plan->range_end);
    default:
        return false;
    }
}

/* vCont;ACTION[:THREAD]... The first action that names a thread, or all, is the thread's; one
 * that none names stands still. */
void gdb_cmd_vcont(GdbSession *s, const char *args) {
    DebugPlan plan = {.interrupts = false};
    bool named[DEBUG_MAX_CPUS] = {false}, ok = *args == ';';
    for (unsigned i = 0; i < DEBUG_MAX_CPUS; i++) {
        plan.run[i] = DEBUG_HOLD;
    }
    while (ok && gdb_take_text(&args, ";")) {
        DebugRun how = DEBUG_HOLD;
        int cpu = GDB_ANY_THREAD;
        ok = take_action(&args, &how, &plan) &&
             (!gdb_take_text(&args, ":") || gdb_take_thread(s, &args, &cpu));
        for (unsigned i = 0; ok && i < DEBUG_MAX_CPUS; i++) {
            if (!named[i] && (cpu == GDB_ANY_THREAD || cpu == (int)i)) {
                named[i] = true;
                plan.run[i] = how;
            }
        }
    }
    if (ok && !*args) {
        resume(s, &plan);
    } else {
        gdb_error(s, GDB_E_INVAL);
    }
}

/* bs, bc */
void gdb_cmd_back(GdbSession *s, const char *args) {
    bool step = args[-1] == 's';
    DebugStop stop = {.reason = DEBUG_NONE};
    Error *err = NULL;
    if (!s->hooks.reverse) {
        return; /* not known */
    }
    if (!s->hooks.reverse(s->hooks.opaque, s->cpu, step, &stop, &err)) {
        gdb_error(s, GDB_E_IO);
        error_free(err);
    } else if (stop.reason == DEBUG_NONE) {
        gdb_put(&s->reply, "T%02xthread:%02x;replaylog:begin;", SIGNAL_TRAP, s->cpu + 1);
    } else {
        put_debug_stop(s, &stop);
    }
}

void gdb_let_go(GdbSession *s) {
    machine_remove_points(s->m, DEBUG_OWNER_GDB);
    s->point_count = 0;
    s->running = false;
    machine_cont(s->m, NULL); /* not if the guest is off, or the machine has ended */
}
