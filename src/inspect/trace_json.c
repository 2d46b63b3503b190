/* SPDX-License-Identifier: MIT */
/* Trace events in words: causes by name, pointers to devices and timers as the device's name. */
#include "inspect/trace_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cpu/riscv/cpu.h"
#include "inspect/device_names.h"
#include "tcg/tb.h"

static const char *exception_title(uint64_t cause) {
    static const char *const titles[] = {
        [CAUSE_INSN_MISALIGNED] = "misaligned fetch",
        [CAUSE_INSN_ACCESS] = "fetch access fault",
        [CAUSE_ILLEGAL] = "illegal instruction",
        [CAUSE_BREAKPOINT] = "breakpoint",
        [CAUSE_LOAD_MISALIGNED] = "misaligned load",
        [CAUSE_LOAD_ACCESS] = "load access fault",
        [CAUSE_STORE_MISALIGNED] = "misaligned store",
        [CAUSE_STORE_ACCESS] = "store access fault",
        [CAUSE_ECALL_U] = "ecall from U",
        [CAUSE_ECALL_S] = "ecall from S",
        [CAUSE_ECALL_M] = "ecall from M",
        [CAUSE_INSN_PAGE] = "fetch page fault",
        [CAUSE_LOAD_PAGE] = "load page fault",
        [CAUSE_STORE_PAGE] = "store page fault",
    };
    bool known = cause < sizeof(titles) / sizeof(titles[0]) && titles[cause];
    return known ? titles[cause] : "exception";
}

static const char *interrupt_title(uint64_t number) {
    switch (number) {
    case IRQ_SSI:
        return "supervisor software interrupt";
    case IRQ_MSI:
        return "machine software interrupt";
    case IRQ_STI:
        return "supervisor timer interrupt";
    case IRQ_MTI:
        return "machine timer interrupt";
    case IRQ_SEI:
        return "supervisor external interrupt";
    case IRQ_MEI:
        return "machine external interrupt";
    default:
        return "interrupt";
    }
}

const char *trace_title(const TraceEvent *e) {
    switch (e->kind) {
    case TRACE_EXCEPTION:
        return exception_title(e->arg[0]);
    case TRACE_INTERRUPT:
        return interrupt_title(e->arg[0]);
    case TRACE_RETURN:
        return e->arg[0] == PRV_M ? "mret" : "sret";
    default:
        return trace_kind_info(e->kind)->name;
    }
}

/* True for arguments that are addresses of the host; they never leave the program. */
static bool is_pointer(const TraceEvent *e, unsigned i) {
    const char *name = trace_kind_info(e->kind)->arg[i];
    return !strcmp(name, "device") || !strcmp(name, "timer") ||
           !strcmp(name, "controller");
}

/* The device, or the hart, in whose struct the pointer lies. */
static void owner_name(Machine *m, uint64_t pointer, char name[DEVICE_PATH_MAX]) {
    const Device *dev = device_of_pointer(m, pointer);
    if (dev) {
        device_path(dev, name);
        return;
    }
    snprintf(name, DEVICE_PATH_MAX, "host");
    for (unsigned i = 0; i < m->cpus->count; i++) {
        uint64_t start = (uintptr_t)m->cpus->cpu[i];
        if (pointer >= start && pointer < start + sizeof(RiscvCPU)) {
            snprintf(name, DEVICE_PATH_MAX, "hart %u", i);
        }
    }
}

json_t *trace_args_json(Machine *m, const TraceEvent *e) {
    const TraceKindInfo *info = trace_kind_info(e->kind);
    json_t *args = json_object();
    for (unsigned i = 0; i < TRACE_ARGS && *info->arg[i]; i++) {
        if (is_pointer(e, i)) {
            char name[DEVICE_PATH_MAX];
            owner_name(m, e->arg[i], name);
            json_object_set_new(args, info->arg[i], json_string(name));
        } else {
            json_object_set_new(args, info->arg[i], inspect_hex(e->arg[i]));
        }
    }
    return args;
}

static const char *death_words(uint64_t cause) {
    static const char *const words[] = {
        [TB_DEATH_STORE] = "a store changed its bytes",
        [TB_DEATH_DMA] = "a device changed its bytes",
        [TB_DEATH_FLUSH] = "flushed, or made to run once",
        [TB_DEATH_EVICT] = "its code memory was needed",
        [TB_DEATH_DEBUG] = "a break point was set or removed",
    };
    bool known = cause < sizeof(words) / sizeof(words[0]) && words[cause];
    return known ? words[cause] : "";
}

void trace_words(Machine *m, const TraceEvent *e, char text[TRACE_TEXT_MAX]) {
    char line[TRACE_TEXT_MAX / 2], owner[DEVICE_PATH_MAX] = "";
    const char *extra = "";
    trace_format(e, line, sizeof(line));
    if (e->kind == TRACE_EXCEPTION || e->kind == TRACE_INTERRUPT) {
        extra = trace_title(e);
    } else if (e->kind == TRACE_TB_DIED) {
        extra = death_words(e->arg[2]);
    } else if (is_pointer(e, 0)) {
        owner_name(m, e->arg[0], owner);
        extra = owner;
    } else if (e->kind == TRACE_MMIO_READ || e->kind == TRACE_MMIO_WRITE) {
        for (const Device *d = m->first_device; d; d = d->next) {
            if (d->mapped && e->arg[0] - d->base < d->mmio.size) {
                extra = device_path(d, owner);
            }
        }
    }
    snprintf(text, TRACE_TEXT_MAX, "%s%s%.128s%s", line, *extra ? " (" : "", extra,
             *extra ? ")" : "");
}
