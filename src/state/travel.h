/* SPDX-License-Identifier: MIT */
/*
 * Travel: to another moment of the run, named by its count of instructions: right before that one, and
 * before any input there (while every hart waits, input and timers go on at one count).
 *
 *   entries   |------------|------------|-------x now      every ICOUNT_EPOCH, in memory (history.h)
 *                          ^            .
 *   back      restore -----'---- run -->|                   the input log (util/gate.h) is run again,
 *                                       target              as it came
 *
 * What was is run again exactly, up to the present, where the first journey began; there the guest
 * lives on, with the host's input. So whoever goes back can look at the same past as often as wanted,
 * and change nothing by it: in the past nothing can be typed, written or reset (hw/machine/touch.h).
 * Who wants another future than the one that was says so: travel_cut().
 *
 * A snapshot that is loaded begins another run, with a history of its own.
 *
 * Backwards to a break or watch point: from entry to entry the run is repeated up to where one was, and
 * the last hit before that counts.
 *
 * Wants -icount, and disks that are not written in place. What a device wrote (DMA) has a last writer as
 * well: the device. Not modelled: bytes written by a reset, or by a user, have none.
 *
 * The trace (util/trace.h) does not record a journey through the past: what happened then is in it
 * already.
 *
 * Threads: any that may stop and start the machine (runstate.h); the machine is stopped before and after,
 * and only the last stop is told to listeners. One journey at a time: a second is an error.
 * Book: going-back-in-time.md.
 */
#ifndef VITRINE_STATE_TRAVEL_H
#define VITRINE_STATE_TRAVEL_H

#include "hw/machine/machine.h"
#include "state/history.h"
#include "util/error.h"

typedef struct Travel Travel;

typedef struct TravelConfig {
    /* Instructions between two entries: a multiple of ICOUNT_EPOCH; 0: that. */
    uint64_t every;
    uint64_t budget; /* bytes of memory; 0: 256 MiB */
} TravelConfig;

typedef struct TravelRange {
    uint64_t first, now,
        seen; /* counts that can be gone to: from first to seen, the present */
    unsigned entries;
    uint64_t bytes, budget;
} TravelRange;

/* Who wrote these bytes last? */
typedef struct TravelQuestion {
    vaddr addr;    /* virtual */
    bool physical; /* or not: then by whatever virtual address it was written */
    uint64_t len;
    /* The count of a write that was found: only older ones matter; 0: all. */
    uint64_t before;
    /* Instructions to look back at, and what is left to a moment; 0: all. */
    uint64_t within;
} TravelQuestion;

/* The answer of travel_last_write(). */
typedef struct TravelWrite {
    bool found;
    uint64_t from;  /* count from which on was looked */
    uint64_t count; /* of instructions before the one behind the store */
    DebugStop stop; /* cpu, insn_pc or dma, address, phys, size, old_value, new_value */
} TravelWrite;

/* Parses "every=N,mem=SIZE" of -history. */
bool travel_config_parse(TravelConfig *config, const char *text, Error **errp);
/* Before the first instruction, or with the machine stopped. Errors: no -icount; a drive that is
 * written in place; no memory. */
Travel *travel_new(Machine *m, const TravelConfig *config, Error **errp);
void travel_free(Travel *t);
/* While a journey waits for the machine, fn is called every few milliseconds on the traveller's thread, without a
 * lock; it may look at what holds no guest state. Set before the first journey. */
void travel_set_meanwhile(Travel *t, void (*fn)(void *opaque), void *opaque);
/* If another state was loaded, which none of the moments leads to: forgets them, and begins with now. The
 * machine is stopped. Errors: no memory. */
bool travel_restart(Travel *t, Error **errp);
TravelRange travel_range(Travel *t);
/* The moments that are kept, from the oldest: up to `max` entries; returns how many. */
unsigned travel_moments(Travel *t, HistoryEntry *moments, unsigned max);

/* Goes to a moment: right before instruction number to.count, and there after as much input as had come by then (0:
 * before what came at that count); behind the present the guest lives on up to there.
 * Errors: before the first entry; behind a recording's end; the guest waits, or ended before it. */
bool travel_go(Travel *t, CpuMoment to, Error **errp);
/* Goes n instructions back. */
bool travel_back(Travel *t, uint64_t n, Error **errp);
/* Goes back to the last hit of any break or watch point; *stop: which. None: to the first entry, and
 * stop->reason is DEBUG_NONE. */
bool travel_back_to_point(Travel *t, DebugStop *stop, Error **errp);
/* Finds the last store by a hart or a device to some bytes, and comes back here. */
bool travel_last_write(Travel *t, const TravelQuestion *q, TravelWrite *write,
                       Error **errp);

/* Makes now the present: what came in behind it is forgotten. Errors: a recording is made or replayed. */
bool travel_cut(Travel *t, Error **errp);

#endif
