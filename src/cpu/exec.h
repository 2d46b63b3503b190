/* SPDX-License-Identifier: MIT */
/*
 * Exec: the run loop, the vCPU threads, and what they share.
 *
 *   cpu_run():  work items -> interrupts -> find or make a block -> enter it -> why did it return? --,
 *                  ^----------------------------------------------------------------------------'
 *
 * One thread a vCPU (thread=multi), or one thread that gives each vCPU a turn (thread=single).
 *
 * Generated code, and the making of it, is a section that each vCPU enters and leaves (in_code).
 * Others wait for that: to reuse code memory or an old memory view nobody may be inside (exclusive);
 * to see the stores that were under way, everybody must have left once (quiesce).
 *
 * Locks, in order: machine lock, mark_lock, tb_lock, work_lock. Who waits for vCPUs to leave generated
 * code holds none of the first three but mark_lock, and is not inside: a vCPU inside may want them.
 */
#ifndef VITRINE_CPU_EXEC_H
#define VITRINE_CPU_EXEC_H

#include <pthread.h>
#include <stdbool.h>

#include "cpu/cpu.h"
#include "cpu/icount.h"
#include "cpu/sampler.h"
#include "tcg/cache.h"

enum { CPU_GROUP_MAX = 8 };

struct CpuGroup {
    CPUState *cpu[CPU_GROUP_MAX];
    unsigned count;
    bool multi_thread;
    TbCache *cache;
    AddressSpace *as;
    pthread_mutex_t *machine_lock;
    /* work_lock */
    pthread_mutex_t work_lock;
    pthread_cond_t changed;
    unsigned stop_request; /* atomic: how many want all vCPUs parked */
    bool exclusive;        /* atomic: nobody may enter generated code */
    unsigned watchers;     /* atomic: how many wait for vCPUs to leave generated code */
    bool quit;
    bool started;
    /* thread=single */
    bool single, single_started, ticker_started;
    pthread_t single_id, ticker_id;
    pthread_cond_t single_wake, ticker_wake;
    unsigned turn, turn_count; /* atomic: whose turn, and how many turns were ended */
    /* mark_lock: pages become code pages one at a time, see lookup.c */
    pthread_mutex_t mark_lock;
    bool marking;     /* atomic */
    GroupDebug debug; /* break and watch points, see debug.h */
    CpuIcount icount;
    CpuSampler *sampler;
    /* fixed */
    const Backend *backend;
    uint64_t tb_size;
};

/* Makes the group. backend: "x86_64" or "interp". tb_size: bytes of code buffer, 0: default. */
CpuGroup *cpu_group_new(AddressSpace *as, pthread_mutex_t *machine_lock,
                        bool multi_thread, const char *backend, uint64_t tb_size,
                        Error **errp);
void cpu_group_free(CpuGroup *group); /* frees its vCPUs too */
/* Adds a vCPU made by the ISA. */
void cpu_group_add(CpuGroup *group, CPUState *cpu, const CpuClass *cls, const Log *log,
                   Clock *clock);
/* Must be called once after all vCPUs were added, before start. */
bool cpu_group_realize(CpuGroup *group, Error **errp);
bool cpu_group_start(CpuGroup *group, Error **errp); /* threads begin to run */
/* Parks all vCPUs outside guest code and returns when they are; they go on after as many calls of
 * resume. Threads: any but a vCPU's, without the machine lock; several at a time. */
void cpu_group_stop(CpuGroup *group);
void cpu_group_resume(CpuGroup *group);
/* As stop, but does not wait. Locks: work_lock held. Threads: any. */
void cpu_group_hold_locked(CpuGroup *group);
void cpu_group_quit(CpuGroup *group); /* ends and joins the threads */
void cpu_group_lock(CpuGroup *group); /* the machine lock (recursive) */
void cpu_group_unlock(CpuGroup *group);

/* thread=single: gives the turn away, unless `to` (NULL: nobody) has it. Threads: any. */
void cpu_group_end_turn(CpuGroup *group, const CPUState *to);

/* Into and out of generated code. Own thread; entering waits while somebody is exclusive. */
void cpu_code_enter(CPUState *cpu);
void cpu_code_leave(CPUState *cpu);

/* Keeps every vCPU out of generated code until the end. The caller is not inside it and holds no
 * lock: a vCPU inside may be waiting for one. */
void cpu_group_exclusive_begin(CpuGroup *group);
void cpu_group_exclusive_end(CpuGroup *group);
/* Returns when every vCPU was outside generated code at some time since the call. As above. */
void cpu_group_quiesce(CpuGroup *group);

/* Sleeps for `ns` host nanoseconds (less than a second) or until a kick. For a vCPU that only spins. */
void cpu_nap(CPUState *cpu, long ns);

/* -icount: runs one vCPU until cpu->tcg.icount_left instructions were executed, or it is asked to leave.
 * True: it waits or spins, its turn is over. */
bool cpu_run_counted(CPUState *cpu);

/* Runs one vCPU for at most `budget` blocks entered from the loop or until it must wait; with
 * thread=single also not beyond its turn. */
void cpu_run(CPUState *cpu, unsigned budget);

#endif
