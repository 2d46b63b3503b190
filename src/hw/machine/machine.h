/* SPDX-License-Identifier: MIT */
/*
 * Machine: everything one emulated computer consists of; and the boards it can be.
 *
 *   MachineConfig --machine_new()--> Machine: memory, vCPUs, devices, back ends
 *   (command line)                      |
 *                                       '-- machine_run(): vCPU threads + main loop
 *
 * Locks: `lock` (the machine lock) guards devices, memory tree, timers and back ends.
 */
#ifndef VITRINE_HW_MACHINE_MACHINE_H
#define VITRINE_HW_MACHINE_MACHINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "block/block.h"
#include "chardev/chardev.h"
#include "cpu/cpu.h"
#include "cpu/exec.h"
#include "hw/device.h"
#include "hw/machine/runstate.h"
#include "mem/memory.h"
#include "net/net.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/gate.h"
#include "util/log.h"
#include "util/mainloop.h"
#include "util/trace.h"

enum { MACHINE_MAX_LIST = 32, MACHINE_MAX_CPUS = 8 };

typedef struct OptionList {
    const char *item[MACHINE_MAX_LIST]; /* the option's text, in order */
    unsigned count;
} OptionList;

/* -rtc: what date the guest's clock shows when it is switched on, and what moves it. */
typedef struct RtcConfig {
    enum { RTC_BASE_DEFAULT, RTC_BASE_UTC, RTC_BASE_LOCALTIME, RTC_BASE_DATE } base;
    int64_t date_ns; /* of RTC_BASE_DATE, since 1970 */
    enum { RTC_CLOCK_DEFAULT, RTC_CLOCK_HOST, RTC_CLOCK_VM } clock;
} RtcConfig;

/* The command line, as parsed and checked. Strings are borrowed from argv. */
typedef struct MachineConfig {
    const char *machine;       /* "virt" */
    const char *machine_props; /* what follows the first comma of -M, or NULL */
    unsigned xlen;             /* 64 or 32 */
    const char *cpu;           /* -cpu, or NULL */
    uint64_t ram_size;         /* bytes */
    unsigned cpus;
    const char *accel; /* "tcg" or "tcg-interp" */
    bool multi_thread;
    bool multi_asked; /* it was asked for, not only the default */
    CpuIcountConfig icount;
    RtcConfig rtc;
    bool seeded;
    uint64_t seed;    /* -seed, if seeded */
    uint64_t tb_size; /* bytes of code buffer, 0: default */
    const char *kernel, *initrd, *append, *bios, *dtb;
    const char *dump_dtb; /* -M dumpdtb=F */
    OptionList drives, devices, netdevs, nics, chardevs, serials, globals;
    bool nodefaults, nographic, no_reboot, no_shutdown, start_stopped;
    bool display_none;
    bool terminal_taken;   /* by a monitor: no default serial line there */
    const char *data_dirs; /* where firmware is looked for, colon separated */
    const char *name;
    const char *snapshot_dir; /* -snapdir, or NULL: SNAPSHOT_DIR */
    const char *tmp_dir; /* $TMPDIR, where snapshot overlays go; NULL: the system's */
    /* Told what goes wrong on the host while the guest runs (a full disk). May be NULL.
     */
    void (*report)(void *opaque, const char *message);
    void *report_opaque;
} MachineConfig;

typedef struct MachineClass {
    const char *name, *alias, *description;
    unsigned xlen_mask; /* bit 0: 32, bit 1: 64 */
    unsigned max_cpus;
    uint64_t default_ram_size;
    const char *nic_model;  /* of -nic without model= */
    const char *disk_model; /* of -drive if=virtio */
    /* vCPUs, RAM and the board's devices. What it made is freed by machine_free(), the
     * board's own state by exit(). */
    bool (*init)(Machine *m, Error **errp);
    /* After -device: finds and reads firmware and kernel, describes the hardware to them.
     */
    bool (*boot)(Machine *m, Error **errp);
    /* After devices and vCPUs were reset: puts firmware, kernel and boot ROM into memory.
     */
    bool (*reset)(Machine *m, Error **errp);
    void (*exit)(Machine *m); /* may be NULL */
} MachineClass;

/* A -drive. */
typedef struct MachineDrive {
    BlockBackend *blk;
    char *interface; /* if=: "none", "pflash", "virtio" */
    int unit;        /* index= or unit=, or -1 */
    bool taken;      /* a device has it */
} MachineDrive;

struct Machine {
    const MachineClass *cls;
    MachineConfig config;
    Log *log;
    const CharEscapes *escapes;
    MainLoop *loop;
    Clock clock;
    Trace *trace;
    InputGate *gate;         /* all input passes it */
    GatePort *entropy_input; /* of machine_random() */
    GatePort *touch_input;   /* what its user does to it, see touch.h */
    bool touch_reset_again;  /* lock: the user's reset that was asked for is the log's */
    /* Atomic: grows when the run jumps: a reset, a state that was loaded. */
    uint32_t epoch;
    /* Of the generator a deterministic or seeded machine has instead of the host's. */
    uint64_t entropy_state;

    pthread_mutex_t lock; /* recursive: the machine lock */
    /* lock */
    pthread_t lock_owner; /* of the machine_lock() calls that are counted in lock_depth */
    unsigned lock_depth;
    RamList ram_list;
    MemoryRegion system_memory; /* root container */
    AddressSpace as;
    MemoryListener memory_listener; /* flushes TLBs when the view of `as` changes */
    bool reclaim_pending;           /* old views wait to be freed */
    CpuGroup *cpus;
    Device *first_device, **last_device;
    MachineDrive drives[MACHINE_MAX_LIST];
    unsigned drive_count;
    NetBackend *netdevs[MACHINE_MAX_LIST];
    unsigned netdev_count;
    Chardev *chardevs[MACHINE_MAX_LIST]; /* -chardev, in order */
    unsigned chardev_count;
    Chardev *serials[MACHINE_MAX_LIST]; /* -serial, in order; NULL: none there */
    unsigned serial_count;
    void *board; /* the board's own state */

    RunControl run; /* does the guest run? See runstate.h */

    /* Requests to the main loop. Atomic */
    int reset_requested;    /* a ShutdownCause */
    int stop_requested;     /* RunState + 1 */
    int shutdown_requested; /* cause | exit status << 8; the first request counts */
    /* main loop's thread */
    ShutdownCause shutdown; /* why machine_run() ended */
    LoopPoller request_poller;
    Error *error; /* why the run ended, if the host was at fault; for main to print */
};

const MachineClass *machine_class_find(const char *name, unsigned xlen);
const MachineClass *const *machine_classes(unsigned *count);

/* Builds the machine up to its first instruction; nothing of it is left if it fails. With
 * dump_dtb the device tree is written and the machine is not meant to be run. */
Machine *machine_new(const MachineConfig *config, Log *log, const CharEscapes *escapes,
                     Error **errp);
void machine_free(Machine *m);
/* Runs until shutdown; returns the exit status. m->error tells what a host error was.
 * Locks: called without the machine lock. */
int machine_run(Machine *m);
void machine_lock(Machine *m);
void machine_unlock(Machine *m);
/* Asks for a reset; carried out by the main loop. cause: SHUTDOWN_GUEST_RESET, or SHUTDOWN_HOST_RESET, which
 * the guest's own goes before. A user asks by touch_reset(). Threads: any. */
void machine_request_reset(Machine *m, ShutdownCause cause);
/* Asks for the end of machine_run(); the first request counts. Threads: any; signal
 * handlers too. */
void machine_request_shutdown(Machine *m, ShutdownCause cause, int exit_status);
/* Unpredictable bytes: the gate through which the host's entropy enters the guest; with -seed, and in a
 * deterministic machine whose input is not kept, those of a generator. */
void machine_random(Machine *m, void *buf, size_t len);
/* As if it had just been switched on; no vCPU runs. */
void machine_set_seed(Machine *m, bool seeded, uint64_t seed);
/* The date that -rtc wants at virtual time 0; without -rtc: the host's, now. */
int64_t machine_wall_base_ns(const Machine *m);

BlockBackend *machine_find_drive(Machine *m, const char *id);
NetBackend *machine_find_netdev(Machine *m, const char *id);
Chardev *machine_find_chardev(Machine *m, const char *id);
Device *machine_find_device(Machine *m, const char *id);
/* The first drive with this if= and unit (-1: any) that nobody has; marks it as taken. */
BlockBackend *machine_take_drive(Machine *m, const char *interface, int unit);

#endif
