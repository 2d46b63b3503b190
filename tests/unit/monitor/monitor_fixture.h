/* SPDX-License-Identifier: MIT */
/* A small machine with an inspector, for tests of the monitors: 16 MiB, no firmware, a guest of a
 * few words at the start of RAM that runs in a circle. Nothing turns its main loop. */
#ifndef VITRINE_TESTS_MONITOR_FIXTURE_H
#define VITRINE_TESTS_MONITOR_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "hw/machine/machine.h"
#include "inspect/inspect.h"

typedef struct Rig {
    Log log;
    Machine *m;
    Inspector *inspector;
} Rig;

/* The words and their text are GNU as's and objdump's. */
static const uint32_t rig_code[] = {
    0x00050433, /* add s0,a0,zero */
    0x000584b3, /* add s1,a1,zero */
    0x00060933, /* add s2,a2,zero */
    0x0000006f, /* j . */
};

static inline int rig_setup(void **state) {
    char kernel[64];
    Error *err = NULL;
    Rig *r = calloc(1, sizeof(*r));
    log_init(&r->log);
    snprintf(kernel, sizeof(kernel), "/tmp/vitrine-monitor-%d", (int)getpid());
    FILE *out = fopen(kernel, "wb");
    assert_non_null(out);
    fwrite(rig_code, 1, sizeof(rig_code), out);
    fclose(out);
    const MachineConfig config = {.machine = "virt",
                                  .xlen = 64,
                                  .ram_size = 16 << 20,
                                  .cpus = 2,
                                  .accel = "tcg",
                                  .multi_thread = true,
                                  .bios = "none",
                                  .kernel = kernel,
                                  .name = "rig",
                                  .nodefaults = true,
                                  .start_stopped = true,
                                  .display_none = true};
    r->m = machine_new(&config, &r->log, NULL, &err);
    unlink(kernel);
    if (!r->m) {
        fail_msg("%s", error_message(err));
    }
    r->inspector = inspector_new(r->m, &err);
    assert_non_null(r->inspector);
    *state = r;
    return 0;
}

static inline int rig_teardown(void **state) {
    Rig *r = *state;
    inspector_free(r->inspector);
    machine_free(r->m);
    log_destroy(&r->log);
    free(r);
    return 0;
}

#endif
