/* SPDX-License-Identifier: MIT */
/*
 * Host code as text, by capstone.
 *
 * The library is loaded when the first instruction is asked for and stays: its tables are
 * 3 MB of relocations that a machine nobody looks into should not pay for at its start.
 */
#include <capstone.h>
#include <dlfcn.h>

#include "tcg/x86_64/gen.h"

/* The functions of capstone that are used. */
typedef struct Capstone {
    cs_err (*open)(cs_arch arch, cs_mode mode, csh *handle);
    size_t (*disasm)(csh handle, const uint8_t *code, size_t size, uint64_t address,
                     size_t count, cs_insn **insn);
    void (*free)(cs_insn *insn, size_t count);
    cs_err (*close)(csh *handle);
} Capstone;

static bool capstone_load(Capstone *cs) {
    void *library =
        dlopen("libcapstone.so.4", RTLD_NOW | RTLD_LOCAL); /* again: only counted */
    if (!library) {
        return false;
    }
    /* POSIX lets a function pointer be read from what dlsym() returns. */
    *(void **)&cs->open = dlsym(library, "cs_open");
    *(void **)&cs->disasm = dlsym(library, "cs_disasm");
    *(void **)&cs->free = dlsym(library, "cs_free");
    *(void **)&cs->close = dlsym(library, "cs_close");
    return cs->open && cs->disasm && cs->free && cs->close;
}

unsigned x86_disassemble(const uint8_t *p, const uint8_t *end, uint64_t address,
                         char *text, size_t text_size) {
    Capstone capstone;
    csh handle;
    cs_insn *insn;
    unsigned len = 1;
    snprintf(text, text_size, ".byte 0x%02x", *p);
    if (!capstone_load(&capstone) ||
        capstone.open(CS_ARCH_X86, CS_MODE_64, &handle) != CS_ERR_OK) {
        return len;
    }
    if (capstone.disasm(handle, p, (size_t)(end - p), address, 1, &insn) == 1) {
        snprintf(text, text_size, "%s %s", insn->mnemonic, insn->op_str);
        len = insn->size;
        capstone.free(insn, 1);
    }
    capstone.close(&handle);
    return len;
}
