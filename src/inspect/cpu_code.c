/* SPDX-License-Identifier: MIT */
/*
 * The domain "cpu", continued: the code that a vCPU runs, as text.
 *
 *   first        addr                     end
 *     |-- before --|--------- count -------|      copied with the vCPUs parked, page by page
 *     '-> the first start from which whole instructions end exactly at addr
 *
 * Instructions have several lengths, so what stands before an address is a guess: the one shown is the
 * longest in which every instruction is legal.
 *
 * Not modelled: the pages are those of the vCPU's address space now.
 */
#include <string.h>

#include "inspect/inspect_int.h"

enum {
    INSN_LEAST = 2,
    INSN_MOST = 4, /* bytes */
    MAX_BEFORE = 64,
    MAX_COUNT = 256,
    MAX_CODE = INSN_MOST * (MAX_BEFORE + MAX_COUNT),
    INSN_TEXT = 128,
    INSN_FIELDS = 16,
};

/* Bytes of guest code, copied. */
typedef struct CodeCopy {
    const CPUState *cpu;
    vaddr first;
    unsigned len;
    uint8_t bytes[MAX_CODE];
} CodeCopy;

unsigned cpu_read_code_locked(CPUState *cpu, vaddr pc, uint8_t *bytes, unsigned len) {
    unsigned done = 0;
    while (done < len) {
        hwaddr phys;
        uint64_t left = PAGE_SIZE - ((pc + done) & PAGE_OFFSET_MASK), n = len - done;
        n = n < left ? n : left;
        uint64_t got = n;
        const void *host = cpu->cls->debug_translate(cpu, pc + done, &phys)
                               ? address_space_map(cpu->as, phys, &got, false)
                               : NULL;
        if (!host || !got) {
            break;
        }
        n = got < n ? got : n;
        memcpy(bytes + done, host, n);
        done += (unsigned)n;
    }
    return done;
}

/* The length of the instruction at `at`, which is legal; 0: it is not, or not all of it is there. */
static unsigned legal_length(const CodeCopy *c, unsigned at) {
    char text[INSN_TEXT];
    InsnField field[INSN_FIELDS];
    const char *row;
    const CpuClass *cls = c->cpu->cls;
    unsigned len = cls->disassemble(c->cpu, c->first + at, c->bytes + at, c->len - at,
                                    text, sizeof(text));
    bool legal =
        len && cls->decode_fields(c->cpu, c->bytes + at, len, field, INSN_FIELDS, &row);
    return legal ? len : 0;
}

/* How many legal instructions lead from `at` exactly to `to`; 0: none do. */
static unsigned insns_between(const CodeCopy *c, unsigned at, unsigned to) {
    unsigned n = 0;
    while (at < to) {
        unsigned len = legal_length(c, at);
        if (!len) {
            return 0;
        }
        at += len;
        n++;
    }
    return at == to ? n : 0;
}

/* Where to begin so that at most `before` instructions come before `to`. */
static unsigned find_start(const CodeCopy *c, unsigned to, unsigned before) {
    unsigned at = 0, n = 0;
    while (at < to && !(n = insns_between(c, at, to))) {
        at += INSN_LEAST;
    }
    for (; n > before; n--) {
        at += legal_length(c, at);
    }
    return at < to ? at : to;
}

static json_t *bytes_json(const uint8_t *bytes, unsigned len) {
    char text[2 * INSN_MOST + 1] = "";
    for (unsigned i = 0; i < len && i < INSN_MOST; i++) {
        snprintf(text + 2 * (size_t)i, sizeof(text) - 2 * (size_t)i, "%02x", bytes[i]);
    }
    return json_string(text);
}

/* The instruction at `at`; NULL: not all of it is there. */
static json_t *insn_json(const CodeCopy *c, unsigned at, unsigned *len) {
    char text[INSN_TEXT] = "";
    const CpuClass *cls = c->cpu->cls;
    vaddr target;
    *len = cls->disassemble(c->cpu, c->first + at, c->bytes + at, c->len - at, text,
                            sizeof(text));
    if (!*len) {
        return NULL;
    }
    bool has_target =
        cls->branch_target &&
        cls->branch_target(c->cpu, c->first + at, c->bytes + at, *len, &target);
    return json_pack("{s:o, s:o, s:s, s:b, s:o}", "addr", inspect_hex(c->first + at),
                     "bytes", bytes_json(c->bytes + at, *len), "text", text, "legal",
                     legal_length(c, at) != 0, "target",
                     has_target ? inspect_hex(target) : json_null());
}

/* Copies what can be read of `before` bytes before addr, and of `after` from it on. Returns the offset
 * of addr in the copy. */
static unsigned copy_code_locked(CPUState *cpu, vaddr addr, unsigned before,
                                 unsigned after, CodeCopy *c) {
    unsigned in_page = (unsigned)(addr & PAGE_OFFSET_MASK);
    before = addr < before ? (unsigned)addr : before;
    c->cpu = cpu;
    c->first = addr - before;
    c->len = cpu_read_code_locked(cpu, c->first, c->bytes, before + after);
    if (c->len <= before && before > in_page) { /* the page before is not there */
        before = in_page;
        c->first = addr - before;
        c->len = cpu_read_code_locked(cpu, c->first, c->bytes, before + after);
    }
    return before;
}

json_t *inspect_cpu_disas(InspectCall *call) {
    CPUState *cpu = inspect_cpu(call);
    CodeCopy c;
    if (!cpu) {
        return NULL;
    }
    unsigned count = (unsigned)inspect_int(call, "count");
    unsigned before = (unsigned)inspect_int(call, "before");
    inspect_pause(call);
    vaddr pc = cpu->cls->get_pc(cpu);
    vaddr addr = inspect_has(call, "addr") ? inspect_u64(call, "addr") : pc;
    addr -= addr % INSN_LEAST;
    unsigned at = copy_code_locked(cpu, addr, INSN_MOST * before, INSN_MOST * count, &c);
    inspect_unpause(call);
    unsigned to = at, end = 0, len = 0;
    at = c.len < to ? to : find_start(&c, to, before);
    c.len = c.len < to ? to : c.len;
    json_t *insns = json_array(), *insn = NULL;
    while (end < count && (insn = insn_json(&c, at, &len)) != NULL) {
        json_array_append_new(insns, insn);
        end += at >= to;
        at += len;
    }
    return json_pack("{s:i, s:o, s:o, s:o}", "cpu", (int)cpu->index, "pc",
                     inspect_hex(pc), "insns", insns, "unreadable",
                     end < count ? inspect_hex(c.first + at) : json_null());
}
