/* SPDX-License-Identifier: MIT */
/*
 * ACLINT: the machine-level timer and software interrupts of up to eight harts; together
 * they look like SiFive's CLINT.
 *
 *   swi     +0x0000 + 4*hart   msip: bit 0 --> MSIP
 *   mtimer  +0x0000 + 8*hart   mtimecmp    --> MTIP while mtime >= mtimecmp
 *           +0x7ff8            mtime, 10 MHz: virtual time / 100 ns + mtime_delta
 *
 * Invariants: a hart's timer is armed exactly when its MTIP is low and its deadline is a
 * time that the clock can reach.
 *
 * Threads: mtime_delta is atomic, so that `rdtime` needs no lock.
 *
 * Spec: RISC-V ACLINT 1.0-rc4, "MTIMER Device", "MSWI Device".
 */
#include "hw/intc/aclint.h"

#include <assert.h>

enum {
    MTIME_OFFSET = 0x7ff8,
    TICK_NS = 1000000000 / ACLINT_TIMEBASE_HZ,
};

/* --- MSWI ------------------------------------------------------------------------ */

typedef struct AclintSwi {
    Device dev;
    uint32_t msip[ACLINT_MAX_HARTS];
    IrqLine line[ACLINT_MAX_HARTS];
    unsigned harts;
} AclintSwi;

static uint64_t swi_read(void *opaque, hwaddr offset, unsigned size) {
    AclintSwi *s = opaque;
    (void)size;
    if (offset / 4 >= s->harts) {
        device_guest_error(&s->dev, "read of msip of hart %u, which there is not",
                           (unsigned)(offset / 4));
        return 0;
    }
    return s->msip[offset / 4];
}

static void swi_write(void *opaque, hwaddr offset, uint64_t value, unsigned size) {
    AclintSwi *s = opaque;
    (void)size;
    unsigned hart = (unsigned)(offset / 4);
    if (hart >= s->harts) {
        device_guest_error(&s->dev, "write to msip of hart %u, which there is not", hart);
        return;
    }
    s->msip[hart] = value & 1;
    irq_set(&s->line[hart], (int)s->msip[hart]);
}

static const MemoryRegionOps swi_ops = {
    .read = swi_read,
    .write = swi_write,
    .valid_min = 4,
    .valid_max = 4,
    .impl_min = 4,
    .impl_max = 4,
};

static bool swi_realize(Device *dev, Error **errp) {
    (void)errp;
    memory_region_init_io(&dev->mmio, &swi_ops, dev, "riscv.aclint.swi", ACLINT_SWI_SIZE);
    return true;
}

static void swi_reset(Device *dev) {
    AclintSwi *s = (AclintSwi *)dev;
    for (unsigned i = 0; i < s->harts; i++) {
        s->msip[i] = 0;
        irq_set(&s->line[i], 0);
    }
}

static void swi_post_load(Device *dev) {
    AclintSwi *s = (AclintSwi *)dev;
    for (unsigned i = 0; i < s->harts; i++) {
        irq_set(&s->line[i], (int)s->msip[i]);
    }
}

void aclint_swi_connect(Device *dev, unsigned hart, IrqLine line) {
    AclintSwi *s = (AclintSwi *)dev;
    assert(hart < ACLINT_MAX_HARTS && !dev->realized);
    s->line[hart] = line;
    s->harts = hart >= s->harts ? hart + 1 : s->harts;
}

static const RegisterField msip_fields[] = {
    {"MSIP", 1, "software interrupt of the hart", "0=low|1=pending"},
    REGISTER_FIELDS_END,
};

static const RegisterDesc swi_registers[] = {
    REGISTER("msip", 0, 4, REG_BOTH, "a hart's software interrupt", .fields = msip_fields,
             .count = ACLINT_MAX_HARTS, .stride = 4),
    REGISTERS_END,
};

static bool swi_peek(const Device *dev, const RegisterDesc *reg, hwaddr offset,
                     uint64_t *value) {
    const AclintSwi *s = (const AclintSwi *)dev;
    (void)reg;
    if (offset / 4 >= s->harts) {
        return false;
    }
    *value = s->msip[offset / 4];
    return true;
}

static const StateField swi_state[] = {
    STATE_ARRAY(AclintSwi, msip, STATE_U32, ACLINT_MAX_HARTS),
    STATE_END,
};

const DeviceClass riscv_aclint_swi_class = {
    .name = "riscv.aclint.swi",
    .description = "RISC-V ACLINT software interrupts",
    .size = sizeof(AclintSwi),
    .state = swi_state,
    .state_version = 1,
    .registers = swi_registers,
    .peek = swi_peek,
    .realize = swi_realize,
    .reset = swi_reset,
    .post_load = swi_post_load,
};

/* --- MTIMER ---------------------------------------------------------------------- */

typedef struct AclintMtimer AclintMtimer;

typedef struct HartTimer {
    AclintMtimer *owner;
    unsigned hart;
    IrqLine line;
} HartTimer;

struct AclintMtimer {
    Device dev;
    uint64_t mtime_delta; /* atomic; modulo 2^64 */
    uint64_t mtimecmp[ACLINT_MAX_HARTS];
    Timer timer[ACLINT_MAX_HARTS];
    HartTimer hart_timer[ACLINT_MAX_HARTS];
    unsigned harts;
    void (*time_changed)(void *opaque);
    void *time_changed_opaque;
};

static uint64_t clock_ticks(const AclintMtimer *s) {
    return (uint64_t)clock_now_ns(device_clock(&s->dev)) / TICK_NS;
}

uint64_t aclint_mtimer_read_time(void *opaque) {
    AclintMtimer *s = opaque;
    return clock_ticks(s) + __atomic_load_n(&s->mtime_delta, __ATOMIC_RELAXED);
}

/* Sets MTIP to what mtime and mtimecmp say now, and arms the timer for when that changes.
 */
static void update_hart(AclintMtimer *s, unsigned hart) {
    uint64_t now = clock_ticks(s);
    uint64_t mtime = now + s->mtime_delta;
    bool reached = mtime >= s->mtimecmp[hart];
    irq_set(&s->hart_timer[hart].line, reached);
    uint64_t left = s->mtimecmp[hart] - mtime;
    if (reached || left > INT64_MAX / TICK_NS - now) {
        timer_del(&s->timer[hart]);
    } else {
        timer_mod(&s->timer[hart], (int64_t)((now + left) * TICK_NS));
    }
}

static void update_all(AclintMtimer *s) {
    for (unsigned i = 0; i < s->harts; i++) {
        update_hart(s, i);
    }
}

static void deadline_passed(void *opaque) {
    HartTimer *t = opaque;
    update_hart(t->owner, t->hart);
}

static void set_mtime(AclintMtimer *s, uint64_t value) {
    __atomic_store_n(&s->mtime_delta, value - clock_ticks(s), __ATOMIC_RELAXED);
    update_all(s);
    if (s->time_changed) {
        s->time_changed(s->time_changed_opaque);
    }
}

static uint64_t mtimer_read(void *opaque, hwaddr offset, unsigned size) {
    AclintMtimer *s = opaque;
    uint64_t value;
    if (offset >= MTIME_OFFSET) {
        value = aclint_mtimer_read_time(s);
    } else if (offset / 8 < s->harts) {
        value = s->mtimecmp[offset / 8];
    } else {
        device_guest_error(&s->dev, "read of mtimecmp of hart %u, which there is not",
                           (unsigned)(offset / 8));
        return 0;
    }
    return size == 4 ? (uint32_t)(value >> (offset & 4) * 8) : value;
}

/* What a register becomes when 4 or 8 of its bytes are written. */
static uint64_t merge(uint64_t old, hwaddr offset, uint64_t value, unsigned size) {
    if (size == 8) {
        return value;
    }
    unsigned shift = (unsigned)(offset & 4) * 8;
    return (old & ~((uint64_t)UINT32_MAX << shift)) | (uint64_t)(uint32_t)value << shift;
}

static void mtimer_write(void *opaque, hwaddr offset, uint64_t value, unsigned size) {
    AclintMtimer *s = opaque;
    if (offset >= MTIME_OFFSET) {
        set_mtime(s, merge(aclint_mtimer_read_time(s), offset, value, size));
    } else if (offset / 8 < s->harts) {
        unsigned hart = (unsigned)(offset / 8);
        s->mtimecmp[hart] = merge(s->mtimecmp[hart], offset, value, size);
        update_hart(s, hart);
    } else {
        device_guest_error(&s->dev, "write to mtimecmp of hart %u, which there is not",
                           (unsigned)(offset / 8));
    }
}

static const MemoryRegionOps mtimer_ops = {
    .read = mtimer_read,
    .write = mtimer_write,
    .valid_min = 4,
    .valid_max = 8,
    .impl_min = 4,
    .impl_max = 8,
};

static bool mtimer_realize(Device *dev, Error **errp) {
    AclintMtimer *s = (AclintMtimer *)dev;
    (void)errp;
    for (unsigned i = 0; i < s->harts; i++) {
        s->hart_timer[i].owner = s;
        s->hart_timer[i].hart = i;
        timer_init(&s->timer[i], device_clock(dev), deadline_passed, &s->hart_timer[i]);
    }
    memory_region_init_io(&dev->mmio, &mtimer_ops, dev, "riscv.aclint.mtimer",
                          ACLINT_MTIMER_SIZE);
    return true;
}

static void mtimer_unrealize(Device *dev) {
    AclintMtimer *s = (AclintMtimer *)dev;
    for (unsigned i = 0; i < s->harts; i++) {
        timer_del(&s->timer[i]);
    }
}

/* mtimecmp is undefined after a reset; the largest value keeps MTIP low. */
static void mtimer_reset(Device *dev) {
    AclintMtimer *s = (AclintMtimer *)dev;
    for (unsigned i = 0; i < s->harts; i++) {
        s->mtimecmp[i] = UINT64_MAX;
    }
    set_mtime(s, 0);
}

void aclint_mtimer_connect(Device *dev, unsigned hart, IrqLine line) {
    AclintMtimer *s = (AclintMtimer *)dev;
    assert(hart < ACLINT_MAX_HARTS && !dev->realized);
    s->hart_timer[hart].line = line;
    s->harts = hart >= s->harts ? hart + 1 : s->harts;
}

void aclint_mtimer_on_time_change(Device *dev, void (*fn)(void *opaque), void *opaque) {
    AclintMtimer *s = (AclintMtimer *)dev;
    s->time_changed = fn;
    s->time_changed_opaque = opaque;
}

static const RegisterDesc mtimer_registers[] = {
    REGISTER("mtimecmp", 0, 8, REG_BOTH, "MTIP of the hart is high from this mtime on",
             .count = ACLINT_MAX_HARTS, .stride = 8),
    REGISTER("mtime", MTIME_OFFSET, 8, REG_BOTH, "ticks of 100 ns"),
    REGISTERS_END,
};

static bool mtimer_peek(const Device *dev, const RegisterDesc *reg, hwaddr offset,
                        uint64_t *value) {
    AclintMtimer *s = (AclintMtimer *)dev;
    (void)reg;
    if (offset >= MTIME_OFFSET) {
        *value = aclint_mtimer_read_time(s);
        return true;
    }
    if (offset / 8 >= s->harts) {
        return false;
    }
    *value = s->mtimecmp[offset / 8];
    return true;
}

/* MTIP is in the hart's mip; the timers say for whom it is still to come. */
static const StateField mtimer_state[] = {
    STATE(AclintMtimer, mtime_delta, STATE_U64),
    STATE_ARRAY(AclintMtimer, mtimecmp, STATE_U64, ACLINT_MAX_HARTS),
    STATE_ARRAY(AclintMtimer, timer, STATE_TIMER, ACLINT_MAX_HARTS),
    STATE_END,
};

const DeviceClass riscv_aclint_mtimer_class = {
    .name = "riscv.aclint.mtimer",
    .description = "RISC-V ACLINT machine timer",
    .size = sizeof(AclintMtimer),
    .state = mtimer_state,
    .state_version = 1,
    .registers = mtimer_registers,
    .peek = mtimer_peek,
    .realize = mtimer_realize,
    .unrealize = mtimer_unrealize,
    .reset = mtimer_reset,
};
