/* SPDX-License-Identifier: MIT */
/*
 * The domain "irq": where each interrupt line stands, and the way of an interrupt to a hart.
 *
 *   device --line--> PLIC: gateway, pending, priority, enable, threshold --> mip of a hart --> mie
 *   timer, software interrupt (ACLINT, Sstc) --------------------------------'      --> mideleg, mode
 *                                                                                   --> handler
 *
 * Spec: RISC-V Privileged Architecture 20240411, 3.1.9; PLIC 1.0.0.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/riscv/bits.h"
#include "cpu/riscv/cpu.h"
#include "hw/intc/plic.h"
#include "inspect/device_names.h"

enum { IRQ_NUMBERS = 16, MAX_LINES = PLIC_SOURCES + 1, WORDS_MAX = 160 };

typedef struct HartCopy {
    uint64_t mip, mie, mideleg, mstatus, priv, xlen;
    bool halted;
    int next; /* what is taken at the next block, or -1 */
    uint64_t raised[IRQ_NUMBERS], taken[IRQ_NUMBERS];
} HartCopy;

typedef struct LineCopy {
    const Device *dev; /* or NULL: no device */
    unsigned input;
    PlicSource source;
    PlicContext context[PLIC_MAX_CONTEXTS];
} LineCopy;

/* All of it at one moment. */
typedef struct IrqCopy {
    Device *plic;
    unsigned harts, contexts, lines;
    HartCopy hart[CPU_GROUP_MAX];
    LineCopy line[MAX_LINES];
} IrqCopy;

static const char *interrupt_name(unsigned number) {
    static const char *const names[IRQ_NUMBERS] = {
        [IRQ_SSI] = "supervisor software", [IRQ_MSI] = "machine software",
        [IRQ_STI] = "supervisor timer",    [IRQ_MTI] = "machine timer",
        [IRQ_SEI] = "supervisor external", [IRQ_MEI] = "machine external",
    };
    return names[number] ? names[number] : "reserved";
}

static const char *mode_name(uint64_t priv) {
    return priv == PRV_M ? "M" : priv == PRV_S ? "S" : "U";
}

/* --- the copy -------------------------------------------------------------------- */

static void copy_hart(const RiscvCPU *cpu, HartCopy *h) {
    *h = (HartCopy){
        .mip = riscv_mip(cpu),
        .mie = cpu->env.mie,
        .mideleg = cpu->env.mideleg,
        .mstatus = cpu->env.mstatus,
        .priv = cpu->env.priv,
        .halted = cpu->parent.halted,
        .next = riscv_pending_interrupt(cpu),
    };
    for (unsigned n = 0; n < IRQ_NUMBERS; n++) {
        h->raised[n] = __atomic_load_n(&cpu->interrupts_raised[n], __ATOMIC_RELAXED);
        h->taken[n] = cpu->interrupts_taken[n];
    }
}

static bool copy_line(IrqCopy *c, unsigned input, const Device *dev) {
    LineCopy *l = &c->line[c->lines];
    *l = (LineCopy){.dev = dev, .input = input};
    if (!plic_source_info(c->plic, input, &l->source)) {
        return false;
    }
    for (unsigned i = 0; i < c->contexts; i++) {
        plic_context_info(c->plic, i, input, &l->context[i]);
    }
    c->lines++;
    return true;
}

static unsigned input_of(const IrqCopy *c, const Device *dev) {
    return c->plic && dev->irq.set ? plic_source_of(c->plic, &dev->irq) : 0;
}

/* Harts and all lines that a device has. NULL: no memory. */
static IrqCopy *copy_all(InspectCall *call) {
    Machine *m = call->m;
    IrqCopy *c = calloc(1, sizeof(*c));
    if (!c) {
        inspect_fail(call, INSPECT_HOST, "no memory", "try again later");
        return NULL;
    }
    inspect_pause(call);
    c->harts = m->cpus->count;
    for (unsigned i = 0; i < c->harts; i++) {
        copy_hart(riscv_cpu(m->cpus->cpu[i]), &c->hart[i]);
    }
    c->plic = device_of_class(m, "riscv.sifive.plic");
    PlicContext context;
    while (c->plic && c->contexts < PLIC_MAX_CONTEXTS &&
           plic_context_info(c->plic, c->contexts, 0, &context)) {
        c->contexts++;
    }
    for (Device *d = m->first_device; d && c->lines < MAX_LINES; d = d->next) {
        unsigned input = input_of(c, d);
        if (input) {
            copy_line(c, input, d);
        }
    }
    inspect_unpause(call);
    return c;
}

/* --- words ----------------------------------------------------------------------- */

/* Why the hart does not take interrupt `n` now; NULL: it does, at its next block. */
static const char *hart_obstacle(const HartCopy *h, unsigned n) {
    uint64_t bit = BIT64(n);
    if (!(h->mip & bit)) {
        return "it is not pending: the bit of mip is 0";
    }
    if (!(h->mie & bit)) {
        return "it is masked: the bit of mie is 0";
    }
    if (!(h->mideleg & bit)) {
        if (h->priv == PRV_M && !(h->mstatus & MSTATUS_MIE)) {
            return "it is for M mode, where mstatus.MIE is 0";
        }
    } else if (h->priv == PRV_M) {
        return "it is delegated to S mode, and the hart is in M mode";
    } else if (h->priv == PRV_S && !(h->mstatus & MSTATUS_SIE)) {
        return "it is delegated to S mode, where sstatus.SIE is 0";
    }
    return h->next == (int)n ? NULL : "another interrupt goes first";
}

/* Which hart a context's output leads to; -1: none. */
static int hart_of_line(Machine *m, const IrqLine *line) {
    for (unsigned i = 0; i < m->cpus->count; i++) {
        if (line->opaque == m->cpus->cpu[i]) {
            return (int)i;
        }
    }
    return -1;
}

/* Why the PLIC does not pass the source on to a context; NULL: it does. */
static const char *context_obstacle(const LineCopy *l, const PlicContext *x) {
    if (!x->enabled) {
        return "the context has not enabled it";
    }
    if (l->source.priority <= x->threshold) {
        return "its priority is not above the context's threshold";
    }
    return NULL;
}

/* Why the source does not become pending in the PLIC; NULL: it is. */
static const char *source_obstacle(const LineCopy *l) {
    if (l->source.in_service) {
        return "claimed and not completed: the gateway is closed";
    }
    if (!l->source.pending) {
        return l->source.level ? "the line is high, but nothing is pending"
                               : "the device's line is low";
    }
    return l->source.priority ? NULL : "its priority is 0: it never interrupts";
}

/* --- irq.lines ------------------------------------------------------------------- */

static json_t *context_json(Machine *m, const LineCopy *l, unsigned i) {
    const PlicContext *x = &l->context[i];
    int hart = hart_of_line(m, &x->line);
    const char *obstacle = context_obstacle(l, x);
    return json_pack("{s:i, s:i, s:s, s:b, s:i, s:b, s:s}", "context", (int)i, "hart",
                     hart, "mode", x->line.n == IRQ_SEI ? "S" : "M", "enabled",
                     x->enabled, "threshold", (int)x->threshold, "output", x->output,
                     "words", obstacle ? obstacle : "passes what is pending");
}

static json_t *line_json(Machine *m, const IrqCopy *c, const LineCopy *l) {
    json_t *contexts = json_array();
    for (unsigned i = 0; i < c->contexts; i++) {
        json_array_append_new(contexts, context_json(m, l, i));
    }
    char path[DEVICE_PATH_MAX];
    const char *obstacle = source_obstacle(l);
    return json_pack("{s:s?, s:i, s:b, s:b, s:b, s:i, s:o, s:o, s:o, s:s}", "dev",
                     l->dev ? device_path(l->dev, path) : NULL, "input", (int)l->input,
                     "level", l->source.level, "pending", l->source.pending, "in_service",
                     l->source.in_service, "priority", (int)l->source.priority, "raised",
                     inspect_hex(l->source.raised), "claimed",
                     inspect_hex(l->source.claimed), "contexts", contexts, "words",
                     obstacle ? obstacle : "pending");
}

static json_t *hart_json(unsigned index, const HartCopy *h) {
    json_t *list = json_array();
    for (unsigned n = 0; n < IRQ_NUMBERS; n++) {
        uint64_t bit = BIT64(n);
        if (!strcmp(interrupt_name(n), "reserved")) {
            continue;
        }
        const char *obstacle = hart_obstacle(h, n);
        json_array_append_new(
            list,
            json_pack("{s:i, s:s, s:b, s:b, s:s, s:o, s:o, s:b, s:s}", "number", (int)n,
                      "name", interrupt_name(n), "pending", (h->mip & bit) != 0,
                      "enabled", (h->mie & bit) != 0, "to", h->mideleg & bit ? "S" : "M",
                      "raised", inspect_hex(h->raised[n]), "taken",
                      inspect_hex(h->taken[n]), "passes", obstacle == NULL, "words",
                      obstacle ? obstacle : "is taken at the next block"));
    }
    return json_pack("{s:i, s:s, s:b, s:o, s:o, s:o, s:b, s:b, s:o}", "hart", (int)index,
                     "mode", mode_name(h->priv), "halted", h->halted, "mip",
                     inspect_hex(h->mip), "mie", inspect_hex(h->mie), "mideleg",
                     inspect_hex(h->mideleg), "mstatus_mie",
                     (h->mstatus & MSTATUS_MIE) != 0, "mstatus_sie",
                     (h->mstatus & MSTATUS_SIE) != 0, "interrupts", list);
}

json_t *inspect_irq_lines(InspectCall *call) {
    IrqCopy *c = copy_all(call);
    if (!c) {
        return NULL;
    }
    json_t *lines = json_array(), *harts = json_array();
    for (unsigned i = 0; i < c->lines; i++) {
        json_array_append_new(lines, line_json(call->m, c, &c->line[i]));
    }
    for (unsigned i = 0; i < c->harts; i++) {
        json_array_append_new(harts, hart_json(i, &c->hart[i]));
    }
    free(c);
    return json_pack("{s:o, s:o}", "lines", lines, "harts", harts);
}

/* --- irq.path -------------------------------------------------------------------- */

typedef struct Path {
    json_t *steps;
    char stopped[WORDS_MAX]; /* "": nowhere */
} Path;

static void add_step(Path *p, const char *at, const char *obstacle, const char *passes) {
    json_array_append_new(p->steps, json_pack("{s:s, s:b, s:s}", "at", at, "passes",
                                              obstacle == NULL, "words",
                                              obstacle ? obstacle : passes));
}

/* The first obstacle is where it waits. */
static void note_stop(Path *p, const char *at, const char *obstacle) {
    if (obstacle && !p->stopped[0]) {
        snprintf(p->stopped, sizeof(p->stopped), "%s: %s", at, obstacle);
    }
}

/* What lies behind a context; true if the interrupt gets through to a handler. */
static bool hart_steps(Path *p, Machine *m, const IrqCopy *c, const LineCopy *l,
                       unsigned i, bool pending, char *why) {
    const PlicContext *x = &l->context[i];
    int hart = hart_of_line(m, &x->line);
    char at[64];
    snprintf(at, sizeof(at), "PLIC context %u", i);
    const char *obstacle = context_obstacle(l, x);
    add_step(p, at, obstacle, "enabled, and its priority is above the threshold");
    if (obstacle || hart < 0) {
        snprintf(why, WORDS_MAX, "%s: %s", at, obstacle ? obstacle : "leads to no hart");
        return false;
    }
    unsigned number = (unsigned)x->line.n % IRQ_NUMBERS;
    snprintf(at, sizeof(at), "hart %d, %s interrupt", hart, interrupt_name(number));
    obstacle = hart_obstacle(&c->hart[hart], number);
    add_step(p, at, obstacle, "is taken at the next block");
    snprintf(why, WORDS_MAX, "%s: %s", at, obstacle ? obstacle : "");
    return pending && !obstacle;
}

static json_t *trace_path(Machine *m, const IrqCopy *c, const LineCopy *l) {
    Path p = {.steps = json_array()};
    char name[DEVICE_PATH_MAX], why[WORDS_MAX] = "", enabled_why[WORDS_MAX] = "";
    bool through = false;
    const char *low = l->source.level ? NULL : "its line is low: it asks for nothing";
    add_step(&p, l->dev ? device_path(l->dev, name) : "device", low, "its line is high");
    const char *obstacle = source_obstacle(l);
    char at[64];
    snprintf(at, sizeof(at), "PLIC input %u", l->input);
    add_step(&p, at, obstacle, "pending");
    note_stop(&p, at, obstacle);
    for (unsigned i = 0; i < c->contexts; i++) {
        through |= hart_steps(&p, m, c, l, i, obstacle == NULL, why);
        if (l->context[i].enabled && !enabled_why[0]) {
            snprintf(enabled_why, sizeof(enabled_why), "%s", why);
        }
    }
    if (!through && !p.stopped[0]) {
        snprintf(p.stopped, sizeof(p.stopped), "%s",
                 enabled_why[0] ? enabled_why : "PLIC: no context has enabled it");
    }
    return json_pack("{s:s?, s:i, s:o, s:o}", "dev",
                     l->dev ? device_path(l->dev, name) : NULL, "input", (int)l->input,
                     "steps", p.steps, "stopped",
                     p.stopped[0] ? json_string(p.stopped) : json_null());
}

static json_t *no_line(InspectCall *call, const char *what) {
    return inspect_failf(call, INSPECT_NOT_FOUND, "irq.lines lists all lines", "%s",
                         what);
}

json_t *inspect_irq_path(InspectCall *call) {
    Device *dev = NULL;
    if (inspect_has(call, "dev")) {
        dev = inspect_device(call);
        if (!dev) {
            return NULL;
        }
        if (dev->cls->bus && dev->parent) {
            dev = dev->parent; /* the transport has the line */
        }
    } else if (!inspect_has(call, "input")) {
        return inspect_fail(call, INSPECT_BAD_PARAMS, "neither dev nor input was given",
                            "give the device's path or its input number");
    }
    IrqCopy *c = copy_all(call);
    if (!c) {
        return NULL;
    }
    unsigned input = dev ? input_of(c, dev) : (unsigned)inspect_int(call, "input");
    const LineCopy *line = NULL;
    for (unsigned i = 0; i < c->lines && !line; i++) {
        line = c->line[i].input == input ? &c->line[i] : NULL;
    }
    json_t *result = line ? trace_path(call->m, c, line)
                          : no_line(call, dev ? "the device has no line to the PLIC"
                                              : "no device is wired to that input");
    free(c);
    return result;
}
