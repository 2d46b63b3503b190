/* SPDX-License-Identifier: MIT */
/*
 * Memory: the tree of regions a machine is built from, and the flat view an access is
 * resolved in.
 *
 *      system (container)                        FlatView of the address space
 *       |- uart   I/O   0x10000000 +0x100         [0x10000000, +0x100)  uart
 *       |- flash  ROM   0x20000000 +0x2000000 ==> [0x20000000, ...)     flash
 *       '- ram    RAM   0x80000000 +0x8000000     [0x80000000, ...)     ram
 *
 * A container may hold containers; an alias shows a window of another region; where
 * siblings overlap the higher priority wins; a disabled region and all below it vanish.
 * The tree is for people and boards; accesses use the FlatView, made anew when the
 * outermost transaction ends.
 *
 * Invariants: ranges of a FlatView are sorted and disjoint; adjacent ranges of the same
 * region with consecutive offsets are merged.
 * Threads: the tree changes under the machine lock; readers load the FlatView pointer
 * atomically; an old view lives until address_space_reclaim(), called when no vCPU is
 * inside guest code; one that is wanted again before is used again.
 */
#ifndef VITRINE_MEM_MEMORY_H
#define VITRINE_MEM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "mem/ramblock.h"
#include "util/addr.h"
#include "util/error.h"
#include "util/log.h"

typedef enum MemTxResult {
    MEMTX_OK = 0,
    MEMTX_ERROR,        /* the device refused (bad size, bad register) */
    MEMTX_DECODE_ERROR, /* nothing is mapped there */
} MemTxResult;

typedef enum MemEndian { MEM_LITTLE_ENDIAN, MEM_BIG_ENDIAN } MemEndian;

/* What a device offers to the bus. `offset` counts from the start of the region. */
typedef struct MemoryRegionOps {
    uint64_t (*read)(void *opaque, hwaddr offset, unsigned size);
    void (*write)(void *opaque, hwaddr offset, uint64_t value, unsigned size);
    MemEndian endian;
    /* What the guest may do and what read/write implement, in bytes, powers of two (0:
     * 1 to 8). An invalid access is MEMTX_ERROR + guest error, and so is one whose
     * callback is NULL. A valid one reaches the callbacks in aligned pieces of
     * impl_min to impl_max bytes, lowest offset first; a piece narrower than impl_min
     * is widened: a read takes its bytes out of the whole, a write puts them in their
     * place among zeros (it never reads). */
    unsigned valid_min, valid_max;
    bool valid_unaligned;
    unsigned impl_min, impl_max;
} MemoryRegionOps;

typedef enum MemoryRegionKind {
    MR_CONTAINER,
    MR_RAM,
    MR_ROM,
    MR_ROM_DEVICE,
    MR_IO,
    MR_ALIAS
} MemoryRegionKind;

typedef struct MemoryRegion MemoryRegion;
struct MemoryRegion {
    char *name;
    MemoryRegionKind kind;
    uint64_t size; /* bytes; UINT64_MAX stands for 2^64 */
    bool enabled;
    const char *owner; /* who added it, for the inspector; may be NULL */

    /* Place in the tree. */
    hwaddr addr; /* offset in the container */
    int priority;
    MemoryRegion *container;
    MemoryRegion *children; /* sorted: higher priority first, later-added first */
    MemoryRegion *next_sibling;

    /* By kind. */
    RAMBlock *ram;              /* RAM, ROM, ROM_DEVICE */
    const MemoryRegionOps *ops; /* IO, ROM_DEVICE (writes; reads too while !romd_mode) */
    void *opaque;
    bool romd_mode;
    MemoryRegion *alias; /* ALIAS */
    hwaddr alias_offset;

    /* The thread inside a callback of this region, or 0: a device whose DMA hits its
     * own registers gets MEMTX_ERROR instead of being entered again. Atomic. */
    uintptr_t io_thread;
};

/* A piece of the flat view. */
typedef struct FlatRange {
    hwaddr addr;
    uint64_t size;    /* bytes; UINT64_MAX stands for 2^64 */
    MemoryRegion *mr; /* never a container or an alias */
    hwaddr mr_offset; /* of `addr` in mr */
    bool readonly;    /* stores are dropped (ROM) */
    bool is_ram;      /* loads may go straight to mr->ram->host */
} FlatRange;

/* Address of the range's last byte (a size of UINT64_MAX reaches the top in either
 * reading). */
static inline hwaddr flat_range_last(const FlatRange *fr) {
    return fr->size == UINT64_MAX ? UINT64_MAX : fr->addr + (fr->size - 1);
}

/* True if stores may go straight to mr->ram->host (those to a ROM device go to its
 * callback). */
static inline bool flat_range_is_writable_ram(const FlatRange *fr) {
    return fr->mr->kind == MR_RAM;
}

typedef struct FlatView {
    FlatRange *ranges;
    unsigned count;
    struct FlatView *retired_next;
} FlatView;

typedef struct MemoryListener MemoryListener;
struct MemoryListener {
    /* Called at commit for what changed; any may be NULL. */
    void (*region_del)(MemoryListener *l, const FlatRange *fr);
    void (*region_add)(MemoryListener *l, const FlatRange *fr);
    void (*commit)(MemoryListener *l); /* after a change, e.g. flush TLBs */
    MemoryListener *next;
};

typedef struct AddressSpace {
    char *name;
    MemoryRegion *root;
    FlatView *view; /* atomic */
    FlatView *retired;
    MemoryListener *listeners;
    const Log *log; /* guest errors; may be NULL */
    int transaction_depth;
    bool pending;
    /* Called before device callbacks and after, when set: takes the machine lock. */
    void (*lock_io)(void *opaque);
    void (*unlock_io)(void *opaque);
    void *lock_opaque;
    /* Called after a DMA write to RAM (not by TCG stores) that touches a page whose
     * DIRTY_CODE bit is clear: invalidates translated code, then sets the bit. When it
     * is NULL the bit is just set. */
    void (*ram_written)(void *opaque, RAMBlock *rb, uint64_t offset, uint64_t len);
    void *ram_written_opaque;
    /* Somebody wants to hear of each DMA access (hw/dma.h). Machine lock. */
    bool dma_watched;
} AddressSpace;

/* --- building regions. All init functions copy `name`. ------------------------------ */
/* A container. */
void memory_region_init(MemoryRegion *mr, const char *name, uint64_t size);
void memory_region_init_io(MemoryRegion *mr, const MemoryRegionOps *ops, void *opaque,
                           const char *name, uint64_t size);
void memory_region_init_ram(MemoryRegion *mr, RAMBlock *rb, const char *name,
                            uint64_t size);
void memory_region_init_rom(MemoryRegion *mr, RAMBlock *rb, const char *name,
                            uint64_t size);
void memory_region_init_rom_device(MemoryRegion *mr, RAMBlock *rb,
                                   const MemoryRegionOps *ops, void *opaque,
                                   const char *name, uint64_t size);
void memory_region_init_alias(MemoryRegion *mr, const char *name, MemoryRegion *target,
                              hwaddr offset, uint64_t size);
/* Frees the name. The region must be out of any tree, and of every retired view that
 * is still read (address_space_reclaim()). */
void memory_region_destroy(MemoryRegion *mr);

/* --- changing the tree -------------------------------------------------------------- */

/* `as` is the space that shows the tree (its view is remade); NULL while none does. */
void memory_region_add(AddressSpace *as, MemoryRegion *container, hwaddr addr,
                       MemoryRegion *mr, int priority);
void memory_region_del(AddressSpace *as, MemoryRegion *mr);
void memory_region_set_enabled(AddressSpace *as, MemoryRegion *mr, bool enabled);
void memory_region_set_address(AddressSpace *as, MemoryRegion *mr, hwaddr addr);
void memory_region_set_romd(AddressSpace *as, MemoryRegion *mr, bool romd);

/* --- address spaces ----------------------------------------------------------------- */
void address_space_init(AddressSpace *as, MemoryRegion *root, const char *name,
                        const Log *log);
void address_space_destroy(AddressSpace *as);
/* Transaction: several changes, one new view. May be nested. */
void address_space_begin(AddressSpace *as);
void address_space_commit(AddressSpace *as);
void address_space_reclaim(AddressSpace *as); /* frees retired views */
/* Replays region_add for the view as it is, then commit. */
void address_space_add_listener(AddressSpace *as, MemoryListener *l);
void address_space_remove_listener(AddressSpace *as, MemoryListener *l);

/* The range that holds `addr`, or NULL. Cost: binary search. */
const FlatRange *address_space_find(const AddressSpace *as, hwaddr addr);

/* One access of 1, 2, 4 or 8 bytes, as a CPU makes it: *value in guest-CPU
 * (little-endian) order. An access that crosses ranges is made bytewise; a hole reads
 * as 0. A store to ROM is dropped with a guest error and is MEMTX_OK. Locks: takes
 * lock_io around device callbacks. */
MemTxResult address_space_load(AddressSpace *as, hwaddr addr, unsigned size,
                               uint64_t *value);
MemTxResult address_space_store(AddressSpace *as, hwaddr addr, unsigned size,
                                uint64_t value);

/* Bulk, as a device's DMA makes it: RAM by memcpy (marking dirty, calling
 * ram_written), the rest by loads and stores. Returns the first error but goes on to
 * the end. */
MemTxResult address_space_read(AddressSpace *as, hwaddr addr, void *buf, uint64_t len);
MemTxResult address_space_write(AddressSpace *as, hwaddr addr, const void *buf,
                                uint64_t len);
/* Host pointer to RAM at `addr` for at most *len bytes (reduced to what is
 * contiguous), or NULL if it is not RAM (or ROM and is_write). A writer calls
 * address_space_unmap with what it wrote, while the RAM is still mapped. */
void *address_space_map(AddressSpace *as, hwaddr addr, uint64_t *len, bool is_write);
void address_space_unmap(AddressSpace *as, void *host, uint64_t len, bool is_write);
/* Where a byte of RAM or ROM is. False: nowhere. */
bool address_space_find_host(const AddressSpace *as, const void *host, hwaddr *addr);

/* Loader's write: goes through to ROM as well. False if [addr, addr+len) is not all
 * RAM or ROM. */
bool address_space_write_rom(AddressSpace *as, hwaddr addr, const void *buf,
                             uint64_t len);

/* --- one region's own access -------------------------------------------------------- */

/* With the splitting and checking described at MemoryRegionOps. For I/O: a store to RAM
 * belongs in address_space_store(), which calls ram_written. Locks: the caller holds what
 * lock_io takes. */
MemTxResult memory_region_dispatch_read(MemoryRegion *mr, hwaddr offset, unsigned size,
                                        uint64_t *value, const Log *log);
MemTxResult memory_region_dispatch_write(MemoryRegion *mr, hwaddr offset, unsigned size,
                                         uint64_t value, const Log *log);

/* --- pictures ----------------------------------------------------------------------- */
void memory_print_tree(const MemoryRegion *root, FILE *out); /* as QEMU's `info mtree` */
void memory_print_flat(const AddressSpace *as, FILE *out);   /* as `info mtree -f` */

#endif
