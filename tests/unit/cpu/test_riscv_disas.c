/* SPDX-License-Identifier: MIT */
/*
 * The RISC-V disassembler against GNU objdump: random instructions of every row, both
 * XLENs.
 *
 *   rows -> random words -> an ELF file -> objdump -d -> lines == riscv_disassemble()?
 *
 * Without riscv64-linux-gnu-objdump that part is skipped, and says so. Extensions that
 * the installed objdump does not know are listed, not compared; their forms are checked
 * against the texts of binutils 2.41's test suite.
 * Not compared: objdump's comments ("# ..."); encodings with bits that the manual tells
 * to ignore (fence's rd, rs1 and fm, fence.i's operands), which objdump refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "cpu/riscv/cpu.h"
#include "cpu/riscv/decode.h"

#define OBJDUMP "riscv64-linux-gnu-objdump"

enum { SAMPLES = 400, CODE_MAX = 4 * SAMPLES * RISCV_INSN_COUNT, TEXT_MAX = 128 };

/* --- a hart with everything --------------------------------------------------------- */
static RiscvCPU *hart_new(unsigned xlen) {
    RiscvCPU *cpu = calloc(1, sizeof(*cpu));
    cpu->cfg.xlen = xlen;
#define RISCV_EXT(id, text, dflt) cpu->cfg.id = true;
#include "cpu/riscv/ext.def"
#undef RISCV_EXT
    cpu->decoder = riscv_decoder_new(&cpu->cfg);
    return cpu;
}

static void hart_free(RiscvCPU *cpu) {
    riscv_decoder_free((RiscvDecoder *)cpu->decoder);
    free(cpu);
}

/* --- random instructions ------------------------------------------------------------ */
static uint64_t next_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Fills the letters of a pattern. Each field is random, 0, 1 or all ones, so that x0, ra,
 * immediates 0, 1 and -1 and equal registers are common. */
static uint32_t random_insn(const char *pattern, uint64_t *state) {
    uint32_t bits = 0;
    unsigned mode[128] = {0};
    for (const char *p = pattern; *p; p++) {
        if (*p == ' ') {
            continue;
        }
        unsigned bit;
        if (*p == '0' || *p == '1') {
            bit = *p == '1';
        } else if (*p == '-' || *p == 'f') {
            bit = 0;
        } else {
            unsigned c = (unsigned char)*p;
            if (!mode[c]) {
                mode[c] = 1 + next_random(state) % 8;
            }
            bool last = p[1] != *p;
            bit = mode[c] == 1   ? 0
                  : mode[c] == 2 ? 1
                  : mode[c] == 3 ? last
                                 : next_random(state) & 1;
        }
        bits = bits << 1 | bit;
    }
    return bits;
}

/* --- an ELF file around code -------------------------------------------------------- */
typedef struct Image {
    uint8_t *bytes;
    size_t used;
} Image;

static void put_bytes(Image *im, const void *data, size_t size) {
    memcpy(im->bytes + im->used, data, size);
    im->used += size;
}
static void put_int(Image *im, uint64_t value, unsigned size) {
    for (unsigned i = 0; i < size; i++, value >>= 8) {
        im->bytes[im->used++] = (uint8_t)value;
    }
}

static const char section_names[] = "\0.text\0.riscv.attributes\0.shstrtab";
enum { NAME_TEXT = 1, NAME_ATTRIBUTES = 7, NAME_SHSTRTAB = 25 };
enum {
    SHT_PROGBITS_ = 1,
    SHT_STRTAB_ = 3,
    SHT_RISCV_ATTRIBUTES_ = 0x70000003,
    EM_RISCV_ = 243
};

/* The attributes section: tells objdump which extensions there are. */
static void put_attributes(Image *im, const char *isa) {
    uint32_t isa_size = (uint32_t)strlen(isa) + 1;
    put_int(im, 'A', 1);
    put_int(im, 4 + 6 + 5 + 1 + isa_size, 4);
    put_bytes(im, "riscv", 6);
    put_int(im, 1, 1); /* attributes of the file */
    put_int(im, 5 + 1 + isa_size, 4);
    put_int(im, 5, 1); /* Tag_RISCV_arch */
    put_bytes(im, isa, isa_size);
}

static void put_section(Image *im, unsigned word, uint32_t name, uint32_t type,
                        uint64_t addr, uint64_t offset, uint64_t size) {
    put_int(im, name, 4);
    put_int(im, type, 4);
    put_int(im, type == SHT_PROGBITS_ ? 6 : 0, word); /* alloc, exec */
    put_int(im, addr, word);
    put_int(im, offset, word);
    put_int(im, size, word);
    put_int(im, 0, 8);
    put_int(im, 1, word);
    put_int(im, 0, word);
}

static void write_elf(const char *path, unsigned xlen, const char *isa, uint64_t base,
                      const uint8_t *code, size_t size) {
    unsigned word = xlen / 8, ehsize = xlen == 64 ? 64 : 52,
             shsize = xlen == 64 ? 64 : 40;
    Image attributes = {malloc(1024), 0}, im = {malloc(size + 4096), 0};
    put_attributes(&attributes, isa);
    size_t attr_at = ehsize + size, names_at = attr_at + attributes.used;
    size_t sections_at = names_at + sizeof(section_names);
    put_bytes(&im, "\177ELF", 4);
    put_int(&im, xlen == 64 ? 2 : 1, 1);
    put_int(&im, 1, 1);
    put_int(&im, 1, 1);
    put_int(&im, 0, 9);
    put_int(&im, 1, 2); /* relocatable */
    put_int(&im, EM_RISCV_, 2);
    put_int(&im, 1, 4);
    put_int(&im, 0, word);
    put_int(&im, 0, word);
    put_int(&im, sections_at, word);
    put_int(&im, 0, 4);
    put_int(&im, ehsize, 2);
    put_int(&im, 0, 4);
    put_int(&im, shsize, 2);
    put_int(&im, 4, 2);
    put_int(&im, 3, 2);
    put_bytes(&im, code, size);
    put_bytes(&im, attributes.bytes, attributes.used);
    put_bytes(&im, section_names, sizeof(section_names));
    put_section(&im, word, 0, 0, 0, 0, 0);
    put_section(&im, word, NAME_TEXT, SHT_PROGBITS_, base, ehsize, size);
    put_section(&im, word, NAME_ATTRIBUTES, SHT_RISCV_ATTRIBUTES_, 0, attr_at,
                attributes.used);
    put_section(&im, word, NAME_SHSTRTAB, SHT_STRTAB_, 0, names_at,
                sizeof(section_names));
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(im.bytes, 1, im.used, f), im.used);
    fclose(f);
    free(im.bytes);
    free(attributes.bytes);
}

/* --- comparing ---------------------------------------------------------------------- */
/* "  10:\t00000013          \tnop" -> address and text without comment and trailing
 * space. */
static bool parse_line(const char *line, uint64_t *addr, char *text) {
    char *end;
    *addr = strtoull(line, &end, 16);
    if (end == line || *end != ':') {
        return false;
    }
    const char *tab = strchr(end, '\t');
    tab = tab ? strchr(tab + 1, '\t') : NULL;
    if (!tab) {
        return false;
    }
    snprintf(text, TEXT_MAX, "%s", tab + 1);
    char *comment = strstr(text, " #");
    text[comment ? (size_t)(comment - text) : strcspn(text, "\n")] = 0;
    size_t n = strlen(text);
    while (n && (text[n - 1] == ' ' || text[n - 1] == '\t')) {
        text[--n] = 0;
    }
    return true;
}

typedef struct Sample {
    uint16_t row;
    uint8_t length;
} Sample;

typedef struct Comparison {
    RiscvCPU *cpu;
    uint64_t base;
    uint8_t *code;
    size_t size;
    Sample *at; /* by offset / 2 */
    unsigned compared, wrong;
    unsigned unknown[RISCV_INSN_COUNT];
} Comparison;

/* Zfa, Zicond; and exact conversions to double with another rounding mode than 0 ("M").
 */
static bool newer_than_objdump(const RiscvInsnDef *def) {
    return (def->ext & (RISCV_EXT_BIT(zfa) | RISCV_EXT_BIT(zicond))) ||
           (def->form && strstr(def->form, ",M"));
}

static void compare_line(Comparison *c, uint64_t addr, const char *text) {
    uint64_t offset = addr - c->base;
    assert_true(offset < c->size);
    const Sample *s = &c->at[offset / 2];
    const RiscvInsnDef *def = &riscv_insn_defs[s->row];
    char ours[TEXT_MAX];
    unsigned n = riscv_disassemble(&c->cpu->parent, addr, c->code + offset, s->length,
                                   ours, sizeof(ours));
    assert_int_equal(n, s->length);
    if (newer_than_objdump(def) && strncmp(text, ".4byte", 6) == 0) {
        c->unknown[s->row]++;
        return;
    }
    c->compared++;
    if (strcmp(ours, text) != 0 && c->wrong++ < 60) {
        uint32_t bits = 0;
        memcpy(&bits, c->code + offset, s->length);
        print_error("%s %08x: objdump \"%s\", ours \"%s\"\n", def->id, bits, text, ours);
    }
}

static void compare_with_objdump(unsigned xlen, const char *isa) {
    if (system("command -v " OBJDUMP " >/dev/null 2>&1") != 0) {
        print_message("SKIPPED: " OBJDUMP
                      " is not installed (binutils-riscv64-linux-gnu)\n");
        skip();
    }
    const char *given = getenv("VITRINE_SEED");
    uint64_t seed =
        given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) * 2654435761u + xlen;
    print_message("VITRINE_SEED=%llu\n", (unsigned long long)seed);
    Comparison c = {.cpu = hart_new(xlen),
                    .base = 0x80000000,
                    .code = malloc(CODE_MAX),
                    .at = calloc(CODE_MAX / 2, sizeof(Sample))};
    for (unsigned row = 0; row < RISCV_INSN_COUNT; row++) {
        const RiscvInsnDef *def = &riscv_insn_defs[row];
        if (def->xlen && def->xlen != xlen) {
            continue;
        }
        for (unsigned i = 0; i < SAMPLES; i++) {
            uint32_t bits = random_insn(def->pattern, &seed);
            RiscvInsn insn;
            if (!riscv_decode(c.cpu->decoder, bits, &insn)) {
                continue;
            }
            c.at[c.size / 2] = (Sample){(uint16_t)insn.id, (uint8_t)insn.length};
            memcpy(c.code + c.size, &bits, insn.length);
            c.size += insn.length;
        }
    }
    char path[] = "/tmp/vitrine-disas-XXXXXX", command[256], line[512], text[TEXT_MAX];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    write_elf(path, xlen, isa, c.base, c.code, c.size);
    snprintf(command, sizeof(command), OBJDUMP " -d -z %s", path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    uint64_t addr;
    while (fgets(line, sizeof(line), pipe)) {
        if (parse_line(line, &addr, text)) {
            compare_line(&c, addr, text);
        }
    }
    assert_int_equal(pclose(pipe), 0);
    unlink(path);
    print_message("RV%u: %u instructions compared, %u differ\n", xlen, c.compared,
                  c.wrong);
    for (unsigned row = 0; row < RISCV_INSN_COUNT; row++) {
        if (c.unknown[row]) {
            print_message("not known to this objdump: %s\n", riscv_insn_defs[row].id);
        }
    }
    assert_true(c.compared > 50000);
    assert_int_equal(c.wrong, 0);
    hart_free(c.cpu);
    free(c.code);
    free(c.at);
}

#define EXTENSIONS                                                                       \
    "_m2p0_a2p0_f2p0_d2p0_c2p0_zicsr2p0_zifencei2p0_zihintpause2p0_zicbom1p0_zicboz1p0_" \
    "zawrs1p0"                                                                           \
    "_zba1p0_zbb1p0_zbc1p0_zbs1p0_svinval1p0"

static void rv64_text_is_objdumps(void **state) {
    (void)state;
    compare_with_objdump(64, "rv64i2p0" EXTENSIONS);
}
static void rv32_text_is_objdumps(void **state) {
    (void)state;
    compare_with_objdump(32, "rv32i2p0" EXTENSIONS);
}

/* --- rows that objdump 2.40 lacks ------------------------------------------------------
 */
/* Words and forms as binutils 2.41's own tests have them (gas/testsuite/gas/riscv: zfa.d,
 * zfa-32.d, zicond.d); fli's constants as printf's %a writes the manual's values. */
typedef struct Example {
    unsigned xlen;
    uint32_t bits;
    const char *text;
} Example;

static const Example examples[] = {
    {64, 0x0ec5d533, "czero.eqz\ta0,a1,a2"},
    {64, 0x0ec5f533, "czero.nez\ta0,a1,a2"},
    {64, 0x283120d3, "fminm.s\tft1,ft2,ft3"},
    {64, 0x283130d3, "fmaxm.s\tft1,ft2,ft3"},
    {64, 0x2a3120d3, "fminm.d\tft1,ft2,ft3"},
    {64, 0x2a3130d3, "fmaxm.d\tft1,ft2,ft3"},
    {64, 0x4045f553, "fround.s\tfa0,fa1"},
    {64, 0x40459553, "fround.s\tfa0,fa1,rtz"},
    {64, 0x4245f553, "fround.d\tfa0,fa1"},
    {64, 0x42459553, "fround.d\tfa0,fa1,rtz"},
    {64, 0x4055f553, "froundnx.s\tfa0,fa1"},
    {64, 0x40559553, "froundnx.s\tfa0,fa1,rtz"},
    {64, 0x4255f553, "froundnx.d\tfa0,fa1"},
    {64, 0x42559553, "froundnx.d\tfa0,fa1,rtz"},
    {64, 0xc2809553, "fcvtmod.w.d\ta0,ft1,rtz"},
    {64, 0xa020d553, "fltq.s\ta0,ft1,ft2"},
    {64, 0xa220d553, "fltq.d\ta0,ft1,ft2"},
    {64, 0xa020c553, "fleq.s\ta0,ft1,ft2"},
    {64, 0xa220c553, "fleq.d\ta0,ft1,ft2"},
    {32, 0xe2108553, "fmvh.x.d\ta0,ft1"},
    {32, 0xb2b500d3, "fmvp.d.x\tft1,a0,a1"},
    {64, 0xf01080d3, "fli.s\tft1,min"},
    {64, 0xf21080d3, "fli.d\tft1,min"},
    {64, 0xf01f00d3, "fli.s\tft1,inf"},
    {64, 0xf21f80d3, "fli.d\tft1,nan"},
};

/* fli's values 0 to 29 (1 is "min"), after the manual's table. */
static const float fli_values[] = {
    -1.0f, 0.0f,    0x1p-16f, 0x1p-15f, 0x1p-8f,  0x1p-7f,  0.0625f, 0.125f,
    0.25f, 0.3125f, 0.375f,   0.4375f,  0.5f,     0.625f,   0.75f,   0.875f,
    1.0f,  1.25f,   1.5f,     1.75f,    2.0f,     2.5f,     3.0f,    4.0f,
    8.0f,  16.0f,   128.0f,   256.0f,   32768.0f, 65536.0f,
};

static void check_text(uint32_t bits, unsigned xlen, const char *want) {
    RiscvCPU *cpu = hart_new(xlen);
    char text[TEXT_MAX];
    uint8_t bytes[4];
    memcpy(bytes, &bits, 4);
    assert_int_equal(riscv_disassemble(&cpu->parent, 0, bytes, 4, text, sizeof(text)), 4);
    assert_string_equal(text, want);
    hart_free(cpu);
}

static void newer_extensions_have_their_forms(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        check_text(examples[i].bits, examples[i].xlen, examples[i].text);
    }
    for (uint32_t i = 0; i < sizeof(fli_values) / sizeof(fli_values[0]); i++) {
        char want[TEXT_MAX];
        snprintf(want, sizeof(want), i == 1 ? "fli.d\tft1,min" : "fli.d\tft1,%a",
                 (double)fli_values[i]);
        check_text(0xf21000d3 | i << 15, 64, want);
    }
}

static void short_input_gives_zero_and_small_buffers_are_kept(void **state) {
    (void)state;
    RiscvCPU *cpu = hart_new(64);
    const uint8_t addi[4] = {0x13, 0x05, 0xa5, 0x00};
    char text[8] = "???????";
    assert_int_equal(riscv_disassemble(&cpu->parent, 0, addi, 1, text, sizeof(text)), 0);
    assert_int_equal(riscv_disassemble(&cpu->parent, 0, addi, 3, text, sizeof(text)), 0);
    assert_int_equal(riscv_disassemble(&cpu->parent, 0, addi, 4, text, 6), 4);
    assert_string_equal(text, "add\ta");
    assert_int_equal(text[6], '?');
    hart_free(cpu);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rv64_text_is_objdumps),
        cmocka_unit_test(rv32_text_is_objdumps),
        cmocka_unit_test(newer_extensions_have_their_forms),
        cmocka_unit_test(short_input_gives_zero_and_small_buffers_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
