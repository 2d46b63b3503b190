/* SPDX-License-Identifier: MIT */
/*
 * A small guest driver for tests of virtio devices: a machine without vCPUs, one
 * virtio-mmio seat, and the driver's half of VIRTIO 1.2 (2.7 split virtqueues, 3.1.1
 * initialization, 4.2 MMIO), written from the specification and sharing nothing with the
 * device's half.
 */
#ifndef VITRINE_TESTS_VIRTIO_DRIVER_H
#define VITRINE_TESTS_VIRTIO_DRIVER_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hw/machine/machine.h"
#include "hw/virtio/virtio_mmio.h"

#define DRV_RAM_BASE UINT64_C(0x80000000)
#define DRV_RAM_SIZE UINT64_C(0x01000000)
#define DRV_SEAT     UINT64_C(0x10001000)

/* Feature bits by their numbers in the specification, chapter 6. */
#define DRV_INDIRECT  (UINT64_C(1) << 28)
#define DRV_EVENT_IDX (UINT64_C(1) << 29)
#define DRV_VERSION_1 (UINT64_C(1) << 32)

enum { DRV_NEXT = 1, DRV_WRITE = 2, DRV_INDIRECT_FLAG = 4 };

typedef struct DrvDesc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
} DrvDesc;

typedef struct DrvQueue {
    unsigned num;
    DrvDesc *desc;   /* in guest RAM, as all of these */
    uint16_t *avail; /* flags, idx, ring[num], used_event */
    uint16_t *used;  /* flags, idx, {u32, u32}[num], avail_event */
    uint64_t desc_addr, avail_addr, used_addr;
    unsigned next_desc;
    uint16_t seen; /* used entries taken */
} DrvQueue;

typedef struct Drv {
    Machine m;
    Log log;
    RAMBlock *rb;
    MemoryRegion ram;
    Device *seat, *dev;
    bool legacy;
    uint64_t brk; /* guest RAM is handed out from here */
    int irq_level;
    unsigned irq_edges;
    DrvQueue q[4];
    unsigned quit_after; /* see drv_run_until() */
} Drv;

static inline void drv_irq(void *opaque, int n, int level) {
    (void)n;
    Drv *d = opaque;
    d->irq_edges += level && !d->irq_level;
    d->irq_level = level;
}

static inline void drv_lock(void *opaque) {
    machine_lock(opaque);
}

static inline void drv_unlock(void *opaque) {
    machine_unlock(opaque);
}

static inline void drv_machine_init(Drv *d) {
    Machine *m = &d->m;
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&m->lock, &attr);
    pthread_mutexattr_destroy(&attr);
    log_init(&d->log);
    m->log = &d->log;
    m->last_device = &m->first_device;
    clock_init(&m->clock);
    m->loop = loop_new(&m->clock, drv_lock, drv_unlock, m, NULL);
    ram_list_init(&m->ram_list);
    memory_region_init(&m->system_memory, "system", UINT64_MAX);
    address_space_init(&m->as, &m->system_memory, "memory", m->log);
    d->rb = ramblock_new(&m->ram_list, "ram", DRV_RAM_SIZE, RAM_ANONYMOUS, NULL, NULL);
    memory_region_init_ram(&d->ram, d->rb, "ram", DRV_RAM_SIZE);
    memory_region_add(&m->as, &m->system_memory, DRV_RAM_BASE, &d->ram, 0);
    d->brk = DRV_RAM_BASE + 0x10000;
}

/* A machine with an empty seat. */
static inline Drv *drv_new(bool legacy) {
    Drv *d = calloc(1, sizeof(*d));
    Error *err = NULL;
    drv_machine_init(d);
    d->legacy = legacy;
    d->seat = device_new(&d->m, device_class_find("virtio-mmio"), NULL, &err);
    assert(d->seat != NULL);
    bool ok = device_set_property(d->seat, "force-legacy", legacy ? "on" : "off", &err);
    d->seat->bus_name = strdup("virtio-mmio-bus.0");
    d->seat->irq = (IrqLine){drv_irq, d, 0};
    ok = ok && device_realize(d->seat, &err);
    assert(ok);
    device_map(d->seat, DRV_SEAT);
    return d;
}

/* Puts the device of a -device text into the seat. */
static inline Device *drv_plug(Drv *d, const char *text) {
    Error *err = NULL;
    d->dev = device_new_from_text(&d->m, text, &err);
    if (d->dev == NULL) {
        fprintf(stderr, "%s\n", error_message(err));
        abort();
    }
    return d->dev;
}

static inline void drv_free(Drv *d) {
    while (d->m.first_device != NULL) {
        Device *last = d->m.first_device;
        while (last->next != NULL) {
            last = last->next;
        }
        device_free(last);
    }
    memory_region_del(&d->m.as, &d->ram);
    address_space_reclaim(&d->m.as);
    memory_region_destroy(&d->ram);
    address_space_destroy(&d->m.as);
    memory_region_destroy(&d->m.system_memory);
    ram_list_destroy(&d->m.ram_list);
    loop_free(d->m.loop);
    log_destroy(&d->log);
    free(d);
}

/* --- registers and memory ----------------------------------------------------------- */

static inline uint32_t drv_read(Drv *d, unsigned reg) {
    uint64_t value = 0;
    address_space_load(&d->m.as, DRV_SEAT + reg, 4, &value);
    return (uint32_t)value;
}

static inline void drv_write(Drv *d, unsigned reg, uint32_t value) {
    address_space_store(&d->m.as, DRV_SEAT + reg, 4, value);
}

static inline void *drv_host(Drv *d, uint64_t addr) {
    assert(addr >= DRV_RAM_BASE && addr < DRV_RAM_BASE + DRV_RAM_SIZE);
    return d->rb->host + (addr - DRV_RAM_BASE);
}

static inline uint64_t drv_alloc(Drv *d, uint64_t size, uint64_t align) {
    uint64_t addr = (d->brk + align - 1) / align * align;
    d->brk = addr + size;
    assert(d->brk <= DRV_RAM_BASE + DRV_RAM_SIZE);
    return addr;
}

static inline uint64_t drv_features(Drv *d) {
    drv_write(d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
    uint64_t low = drv_read(d, VIRTIO_MMIO_DEVICE_FEATURES);
    drv_write(d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
    return low | (uint64_t)drv_read(d, VIRTIO_MMIO_DEVICE_FEATURES) << 32;
}

/* --- initialization (3.1.1) --------------------------------------------------------- */

static inline void drv_negotiate(Drv *d, uint64_t features) {
    if (d->legacy) {
        drv_write(d, VIRTIO_MMIO_GUEST_PAGE_SIZE,
                  4096); /* before the reset, as Linux does */
    }
    drv_write(d, VIRTIO_MMIO_STATUS, 0);
    drv_write(d, VIRTIO_MMIO_STATUS, 1);
    drv_write(d, VIRTIO_MMIO_STATUS, 3);
    drv_write(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
    drv_write(d, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)features);
    if (d->legacy) {
        return;
    }
    drv_write(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
    drv_write(d, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(features >> 32));
    drv_write(d, VIRTIO_MMIO_STATUS, 11);
}

/* Lays a queue out as 2.7.2 demands of a legacy driver: one block, used on its own
 * page. */
static inline void drv_layout(Drv *d, DrvQueue *q, unsigned num) {
    uint64_t avail = (uint64_t)16 * num;
    uint64_t used = (avail + 6 + 2 * num + 4095) / 4096 * 4096;
    uint64_t size = used + 6 + 8 * num;
    uint64_t addr = drv_alloc(d, size, 4096);
    memset(drv_host(d, addr), 0, size);
    *q = (DrvQueue){
        .num = num,
        .desc_addr = addr,
        .avail_addr = addr + avail,
        .used_addr = addr + used,
        .desc = drv_host(d, addr),
        .avail = drv_host(d, addr + avail),
        .used = drv_host(d, addr + used),
    };
}

static inline void drv_set_queue(Drv *d, unsigned i) {
    const DrvQueue *q = &d->q[i];
    drv_write(d, VIRTIO_MMIO_QUEUE_SEL, i);
    drv_write(d, VIRTIO_MMIO_QUEUE_NUM, q->num);
    if (d->legacy) {
        drv_write(d, VIRTIO_MMIO_QUEUE_ALIGN, 4096);
        drv_write(d, VIRTIO_MMIO_QUEUE_PFN, (uint32_t)(q->desc_addr / 4096));
        return;
    }
    drv_write(d, VIRTIO_MMIO_QUEUE_DESC_LOW, (uint32_t)q->desc_addr);
    drv_write(d, VIRTIO_MMIO_QUEUE_DESC_HIGH, (uint32_t)(q->desc_addr >> 32));
    drv_write(d, VIRTIO_MMIO_QUEUE_AVAIL_LOW, (uint32_t)q->avail_addr);
    drv_write(d, VIRTIO_MMIO_QUEUE_AVAIL_HIGH, (uint32_t)(q->avail_addr >> 32));
    drv_write(d, VIRTIO_MMIO_QUEUE_USED_LOW, (uint32_t)q->used_addr);
    drv_write(d, VIRTIO_MMIO_QUEUE_USED_HIGH, (uint32_t)(q->used_addr >> 32));
    drv_write(d, VIRTIO_MMIO_QUEUE_READY, 1);
}

static inline void drv_start(Drv *d) {
    drv_write(d, VIRTIO_MMIO_STATUS, d->legacy ? 7 : 15);
}

/* Everything up to DRIVER_OK with `queues` queues of `num` entries. */
static inline void drv_init(Drv *d, uint64_t features, unsigned queues, unsigned num) {
    drv_negotiate(d, features);
    for (unsigned i = 0; i < queues; i++) {
        drv_layout(d, &d->q[i], num);
        drv_set_queue(d, i);
    }
    drv_start(d);
}

/* --- requests ----------------------------------------------------------------------- */

/* Adds one descriptor; `flags` without NEXT. Links it behind `prev` unless prev is <
 * 0. */
static inline int drv_desc(DrvQueue *q, int prev, uint64_t addr, uint32_t len,
                           uint16_t flags) {
    unsigned i = q->next_desc++ % q->num;
    q->desc[i] = (DrvDesc){addr, len, flags, 0};
    if (prev >= 0) {
        q->desc[prev].flags |= DRV_NEXT;
        q->desc[prev].next = (uint16_t)i;
    }
    return (int)i;
}

static inline void drv_offer(DrvQueue *q, int head) {
    q->avail[2 + q->avail[1] % q->num] = (uint16_t)head;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    q->avail[1]++;
}

static inline void drv_kick(Drv *d, unsigned queue) {
    drv_write(d, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
}

static inline uint16_t drv_used_idx(const DrvQueue *q) {
    return __atomic_load_n(&q->used[1], __ATOMIC_ACQUIRE);
}

/* The next used entry: its head and length; false if there is none. */
static inline bool drv_take(DrvQueue *q, uint32_t *head, uint32_t *len) {
    if (drv_used_idx(q) == q->seen) {
        return false;
    }
    uint32_t entry[2];
    memcpy(entry, &q->used[2 + 4 * (q->seen % q->num)], sizeof(entry));
    q->seen++;
    if (head != NULL) {
        *head = entry[0];
    }
    if (len != NULL) {
        *len = entry[1];
    }
    return true;
}

static inline void drv_set_used_event(DrvQueue *q, uint16_t v) {
    q->avail[2 + q->num] = v;
}

static inline uint16_t drv_avail_event(const DrvQueue *q) {
    return q->used[2 + 4 * q->num];
}

static inline void drv_suppress_interrupts(DrvQueue *q, bool on) {
    q->avail[0] = on;
}

static inline void drv_look(void *opaque, uint32_t *timeout_ms) {
    Drv *d = opaque;
    *timeout_ms = 1;
    if ((uint16_t)(drv_used_idx(&d->q[0]) - d->quit_after) < 0x8000) {
        loop_quit(d->m.loop);
    }
}

static inline void drv_looked(void *opaque, bool failed) {
    (void)opaque;
    (void)failed;
}

/* Turns the main loop until queue 0 has used `idx` chains. Hangs if that never
 * happens. */
static inline void drv_run_until(Drv *d, unsigned idx) {
    LoopPoller p = {drv_look, drv_looked, d, NULL};
    d->quit_after = idx;
    loop_add_poller(d->m.loop, &p);
    loop_run(d->m.loop);
    loop_remove_poller(d->m.loop, &p);
}

#endif
