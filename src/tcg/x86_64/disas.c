/* SPDX-License-Identifier: MIT */
/* Host code as text, by capstone. */
#include <capstone.h>

#include "tcg/x86_64/gen.h"

unsigned x86_disassemble(const uint8_t *p, const uint8_t *end, uint64_t address, char *text,
                         size_t text_size) {
    csh cs;
    cs_insn *insn;
    unsigned len = 1;
    snprintf(text, text_size, ".byte 0x%02x", *p);
    if (cs_open(CS_ARCH_X86, CS_MODE_64, &cs) != CS_ERR_OK) {
        return len;
    }
    if (cs_disasm(cs, p, (size_t)(end - p), address, 1, &insn) == 1) {
        snprintf(text, text_size, "%s %s", insn->mnemonic, insn->op_str);
        len = insn->size;
        cs_free(insn, 1);
    }
    cs_close(&cs);
    return len;
}
