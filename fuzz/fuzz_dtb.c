/* SPDX-License-Identifier: MIT */
/* A file for -dtb: the machine is built with it, or says why not. */
#include <unistd.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static Log log;
    log_init(&log);
    int fd = fuzz_make_file(data, size);
    char name[64];
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    static const CharEscapes no_escapes = {NULL, NULL, NULL};
    MachineConfig config = {.machine = "virt",
                            .xlen = 64,
                            .ram_size = FUZZ_RAM_SIZE,
                            .cpus = 1,
                            .accel = "tcg-interp",
                            .bios = "none",
                            .nodefaults = true,
                            .display_none = true,
                            .dtb = name};
    Error *err = NULL;
    Machine *m = machine_new(&config, &log, &no_escapes, &err);
    if (m) {
        machine_free(m);
    } else if (!err || !*error_message(err)) {
        abort(); /* a failure without a message */
    }
    error_free(err);
    close(fd);
    return 0;
}
