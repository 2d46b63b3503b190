/* SPDX-License-Identifier: MIT */
/*
 * RunState: whether the guest runs; who may change that, and who is told.
 *
 *                 machine_cont()
 *   PRELAUNCH -----------------> RUNNING --machine_stop(why)--> PAUSED, DEBUG,
 *       ^                           ^                           SHUTDOWN, RESTORE
 *       |                           '------machine_cont()------- (not from the last two)
 *       '---- reset of a machine that is stopped
 *
 *   machine_pause(): the vCPUs stand still for a moment, whatever the state is; the state
 *   and the guest's time do not notice. Pauses and stops are counted: vCPUs run when
 *   nobody holds them.
 *
 * Threads: stop, cont, pause and unpause from any thread that holds no machine lock and is
 * not a vCPU's; requests from any thread, which are carried out by the main loop.
 * Locks: the run lock (inside RunControl) before the machine lock.
 */
#ifndef VITRINE_HW_MACHINE_RUNSTATE_H
#define VITRINE_HW_MACHINE_RUNSTATE_H

#include <pthread.h>
#include <stdbool.h>

#include "cpu/debug.h"
#include "cpu/icount.h"
#include "hw/device.h"
#include "util/error.h"

typedef enum RunState {
    RUN_PRELAUNCH, /* not started yet (-S), or reset while stopped */
    RUN_RUNNING,
    RUN_PAUSED,   /* by the user */
    RUN_DEBUG,    /* by a break or watch point, or after a step */
    RUN_SHUTDOWN, /* the guest switched itself off (-no-shutdown); a reset is needed */
    RUN_RESTORE,  /* a snapshot is being loaded */
} RunState;

typedef enum ShutdownCause {
    SHUTDOWN_NONE,
    SHUTDOWN_GUEST,       /* the guest switched itself off */
    SHUTDOWN_GUEST_RESET, /* the guest asked for a reset: also MEV_RESET's; end: -no-reboot */
    SHUTDOWN_HOST_RESET, /* a monitor or debugger did, likewise */
    SHUTDOWN_GUEST_ERROR,
    SHUTDOWN_USER,       /* Ctrl-A x, quit */
    SHUTDOWN_SIGNAL,     /* SIGINT, SIGTERM */
    SHUTDOWN_HOST_ERROR, /* see Machine.error */
} ShutdownCause;

typedef enum MachineEventKind {
    MEV_STOP,     /* state, and for RUN_DEBUG stop */
    MEV_RESUME,   /* before the first instruction */
    MEV_RESET,    /* after it, before the guest goes on */
    MEV_SHUTDOWN, /* cause; with -no-shutdown the machine stays */
    MEV_POWERDOWN,
} MachineEventKind;

typedef struct MachineEvent {
    MachineEventKind kind;
    RunState state;        /* as it is now */
    const DebugStop *stop; /* or NULL; valid during the call */
    ShutdownCause cause;   /* of MEV_SHUTDOWN, MEV_RESET */
} MachineEvent;

/* Called on the thread that carried the change out, in the order of the changes, under the
 * run lock but not the machine lock: it must neither change the run state nor wait for who
 * does. */
typedef struct MachineListener {
    void (*event)(void *opaque, const MachineEvent *ev);
    void *opaque;
    struct MachineListener *next;
} MachineListener;

/* Part of Machine. */
typedef struct RunControl {
    pthread_mutex_t lock; /* the run lock: one change of state at a time */
    pthread_cond_t changed;
    /* lock */
    RunState state;       /* atomic: read by anybody */
    bool holding;         /* the stop holds the vCPUs; PRELAUNCH at the start does not */
    bool ended;           /* machine_run() is over: nothing runs any more */
    bool quiet;           /* atomic: listeners are told nothing */
    DebugStop debug_stop; /* of the last stop */
    MachineListener *first_listener;
} RunControl;

RunState machine_run_state(const Machine *m);
/* "running", "paused", ...: QMP's words. */
const char *machine_run_state_name(RunState state);
/* "guest", "user", ... */
const char *machine_shutdown_cause_name(ShutdownCause cause);
/* Parks the vCPUs and stops time. A machine that is stopped already just gets the new
 * reason. RUN_DEBUG is what a stop becomes that a vCPU asked for by debug_claim(). */
void machine_stop(Machine *m, RunState why);
/* Lets the guest go on; true if it ran already. Errors: RUN_SHUTDOWN, RUN_RESTORE (whoever
 * restores ends that by machine_stop(RUN_PAUSED)), the machine has ended. */
bool machine_cont(Machine *m, Error **errp);
/* The same up to a moment (-icount). One that runs already gets this limit, too; any other way of going
 * on has none. */
bool machine_cont_until(Machine *m, CpuMoment until, Error **errp);
/* The same with a plan for each vCPU; which may end in a stop. Errors: it runs already. */
bool machine_debug_cont(Machine *m, const DebugPlan *plan, Error **errp);
/* Why the machine stopped the last time; DEBUG_NONE: not for a debugger. */
DebugStop machine_debug_stop(Machine *m);
/* Whoever goes through states that nobody is to hear of; then tells the last one. Meanwhile what the
 * guest writes to its lines goes nowhere: it was written when the run first came by. The machine is
 * stopped at both. */
void machine_set_quiet(Machine *m, bool on);
bool machine_is_quiet(const Machine *m); /* NULL, a device alone: no */
void machine_tell_stop(Machine *m, const DebugStop *stop);
/* Asks the main loop for machine_stop(). Threads: any, also vCPUs under the machine lock. */
void machine_request_stop(Machine *m, RunState why);
/* Tells the listeners that the user pressed the power button. Threads: as stop. */
void machine_powerdown(Machine *m);
/* Returns when no vCPU runs guest code; until as many calls of unpause they stay so. For
 * moments: devices and timers go on. While it lasts, the machine lock makes CPUState, env
 * and TLBs safe to read. */
void machine_pause(Machine *m);
void machine_unpause(Machine *m);
/* Waits until the machine does not run. False: the time is over. Threads: as stop, but not
 * the main loop's. */
bool machine_wait_stopped(Machine *m, unsigned timeout_ms);

/* Break and watch points, as in cpu/debug.h; the vCPUs are paused for it. Threads: as stop. */
unsigned machine_add_break(Machine *m, DebugOwner owner, vaddr pc, Error **errp);
unsigned machine_add_phys_watch(Machine *m, DebugOwner owner, hwaddr addr, uint64_t len,
                                unsigned access, Error **errp);
unsigned machine_add_watch(Machine *m, DebugOwner owner, vaddr addr, uint64_t len,
                           unsigned access, Error **errp);
bool machine_remove_point(Machine *m, DebugOwner owner, unsigned id);
void machine_remove_points(Machine *m, DebugOwner owner);
/* Copies at most max points; returns how many there are. */
unsigned machine_list_points(Machine *m, DebugPoint *out, unsigned max);

/* The listener's memory is the caller's. After removal it is not called any more. Threads:
 * as stop. */
void machine_add_listener(Machine *m, MachineListener *l);
void machine_remove_listener(Machine *m, MachineListener *l);

/* --- for run.c and machine.c ----------------------------------------------------- */
void runstate_init(Machine *m);
void runstate_destroy(Machine *m);
/* Resets with the vCPUs held; the state stays, but what was stopped is PRELAUNCH. SHUTDOWN_HOST_RESET: it is
 * an input, see touch.h. */
bool runstate_reset(Machine *m, ShutdownCause cause, Error **errp);
/* Tells of a shutdown. */
void runstate_tell_shutdown(Machine *m, ShutdownCause cause);
/* The run is over: stops for good. */
void runstate_end(Machine *m);

#endif
