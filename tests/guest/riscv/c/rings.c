/* SPDX-License-Identifier: MIT */
/*
 * Virtqueues that point at nothing, at devices, at themselves, or hold chains that never end.
 *
 * For each virtio-mmio slot, many times: reset, negotiate whatever is offered, place each queue
 * somewhere, fill descriptors with some sense and much nonsense, notify, look. Works for the legacy
 * and the modern layout. Nothing of this program's own lies where a ring or a buffer may be.
 */
#include "hostile.h"

enum {
    ROUNDS = 2500,
    QUEUES = 4,
    ARENA = 0x20000,
    R_MAGIC = 0x0,
    R_VERSION = 0x4,
    R_DEVICE_ID = 0x8,
    R_FEATURES_SEL = 0x14,
    R_DRIVER_FEATURES = 0x20,
    R_DRIVER_FEATURES_SEL = 0x24,
    R_PAGE_SIZE = 0x28,
    R_QUEUE_SEL = 0x30,
    R_QUEUE_NUM_MAX = 0x34,
    R_QUEUE_NUM = 0x38,
    R_QUEUE_ALIGN = 0x3c,
    R_QUEUE_PFN = 0x40,
    R_QUEUE_READY = 0x44,
    R_NOTIFY = 0x50,
    R_INT_STATUS = 0x60,
    R_INT_ACK = 0x64,
    R_DESC = 0x80,
    R_AVAIL = 0x90,
    R_USED = 0xa0,
    F_NEXT = 1,
    F_WRITE = 2,
    F_INDIRECT = 4,
};

typedef struct Desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
} Desc;

static uint8_t arena[ARENA] __attribute__((aligned(4096)));
static uint64_t rng = 0x2545f4914f6cdd1d;

static uint64_t any(uint64_t below) {
    return random_next(&rng) % below;
}

/* Somewhere a ring or a buffer has no business to be, or the arena. */
static uint64_t place(void) {
    switch (any(12)) {
    case 0:
        return 0;
    case 1:
        return 0x10000000 + any(0x100); /* UART */
    case 2:
        return 0x10001000 + any(0x8000); /* the devices themselves */
    case 3:
        return 0xc000000 + any(0x1000); /* PLIC */
    case 4:
        return 0x20000 + any(0x1000); /* a hole */
    case 5:
        return random_next(&rng) | UINT64_C(1) << 62; /* far away */
    case 6:
        return UINT64_MAX - any(64); /* wraps */
    case 7:
        return 0x1000 + any(0x100); /* ROM */
    default:
        return (uint64_t)arena + any(ARENA - 0x4000);
    }
}

static uint32_t length(void) {
    switch (any(6)) {
    case 0:
        return 0;
    case 1:
        return UINT32_MAX - (uint32_t)any(16);
    case 2:
        return (uint32_t)any(0x100000);
    default:
        return (uint32_t)any(0x2000);
    }
}

/* A buffer may reach past the arena only where nothing is written to. */
static void fill_desc(Desc *d, unsigned count) {
    d->addr = place();
    d->len = length();
    d->flags = (uint16_t)any(8);
    d->next = (uint16_t)(any(4) ? any(count) : random_next(&rng));
    uint64_t start = (uint64_t)arena, end = start + ARENA;
    if (d->addr >= start && d->addr < end && d->len > end - d->addr) {
        d->len = (uint32_t)(end - d->addr);
    }
    if (!any(8)) {
        d->flags &= (uint16_t)~F_INDIRECT;
        d->len &= 0x1ff;
    }
}

/* Everything in the arena becomes descriptors or ring entries. */
static void fill_arena(void) {
    Desc *descs = (Desc *)arena;
    for (unsigned i = 0; i < ARENA / sizeof(Desc) / 8; i++) {
        fill_desc(&descs[any(ARENA / sizeof(Desc))], 256);
    }
}

/* A queue in the arena whose chains a device may even understand. */
static void fill_ring(Desc *desc, uint16_t *avail, unsigned num) {
    for (unsigned i = 0; i < num; i++) {
        fill_desc(&desc[i], num);
        if (any(2)) { /* block-like: header, data, status */
            desc[i].addr = (uint64_t)arena + any(0x1000) * 16;
            desc[i].len = (uint32_t)(any(2) ? 16 : any(1024));
        }
    }
    avail[0] = (uint16_t)any(2);
    for (unsigned i = 0; i < num; i++) {
        avail[2 + i] = (uint16_t)(any(16) ? any(num) : random_next(&rng));
    }
    avail[1] = (uint16_t)(any(8) ? any(num) : random_next(&rng));
}

static void put(uint64_t base, unsigned reg, uint64_t value) {
    poke(base + reg, 2, value);
}

static void set_up_queue(uint64_t base, int legacy) {
    unsigned max = (unsigned)peek(base + R_QUEUE_NUM_MAX, 2);
    unsigned num = any(4) ? 8u << any(5) : (unsigned)random_next(&rng);
    if (num > max && any(4)) {
        num = max;
    }
    put(base, R_QUEUE_NUM, num);
    unsigned count = num && num <= 256 ? num : 8;
    uint64_t desc = (uint64_t)arena + any(8) * 4096;
    uint64_t avail = desc + 16 * count,
             used = (avail + 6 + 2 * count + 4095) & ~UINT64_C(4095);
    fill_ring((Desc *)desc, (uint16_t *)avail, count);
    switch (any(6)) {
    case 0:
        desc = place();
        break;
    case 1:
        avail = desc;
        break; /* on top of each other */
    case 2:
        used = desc;
        break;
    case 3:
        used = place();
        break;
    case 4:
        avail = place();
        break;
    default:
        break;
    }
    if (legacy) {
        put(base, R_QUEUE_ALIGN, any(4) ? 4096 : random_next(&rng) & 0xffff);
        /* Never a page of RAM other than the arena's. */
        put(base, R_QUEUE_PFN, any(4) ? ((uint64_t)arena >> 12) + any(8) : any(0x40000));
        return;
    }
    put(base, R_DESC, desc), put(base, R_DESC + 4, desc >> 32);
    put(base, R_AVAIL, avail), put(base, R_AVAIL + 4, avail >> 32);
    put(base, R_USED, used), put(base, R_USED + 4, used >> 32);
    put(base, R_QUEUE_READY, any(8) ? 1 : random_next(&rng));
}

static void attack(uint64_t base) {
    int legacy = peek(base + R_VERSION, 2) == 1;
    put(base, VIRTIO_STATUS, 0);
    put(base, VIRTIO_STATUS, 3);
    for (unsigned word = 0; word < 2; word++) {
        put(base, R_FEATURES_SEL, word);
        uint64_t offered = peek(base + 0x10, 2);
        put(base, R_DRIVER_FEATURES_SEL, word);
        put(base, R_DRIVER_FEATURES, any(4) ? offered : offered & random_next(&rng));
    }
    put(base, R_PAGE_SIZE, any(16) ? 4096 : 0);
    put(base, VIRTIO_STATUS, 11);
    if (!any(4)) {
        fill_arena();
    }
    for (unsigned q = 0; q < QUEUES; q++) {
        put(base, R_QUEUE_SEL, any(16) ? q : random_next(&rng));
        set_up_queue(base, legacy);
    }
    put(base, VIRTIO_STATUS, 15);
    for (unsigned i = 0; i < 6; i++) {
        put(base, R_NOTIFY, any(16) ? any(QUEUES) : random_next(&rng));
        put(base, R_INT_ACK, peek(base + R_INT_STATUS, 2));
        peek(base + 0x100 + any(0x40), (unsigned)any(4));
    }
    if (any(2)) { /* a running device */
        put(base, R_QUEUE_SEL, any(QUEUES));
        set_up_queue(base, legacy);
        put(base, R_NOTIFY, any(QUEUES));
    }
}

void guest_main(unsigned long hart) {
    if (hart) {
        return;
    }
    skip_traps();
    unsigned devices = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned slot = 0; slot < VIRTIO_SLOTS; slot++) {
            uint64_t base = VIRTIO_BASE + slot * VIRTIO_STRIDE;
            if (peek(base + R_MAGIC, 2) == 0x74726976 && peek(base + R_DEVICE_ID, 2)) {
                attack(base);
                devices += round == 0;
            }
        }
    }
    calm_devices();
    CHECK(1, devices > 0);
    finish(0);
}
