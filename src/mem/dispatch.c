/* SPDX-License-Identifier: MIT */
/*
 * Dispatch: one access to one region, cut and widened to what its callbacks implement.
 *
 *   guest      8 bytes at +4 |....|....|         2 bytes at +6       |..|
 *   impl 4..4       read(4,4) read(8,4)              read(4,4) |....| -> its upper half
 *
 * Bytes have a place in memory, values have an order: byte k of an aligned piece of n
 * bytes is bits 8k and up of a little-endian value, and bits 8(n-1-k) and up of a
 * big-endian one.
 */
#include <assert.h>
#include <pthread.h>

#include "mem/access.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "host_load() and host_store() take the host's order for the guest's");

/* A device's own reading of "0: the default" in its ops. */
typedef struct AccessLimits {
    unsigned valid_min, valid_max, impl_min, impl_max;
} AccessLimits;

static AccessLimits access_limits(const MemoryRegionOps *ops) {
    AccessLimits limits = {
        .valid_min = ops->valid_min != 0 ? ops->valid_min : 1,
        .valid_max = ops->valid_max != 0 ? ops->valid_max : 8,
        .impl_min = ops->impl_min != 0 ? ops->impl_min : 1,
        .impl_max = ops->impl_max != 0 ? ops->impl_max : 8,
    };
    return limits;
}

unsigned memory_region_max_access(const MemoryRegion *mr) {
    return mr->ops == NULL ? 8 : access_limits(mr->ops).valid_max;
}

static bool size_is_access(unsigned size) {
    return size == 1 || size == 2 || size == 4 || size == 8;
}

/* --- what is allowed ---------------------------------------------------------------- */

void memory_guest_error(const Log *log, const char *what, const char *name, hwaddr addr,
                        unsigned size) {
    if (log != NULL && log_enabled(log, LOG_GUEST_ERRORS)) {
        log_printf(log, LOG_GUEST_ERRORS, "%s: '%s' at 0x%llx, %u bytes\n", what, name,
                   (unsigned long long)addr, size);
    }
}

static bool access_in_region(const MemoryRegion *mr, hwaddr offset, unsigned size) {
    return mr->size == UINT64_MAX || (offset < mr->size && size <= mr->size - offset);
}

static bool access_is_valid(const MemoryRegion *mr, hwaddr offset, unsigned size) {
    AccessLimits limits = access_limits(mr->ops);
    return size >= limits.valid_min && size <= limits.valid_max &&
           (mr->ops->valid_unaligned || (offset & (size - 1)) == 0);
}

/* The guard of MemoryRegion.io_thread. Every exit clears it, so it can be missed when
 * callbacks of a region run on two threads at once, but it never refuses an innocent
 * access. */
static bool io_enter(MemoryRegion *mr) {
    uintptr_t self = (uintptr_t)pthread_self();
    if (__atomic_load_n(&mr->io_thread, __ATOMIC_RELAXED) == self) {
        return false;
    }
    __atomic_store_n(&mr->io_thread, self, __ATOMIC_RELAXED);
    return true;
}

static void io_leave(MemoryRegion *mr) {
    __atomic_store_n(&mr->io_thread, 0, __ATOMIC_RELAXED);
}

/* --- cutting ------------------------------------------------------------------------ */

/* One call of a callback: `size` bytes at `offset`, of which the access wants `count`
 * bytes from byte `skip` on. */
typedef struct Piece {
    hwaddr offset;
    unsigned size, skip, count;
} Piece;

/* The piece that starts at `pos`, with `left` bytes still to go. */
static Piece access_piece(AccessLimits limits, hwaddr pos, unsigned left) {
    unsigned count = limits.impl_max;
    while (count > left || (pos & (count - 1)) != 0) {
        count /= 2;
    }
    if (count >= limits.impl_min) {
        return (Piece){pos, count, 0, count};
    }
    hwaddr start = pos & ~(hwaddr)(limits.impl_min - 1);
    return (Piece){start, limits.impl_min, (unsigned)(pos - start), count};
}

/* Where byte k of a piece is in its value. */
static unsigned byte_shift(const MemoryRegionOps *ops, unsigned k, unsigned size) {
    return 8 * (ops->endian == MEM_BIG_ENDIAN ? size - 1 - k : k);
}

static uint64_t pieces_read(MemoryRegion *mr, hwaddr offset, unsigned size) {
    const MemoryRegionOps *ops = mr->ops;
    AccessLimits limits = access_limits(ops);
    uint64_t value = 0;
    for (unsigned done = 0; done < size;) {
        Piece p = access_piece(limits, offset + done, size - done);
        uint64_t whole = ops->read(mr->opaque, p.offset, p.size);
        for (unsigned k = 0; k < p.count; k++) {
            uint64_t byte = whole >> byte_shift(ops, p.skip + k, p.size) & 0xff;
            value |= byte << 8 * (done + k);
        }
        done += p.count;
    }
    return value;
}

static void pieces_write(MemoryRegion *mr, hwaddr offset, unsigned size, uint64_t value) {
    const MemoryRegionOps *ops = mr->ops;
    AccessLimits limits = access_limits(ops);
    for (unsigned done = 0; done < size;) {
        Piece p = access_piece(limits, offset + done, size - done);
        uint64_t whole = 0;
        for (unsigned k = 0; k < p.count; k++) {
            uint64_t byte = value >> 8 * (done + k) & 0xff;
            whole |= byte << byte_shift(ops, p.skip + k, p.size);
        }
        ops->write(mr->opaque, p.offset, whole, p.size);
        done += p.count;
    }
}

/* --- the two entries ---------------------------------------------------------------- */

MemTxResult memory_region_dispatch_read(MemoryRegion *mr, hwaddr offset, unsigned size,
                                        uint64_t *value, const Log *log) {
    assert(size_is_access(size));
    *value = 0;
    if (!access_in_region(mr, offset, size)) {
        memory_guest_error(log, "read past the end", mr->name, offset, size);
        return MEMTX_DECODE_ERROR;
    }
    if (mr->kind == MR_RAM || mr->kind == MR_ROM ||
        (mr->kind == MR_ROM_DEVICE && mr->romd_mode)) {
        *value = host_load(mr->ram->host + offset, size);
        return MEMTX_OK;
    }
    assert(mr->ops != NULL);
    if (mr->ops->read == NULL || !access_is_valid(mr, offset, size)) {
        memory_guest_error(log, "invalid read", mr->name, offset, size);
        return MEMTX_ERROR;
    }
    if (!io_enter(mr)) {
        memory_guest_error(log, "read by its own DMA", mr->name, offset, size);
        return MEMTX_ERROR;
    }
    *value = pieces_read(mr, offset, size);
    io_leave(mr);
    return MEMTX_OK;
}

MemTxResult memory_region_dispatch_write(MemoryRegion *mr, hwaddr offset, unsigned size,
                                         uint64_t value, const Log *log) {
    assert(size_is_access(size));
    if (!access_in_region(mr, offset, size)) {
        memory_guest_error(log, "write past the end", mr->name, offset, size);
        return MEMTX_DECODE_ERROR;
    }
    if (mr->kind == MR_RAM) {
        host_store(mr->ram->host + offset, size, value);
        /* There may be translated code, and nobody is called here to throw it away. */
        ramblock_set_dirty(mr->ram, offset, size,
                           DIRTY_ALL_CLIENTS & ~(1u << DIRTY_CODE));
        return MEMTX_OK;
    }
    if (mr->kind == MR_ROM) {
        memory_guest_error(log, "write to ROM dropped", mr->name, offset, size);
        return MEMTX_OK;
    }
    assert(mr->ops != NULL);
    if (mr->ops->write == NULL || !access_is_valid(mr, offset, size)) {
        memory_guest_error(log, "invalid write", mr->name, offset, size);
        return MEMTX_ERROR;
    }
    if (!io_enter(mr)) {
        memory_guest_error(log, "write by its own DMA", mr->name, offset, size);
        return MEMTX_ERROR;
    }
    pieces_write(mr, offset, size, value);
    io_leave(mr);
    return MEMTX_OK;
}
