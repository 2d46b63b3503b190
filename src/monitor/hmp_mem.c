/* SPDX-License-Identifier: MIT */
/*
 * Commands on memory and values: x, xp, print. Their output is QEMU's.
 *
 * Device registers are read as the hart would read them, with what that does to the device.
 */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "cpu/riscv/cpu.h"
#include "hw/machine/touch.h"
#include "monitor/hmp_call.h"

enum {
    DUMP_CHUNK = 4096,        /* bytes read while the machine is held */
    DUMP_MAX_BYTES = 1 << 20, /* of one command */
    DUMP_LINE = 16,
    DUMP_BYTE_LINE = 8,
    INSN_MAX_BYTES = 4,
    BITS = 8,
};

/* --- reading ------------------------------------------------------------------------------ */

/* Under hmp_hold(): reads what is readable of one page's part. */
static bool read_part(Machine *m, CPUState *cpu, uint64_t addr, bool physical,
                      uint8_t *buf, unsigned len) {
    hwaddr phys = addr;
    if (!physical && !cpu->cls->debug_translate(cpu, addr, &phys)) {
        return false;
    }
    MemTxResult result = touch_read(m, phys, buf, len);
    /* Where nothing is, QEMU's xp shows zeros. In the past devices are left alone. */
    return result == MEMTX_OK || (physical && touch_allowed(m, NULL));
}

/* Reads up to `len` bytes; returns how many could be read. */
static unsigned read_bytes(HmpCall *call, uint64_t addr, bool physical, uint8_t *buf,
                           unsigned len) {
    unsigned done = 0;
    CPUState *cpu = hmp_cpu(call);
    hmp_hold(call);
    while (done < len) {
        unsigned n = PAGE_SIZE - (unsigned)((addr + done) & PAGE_OFFSET_MASK);
        n = n < len - done ? n : len - done;
        if (!read_part(call->m, cpu, addr + done, physical, buf + done, n)) {
            break;
        }
        done += n;
    }
    hmp_release(call);
    return done;
}

static bool is_rv32(const HmpCall *call) {
    return riscv_cpu(hmp_cpu(call))->cfg.xlen == 32;
}

/* --- numbers ------------------------------------------------------------------------------ */

static void print_char(FILE *out, unsigned c) {
    fputc('\'', out);
    switch (c) {
    case '\'':
        fputs("\\'", out);
        break;
    case '\\':
        fputs("\\\\", out);
        break;
    case '\n':
        fputs("\\n", out);
        break;
    case '\r':
        fputs("\\r", out);
        break;
    default:
        if (c < 0x80 && isprint((int)c)) {
            fputc((int)c, out);
        } else {
            fprintf(out, "\\x%02x", c);
        }
    }
    fputc('\'', out);
}

/* How many characters the largest item takes. */
static int item_width(const HmpFormat *f) {
    const int bits = (int)f->size * BITS;
    switch (f->format) {
    case 'o':
        return (bits + 2) / 3;
    case 'x':
        return bits / 4;
    default:
        return (bits * 10 + 32) / 33;
    }
}

static int64_t sign_extend(uint64_t value, unsigned size) {
    unsigned shift = 64 - size * BITS;
    return (int64_t)(value << shift) >> shift;
}

static void print_item(FILE *out, const HmpFormat *f, uint64_t value) {
    int width = item_width(f);
    switch (f->format) {
    case 'o':
        fprintf(out, "%#*" PRIo64, width, value);
        break;
    case 'x':
        fprintf(out, "0x%0*" PRIx64, width, value);
        break;
    case 'u':
        fprintf(out, "%*" PRIu64, width, value);
        break;
    case 'd':
        fprintf(out, "%*" PRId64, width, sign_extend(value, f->size));
        break;
    default:
        print_char(out, (unsigned)value);
    }
}

/* --- x, xp -------------------------------------------------------------------------------- */

static void dump_line(HmpCall *call, const HmpFormat *f, const uint8_t *bytes,
                      unsigned len) {
    for (unsigned i = 0; i + f->size <= len; i += f->size) {
        uint64_t value = 0;
        memcpy(&value, bytes + i, f->size);
        fputc(' ', call->out);
        print_item(call->out, f, value);
    }
    fputc('\n', call->out);
}

/* Prints the lines of one chunk; false: some of it could not be read. */
static bool dump_chunk(HmpCall *call, const HmpFormat *f, uint64_t addr, bool physical,
                       unsigned len) {
    uint8_t buf[DUMP_CHUNK];
    const unsigned line = f->size == 1 ? DUMP_BYTE_LINE : DUMP_LINE;
    const int digits = !physical && is_rv32(call) ? 8 : 16;
    unsigned got = read_bytes(call, addr, physical, buf, len);
    for (unsigned at = 0; at < len; at += line) {
        unsigned n = len - at < line ? len - at : line;
        fprintf(call->out, "%0*" PRIx64 ":", digits, addr + at);
        if (at + n > got) {
            fprintf(call->out, " Cannot access memory\n");
            return false;
        }
        dump_line(call, f, buf + at, n);
    }
    return true;
}

static void dump_data(HmpCall *call, const HmpFormat *f, uint64_t addr, bool physical) {
    uint64_t len = f->count * f->size;
    while (len > 0) {
        unsigned n = len < DUMP_CHUNK ? (unsigned)len : DUMP_CHUNK;
        if (!dump_chunk(call, f, addr, physical, n)) {
            return;
        }
        addr += n;
        len -= n;
    }
}

/* One instruction; returns its length, 0: it could not be read. */
static unsigned dump_insn(HmpCall *call, uint64_t addr, bool physical) {
    uint8_t bytes[INSN_MAX_BYTES] = {0};
    char text[128];
    CPUState *cpu = hmp_cpu(call);
    unsigned got = read_bytes(call, addr, physical, bytes, 2);
    const bool is_long = (bytes[0] & 3) == 3; /* the ISA's length encoding */
    if (got == 2 && is_long) {
        got += read_bytes(call, addr + 2, physical, bytes + 2, 2);
    }
    fprintf(call->out, "0x%0*" PRIx64 ":  ", is_rv32(call) ? 8 : 16, addr);
    unsigned len =
        got ? cpu->cls->disassemble(cpu, addr, bytes, got, text, sizeof(text)) : 0;
    if (!len) {
        fprintf(call->out, "Cannot access memory\n");
        return 0;
    }
    uint32_t word = 0;
    memcpy(&word, bytes, len);
    fprintf(call->out, "%0*" PRIx32 "%*s%s\n", (int)len * 2, word, len == 2 ? 14 : 10, "",
            text);
    return len;
}

static void dump(HmpCall *call, bool physical) {
    HmpFormat f = call->format;
    uint64_t addr = (uint64_t)hmp_number(call, "addr");
    if (!physical && is_rv32(call)) {
        addr = (uint32_t)addr;
    }
    f.size = f.format == 'c' ? 1 : f.size;
    unsigned each = f.format == 'i' ? INSN_MAX_BYTES : f.size;
    if (f.count > DUMP_MAX_BYTES / each) {
        fprintf(call->out, "%s: at most %d items of that size at once\n", call->command,
                DUMP_MAX_BYTES / (int)each);
        return;
    }
    if (f.format != 'i') {
        dump_data(call, &f, addr, physical);
        return;
    }
    unsigned len = 1;
    for (uint64_t i = 0; i < f.count && len; i++, addr += len) {
        len = dump_insn(call, addr, physical);
    }
}

void hmp_x(HmpCall *call) {
    dump(call, false);
}

void hmp_xp(HmpCall *call) {
    dump(call, true);
}

/* --- print -------------------------------------------------------------------------------- */

void hmp_print(HmpCall *call) {
    int64_t value = hmp_number(call, "val");
    switch (call->format.format) {
    case 'o':
        fprintf(call->out, "%#" PRIo64, (uint64_t)value);
        break;
    case 'x':
        fprintf(call->out, "%#" PRIx64, (uint64_t)value);
        break;
    case 'u':
        fprintf(call->out, "%" PRIu64, (uint64_t)value);
        break;
    case 'c':
        print_char(call->out, (unsigned)value);
        break;
    default:
        fprintf(call->out, "%" PRId64, value);
    }
    fputc('\n', call->out);
}
