/* SPDX-License-Identifier: MIT */
/*
 * PLIC: platform-level interrupt controller: sources compete, by priority, for each
 * context (a hart in one privilege mode).
 *
 *   level --> gateway --> pending --> enable[ctx] --> priority > threshold[ctx]?
 *               ^                                         '--> MEIP / SEIP
 *               closed by claim (a read), opened again by completion (a write)
 *
 *   +0x000000 + 4*source  priority      +0x200000 + 0x1000*context  threshold
 *   +0x001000             pending bits  +0x200004 + 0x1000*context  claim / complete
 *   +0x002000 + 0x80*ctx  enable bits
 *
 * Invariants: a source is never both pending and in service: its gateway forwards one
 * request at a time. A pending request stays, though the device may have lowered its line
 * meanwhile.
 *
 * Spec: RISC-V Platform-Level Interrupt Controller 1.0.0. Of equal priorities the lowest
 * ID wins; a claim heeds `enable` but not the threshold; priority 0 never interrupts.
 */
#include "hw/intc/plic.h"

#include <assert.h>

#include "hw/machine/machine.h"

enum {
    SOURCE_WORDS = PLIC_SOURCES / 32 + 1,
    PRIORITY_MASK = 7,
    PENDING_BASE = 0x1000,
    ENABLE_BASE = 0x2000,
    ENABLE_STRIDE = 0x80,
    CONTEXT_BASE = 0x200000,
    CONTEXT_STRIDE = 0x1000,
    CONTEXT_THRESHOLD = 0,
    CONTEXT_CLAIM = 4,
};

typedef struct Plic {
    Device dev;
    uint32_t priority[PLIC_SOURCES + 1];
    uint32_t level[SOURCE_WORDS];      /* the devices' lines */
    uint32_t pending[SOURCE_WORDS];    /* forwarded, not yet claimed */
    uint32_t in_service[SOURCE_WORDS]; /* claimed, not yet completed */
    uint32_t enable[PLIC_MAX_CONTEXTS][SOURCE_WORDS];
    uint32_t threshold[PLIC_MAX_CONTEXTS];
    IrqLine line[PLIC_MAX_CONTEXTS];
    unsigned contexts;
    /* for the inspector: how often a line went high, and a context claimed its source */
    uint64_t raised[PLIC_SOURCES + 1], claimed[PLIC_SOURCES + 1];
} Plic;

static bool get_bit(const uint32_t *words, unsigned n) {
    return words[n / 32] >> n % 32 & 1;
}

static void set_bit(uint32_t *words, unsigned n, bool on) {
    uint32_t bit = UINT32_C(1) << n % 32;
    words[n / 32] = on ? words[n / 32] | bit : words[n / 32] & ~bit;
}

/* The source a claim of this context would return, or 0. */
static unsigned best_source(const Plic *s, unsigned context) {
    unsigned best = 0;
    for (unsigned w = 0; w < SOURCE_WORDS; w++) {
        for (uint32_t bits = s->pending[w] & s->enable[context][w]; bits;
             bits &= bits - 1) {
            unsigned source = w * 32 + (unsigned)__builtin_ctz(bits);
            if (s->priority[source] > (best ? s->priority[best] : 0)) {
                best = source;
            }
        }
    }
    return best;
}

static void update(Plic *s) {
    for (unsigned c = 0; c < s->contexts; c++) {
        unsigned best = best_source(s, c);
        irq_set(&s->line[c], best && s->priority[best] > s->threshold[c]);
    }
}

/* Opens the gateway for a source whose line is high, unless a request of it is under way.
 */
static void forward(Plic *s, unsigned source) {
    if (get_bit(s->level, source) && !get_bit(s->in_service, source)) {
        set_bit(s->pending, source, true);
    }
}

static void set_input(void *opaque, int source, int level) {
    Plic *s = opaque;
    assert(source > 0 && source <= PLIC_SOURCES);
    if (get_bit(s->level, (unsigned)source) == (level != 0)) {
        return;
    }
    set_bit(s->level, (unsigned)source, level != 0);
    Trace *trace = s->dev.machine->trace;
    if (trace_on(trace, TRACE_IRQ_LINE)) {
        trace_emit(trace, TRACE_IRQ_LINE, TRACE_NO_HART, (uintptr_t)s, (uint64_t)source,
                   level != 0, 0);
    }
    if (level) {
        s->raised[source]++;
        forward(s, (unsigned)source);
        update(s);
    }
}

static uint32_t claim(Plic *s, unsigned context) {
    unsigned source = best_source(s, context);
    if (source) {
        set_bit(s->pending, source, false);
        set_bit(s->in_service, source, true);
        s->claimed[source]++;
        update(s);
    }
    return source;
}

static void complete(Plic *s, unsigned context, uint32_t source) {
    if (source == 0 || source > PLIC_SOURCES || !get_bit(s->enable[context], source)) {
        device_guest_error(&s->dev,
                           "completion of source %u, which context %u has not enabled",
                           source, context);
        return;
    }
    set_bit(s->in_service, source, false);
    forward(s, source);
    update(s);
}

/* --- registers ------------------------------------------------------------------- */

static uint64_t bad_read(const Plic *s, hwaddr offset) {
    device_guest_error(&s->dev, "read of unknown register 0x%x", (unsigned)offset);
    return 0;
}

static uint64_t plic_read(void *opaque, hwaddr offset, unsigned size) {
    Plic *s = opaque;
    (void)size;
    if (offset < PENDING_BASE) {
        return offset / 4 <= PLIC_SOURCES ? s->priority[offset / 4] : bad_read(s, offset);
    }
    if (offset < ENABLE_BASE) {
        hwaddr word = (offset - PENDING_BASE) / 4;
        return word < SOURCE_WORDS ? s->pending[word] : bad_read(s, offset);
    }
    if (offset < CONTEXT_BASE) {
        hwaddr context = (offset - ENABLE_BASE) / ENABLE_STRIDE;
        hwaddr word = (offset - ENABLE_BASE) % ENABLE_STRIDE / 4;
        return context < s->contexts && word < SOURCE_WORDS ? s->enable[context][word]
                                                            : bad_read(s, offset);
    }
    hwaddr context = (offset - CONTEXT_BASE) / CONTEXT_STRIDE;
    hwaddr reg = (offset - CONTEXT_BASE) % CONTEXT_STRIDE;
    if (context < s->contexts && reg == CONTEXT_THRESHOLD) {
        return s->threshold[context];
    }
    if (context < s->contexts && reg == CONTEXT_CLAIM) {
        return claim(s, (unsigned)context);
    }
    return bad_read(s, offset);
}

static void bad_write(const Plic *s, hwaddr offset) {
    device_guest_error(&s->dev, "write to unknown or read-only register 0x%x",
                       (unsigned)offset);
}

static void write_enable(Plic *s, hwaddr offset, uint32_t value) {
    hwaddr context = (offset - ENABLE_BASE) / ENABLE_STRIDE;
    hwaddr word = (offset - ENABLE_BASE) % ENABLE_STRIDE / 4;
    if (context >= s->contexts || word >= SOURCE_WORDS) {
        bad_write(s, offset);
        return;
    }
    /* Bits of source 0 and beyond the last source are hardwired to zero. */
    uint32_t there = word == 0 ? ~UINT32_C(1) : UINT32_MAX;
    if (word == SOURCE_WORDS - 1) {
        there &= (uint32_t)((UINT64_C(2) << PLIC_SOURCES % 32) - 1);
    }
    s->enable[context][word] = value & there;
    update(s);
}

static void write_context(Plic *s, hwaddr offset, uint32_t value) {
    hwaddr context = (offset - CONTEXT_BASE) / CONTEXT_STRIDE;
    hwaddr reg = (offset - CONTEXT_BASE) % CONTEXT_STRIDE;
    if (context < s->contexts && reg == CONTEXT_THRESHOLD) {
        s->threshold[context] = value & PRIORITY_MASK;
        update(s);
    } else if (context < s->contexts && reg == CONTEXT_CLAIM) {
        complete(s, (unsigned)context, value);
    } else {
        bad_write(s, offset);
    }
}

static void plic_write(void *opaque, hwaddr offset, uint64_t value, unsigned size) {
    Plic *s = opaque;
    (void)size;
    if (offset >= CONTEXT_BASE) {
        write_context(s, offset, (uint32_t)value);
    } else if (offset >= ENABLE_BASE) {
        write_enable(s, offset, (uint32_t)value);
    } else if (offset >= 4 && offset / 4 <= PLIC_SOURCES) {
        s->priority[offset / 4] = value & PRIORITY_MASK;
        update(s);
    } else {
        bad_write(s, offset);
    }
}

static const MemoryRegionOps plic_ops = {
    .read = plic_read,
    .write = plic_write,
    .valid_min = 4,
    .valid_max = 4,
    .impl_min = 4,
    .impl_max = 4,
};

/* --- the device ------------------------------------------------------------------ */

static bool plic_realize(Device *dev, Error **errp) {
    (void)errp;
    memory_region_init_io(&dev->mmio, &plic_ops, dev, "riscv.sifive.plic", PLIC_SIZE);
    return true;
}

/* The devices, which are made later and so reset later, drive their lines anew. */
static void plic_reset(Device *dev) {
    Plic *s = (Plic *)dev;
    for (unsigned i = 0; i <= PLIC_SOURCES; i++) {
        s->priority[i] = 0;
    }
    for (unsigned w = 0; w < SOURCE_WORDS; w++) {
        s->level[w] = s->pending[w] = s->in_service[w] = 0;
        for (unsigned c = 0; c < PLIC_MAX_CONTEXTS; c++) {
            s->enable[c][w] = 0;
        }
    }
    for (unsigned c = 0; c < PLIC_MAX_CONTEXTS; c++) {
        s->threshold[c] = 0;
    }
    update(s);
}

static void plic_post_load(Device *dev) {
    update((Plic *)dev);
}

void plic_connect(Device *dev, unsigned context, IrqLine line) {
    Plic *s = (Plic *)dev;
    assert(context < PLIC_MAX_CONTEXTS && !dev->realized);
    s->line[context] = line;
    s->contexts = context >= s->contexts ? context + 1 : s->contexts;
}

IrqLine plic_input(Device *dev, unsigned source) {
    assert(source > 0 && source <= PLIC_SOURCES);
    return (IrqLine){.set = set_input, .opaque = dev, .n = (int)source};
}

static const RegisterField priority_fields[] = {
    {"priority", PRIORITY_MASK, "the higher goes first", "0=never interrupts"},
    REGISTER_FIELDS_END,
};
static const RegisterField threshold_fields[] = {
    {"threshold", PRIORITY_MASK, "priorities up to this one do not interrupt",
     "0=all pass|7=none passes"},
    REGISTER_FIELDS_END,
};

static const RegisterDesc plic_registers[] = {
    REGISTER("priority", 0, 4, REG_BOTH, "priority of a source",
             .fields = priority_fields, .count = PLIC_SOURCES + 1, .stride = 4),
    REGISTER("pending", PENDING_BASE, 4, REG_READ,
             "sources that wait to be claimed, a bit each", .count = SOURCE_WORDS,
             .stride = 4),
    REGISTER("enable", ENABLE_BASE, 4, REG_BOTH,
             "sources a context listens to, a bit each", .count = SOURCE_WORDS,
             .stride = 4, .rows = PLIC_MAX_CONTEXTS, .row_stride = ENABLE_STRIDE),
    REGISTER("threshold", CONTEXT_BASE + CONTEXT_THRESHOLD, 4, REG_BOTH,
             "the priority a source must exceed to interrupt a context",
             .fields = threshold_fields, .rows = PLIC_MAX_CONTEXTS,
             .row_stride = CONTEXT_STRIDE),
    REGISTER("claim", CONTEXT_BASE + CONTEXT_CLAIM, 4, REG_BOTH,
             "the source a read would claim; a write completes it",
             .rows = PLIC_MAX_CONTEXTS, .row_stride = CONTEXT_STRIDE),
    REGISTERS_END,
};

/* Without a claim. False: there is no such context or word. */
static bool plic_peek(const Device *dev, const RegisterDesc *reg, hwaddr offset,
                      uint64_t *value) {
    const Plic *s = (const Plic *)dev;
    (void)reg;
    if (offset < PENDING_BASE) {
        *value = s->priority[offset / 4];
        return true;
    }
    if (offset < ENABLE_BASE) {
        *value = s->pending[(offset - PENDING_BASE) / 4];
        return true;
    }
    if (offset < CONTEXT_BASE) {
        hwaddr context = (offset - ENABLE_BASE) / ENABLE_STRIDE;
        *value = s->enable[context][(offset - ENABLE_BASE) % ENABLE_STRIDE / 4];
        return context < s->contexts;
    }
    unsigned context = (unsigned)((offset - CONTEXT_BASE) / CONTEXT_STRIDE);
    bool is_claim = (offset - CONTEXT_BASE) % CONTEXT_STRIDE == CONTEXT_CLAIM;
    *value = is_claim ? best_source(s, context) : s->threshold[context];
    return context < s->contexts;
}

bool plic_source_info(const Device *dev, unsigned source, PlicSource *info) {
    const Plic *s = (const Plic *)dev;
    if (source == 0 || source > PLIC_SOURCES) {
        return false;
    }
    *info = (PlicSource){
        .level = get_bit(s->level, source),
        .pending = get_bit(s->pending, source),
        .in_service = get_bit(s->in_service, source),
        .priority = s->priority[source],
        .raised = s->raised[source],
        .claimed = s->claimed[source],
    };
    return true;
}

bool plic_context_info(const Device *dev, unsigned context, unsigned source,
                       PlicContext *info) {
    const Plic *s = (const Plic *)dev;
    if (context >= s->contexts) {
        return false;
    }
    unsigned best = best_source(s, context);
    *info = (PlicContext){
        .enabled = source <= PLIC_SOURCES && get_bit(s->enable[context], source),
        .threshold = s->threshold[context],
        .line = s->line[context],
        .best = best,
        .output = best && s->priority[best] > s->threshold[context],
    };
    return true;
}

unsigned plic_source_of(const Device *dev, const IrqLine *line) {
    return line->set == set_input && line->opaque == dev ? (unsigned)line->n : 0;
}

static const StateField plic_state[] = {
    STATE_ARRAY(Plic, priority, STATE_U32, PLIC_SOURCES + 1),
    STATE_ARRAY(Plic, level, STATE_U32, SOURCE_WORDS),
    STATE_ARRAY(Plic, pending, STATE_U32, SOURCE_WORDS),
    STATE_ARRAY(Plic, in_service, STATE_U32, SOURCE_WORDS),
    STATE_ARRAY(Plic, enable, STATE_U32, PLIC_MAX_CONTEXTS *SOURCE_WORDS),
    STATE_ARRAY(Plic, threshold, STATE_U32, PLIC_MAX_CONTEXTS),
    STATE_END,
};

const DeviceClass sifive_plic_class = {
    .name = "riscv.sifive.plic",
    .description = "SiFive platform-level interrupt controller",
    .size = sizeof(Plic),
    .state = plic_state,
    .state_version = 1,
    .registers = plic_registers,
    .peek = plic_peek,
    .realize = plic_realize,
    .reset = plic_reset,
    .post_load = plic_post_load,
};
