/* SPDX-License-Identifier: MIT */
/*
 * Icount: deterministic execution. Time is the number of instructions executed, harts take turns of
 * fixed length in one thread, and the world outside gets a word in only between two of them.
 *
 *   count   0 ........ 9000 ... 10000 ........ 20000 ....
 *   hart    | 0 -------------->| 1 ----------->| 0 ----->      turns
 *   slice   |---------|~~|---->|-------------->|------->      a turn, cut where something is due
 *                      ^ a timer's deadline, input, the end of a run that was asked for
 *
 *   virtual time = (count << shift) + warp           warp: what was slept while every hart waited
 *
 * While guest code runs this thread holds the machine lock; others who want it have the slice cut
 * short, and get it at a moment with a number. What the guest itself causes (an interrupt line it
 * raises, a timer it sets) takes effect right behind the instruction, wherever blocks begin and end.
 *
 * An instruction that faults counts as one, too: so counts always grow. But while every hart waits time
 * goes on, and input may come, at one count. Of what happens at a count the order is always: timers, the
 * hooks, the stop at a limit, input. So "before instruction n" is one moment: before input.
 *
 * A debugger holds no hart still while another steps: whose turn it is belongs to the run.
 *
 * Invariants: nothing that depends on the host decides which instruction is next. What does depend on
 * it passes the input gate (util/gate.h), and can be recorded there with its count.
 * Threads: as noted; what has no note is under the machine lock.
 * Book: going-back-in-time.md.
 */
#ifndef VITRINE_CPU_ICOUNT_H
#define VITRINE_CPU_ICOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "util/clock.h"
#include "util/gate.h"

typedef struct CPUState CPUState;
typedef struct CpuGroup CpuGroup;

/* The end of a turn, like every cut, costs a short translation. A single hart has no turns. */
enum { ICOUNT_MAX_SHIFT = 10, ICOUNT_TURN = 100000 };
/* At each multiple of this many instructions TLBs are emptied: so a run that begins there, from a
 * snapshot, walks the page tables, and sets their A and D bits, exactly as the one that passed by. */
#define ICOUNT_EPOCH (UINT64_C(1) << 24)
#define ICOUNT_NEVER UINT64_MAX

typedef struct CpuIcountConfig {
    bool on;
    unsigned shift; /* an instruction takes 2^shift ns */
    bool sleep;     /* wait in real time while every hart waits; else jump */
} CpuIcountConfig;

/* What a snapshot must have. */
typedef struct CpuIcountState {
    uint64_t count;
    int64_t warp_ns;
    uint32_t turn, turn_left;
} CpuIcountState;

/* A moment of the run: right before instruction number `count`, and there after `inputs` events of the
 * log (util/gate.h). */
typedef struct CpuMoment {
    uint64_t count, inputs;
} CpuMoment;

/* Something to be done every `interval` instructions, between two of them. */
typedef struct CpuIcountHook {
    uint64_t interval, next; /* next: count */
    void (*fn)(void *opaque, uint64_t count);
    void *opaque;
    struct CpuIcountHook *link;
} CpuIcountHook;

typedef struct CpuIcount {
    CpuIcountConfig cfg;
    Clock *clock;
    InputGate *gate;
    uint64_t count;     /* executed before this slice */
    uint32_t turn_left; /* of the hart whose turn it is (group->turn) */
    int32_t granted;    /* instructions of this slice */
    CPUState *running;  /* NULL: between slices */
    bool in_code;       /* between `running`'s entry into generated code and its exit */
    int64_t warp_ns;    /* atomic */
    /* every hart waits: */
    bool idle;
    int64_t idle_since;  /* host time */
    int64_t idle_target; /* virtual time up to which warp may grow; INT64_MAX: no limit */
    CpuMoment limit, end; /* ICOUNT_NEVER: none */
    uint64_t next_epoch;
    CpuIcountHook *hooks;
    bool held;             /* atomic: no instruction until cpu_group_resume() */
    unsigned lock_waiters; /* atomic: threads that want the machine lock */
} CpuIcount;

/* Before cpu_group_realize(). clock's source becomes the count; the gate gets its hooks. */
void cpu_group_set_icount(CpuGroup *g, const CpuIcountConfig *cfg, Clock *clock,
                          InputGate *gate);
bool cpu_group_icount_enabled(const CpuGroup *g); /* Threads: any */
/* Instructions executed by all harts since the machine was made; exact wherever a device or helper can
 * ask. 0 without -icount. */
uint64_t cpu_group_icount(const CpuGroup *g);
/* Stops (DEBUG_COUNT) at a moment, or at once if that is past; count ICOUNT_NEVER: no limit. */
void cpu_group_icount_limit(CpuGroup *g, CpuMoment moment);
/* The same for good: nothing is executed behind it. */
void cpu_group_icount_end(CpuGroup *g, CpuMoment moment);
/* No instruction is executed, and no input taken, from now on until the vCPUs were stopped and resumed: a reset, a
 * shutdown, that was asked for. On another thread than the vCPUs' input goes on: see gate_stand().
 * Threads: any. */
void cpu_group_icount_hold(CpuGroup *g);
/* Adds something to be done at each multiple of interval; owned by the caller. */
void cpu_group_icount_add_hook(CpuGroup *g, CpuIcountHook *hook);
void cpu_group_icount_remove_hook(CpuGroup *g, CpuIcountHook *hook);

/* The vCPUs are parked. Setting it empties all TLBs. */
CpuIcountState cpu_group_icount_state(const CpuGroup *g);
void cpu_group_icount_set_state(CpuGroup *g, const CpuIcountState *state);
/* Empties TLBs, fetch and jump caches, as a snapshot does where it is taken. */
void cpu_group_icount_flush(CpuGroup *g);

/* --- inside src/cpu and for the machine lock --------------------------------------------------- */

/* The thread's body. */
void *cpu_icount_thread(void *group);
/* What happened while `running` executes an instruction takes effect behind it. Own thread only has
 * an effect. */
void cpu_icount_leave(CpuGroup *g);
/* Around waiting for the machine lock by another thread. */
void cpu_icount_lock_wanted(CpuGroup *g);
void cpu_icount_lock_got(CpuGroup *g);
/* With the lock held: virtual time is what it is now, even if every hart waits. */
void cpu_icount_note_time(CpuGroup *g);

#endif
