/* SPDX-License-Identifier: MIT */
/* Commands whose answer is the inspector's, in QEMU's form where QEMU has one. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "hw/machine/virt.h"
#include "monitor/hmp_call.h"

enum {
    MAPPINGS_AT_ONCE = 1024,
    MAX_MAPPING_CALLS = 64,
    TLB_LIMIT = 4096,
    MTREE_INDENT = 2,
    MTREE_DEPTH = 32,
    MAX_STEPS = 10000,
};

static uint64_t hex(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text ? strtoull(text, NULL, 16) : 0;
}

static const char *text(const json_t *object, const char *name) {
    const char *value = json_string_value(json_object_get(object, name));
    return value ? value : "-";
}

static json_t *hex_text(uint64_t value) {
    return json_sprintf("0x%" PRIx64, value);
}

/* --- address translation ---------------------------------------------------------------------- */

void hmp_info_tlb(HmpCall *call) {
    hmp_inspect(call, "mmu.tlb",
                json_pack("{s:i, s:i}", "cpu", (int)call->hmp->cpu, "limit", TLB_LIMIT));
}

static void show_mapping(FILE *out, const json_t *run) {
    static const char letters[] = "rwxugad";
    const char *bits = text(run, "bits");
    fprintf(out, "%016" PRIx64 " %016" PRIx64 " %016" PRIx64 " ", hex(run, "first"),
            hex(run, "phys"), hex(run, "size"));
    for (const char *l = letters; *l; l++) {
        fputc(strchr(bits, *l - 'a' + 'A') ? *l : '-', out);
    }
    fputc('\n', out);
}

/* Shows one answer; returns where to go on, or NULL. Owns: the caller. */
static char *show_mappings(HmpCall *call, json_t *answer, bool first) {
    size_t i;
    json_t *run;
    if (first && !strcmp(text(answer, "mode"), "bare")) {
        fprintf(call->out, "No translation or protection\n");
        return NULL;
    }
    if (first) {
        fprintf(call->out,
                "vaddr            paddr            size             attr\n"
                "---------------- ---------------- ---------------- -------\n");
    }
    json_array_foreach(json_object_get(answer, "runs"), i, run) {
        show_mapping(call->out, run);
    }
    const char *cursor = json_string_value(json_object_get(answer, "cursor"));
    return cursor ? strdup(cursor) : NULL;
}

void hmp_info_mem(HmpCall *call) {
    char *cursor = NULL;
    for (unsigned n = 0; n < MAX_MAPPING_CALLS && (n == 0 || cursor); n++) {
        json_t *params = json_pack("{s:i, s:i}", "cpu", (int)call->hmp->cpu, "limit",
                                   MAPPINGS_AT_ONCE);
        if (cursor) {
            json_object_set_new(params, "cursor", json_string(cursor));
        }
        free(cursor);
        cursor = NULL;
        json_t *answer = hmp_ask(call, "mmu.mappings", params);
        if (answer) {
            cursor = show_mappings(call, answer, n == 0);
        }
        json_decref(answer);
    }
    if (cursor) {
        fprintf(call->out, "... (more from %s on)\n", cursor);
    }
    free(cursor);
}

/* --- memory ------------------------------------------------------------------------------------- */

static void show_owned(FILE *out, const json_t *region, uint64_t base, unsigned depth) {
    size_t i;
    json_t *child;
    uint64_t addr = base + hex(region, "addr"), size = hex(region, "size");
    const char *owner = json_string_value(json_object_get(region, "owner"));
    uint64_t last = size ? addr + size - 1 : UINT64_MAX;
    if (strlen(text(region, "size")) > strlen("0x") + 2 * sizeof(size)) {
        last = UINT64_MAX; /* the whole address space */
    }
    fprintf(out, "%*s%016" PRIx64 "-%016" PRIx64 " (prio %d, %s): %s%s%s%s\n",
            MTREE_INDENT * (int)depth, "", addr, last,
            (int)json_integer_value(json_object_get(region, "priority")),
            text(region, "kind"), text(region, "name"), owner ? " owner:{dev " : "",
            owner ? owner : "", owner ? "}" : "");
    json_array_foreach(json_object_get(region, "children"), i, child) {
        if (depth < MTREE_DEPTH) {
            show_owned(out, child, addr, depth + 1);
        }
    }
}

/* The tree with who made each region. */
void hmp_mtree_owners(HmpCall *call) {
    json_t *answer = hmp_ask(call, "mem.tree", NULL);
    if (answer) {
        fprintf(call->out, "address-space: %s\n", text(answer, "space"));
        show_owned(call->out, json_object_get(answer, "tree"), 0, 1);
    }
    json_decref(answer);
}

void hmp_mtree_ranges(HmpCall *call) {
    hmp_inspect(call, "mem.flatview", NULL);
}

static void show_rom(FILE *out, const BootFile *file) {
    if (file->present) {
        fprintf(out, "addr=%016" PRIx64 " size=0x%06" PRIx64 " mem=ram name=\"%s\"\n",
                file->image.low, file->image.high - file->image.low, file->path);
    }
}

void hmp_info_roms(HmpCall *call) {
    if (call->m->cls != &virt_machine_class) {
        return;
    }
    const Boot *boot = &((const VirtBoard *)call->m->board)->boot;
    machine_lock(call->m);
    show_rom(call->out, &boot->firmware);
    show_rom(call->out, &boot->kernel);
    show_rom(call->out, &boot->initrd);
    if (boot->fdt) {
        fprintf(call->out, "addr=%016" PRIx64 " mem=ram name=\"fdt\"\n", boot->fdt_addr);
    }
    machine_unlock(call->m);
}

void hmp_info_dirty(HmpCall *call) {
    hmp_inspect(call, "dirty.clients", NULL);
}

/* --- translation blocks ------------------------------------------------------------------------- */

void hmp_info_jit(HmpCall *call) {
    hmp_inspect(call, "tb.stats", NULL);
}

void hmp_info_tbs(HmpCall *call) {
    hmp_inspect(call, "tb.list", NULL);
}

static void show_stage(FILE *out, const json_t *stage) {
    size_t i;
    json_t *op;
    fprintf(out, "IR after %s:\n", text(stage, "name"));
    json_array_foreach(json_object_get(stage, "ops"), i, op) {
        fprintf(out, "  %3d  %s\n", (int)json_integer_value(json_object_get(op, "id")),
                text(op, "text"));
    }
}

static void show_steps(FILE *out, const json_t *steps) {
    size_t i;
    json_t *step;
    json_array_foreach(steps, i, step) {
        fprintf(out, "  op %d: %s: %s\n",
                (int)json_integer_value(json_object_get(step, "op")), text(step, "rule"),
                text(step, "reason"));
    }
}

static void show_explained(FILE *out, const json_t *e) {
    size_t i;
    json_t *item;
    const json_t *block = json_object_get(e, "block");
    fprintf(out, "block %s at %s: guest instructions\n", text(block, "id"),
            text(block, "pc"));
    json_array_foreach(json_object_get(e, "guest"), i, item) {
        fprintf(out, "  %s  %-8s  %s\n", text(item, "pc"), text(item, "bytes"),
                text(item, "text"));
    }
    json_array_foreach(json_object_get(e, "stages"), i, item) {
        show_stage(out, item);
    }
    if (json_array_size(json_object_get(e, "steps"))) {
        fprintf(out, "what the rules did:\n");
        show_steps(out, json_object_get(e, "steps"));
    }
    fprintf(out, "host code%s:\n",
            json_is_true(json_object_get(e, "identical")) ? ", the bytes that run" : "");
    json_array_foreach(json_object_get(e, "host"), i, item) {
        fprintf(out, "  +%-5d %s\n",
                (int)json_integer_value(json_object_get(item, "offset")),
                text(item, "text"));
    }
}

void hmp_explain(HmpCall *call) {
    uint64_t pc = (uint64_t)hmp_number(call, "addr");
    json_t *answer = hmp_ask(call, "tb.explain", json_pack("{s:o}", "pc", hex_text(pc)));
    if (answer) {
        show_explained(call->out, answer);
    }
    json_decref(answer);
}

/* --- interrupts --------------------------------------------------------------------------------- */

static void show_member(HmpCall *call, const char *method, const char *member) {
    json_t *answer = hmp_ask(call, method, NULL);
    if (answer) {
        hmp_print_json(call->out, json_object_get(answer, member));
    }
    json_decref(answer);
}

void hmp_info_pic(HmpCall *call) {
    show_member(call, "irq.lines", "lines");
}

void hmp_info_irq(HmpCall *call) {
    show_member(call, "irq.lines", "harts");
}

/* --- step, break and watch points ----------------------------------------------------------------- */

static void show_where(HmpCall *call) {
    char line[] = "x/1i $pc";
    Hmp scratch = *call->hmp; /* the user's format stays */
    char *said = hmp_execute(&scratch, line);
    fputs(said, call->out);
    free(said);
}

void hmp_step(HmpCall *call) {
    int64_t count = hmp_has(call, "count") ? hmp_number(call, "count") : 1;
    if (count < 1 || count > MAX_STEPS) {
        fprintf(call->out, "%s: 1 to %d steps\n", call->command, MAX_STEPS);
        return;
    }
    bool ok = true;
    for (int64_t i = 0; ok && i < count; i++) {
        json_t *params = json_pack("{s:i}", "cpu", (int)call->hmp->cpu);
        json_t *answer = hmp_ask(call, "cpu.step", params);
        ok = answer && !strcmp(text(answer, "state"), "debug");
        json_decref(answer);
    }
    if (ok) {
        show_where(call);
    }
}

/* A journey of the history domain, and where it ended. */
static void travel(HmpCall *call, const char *method, json_t *params) {
    json_t *answer = hmp_ask(call, method, params);
    if (answer) {
        fprintf(call->out, "count %s, %s\n", text(answer, "count"),
                text(json_object_get(answer, "stop"), "reason"));
        show_where(call);
    }
    json_decref(answer);
}

void hmp_reverse_step(HmpCall *call) {
    uint64_t count = hmp_has(call, "count") ? (uint64_t)hmp_number(call, "count") : 1;
    travel(call, "history.back", json_pack("{s:o}", "insns", hex_text(count)));
}

void hmp_reverse_continue(HmpCall *call) {
    travel(call, "history.back_to_point", NULL);
}

void hmp_goto(HmpCall *call) {
    uint64_t count = (uint64_t)hmp_number(call, "count");
    travel(call, "history.go", json_pack("{s:o}", "count", hex_text(count)));
}

/* The arguments "addr" and "len" as a method's parameters. */
static json_t *bytes_params(const HmpCall *call) {
    json_t *params =
        json_pack("{s:o}", "addr", hex_text((uint64_t)hmp_number(call, "addr")));
    if (hmp_has(call, "len")) {
        json_object_set_new(params, "len", json_integer(hmp_number(call, "len")));
    }
    return params;
}

void hmp_last_write(HmpCall *call) {
    hmp_inspect(call, "history.last_write", bytes_params(call));
}

void hmp_break(HmpCall *call) {
    uint64_t addr = (uint64_t)hmp_number(call, "addr");
    hmp_inspect(call, "cpu.break_add", json_pack("{s:o}", "addr", hex_text(addr)));
}

void hmp_watch(HmpCall *call) {
    hmp_inspect(call, "cpu.watch_add", bytes_params(call));
}

void hmp_delete(HmpCall *call) {
    json_t *params = json_object();
    if (hmp_has(call, "point")) {
        json_object_set_new(params, "point", json_integer(hmp_number(call, "point")));
    }
    hmp_inspect(call, "cpu.point_remove", params);
}

void hmp_info_breakpoints(HmpCall *call) {
    hmp_inspect(call, "cpu.points", NULL);
}
