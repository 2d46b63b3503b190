/* SPDX-License-Identifier: MIT */
/* Program files: ELF, Linux Image, raw. What parses is also loaded, into a machine's memory. Input: a
 * byte of options, then the file. */
#include "fuzz.h"
#include "hw/machine/loader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static Machine *m;
    if (!m) {
        m = fuzz_machine_new(true);
    }
    FuzzInput in = {data, data + size};
    uint8_t options = fuzz_u8(&in);
    ImageSource src = image_source_buffer("input", in.p, fuzz_left(&in));
    ImagePlace place = {options & 1 ? 32 : 64, FUZZ_RAM_BASE, FUZZ_RAM_BASE + 0x200000};
    Image image;
    Error *err = NULL;
    bool ok = options & 2
                  ? image_parse_raw(&src, FUZZ_RAM_BASE + (options & 0xf0) * 0x20000,
                                    &image, &err)
                  : image_parse(&src, &place, &image, &err);
    if (ok) {
        ok = image_load(&src, &image, &m->as, options & 4, &err);
    }
    if (!ok && (!err || !*error_message(err))) {
        abort(); /* a failure without a message */
    }
    error_free(err);
    return 0;
}
