/* SPDX-License-Identifier: MIT */
/*
 * The domain "cpu": vCPUs and their registers.
 *
 *   stop n-1 --> previous[]     stop n --> last[]     now
 *                   '-- stopped: changed = last - previous;   running: changed = now - last
 *
 * Which registers there are is known once (CpuRegisters.get); their values are read with the vCPUs parked,
 * all of them in a few microseconds.
 *
 * Locks: values of stops: the machine lock.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "hw/machine/touch.h"
#include "inspect/inspect_int.h"
#include "util/nearest.h"

enum { INSN_BYTES = 16, INSN_TEXT = 128 };

typedef struct CpuView {
    CPUState *cpu;
    CpuRegister *regs;
    unsigned count;
    /* machine lock: values by index of regs */
    uint64_t *last, *previous, *now;
} CpuView;

typedef struct CpuViews {
    unsigned count;
    CpuView view[CPU_GROUP_MAX];
} CpuViews;

static const char *const group_names[] = {"general", "fp", "csr", "privileged"};

/* --- which registers there are --------------------------------------------------------------- */

static void init_view(CpuView *view, CPUState *cpu) {
    const CpuRegisters *ops = cpu->cls->registers;
    CpuRegister reg;
    view->cpu = cpu;
    while (ops && ops->get(cpu, view->count, &reg)) {
        view->count++;
    }
    view->regs = calloc(view->count + 1, sizeof(*view->regs));
    view->last = calloc(view->count + 1, sizeof(uint64_t));
    view->previous = calloc(view->count + 1, sizeof(uint64_t));
    view->now = calloc(view->count + 1, sizeof(uint64_t));
    assert(view->regs && view->last && view->previous && view->now);
    for (unsigned i = 0; i < view->count; i++) {
        ops->get(cpu, i, &view->regs[i]);
    }
}

static void read_all(const CpuView *view, uint64_t *values) {
    for (unsigned i = 0; i < view->count; i++) {
        const CpuRegister *reg = &view->regs[i];
        values[i] = reg->bits ? view->cpu->cls->registers->read(view->cpu, reg) : 0;
    }
}

void cpu_views_new(Inspector *ins) {
    CpuGroup *group = ins->m->cpus;
    ins->cpus = calloc(1, sizeof(*ins->cpus));
    assert(ins->cpus);
    for (unsigned i = 0; i < group->count; i++) {
        init_view(&ins->cpus->view[i], group->cpu[i]);
    }
    ins->cpus->count = group->count;
}

void cpu_views_free(Inspector *ins) {
    for (unsigned i = 0; i < ins->cpus->count; i++) {
        CpuView *view = &ins->cpus->view[i];
        free(view->regs);
        free(view->last);
        free(view->previous);
        free(view->now);
    }
    free(ins->cpus);
}

void cpu_views_stopped(Inspector *ins) {
    machine_lock(ins->m);
    for (unsigned i = 0; i < ins->cpus->count; i++) {
        CpuView *view = &ins->cpus->view[i];
        uint64_t *oldest = view->previous;
        view->previous = view->last;
        view->last = oldest;
        read_all(view, view->last);
    }
    machine_unlock(ins->m);
}

/* The view of the parameter "cpu"; NULL: the call has failed. */
static CpuView *find_view(InspectCall *call) {
    CPUState *cpu = inspect_cpu(call);
    return cpu ? &call->inspector->cpus->view[cpu->index] : NULL;
}

/* The register of the parameter "name"; NULL: the call has failed. */
static const CpuRegister *find_register(InspectCall *call, const CpuView *view) {
    const char *name = inspect_string(call, "name");
    Nearest nearest;
    nearest_init(&nearest, name);
    for (unsigned i = 0; i < view->count; i++) {
        const CpuRegister *reg = &view->regs[i];
        if (reg->bits && (!strcmp(reg->name, name) || !strcmp(reg->alias, name))) {
            return reg;
        }
        nearest_offer(&nearest, reg->name);
    }
    char advice[64] = "cpu.regs lists them";
    if (nearest.name) {
        snprintf(advice, sizeof(advice), "did you mean %s?", nearest.name);
    }
    inspect_failf(call, INSPECT_NOT_FOUND, advice, "there is no register '%s'", name);
    return NULL;
}

/* --- methods --------------------------------------------------------------------------------- */

/* Where a vCPU is, copied. */
typedef struct CpuPlace {
    vaddr pc;
    bool halted;
    unsigned len;
    uint8_t bytes[INSN_BYTES];
} CpuPlace;

static json_t *describe_cpu(CPUState *cpu, const CpuPlace *at) {
    char text[INSN_TEXT] = "";
    if (!at->len ||
        !cpu->cls->disassemble(cpu, at->pc, at->bytes, at->len, text, sizeof(text))) {
        text[0] = '\0';
    }
    return json_pack("{s:i, s:s, s:o, s:b, s:s}", "cpu", (int)cpu->index, "isa",
                     cpu->cls->name, "pc", inspect_hex(at->pc), "halted", at->halted,
                     "text", text);
}

json_t *inspect_cpu_list(InspectCall *call) {
    const CpuGroup *group = call->m->cpus;
    CpuPlace at[CPU_GROUP_MAX];
    inspect_pause(call);
    for (unsigned i = 0; i < group->count; i++) {
        CPUState *cpu = group->cpu[i];
        at[i].pc = cpu->cls->get_pc(cpu);
        at[i].halted = cpu->halted;
        at[i].len = cpu_read_code_locked(cpu, at[i].pc, at[i].bytes, INSN_BYTES);
    }
    inspect_unpause(call);
    json_t *list = json_array();
    for (unsigned i = 0; i < group->count; i++) {
        json_array_append_new(list, describe_cpu(group->cpu[i], &at[i]));
    }
    return json_pack("{s:o}", "cpus", list);
}

/* Reads all; the values that they are compared with are put into `base`. */
static void read_view(InspectCall *call, CpuView *view, uint64_t *now, uint64_t *base) {
    bool stopped = machine_run_state(call->m) != RUN_RUNNING;
    inspect_pause(call);
    read_all(view, now);
    memcpy(base, stopped ? view->previous : view->last, view->count * sizeof(*base));
    inspect_unpause(call);
}

json_t *inspect_cpu_regs(InspectCall *call) {
    CpuView *view = find_view(call);
    const char *wanted = inspect_string(call, "group");
    if (!view) {
        return NULL;
    }
    uint64_t *now = calloc(2 * view->count + 1, sizeof(*now)), *base = now + view->count;
    assert(now);
    read_view(call, view, now, base);
    json_t *result = json_pack("{s:i}", "cpu", (int)view->cpu->index);
    json_t *changed = json_array();
    for (unsigned i = 0; i < view->count; i++) {
        const CpuRegister *reg = &view->regs[i];
        const char *group = group_names[reg->group];
        if (!reg->bits || (strcmp(wanted, "all") != 0 && strcmp(wanted, group) != 0)) {
            continue;
        }
        if (!json_object_get(result, group)) {
            json_object_set_new(result, group, json_object());
        }
        json_object_set_new(json_object_get(result, group), reg->name,
                            inspect_hex(now[i]));
        if (now[i] != base[i] && !reg->is_live) {
            json_array_append_new(changed, json_string(reg->name));
        }
    }
    json_object_set_new(result, "changed", changed);
    free(now);
    return result;
}

/* The word of value number n in "a|b|c", or NULL. */
static json_t *nth_word(const char *words, uint64_t n) {
    while (*words) {
        size_t len = strcspn(words, "|");
        if (n-- == 0) {
            return json_stringn(words, len);
        }
        words += words[len] ? len + 1 : len;
    }
    return json_null();
}

static json_t *describe_field(const CpuView *view, const CpuRegister *reg,
                              const CpuField *field, uint64_t value) {
    unsigned width = field->high - field->low + 1u;
    uint64_t mask = width == 64 ? UINT64_MAX : (UINT64_C(1) << width) - 1;
    uint64_t bits = value >> field->low & mask;
    const char *word = view->cpu->cls->registers->word(view->cpu, reg, field, value);
    return json_pack("{s:s, s:i, s:i, s:o, s:o, s:s}", "name", field->name, "high",
                     field->high, "low", field->low, "value", inspect_hex(bits), "word",
                     word ? json_string(word) : nth_word(field->words, bits), "text",
                     field->text);
}

static json_t *describe_csr(const CpuView *view, const CpuRegister *reg, uint64_t value) {
    json_t *fields = json_array();
    const CpuField *field;
    for (unsigned n = 0;
         (field = view->cpu->cls->registers->field(view->cpu, reg, n)) != NULL; n++) {
        json_array_append_new(fields, describe_field(view, reg, field, value));
    }
    return json_pack("{s:s, s:o, s:i, s:o, s:o}", "name", reg->name, "number",
                     inspect_hex(reg->number), "bits", (int)reg->bits, "value",
                     inspect_hex(value), "fields", fields);
}

json_t *inspect_cpu_csr(InspectCall *call) {
    CpuView *view = find_view(call);
    const CpuRegister *only = NULL;
    if (!view || (inspect_has(call, "name") && !(only = find_register(call, view)))) {
        return NULL;
    }
    if (only && only->number == CPU_NO_CSR) {
        return inspect_failf(call, INSPECT_NOT_FOUND, "cpu.regs has the others",
                             "'%s' is no control and status register", only->name);
    }
    inspect_pause(call);
    read_all(view, view->now);
    inspect_unpause(call);
    json_t *list = json_array();
    for (unsigned i = 0; i < view->count; i++) {
        const CpuRegister *reg = &view->regs[i];
        if (reg->number != CPU_NO_CSR && (!only || reg == only)) {
            json_array_append_new(list, describe_csr(view, reg, view->now[i]));
        }
    }
    return json_pack("{s:i, s:o}", "cpu", (int)view->cpu->index, "csrs", list);
}

json_t *inspect_cpu_set(InspectCall *call) {
    CpuView *view = find_view(call);
    const CpuRegister *reg = view ? find_register(call, view) : NULL;
    const CpuRegisters *ops = view ? view->cpu->cls->registers : NULL;
    if (!reg) {
        return NULL;
    }
    if (!reg->writable) {
        return inspect_failf(call, INSPECT_FORBIDDEN, "write another",
                             "register '%s' is read-only", reg->name);
    }
    inspect_pause(call);
    bool may = inspect_may_touch(call);
    if (may) {
        touch_register(call->m, view->cpu, reg, inspect_u64(call, "value"));
    }
    uint64_t value = ops->read(view->cpu, reg);
    inspect_unpause(call);
    if (!may) {
        return NULL;
    }
    return json_pack("{s:s, s:o}", "name", reg->name, "value", inspect_hex(value));
}
