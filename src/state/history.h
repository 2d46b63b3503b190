/* SPDX-License-Identifier: MIT */
/*
 * History: a ring of moments of one machine in memory, each of which it can go back to.
 *
 *   entry      0 (base)     1            2          now
 *   page A     A0 <-------------------- A2          versions of a page, the newest first: version
 *   page B     B0 <------- B1                       k is what the page had at entry k
 *   page C     C0
 *
 * Taking an entry copies the pages that were written since the last one: their dirty bits
 * (DIRTY_HISTORY) are read and cleared. Going back to entry k writes the pages that have a version
 * younger than k, or a dirty bit, with their newest version not younger than k; the entries behind k
 * are then void. When the memory is used up the oldest entry is merged into the next: a version
 * that has a younger one there is freed. Pages of zeros have no bytes. Disks: block/overlay.h.
 *
 * Not in it: what belongs to the host, as in snapshot.h. Drives that are written in place prevent
 * history.
 *
 * Locks: each function takes the machine lock; no vCPU runs (machine_stop() or machine_pause(); to
 * restore: machine_stop(), since the clock must stand).
 */
#ifndef VITRINE_STATE_HISTORY_H
#define VITRINE_STATE_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/machine/machine.h"
#include "util/error.h"

typedef struct History History;

typedef struct HistoryEntry {
    uint64_t number;  /* counts up from 0 with each history_take() */
    int64_t time_ns;  /* the guest's virtual time */
    uint64_t count;   /* instructions executed; 0 without -icount */
    uint64_t input;   /* position of the input log */
    uint64_t bytes;   /* of memory that it alone needs */
    unsigned changed; /* pages it has a version of */
} HistoryEntry;

enum { HISTORY_MAX_ENTRIES = 1024 };

/* Begins with an entry of now. `budget`: bytes of memory and overlay files for all entries; the last
 * two are kept whatever they cost. Errors: a drive that is written in place; no memory. */
History *history_new(Machine *m, uint64_t budget, Error **errp);
void history_free(History *h); /* ends tracking; NULL: nothing */
/* Adds an entry of now. Errors: no memory: the history is as before. Cost: a copy of each page
 * written since the last one. */
bool history_take(History *h, Error **errp);
/* Forgets all entries and begins anew with one of now. Errors: no memory: it is empty then. */
bool history_restart(History *h, Error **errp);
unsigned history_count(const History *h);
/* The i-th entry that is left, from the oldest. */
HistoryEntry history_entry(const History *h, unsigned i);
/* Makes the machine what it was at entry i, and goes back in its input log; entries behind it are gone. */
void history_restore(History *h, unsigned i);
uint64_t history_bytes(const History *h); /* what all entries need now */

#endif
