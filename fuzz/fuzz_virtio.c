/* SPDX-License-Identifier: MIT */
/*
 * Virtqueues from a hostile guest.
 *
 *   input: layout, slot, then per queue: size, where the three rings lie; the rest is written over
 *   the first page of RAM, where rings lie by default; then notifications and turns of the loop
 *
 * Addresses are taken from a byte: the arena, odd places of it, devices, holes, the end of RAM, far
 * away; so that a mutation of one bit leads somewhere else.
 */
#include "fuzz.h"

enum {
    VIRTIO_BASE = 0x10001000,
    VIRTIO_STRIDE = 0x1000,
    VIRTIO_SLOTS = 8,
    QUEUES = 2,
    ARENA = FUZZ_RAM_BASE,
    ARENA_SIZE = 0x10000,
    RING_SIZE = 16,
    R_DRIVER_FEATURES = 0x20,
    R_FEATURES_SEL = 0x24,
    R_PAGE_SIZE = 0x28,
    R_QUEUE_SEL = 0x30,
    R_QUEUE_NUM = 0x38,
    R_QUEUE_ALIGN = 0x3c,
    R_QUEUE_PFN = 0x40,
    R_QUEUE_READY = 0x44,
    R_NOTIFY = 0x50,
    R_INT_ACK = 0x64,
    R_STATUS = 0x70,
    R_DESC = 0x80,
    R_AVAIL = 0x90,
    R_USED = 0xa0,
};

static void put(Machine *m, hwaddr base, unsigned reg, uint64_t value) {
    address_space_store(&m->as, base + reg, 4, value);
}

static uint64_t address(uint8_t code) {
    uint64_t low = code & 31;
    switch (code >> 5) {
    case 0:
    case 1:
    case 2:
        return ARENA + low * 0x100;
    case 3:
        return ARENA + low;
    case 4:
        return VIRTIO_BASE + low * 0x100;
    case 5:
        return low * 0x8000000;
    case 6:
        return FUZZ_RAM_BASE + FUZZ_RAM_SIZE - low * 8;
    default:
        return UINT64_MAX - low * 4;
    }
}

/* Sixteen bytes of input are a descriptor whose address is coded; the rings come after them. */
static void fill_arena(Machine *m, FuzzInput *in) {
    for (unsigned i = 0; i < 2 * RING_SIZE && fuzz_left(in) > 8; i++) {
        struct {
            uint64_t addr;
            uint32_t len;
            uint16_t flags, next;
        } desc = {.addr = address(fuzz_u8(in))};
        unsigned how = fuzz_u8(in);
        desc.len = how & 0x80 ? fuzz_u32(in) : (uint32_t)fuzz_take(in, 1) * 8;
        desc.flags = how & 7;
        desc.next = how & 0x40 ? (uint16_t)fuzz_take(in, 2) : fuzz_u8(in) % RING_SIZE;
        address_space_write(&m->as, ARENA + i * sizeof(desc), &desc, sizeof(desc));
    }
    uint16_t avail[2 + RING_SIZE];
    for (unsigned q = 0; q < 2; q++) {
        avail[0] = 0;
        avail[1] = fuzz_u8(in) % (RING_SIZE + 2);
        for (unsigned i = 0; i < RING_SIZE; i++) {
            avail[2 + i] = fuzz_u8(in) % (RING_SIZE + 1);
        }
        address_space_write(&m->as, ARENA + 0x400 + q * 0x100, avail, sizeof(avail));
    }
    /* What is left: contents of buffers, such as headers of requests. */
    size_t n = fuzz_left(in) > 64 ? fuzz_left(in) - 32 : 0;
    address_space_write(&m->as, ARENA + 0x1000, in->p, n > 0x2000 ? 0x2000 : n);
    if (fuzz_u8(in) & 1) { /* the header of a request to a disk: type, sector */
        uint64_t header[2] = {fuzz_u8(in) & 0x1f, fuzz_take(in, 2)};
        address_space_write(&m->as, ARENA + 0x1000, header, sizeof(header));
    }
}

static void set_up(Machine *m, hwaddr base, FuzzInput *in, bool legacy) {
    put(m, base, R_STATUS, 0);
    put(m, base, R_STATUS, 3);
    for (unsigned word = 0; word < 2; word++) {
        put(m, base, R_FEATURES_SEL, word);
        put(m, base, R_DRIVER_FEATURES, word ? 1 : fuzz_u32(in));
    }
    put(m, base, R_PAGE_SIZE, 4096);
    put(m, base, R_STATUS, 11);
    for (unsigned q = 0; q < QUEUES; q++) {
        uint8_t how = fuzz_u8(in);
        put(m, base, R_QUEUE_SEL, how & 1 ? fuzz_u8(in) : q);
        put(m, base, R_QUEUE_NUM, how & 2 ? fuzz_u32(in) : RING_SIZE);
        if (legacy) {
            put(m, base, R_QUEUE_ALIGN, how & 4 ? fuzz_u32(in) : 256);
            put(m, base, R_QUEUE_PFN, how & 8 ? fuzz_u32(in) : ARENA >> 12);
            continue;
        }
        const uint64_t ring[3] = {
            how & 16 ? address(fuzz_u8(in)) : ARENA + q * 0x100,
            how & 32 ? address(fuzz_u8(in)) : ARENA + 0x400 + q * 0x100,
            how & 64 ? address(fuzz_u8(in)) : ARENA + 0x800 + q * 0x100};
        static const unsigned regs[3] = {R_DESC, R_AVAIL, R_USED};
        for (unsigned i = 0; i < 3; i++) {
            put(m, base, regs[i], ring[i]);
            put(m, base, regs[i] + 4, ring[i] >> 32);
        }
        put(m, base, R_QUEUE_READY, 1);
    }
    put(m, base, R_STATUS, 15);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static Machine *machines[2];
    FuzzInput in = {data, data + size};
    uint8_t first = fuzz_u8(&in);
    unsigned legacy = first & 1;
    if (!machines[legacy]) {
        machines[legacy] = fuzz_machine_new(legacy);
    }
    Machine *m = machines[legacy];
    hwaddr base = VIRTIO_BASE + (first >> 1) % VIRTIO_SLOTS * VIRTIO_STRIDE;
    static const uint8_t zeros[ARENA_SIZE];
    address_space_write(&m->as, ARENA, zeros, sizeof(zeros));
    set_up(m, base, &in, legacy);
    fill_arena(m, &in);
    for (unsigned i = 0; i < 16 && fuzz_left(&in); i++) {
        uint8_t what = fuzz_u8(&in);
        put(m, base, R_NOTIFY, what & 7);
        if (what & 8) {
            fuzz_machine_turn(m);
        }
        if (what & 16) {
            put(m, base, R_INT_ACK, 3);
        }
        if (what & 32) { /* the guest changes a ring under the device */
            address_space_store(&m->as, ARENA + 0x402, 2, fuzz_u8(&in));
        }
        if ((what & 0xc0) == 0xc0) {
            put(m, base, R_STATUS, fuzz_u8(&in));
        } else if (what & 0x40) {
            uint64_t value;
            address_space_load(&m->as, base + fuzz_u8(&in) * 4, 1u << (what & 3), &value);
        } else if (what & 0x80) { /* configuration space */
            address_space_store(&m->as, base + 0x100 + fuzz_u8(&in), 1u << (what & 3),
                                what);
        }
    }
    fuzz_machine_reset(m);
    return 0;
}
