/* SPDX-License-Identifier: MIT */
/*
 * Access: loads, stores and DMA on an address space.
 *
 *   addr --flatview_find()--> RAM:  host bytes; then dirty bits and translated code
 *                             I/O:  lock_io, memory_region_dispatch_*(), unlock_io
 *                             hole: MEMTX_DECODE_ERROR, reads 0
 *
 * Threads: any, on its own snapshot of the view. RAM is reached without a lock.
 */
#include "mem/access.h"

#include <assert.h>
#include <string.h>

#include "mem/flatview.h"

static void io_lock(AddressSpace *as) {
    if (as->lock_io != NULL) {
        as->lock_io(as->lock_opaque);
    }
}

static void io_unlock(AddressSpace *as) {
    if (as->unlock_io != NULL) {
        as->unlock_io(as->lock_opaque);
    }
}

static MemTxResult first_error(MemTxResult before, MemTxResult now) {
    return before != MEMTX_OK ? before : now;
}

/* Bytes from addr to the end of its range; UINT64_MAX for more than that. */
static uint64_t range_left(const FlatRange *fr, hwaddr addr) {
    uint64_t left = flat_range_last(fr) - addr;
    return left == UINT64_MAX ? left : left + 1;
}

static uint8_t *range_host(const FlatRange *fr, hwaddr addr) {
    return fr->mr->ram->host + fr->mr_offset + (addr - fr->addr);
}

/* What must follow a write to RAM. DIRTY_CODE is left to ram_written(): only who has
 * thrown the translated code away may say that there is none. */
static void ram_written(AddressSpace *as, RAMBlock *rb, uint64_t offset, uint64_t len) {
    uint32_t clients = DIRTY_ALL_CLIENTS;
    if (as->ram_written != NULL) {
        clients &= ~(1u << DIRTY_CODE);
    }
    ramblock_set_dirty(rb, offset, len, clients);
    if (as->ram_written != NULL && ramblock_any_clean(rb, offset, len, DIRTY_CODE)) {
        as->ram_written(as->ram_written_opaque, rb, offset, len);
    }
}

/* --- loads and stores --------------------------------------------------------------- */

static MemTxResult range_load(AddressSpace *as, const FlatRange *fr, hwaddr addr,
                              unsigned size, uint64_t *value) {
    if (fr->is_ram) {
        *value = host_load(range_host(fr, addr), size);
        return MEMTX_OK;
    }
    io_lock(as);
    MemTxResult r = memory_region_dispatch_read(fr->mr, fr->mr_offset + (addr - fr->addr),
                                                size, value, as->log);
    io_unlock(as);
    return r;
}

static MemTxResult range_store(AddressSpace *as, const FlatRange *fr, hwaddr addr,
                               unsigned size, uint64_t value) {
    hwaddr offset = fr->mr_offset + (addr - fr->addr);
    if (flat_range_is_writable_ram(fr)) {
        host_store(range_host(fr, addr), size, value);
        ram_written(as, fr->mr->ram, offset, size);
        return MEMTX_OK;
    }
    io_lock(as);
    MemTxResult r = memory_region_dispatch_write(fr->mr, offset, size, value, as->log);
    io_unlock(as);
    return r;
}

MemTxResult address_space_load(AddressSpace *as, hwaddr addr, unsigned size,
                               uint64_t *value) {
    assert(size == 1 || size == 2 || size == 4 || size == 8);
    *value = 0;
    hwaddr hole_last;
    const FlatRange *fr = flatview_find(address_space_view(as), addr, &hole_last);
    if (fr != NULL && range_left(fr, addr) >= size) {
        return range_load(as, fr, addr, size, value);
    }
    if (fr == NULL && hole_last - addr >= size - 1) {
        memory_guest_error(as->log, "read of nothing", as->name, addr, size);
        return MEMTX_DECODE_ERROR;
    }
    MemTxResult result = MEMTX_OK;
    for (unsigned i = 0; i < size; i++) {
        uint64_t byte;
        result = first_error(result, address_space_load(as, addr + i, 1, &byte));
        *value |= byte << 8 * i;
    }
    return result;
}

MemTxResult address_space_store(AddressSpace *as, hwaddr addr, unsigned size,
                                uint64_t value) {
    assert(size == 1 || size == 2 || size == 4 || size == 8);
    hwaddr hole_last;
    const FlatRange *fr = flatview_find(address_space_view(as), addr, &hole_last);
    if (fr != NULL && range_left(fr, addr) >= size) {
        return range_store(as, fr, addr, size, value);
    }
    if (fr == NULL && hole_last - addr >= size - 1) {
        memory_guest_error(as->log, "write to nothing", as->name, addr, size);
        return MEMTX_DECODE_ERROR;
    }
    MemTxResult result = MEMTX_OK;
    for (unsigned i = 0; i < size; i++) {
        result = first_error(result,
                             address_space_store(as, addr + i, 1, value >> 8 * i & 0xff));
    }
    return result;
}

/* --- bulk --------------------------------------------------------------------------- */

/* The largest access for a bulk transfer at `addr`: aligned, and no more than the
 * device takes. */
static unsigned bulk_access_size(const FlatRange *fr, hwaddr addr, uint64_t len) {
    unsigned size = memory_region_max_access(fr->mr);
    hwaddr offset = fr->mr_offset + (addr - fr->addr);
    while (size > len || (offset & (size - 1)) != 0) {
        size /= 2;
    }
    return size;
}

MemTxResult address_space_read(AddressSpace *as, hwaddr addr, void *buf, uint64_t len) {
    MemTxResult result = MEMTX_OK;
    uint8_t *p = buf;
    while (len > 0) {
        hwaddr hole_last;
        const FlatRange *fr = flatview_find(address_space_view(as), addr, &hole_last);
        uint64_t left = fr != NULL ? range_left(fr, addr) - 1 : hole_last - addr;
        uint64_t n = left < len - 1 ? left + 1 : len;
        if (fr == NULL) {
            memset(p, 0, n);
            memory_guest_error(as->log, "DMA read of nothing", as->name, addr,
                               (unsigned)n);
            result = first_error(result, MEMTX_DECODE_ERROR);
        } else if (fr->is_ram) {
            memcpy(p, range_host(fr, addr), n);
        } else {
            n = bulk_access_size(fr, addr, n);
            uint64_t value;
            result = first_error(result, range_load(as, fr, addr, (unsigned)n, &value));
            memcpy(p, &value, n);
        }
        p += n;
        addr += n;
        len -= n;
    }
    return result;
}

MemTxResult address_space_write(AddressSpace *as, hwaddr addr, const void *buf,
                                uint64_t len) {
    MemTxResult result = MEMTX_OK;
    const uint8_t *p = buf;
    while (len > 0) {
        hwaddr hole_last;
        const FlatRange *fr = flatview_find(address_space_view(as), addr, &hole_last);
        uint64_t left = fr != NULL ? range_left(fr, addr) - 1 : hole_last - addr;
        uint64_t n = left < len - 1 ? left + 1 : len;
        if (fr == NULL) {
            memory_guest_error(as->log, "DMA write to nothing", as->name, addr,
                               (unsigned)n);
            result = first_error(result, MEMTX_DECODE_ERROR);
        } else if (fr->readonly) {
            memory_guest_error(as->log, "DMA write to ROM dropped", fr->mr->name, addr,
                               (unsigned)n);
        } else if (flat_range_is_writable_ram(fr)) {
            memcpy(range_host(fr, addr), p, n);
            ram_written(as, fr->mr->ram, fr->mr_offset + (addr - fr->addr), n);
        } else {
            n = bulk_access_size(fr, addr, n);
            uint64_t value = 0;
            memcpy(&value, p, n);
            result = first_error(result, range_store(as, fr, addr, (unsigned)n, value));
        }
        p += n;
        addr += n;
        len -= n;
    }
    return result;
}

void *address_space_map(AddressSpace *as, hwaddr addr, uint64_t *len, bool is_write) {
    const FlatRange *fr = flatview_find(address_space_view(as), addr, NULL);
    if (fr == NULL || !(is_write ? flat_range_is_writable_ram(fr) : fr->is_ram)) {
        return NULL;
    }
    uint64_t left = range_left(fr, addr);
    if (*len > left) {
        *len = left;
    }
    return range_host(fr, addr);
}

void address_space_unmap(AddressSpace *as, void *host, uint64_t len, bool is_write) {
    if (!is_write) {
        return;
    }
    const FlatView *fv = address_space_view(as);
    for (unsigned i = 0; i < fv->count; i++) {
        RAMBlock *rb = fv->ranges[i].mr->ram;
        uintptr_t offset = rb != NULL ? (uintptr_t)host - (uintptr_t)rb->host : 0;
        if (rb != NULL && offset < rb->size) {
            assert(len <= rb->size - offset);
            ram_written(as, rb, offset, len);
            return;
        }
    }
}

bool address_space_find_host(const AddressSpace *as, const void *host, hwaddr *addr) {
    const FlatView *fv = address_space_view(as);
    for (unsigned i = 0; i < fv->count; i++) {
        const FlatRange *fr = &fv->ranges[i];
        if (!fr->is_ram) {
            continue;
        }
        uintptr_t offset = (uintptr_t)host - (uintptr_t)range_host(fr, fr->addr);
        if (offset <= flat_range_last(fr) - fr->addr) {
            *addr = fr->addr + offset;
            return true;
        }
    }
    return false;
}

bool address_space_write_rom(AddressSpace *as, hwaddr addr, const void *buf,
                             uint64_t len) {
    const FlatView *fv = address_space_view(as);
    const uint8_t *p = buf;
    /* Twice: look first, so that nothing is written if anything is missing. */
    for (int pass = 0; pass < 2; pass++) {
        for (uint64_t done = 0, n; done < len; done += n) {
            const FlatRange *fr = flatview_find(fv, addr + done, NULL);
            if (fr == NULL || fr->mr->ram == NULL) {
                return false;
            }
            uint64_t left = range_left(fr, addr + done);
            n = left < len - done ? left : len - done;
            if (pass == 1) {
                hwaddr offset = fr->mr_offset + (addr + done - fr->addr);
                memcpy(fr->mr->ram->host + offset, p + done, n);
                ram_written(as, fr->mr->ram, offset, n);
            }
        }
    }
    return true;
}
