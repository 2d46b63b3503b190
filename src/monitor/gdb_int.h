/* SPDX-License-Identifier: MIT */
/* What the parts of a gdb session share. Inside src/monitor. */
#ifndef VITRINE_MONITOR_GDB_INT_H
#define VITRINE_MONITOR_GDB_INT_H

#include "monitor/gdb.h"
#include "monitor/gdb_target.h"

/* Bits of QEMU's sstep: a step is one; holds interrupts off; holds timers off. */
enum { GDB_SSTEP_ENABLE = 1, GDB_SSTEP_NOIRQ = 2, GDB_SSTEP_NOTIMER = 4 };

enum { GDB_MAX_OUTPUT = 1 << 20, GDB_ANY_THREAD = -1 };

/* A Z packet that is in force. */
typedef struct GdbPoint {
    unsigned type; /* of the packet: 0..4 */
    uint64_t addr, len;
    unsigned id; /* the machine's */
} GdbPoint;

struct GdbSession {
    Machine *m;
    GdbHooks hooks;
    GdbParser parser;
    GdbBuffer out;   /* to be sent */
    GdbBuffer reply; /* payload in the making */
    GdbBuffer last;  /* the packet sent last, should it be wanted again */
    bool no_ack;
    bool running;     /* gdb waits for a stop */
    bool interrupted; /* by its own Ctrl-C */
    bool early; /* a Ctrl-C came while nothing ran: gdb may send it just before vCont */
    bool over;
    bool physical;  /* addresses are physical (PhyMemMode) */
    unsigned cpu;   /* of registers and memory */
    int run_cpu;    /* of s and c; GDB_ANY_THREAD */
    unsigned sstep; /* GDB_SSTEP_* */
    GdbPoint point[DEBUG_MAX_POINTS];
    unsigned point_count;
};

typedef struct GdbCommand {
    const char *prefix;
    /* Appends to s->reply. `args` is what follows the prefix. */
    void (*run)(GdbSession *s, const char *args);
    bool silent; /* no reply now: a stop follows, or nothing */
} GdbCommand;

/* Errors are numbers without a meaning to gdb; these are errno's. */
enum {
    GDB_E_PERM = 1,
    GDB_E_IO = 5,
    GDB_E_FAULT = 14,
    GDB_E_INVAL = 22,
    GDB_E_NOSPC = 28
};
void gdb_error(GdbSession *s, unsigned number);
void gdb_ok(GdbSession *s);
/* Sends s->reply as a packet. */
void gdb_send(GdbSession *s);
CPUState *gdb_cpu(const GdbSession *s);
/* Parks the vCPUs and takes the machine lock, for as long as a command looks at them. */
void gdb_begin(GdbSession *s);
void gdb_end(GdbSession *s);
/* A thread id; *cpu is an index or GDB_ANY_THREAD. False: there is no such thread. */
bool gdb_take_thread(const GdbSession *s, const char **text, int *cpu);
/* The row whose prefix the text has, or NULL; *args is moved behind it. */
const GdbCommand *gdb_find_command(const GdbCommand *rows, unsigned count,
                                   const char **args);

/* gdb_run.c */
void gdb_cmd_stop_reason(GdbSession *s, const char *args);
void gdb_cmd_continue(GdbSession *s, const char *args);
void gdb_cmd_continue_signal(GdbSession *s, const char *args);
void gdb_cmd_step(GdbSession *s, const char *args);
void gdb_cmd_step_signal(GdbSession *s, const char *args);
void gdb_cmd_vcont(GdbSession *s, const char *args);
void gdb_cmd_vcont_which(GdbSession *s, const char *args);
void gdb_cmd_back(GdbSession *s, const char *args);
void gdb_interrupt(GdbSession *s);
void gdb_let_go(GdbSession *s); /* takes the points away and lets the machine run */
/* gdb_memory.c */
void gdb_cmd_read_memory(GdbSession *s, const char *args);
void gdb_cmd_write_memory(GdbSession *s, const char *args);
void gdb_cmd_write_binary(GdbSession *s, const char *args);
void gdb_cmd_insert(GdbSession *s, const char *args);
void gdb_cmd_remove(GdbSession *s, const char *args);
/* gdb_query.c */
void gdb_cmd_query(GdbSession *s, const char *args);
void gdb_cmd_set(GdbSession *s, const char *args);

#endif
