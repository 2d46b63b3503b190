/* SPDX-License-Identifier: MIT */
/* A machine without running harts, for the targets that talk to devices. */
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

int fuzz_make_file(const void *data, size_t size) {
    int fd = memfd_create("fuzz", 0);
    if (fd < 0 || (size && write(fd, data, size) != (ssize_t)size)) {
        perror("memfd");
        abort();
    }
    return fd;
}

Machine *fuzz_machine_new(bool legacy) {
    static const CharEscapes no_escapes = {NULL, NULL, NULL};
    Log *log = calloc(1, sizeof(*log));
    log_init(log);
    log_set_mask(log, "guest_errors,unimp", NULL);
    log_set_file(log, "/dev/null", NULL);
    static uint8_t sectors[FUZZ_DISK_SIZE];
    char *drive = NULL;
    if (asprintf(&drive, "file=/proc/self/fd/%d,if=none,format=raw,id=d,snapshot=on",
                 fuzz_make_file(sectors, sizeof(sectors))) < 0) {
        abort();
    }
    MachineConfig config = {
        .machine = "virt",
        .xlen = 64,
        .ram_size = FUZZ_RAM_SIZE,
        .cpus = 2,
        .accel = "tcg-interp",
        .bios = "none",
        .nodefaults = true,
        .display_none = true,
        .drives = {{drive}, 1},
        .devices = {{"virtio-blk-device,drive=d", "virtio-rng-device",
                     "virtio-net-device,netdev=n", "virtio-serial-device",
                     "virtconsole,chardev=c"},
                    5},
        .netdevs = {{"user,id=n,restrict=on"}, 1},
        .chardevs = {{"null,id=c"}, 1},
        .serials = {{"null"}, 1},
    };
    if (!legacy) {
        config.globals = (OptionList){{"virtio-mmio.force-legacy=false"}, 1};
    }
    Error *err = NULL;
    Machine *m = machine_new(&config, log, &no_escapes, &err);
    if (!m) {
        fprintf(stderr, "no machine: %s\n", error_message(err));
        abort();
    }
    return m;
}

static void quit_loop(void *opaque) {
    loop_quit(opaque);
}

void fuzz_machine_turn(Machine *m) {
    loop_call(m->loop, quit_loop, m->loop);
    loop_run(m->loop);
}

void fuzz_machine_reset(Machine *m) {
    fuzz_machine_turn(m);
    m->reset_requested = 0;
    m->shutdown_requested = SHUTDOWN_NONE;
    machine_lock(m);
    Error *err = NULL;
    if (!run_reset_locked(m, &err)) {
        fprintf(stderr, "reset failed: %s\n", error_message(err));
        abort();
    }
    address_space_reclaim(&m->as); /* nobody else reads a view here */
    machine_unlock(m);
}
