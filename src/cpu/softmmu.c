/* SPDX-License-Identifier: MIT */
/*
 * Softmmu: the slow path of a guest access, when the first-level TLB did not simply match.
 *
 *   generated code --miss--> here: misaligned? page crossing? --> tlb_fill (second level, walk)
 *                                        |
 *            plain RAM  <----------------+----> MMIO: the device, under the machine lock
 *            RAM with a watcher: code here (invalidate), a dirty client, a watch point
 *
 * Functions return false when a guest exception was delivered: env pc is then the handler's.
 */
#include "cpu/softmmu.h"

#include "cpu/exec.h"
#include "mem/hostvalue.h"
#include "mem/memory.h"
#include "tcg/eval.h"
#include "util/counter.h"

static uint64_t tag_of(const TlbEntry *e, AccessKind kind) {
    return __atomic_load_n(kind == ACCESS_STORE ? &e->tag_store : &e->tag_load,
                           __ATOMIC_RELAXED);
}

/* The first-level entry for an access inside one page, filled if need be. NULL: exception (or, for a
 * probe, no translation). *tag: the tag for this kind of access, without TLB_INVALID. */
static TlbEntry *translate(CPUState *cpu, vaddr addr, unsigned size, AccessKind kind,
                           unsigned mmu_idx, bool probe, uint64_t *tag) {
    TlbEntry *e = tlb_entry(&cpu->tcg.tlb, mmu_idx, addr);
    uint64_t t = tag_of(e, kind);
    if ((t & (PAGE_MASK | TLB_INVALID)) != (addr & PAGE_MASK)) {
        if (!cpu->cls->tlb_fill(cpu, addr, size, kind, mmu_idx, probe)) {
            return NULL;
        }
        t = tag_of(e, kind);
    }
    *tag = t & ~(uint64_t)TLB_INVALID;
    return e;
}

static RAMBlock *find_ram(CPUState *cpu, const uint8_t *host, hwaddr phys) {
    RAMBlock *rb = cpu->ram_hint;
    if (rb && host >= rb->host && host < rb->host + rb->size) {
        return rb;
    }
    const FlatRange *fr = address_space_find(cpu->as, phys);
    rb = fr->mr->ram;
    cpu->ram_hint = rb;
    return rb;
}

/* The block that runs is one that the cache does not know, and the store changes its bytes, or (on_page)
 * bytes of a page it lies on. */
static bool hits_one_shot(const CPUState *cpu, ram_addr at, unsigned size,
                          bool *on_page) {
    const TranslationBlock *tb = cpu->tcg.current_tb;
    if (!tb || !tb->one_shot || tb->phys == RAM_ADDR_INVALID) {
        return false;
    }
    unsigned first = (unsigned)(PAGE_SIZE - (tb->phys & PAGE_OFFSET_MASK));
    first = tb->size < first ? tb->size : first;
    *on_page = !((at ^ tb->phys) & PAGE_MASK);
    bool hit = at < tb->phys + first && tb->phys < at + size;
    if (tb->phys2 != RAM_ADDR_INVALID) {
        *on_page |= !((at ^ tb->phys2) & PAGE_MASK);
        hit |= at < tb->phys2 + (tb->size - first) && tb->phys2 < at + size;
    }
    return hit;
}

/* Kills the blocks that a store to [offset, offset + size) of a code page changes. */
static void invalidate_code_locked(CPUState *cpu, RAMBlock *rb, uint64_t offset,
                                   unsigned size) {
    TbCache *tc = cpu->group->cache;
    bool on_page = false;
    bool hit_running = hits_one_shot(cpu, rb->base + offset, size, &on_page);
    tb_cache_blame_locked(tc, (int)cpu->index, cpu->cls->get_pc(cpu));
    if (tb_cache_invalidate_locked(tc, rb->base + offset, size, TB_DEATH_STORE,
                                   cpu->tcg.current_tb, &hit_running) &&
        !on_page) { /* its next store must come here, too */
        ramblock_set_dirty(rb, offset, size, 1u << DIRTY_CODE);
    }
    tb_cache_blame_locked(tc, TB_NO_HART, 0);
    if (hit_running) {
        cpu->tcg.stop_after = 1;
    }
}

/* After a watched page was written: tells the dirty clients; if nobody watches the page any more, its
 * next store takes the fast path. */
static void note_written(TlbEntry *e, RAMBlock *rb, uint64_t offset, unsigned size) {
    if (__atomic_load_n(&rb->active_clients, __ATOMIC_RELAXED) == 1u << DIRTY_CODE &&
        !ramblock_is_dirty(rb, offset, DIRTY_CODE)) {
        return; /* still a code page, and nobody else asks */
    }
    ramblock_set_dirty(rb, offset, size, ~(1u << DIRTY_CODE));
    if (!ramblock_clean_clients(rb, offset)) {
        __atomic_and_fetch(&e->tag_store, ~(uint64_t)TLB_NOTDIRTY, __ATOMIC_SEQ_CST);
        if (ramblock_clean_clients(rb,
                                   offset)) { /* cleared meanwhile by another thread */
            __atomic_or_fetch(&e->tag_store, TLB_NOTDIRTY, __ATOMIC_SEQ_CST);
        }
    }
}

/* A store to a page with code. Beside the blocks it needs no lock, unless the bytes turn out to have
 * been fetched meanwhile. One that leaves the bytes as they are changes no code; looking and storing
 * are one step under tb_lock, so that two stores cannot mislead each other. */
static void code_store(CPUState *cpu, RAMBlock *rb, uint64_t offset, uint64_t value,
                       unsigned size) {
    TbCache *tc = cpu->group->cache;
    const TranslationBlock *tb = cpu->tcg.current_tb;
    ram_addr at = rb->base + offset;
    uint8_t *host = rb->host + offset;
    bool stored =
        !(tb && tb->one_shot) && !(at & (size - 1)) && tb_cache_is_beside(tc, at, size);
    if (stored) {
        host_store(host, size, value);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        if (tb_cache_is_beside(tc, at, size)) {
            return;
        }
    }
    pthread_mutex_lock(&tc->lock);
    if (stored) {
        invalidate_code_locked(cpu, rb, offset, size);
    } else if (host_load(host, size) != (value & UINT64_MAX >> (64 - 8 * size))) {
        invalidate_code_locked(cpu, rb, offset, size);
        host_store(host, size, value);
    }
    pthread_mutex_unlock(&tc->lock);
}

/* A store to a RAM page some client watches. */
static void notdirty_store(CPUState *cpu, TlbEntry *e, vaddr addr, uint64_t value,
                           unsigned size) {
    uint8_t *host = (uint8_t *)(uintptr_t)(addr + e->addend);
    RAMBlock *rb = find_ram(cpu, host, e->phys | (addr & PAGE_OFFSET_MASK));
    uint64_t offset = (uint64_t)(host - rb->host);
    if (ramblock_is_dirty(rb, offset, DIRTY_CODE)) {
        host_store(host, size, value);
    } else {
        code_store(cpu, rb, offset, value, size);
    }
    note_written(e, rb, offset, size);
}

/* An atomic access changed a RAM page some client watches. The bytes come first: a translation that
 * read the old ones is found by what follows, as after DMA. */
static void notdirty_changed(CPUState *cpu, TlbEntry *e, uint8_t *host, hwaddr phys,
                             unsigned size) {
    RAMBlock *rb = find_ram(cpu, host, phys);
    uint64_t offset = (uint64_t)(host - rb->host);
    if (!ramblock_is_dirty(rb, offset, DIRTY_CODE)) {
        TbCache *tc = cpu->group->cache;
        pthread_mutex_lock(&tc->lock);
        invalidate_code_locked(cpu, rb, offset, size);
        pthread_mutex_unlock(&tc->lock);
    }
    note_written(e, rb, offset, size);
}

/* What an access, or one page's part of it, goes to. */
typedef struct Place {
    TlbEntry *e;
    uint64_t tag;
} Place;

/* An access to a watched page. True: it does not happen, for the guest's own watch point (an
 * exception was delivered) or for the debugger's (it will be tried again). */
static bool is_watched(CPUState *cpu, const Place *place, vaddr addr, unsigned size,
                       AccessKind kind) {
    const uint8_t *host = (const uint8_t *)(uintptr_t)(addr + place->e->addend);
    if (cpu->cls->check_watch(cpu, addr, size, kind)) {
        return true;
    }
    hwaddr phys = place->e->phys | (addr & PAGE_OFFSET_MASK);
    bool again = debug_check_watch(cpu, addr, phys, size,
                                   kind == ACCESS_STORE ? DEBUG_WRITE : DEBUG_READ,
                                   place->tag & TLB_MMIO ? NULL : host);
    cpu->tcg.icount_left += again; /* it was not executed, unlike one that faults */
    return again;
}

/* All of an access that may fault but for the bus. False: exception. */
static bool find_place(CPUState *cpu, vaddr addr, unsigned size, AccessKind kind,
                       unsigned mmu_idx, Place *place) {
    place->e = translate(cpu, addr, size, kind, mmu_idx, false, &place->tag);
    if (!place->e) {
        return false;
    }
    return !((place->tag & TLB_WATCH) && is_watched(cpu, place, addr, size, kind));
}

static void note_mmio(CPUState *cpu, TraceKind kind, hwaddr phys, unsigned size,
                      uint64_t value) {
    CpuCounters *c = &cpu->counters;
    counter_up(kind == TRACE_MMIO_READ ? &c->device_reads : &c->device_writes);
    if (trace_on(cpu->trace, kind)) {
        trace_emit(cpu->trace, kind, (int)cpu->index, phys, size, value,
                   cpu->cls->get_pc(cpu));
    }
}

/* With -icount what a device's answer causes takes effect right behind the instruction. For stores a
 * block has tests; for loads, which are many, it has none: instead the instruction is not executed
 * here, but again, as a block of its own. */
static bool is_to_be_alone(CPUState *cpu) {
    if (!cpu->group->icount.in_code || cpu->tcg.icount_ahead == 0) {
        return false;
    }
    cpu->alone = true;
    cpu->tcg.icount_left++; /* unlike one that faults it does not count */
    __atomic_store_n(&cpu->tcg.exit_request, 1, __ATOMIC_SEQ_CST);
    return true;
}

/* False: an exception, or the instruction will be tried again. */
static bool load_place(CPUState *cpu, const Place *place, vaddr addr, unsigned size,
                       uint64_t *value) {
    const TlbEntry *e = place->e;
    if (place->tag & TLB_MMIO) {
        hwaddr phys = e->phys | (addr & PAGE_OFFSET_MASK);
        if (is_to_be_alone(cpu)) {
            return false;
        }
        if (address_space_load(cpu->as, phys, size, value) != MEMTX_OK) {
            cpu->cls->bus_error(cpu, addr, ACCESS_LOAD);
            return false;
        }
        note_mmio(cpu, TRACE_MMIO_READ, phys, size, *value);
        return true;
    }
    *value = host_load((const void *)(uintptr_t)(addr + e->addend), size);
    return true;
}

static bool store_place(CPUState *cpu, const Place *place, vaddr addr, unsigned size,
                        uint64_t value) {
    TlbEntry *e = place->e;
    if (place->tag & TLB_MMIO) {
        hwaddr phys = e->phys | (addr & PAGE_OFFSET_MASK);
        note_mmio(cpu, TRACE_MMIO_WRITE, phys, size, value); /* before what it causes */
        if (address_space_store(cpu->as, phys, size, value) != MEMTX_OK) {
            cpu->cls->bus_error(cpu, addr, ACCESS_STORE);
            return false;
        }
        return true;
    }
    if (place->tag & TLB_NOTDIRTY) {
        notdirty_store(cpu, e, addr, value, size);
    } else {
        host_store((void *)(uintptr_t)(addr + e->addend), size, value);
    }
    return true;
}

/* How many of the bytes lie on the first page. */
static unsigned head_size(vaddr addr, unsigned size) {
    unsigned left = PAGE_SIZE - (unsigned)(addr & PAGE_OFFSET_MASK);
    return left < size ? left : size;
}

/* True if the access may go on. */
static bool check_alignment(CPUState *cpu, vaddr addr, unsigned aux, AccessKind kind) {
    unsigned memop = ir_aux_memop((uint16_t)aux);
    if ((memop & MO_ALIGN) && (addr & (MO_BYTES(memop) - 1))) {
        cpu->cls->misaligned(cpu, addr, kind);
        return false;
    }
    return true;
}

/* The places of an access on one page or two: both must allow it before a device or a byte sees any of it.
 * False: exception. */
static bool find_places(CPUState *cpu, vaddr addr, unsigned size, AccessKind kind,
                        unsigned mmu_idx, Place place[2]) {
    unsigned head = head_size(addr, size);
    return find_place(cpu, addr, head, kind, mmu_idx, &place[0]) &&
           (head == size ||
            find_place(cpu, addr + head, size - head, kind, mmu_idx, &place[1]));
}

bool softmmu_load(TcgCpu *tcg, vaddr addr, unsigned aux, uint64_t *value) {
    CPUState *cpu = cpu_of_tcg(tcg);
    unsigned memop = ir_aux_memop((uint16_t)aux), mmu_idx = ir_aux_mmu_idx((uint16_t)aux);
    unsigned size = MO_BYTES(memop);
    if (!check_alignment(cpu, addr, aux, ACCESS_LOAD)) {
        return false;
    }
    uint64_t raw = 0;
    Place place[2];
    unsigned head = head_size(addr, size);
    if (!find_places(cpu, addr, size, ACCESS_LOAD, mmu_idx, place)) {
        return false;
    }
    if (head == size) {
        if (!load_place(cpu, &place[0], addr, size, &raw)) {
            return false;
        }
    } else {
        for (unsigned i = 0; i < size; i++) {
            uint64_t byte;
            if (!load_place(cpu, &place[i >= head], addr + i, 1, &byte)) {
                return false;
            }
            raw |= byte << (8 * i);
        }
    }
    *value = eval_extend(eval_byte_order(raw, memop), memop);
    return true;
}

bool softmmu_store(TcgCpu *tcg, vaddr addr, unsigned aux, uint64_t value) {
    CPUState *cpu = cpu_of_tcg(tcg);
    unsigned memop = ir_aux_memop((uint16_t)aux), mmu_idx = ir_aux_mmu_idx((uint16_t)aux);
    unsigned size = MO_BYTES(memop);
    if (!check_alignment(cpu, addr, aux, ACCESS_STORE)) {
        return false;
    }
    value = eval_byte_order(value, memop);
    Place place[2];
    unsigned head = head_size(addr, size);
    if (!find_places(cpu, addr, size, ACCESS_STORE, mmu_idx, place)) {
        return false;
    }
    if (head == size) {
        return store_place(cpu, &place[0], addr, size, value);
    }
    for (unsigned i = 0; i < size; i++) {
        if (!store_place(cpu, &place[i >= head], addr + i, 1, value >> (8 * i) & 0xff)) {
            return false;
        }
    }
    return true;
}

/* Where an atomic access goes: host memory, or NULL and *phys of a device. False: exception. */
static bool atomic_place(CPUState *cpu, vaddr addr, unsigned aux, Place *place,
                         uint8_t **host, hwaddr *phys) {
    unsigned size = MO_BYTES(ir_aux_memop((uint16_t)aux));
    if (addr & (size - 1)) {
        cpu->cls->misaligned(cpu, addr, ACCESS_STORE);
        return false;
    }
    if (!find_place(cpu, addr, size, ACCESS_STORE, ir_aux_mmu_idx((uint16_t)aux),
                    place)) {
        return false;
    }
    *phys = place->e->phys | (addr & PAGE_OFFSET_MASK);
    *host =
        place->tag & TLB_MMIO ? NULL : (uint8_t *)(uintptr_t)(addr + place->e->addend);
    return true;
}

/* Read-modify-write of a device register: under the machine lock, so atomic to other vCPUs. */
static bool mmio_rmw(CPUState *cpu, vaddr addr, hwaddr phys, unsigned size, uint64_t *old,
                     uint64_t (*next)(uint64_t old, void *opaque), void *opaque) {
    cpu_group_lock(cpu->group);
    bool ok = address_space_load(cpu->as, phys, size, old) == MEMTX_OK;
    if (ok) {
        uint64_t value = next(*old, opaque);
        note_mmio(cpu, TRACE_MMIO_READ, phys, size, *old);
        note_mmio(cpu, TRACE_MMIO_WRITE, phys, size, value);
        ok = address_space_store(cpu->as, phys, size, value) == MEMTX_OK;
    }
    cpu_group_unlock(cpu->group);
    if (!ok) {
        cpu->cls->bus_error(cpu, addr, ACCESS_STORE);
    }
    return ok;
}

typedef struct RmwArgs {
    IrRmw rmw;
    uint64_t value, desired;
    unsigned memop;
} RmwArgs;

static uint64_t next_rmw(uint64_t old, void *opaque) {
    const RmwArgs *a = opaque;
    return eval_rmw(a->rmw, a->memop, old, a->value);
}

static uint64_t next_cas(uint64_t old, void *opaque) {
    const RmwArgs *a = opaque;
    unsigned memop = a->memop & ~(unsigned)MO_SIGN;
    return eval_extend(old, memop) == eval_extend(a->value, memop) ? a->desired : old;
}

bool softmmu_rmw(TcgCpu *tcg, vaddr addr, unsigned aux, IrRmw rmw, uint64_t value,
                 uint64_t *old) {
    CPUState *cpu = cpu_of_tcg(tcg);
    unsigned memop = ir_aux_memop((uint16_t)aux), size = MO_BYTES(memop);
    Place place;
    uint8_t *host;
    hwaddr phys;
    if (!atomic_place(cpu, addr, aux, &place, &host, &phys)) {
        return false;
    }
    if ((place.tag & TLB_WATCH) &&
        is_watched(cpu, &place, addr, size, ACCESS_LOAD)) { /* it is a load, too */
        return false;
    }
    uint64_t raw;
    if (!host) {
        RmwArgs args = {.rmw = rmw, .value = value, .memop = memop};
        if (!mmio_rmw(cpu, addr, phys, size, &raw, next_rmw, &args)) {
            return false;
        }
    } else {
        uint64_t next;
        raw = host_load(host, size);
        do {
            next = eval_rmw(rmw, memop, raw, value);
        } while (!host_cas(host, size, &raw, next));
        if ((place.tag & TLB_NOTDIRTY) && eval_extend(next ^ raw, memop)) {
            notdirty_changed(cpu, place.e, host, phys, size);
        }
    }
    *old = eval_extend(raw, memop);
    return true;
}

bool softmmu_cas(TcgCpu *tcg, vaddr addr, unsigned aux, uint64_t expected,
                 uint64_t desired, uint64_t *old) {
    CPUState *cpu = cpu_of_tcg(tcg);
    unsigned memop = ir_aux_memop((uint16_t)aux), size = MO_BYTES(memop);
    Place place;
    uint8_t *host;
    hwaddr phys;
    if (!atomic_place(cpu, addr, aux, &place, &host, &phys)) {
        return false;
    }
    uint64_t raw;
    uint64_t want = eval_extend(expected, memop & ~(unsigned)MO_SIGN);
    if (!host) {
        RmwArgs args = {.value = expected, .desired = desired, .memop = memop};
        if (!mmio_rmw(cpu, addr, phys, size, &raw, next_cas, &args)) {
            return false;
        }
    } else {
        raw = want;
        bool done = host_cas(host, size, &raw, desired);
        if ((place.tag & TLB_NOTDIRTY) && done && eval_extend(desired ^ raw, memop)) {
            notdirty_changed(cpu, place.e, host, phys, size);
        }
    }
    *old = eval_extend(raw, memop);
    return true;
}

void *softmmu_probe(TcgCpu *tcg, vaddr addr, unsigned aux) {
    CPUState *cpu = cpu_of_tcg(tcg);
    unsigned mmu_idx = ir_aux_mmu_idx((uint16_t)aux);
    uint64_t tag;
    TlbEntry *e = translate(cpu, addr, 1, ACCESS_LOAD, mmu_idx, true, &tag);
    if (!e || (tag_of(e, ACCESS_LOAD) & TLB_FLAGS)) {
        return NULL;
    }
    if (ir_aux_memop((uint16_t)aux) & MO_STORE) {
        e = translate(cpu, addr, 1, ACCESS_STORE, mmu_idx, true, &tag);
        if (!e || ((tag_of(e, ACCESS_STORE) | tag_of(e, ACCESS_LOAD)) & TLB_FLAGS)) {
            return NULL;
        }
    }
    return (void *)(uintptr_t)(addr + e->addend);
}
