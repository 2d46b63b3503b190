/* SPDX-License-Identifier: MIT */
/*
 * The board `virt` as a whole. Its device tree and boot ROM are compared with those of
 * qemu-system-riscv64 (7.2), which the tests run; without it they are skipped and say so.
 */
#include "hw_fixture.h"

#include <libfdt.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hw/machine/virt.h"

typedef struct VirtTest {
    Log log;
    MachineConfig config;
    char dir[64];
    char path[8][128]; /* of write_file() */
    unsigned path_count;
} VirtTest;

static int setup(void **state) {
    VirtTest *t = calloc(1, sizeof(*t));
    log_init(&t->log);
    t->config = (MachineConfig){.machine = "virt",
                                .xlen = 64,
                                .ram_size = 128 << 20,
                                .cpus = 1,
                                .accel = "tcg",
                                .multi_thread = true,
                                .bios = "none",
                                .nodefaults = true,
                                .display_none = true};
    snprintf(t->dir, sizeof(t->dir), "/tmp/vitrine-virt-%d", (int)getpid());
    assert_int_equal(mkdir(t->dir, 0700), 0);
    *state = t;
    return 0;
}

static int teardown(void **state) {
    VirtTest *t = *state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", t->dir);
    assert_int_equal(system(command), 0);
    log_destroy(&t->log);
    free(t);
    return 0;
}

static Machine *make(VirtTest *t) {
    Error *err = NULL;
    Machine *m = machine_new(&t->config, &t->log, NULL, &err);
    if (!m) {
        fail_msg("%s", error_message(err));
    }
    return m;
}

static void expect_error(VirtTest *t, const char *words) {
    Error *err = NULL;
    assert_null(machine_new(&t->config, &t->log, NULL, &err));
    assert_non_null(err);
    if (!strstr(error_message(err), words)) {
        fail_msg("'%s' does not say '%s'", error_message(err), words);
    }
    error_free(err);
}

/* Returns the path, which lives until eight more files were written. */
static const char *write_file(VirtTest *t, const char *name, const void *data,
                              size_t size) {
    char *path = t->path[t->path_count++ % 8];
    snprintf(path, sizeof(t->path[0]), "%s/%s", t->dir, name);
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(data, 1, size, out), size);
    fclose(out);
    return path;
}

static uint64_t load(Machine *m, hwaddr addr, unsigned size) {
    uint64_t value = 0;
    assert_int_equal(address_space_load(&m->as, addr, size, &value), MEMTX_OK);
    return value;
}

/* --- device tree ----------------------------------------------------------------- */

/* What our tree may lack: devices that are not modelled. */
static bool not_modelled(const char *node) {
    return !strncmp(node, "pci@", 4) || !strncmp(node, "platform-bus@", 13) ||
           !strcmp(node, "pmu");
}

/* What may differ: the processor is ours, the seed is random. */
static bool may_differ(const char *prop) {
    return !strcmp(prop, "riscv,isa") || !strcmp(prop, "mmu-type") ||
           !strcmp(prop, "rng-seed");
}

static void compare_node(const void *theirs, int their_node, const void *ours,
                         int our_node, const char *path, unsigned *compared) {
    int p;
    fdt_for_each_property_offset(p, theirs, their_node) {
        const char *name;
        int len, our_len;
        const void *value = fdt_getprop_by_offset(theirs, p, &name, &len);
        const void *our_value = fdt_getprop(ours, our_node, name, &our_len);
        if (!our_value) {
            fail_msg("%s/%s is missing", path, name);
        }
        if (!may_differ(name) &&
            (len != our_len || memcmp(value, our_value, (size_t)len))) {
            fail_msg("%s/%s differs", path, name);
        }
        ++*compared;
    }
    int child;
    fdt_for_each_subnode(child, theirs, their_node) {
        const char *name = fdt_get_name(theirs, child, NULL);
        char child_path[256];
        snprintf(child_path, sizeof(child_path), "%.180s/%s", path, name);
        if (not_modelled(name)) {
            continue;
        }
        int our_child = fdt_subnode_offset(ours, our_node, name);
        if (our_child < 0) {
            fail_msg("node %s is missing", child_path);
        }
        compare_node(theirs, child, ours, our_child, child_path, compared);
    }
}

static void *read_blob(const char *path) {
    FILE *in = fopen(path, "rb");
    if (!in) {
        return NULL;
    }
    void *blob = malloc(1 << 21);
    size_t n = fread(blob, 1, 1 << 21, in);
    fclose(in);
    assert_int_equal(fdt_check_full(blob, n), 0);
    return blob;
}

static void compare_with_qemu(VirtTest *t, const char *options) {
    char command[512], path[128], ours_path[128];
    snprintf(path, sizeof(path), "%s/qemu.dtb", t->dir);
    snprintf(ours_path, sizeof(ours_path), "%s/ours.dtb", t->dir);
    snprintf(command, sizeof(command),
             "qemu-system-riscv64 -M virt,dumpdtb=%s -display none %s >/dev/null 2>&1",
             path, options);
    if (system("qemu-system-riscv64 --version >/dev/null 2>&1") != 0) {
        print_message("skipped: there is no qemu-system-riscv64 to compare with\n");
        skip();
    }
    assert_int_equal(system(command), 0);
    void *theirs = read_blob(path);
    t->config.dump_dtb = ours_path;
    machine_free(make(t));
    void *ours = read_blob(ours_path);
    unsigned compared = 0;
    compare_node(theirs, 0, ours, 0, "", &compared);
    assert_true(compared > 80);
    free(theirs);
    free(ours);
}

static void device_tree_is_qemus(void **state) {
    VirtTest *t = *state;
    t->config.ram_size = 512 << 20;
    compare_with_qemu(t, "-m 512 -smp 1");
}

static void device_tree_of_eight_harts_is_qemus(void **state) {
    VirtTest *t = *state;
    t->config.cpus = 8;
    compare_with_qemu(t, "-smp 8");
}

static void device_tree_carries_bootargs_and_initrd_as_qemus(void **state) {
    VirtTest *t = *state;
    static const uint8_t zeros[4096];
    char options[256];
    t->config.ram_size = UINT64_C(1) << 30;
    t->config.bios = NULL;
    t->config.kernel = write_file(t, "kernel", "\x6f\0\0\0", 4); /* j . */
    t->config.initrd = write_file(t, "initrd", zeros, sizeof(zeros));
    t->config.append = "console=ttyS0 quiet";
    snprintf(options, sizeof(options),
             "-m 1G -kernel %s -initrd %s -append 'console=ttyS0 quiet'",
             t->config.kernel, t->config.initrd);
    compare_with_qemu(t, options);
}

/* --- boot ------------------------------------------------------------------------ */

/* Source: `xp /12wx 0x1000` in QEMU 7.2's monitor, with -m 128 and no kernel. */
static void boot_rom_is_qemus(void **state) {
    VirtTest *t = *state;
    const uint32_t want[] = {0x00000297, 0x02828613, 0xf1402573, 0x0202b583, 0x0182b283,
                             0x00028067, 0x80000000, 0x00000000, 0x87e00000, 0x00000000,
                             0x4942534f, 0x00000000, 0x00000002, 0x00000000, 0x00000000,
                             0x00000000, 0x00000001, 0x00000000};
    Machine *m = make(t);
    for (unsigned i = 0; i < sizeof(want) / 4; i++) {
        assert_int_equal(load(m, 0x1000 + 4 * i, 4), want[i]);
    }
    machine_free(m);
}

static void device_tree_in_memory_is_where_the_boot_rom_says(void **state) {
    VirtTest *t = *state;
    Machine *m = make(t);
    hwaddr addr = load(m, 0x1020, 8);
    assert_int_equal(load(m, addr, 4), 0xedfe0dd0); /* FDT_MAGIC, big-endian */
    machine_free(m);
}

static void raw_kernel_without_firmware_is_at_the_base_of_ram(void **state) {
    VirtTest *t = *state;
    t->config.kernel = write_file(t, "kernel", "\x13\0\0\0\x6f\0\0\0", 8);
    Machine *m = make(t);
    assert_int_equal(load(m, 0x80000000, 8), 0x0000006f00000013);
    machine_free(m);
}

static void kernel_behind_firmware_is_2_mib_into_ram(void **state) {
    VirtTest *t = *state;
    t->config.bios = write_file(t, "bios", "\x6f\0\0\0", 4);
    t->config.kernel = write_file(t, "kernel", "\x13\0\0\0\x6f\0\0\0", 8);
    Machine *m = make(t);
    assert_int_equal(load(m, 0x80000000, 4), 0x6f);
    assert_int_equal(load(m, 0x80200000, 4), 0x13);
    assert_int_equal(load(m, 0x1038, 8), 0x80200000); /* next_addr of fw_dynamic */
    machine_free(m);
}

static void reset_restores_the_kernel_and_the_boot_rom(void **state) {
    VirtTest *t = *state;
    t->config.kernel = write_file(t, "kernel", "\x13\0\0\0\x6f\0\0\0", 8);
    Machine *m = make(t);
    Error *err = NULL;
    assert_int_equal(address_space_store(&m->as, 0x80000000, 8, 0), MEMTX_OK);
    hwaddr fdt = load(m, 0x1020, 8);
    assert_int_equal(address_space_store(&m->as, fdt, 8, 0), MEMTX_OK);
    assert_true(m->cls->reset(m, &err));
    assert_int_equal(load(m, 0x80000000, 8), 0x0000006f00000013);
    assert_int_equal(load(m, fdt, 4), 0xedfe0dd0);
    machine_free(m);
}

static void impossible_machines_are_refused(void **state) {
    VirtTest *t = *state;
    const MachineConfig good = t->config;
    static const uint8_t zeros[4096];
    const char *kernel = write_file(t, "kernel", "\x6f\0\0\0", 4);
    const char *initrd = write_file(t, "initrd", zeros, sizeof(zeros));
#define WITH(assignment, words)                                                          \
    t->config = good;                                                                    \
    t->config.assignment;                                                                \
    expect_error(t, words)
    WITH(machine = "vert", "unknown machine");
    WITH(cpus = 9, "1 to 8");
    WITH(ram_size = 5000, "multiple of 4 KiB");
    WITH(ram_size = 4096, "device tree does not fit");
    WITH(machine_props = "aclint=on", "aclint=off");
    WITH(machine_props = "colour=red", "colour");
    WITH(bios = "/nonexistent", "/nonexistent");
    WITH(kernel = "/nonexistent", "-kernel: ");
    WITH(initrd = initrd, "-kernel");
    WITH(dtb = kernel, "device tree blob");
    WITH(devices.item[0] = "nosuch"; t->config.devices.count = 1, "unknown device");
    WITH(devices.item[0] = "serial-mm"; t->config.devices.count = 1, "itself");
    WITH(globals.item[0] = "virtio-mmio.nosuch=1"; t->config.globals.count = 1, "nosuch");
    WITH(drives.item[0] = "if=none,id=d"; t->config.drives.count = 1, "file=");
    WITH(drives.item[0] = "file=/x,if=floppy"; t->config.drives.count = 1, "floppy");
    WITH(accel = "kvm", "-accel");
    t->config = good;
    t->config.kernel = kernel;
    t->config.initrd = initrd;
    t->config.ram_size = 64 << 10;
    expect_error(t, "does not fit");
    t->config = good;
    t->config.xlen = 32;
    t->config.bios = NULL;
    t->config.data_dirs = "/nonexistent";
    if (access("/usr/share/qemu/opensbi-riscv32-generic-fw_dynamic.bin", R_OK) != 0) {
        expect_error(t, "RV32");
    }
}

static void hostile_dtb_is_refused_or_harmless(void **state) {
    VirtTest *t = *state;
    char path[128];
    snprintf(path, sizeof(path), "%s/our.dtb", t->dir);
    t->config.dump_dtb = path;
    machine_free(make(t));
    t->config.dump_dtb = NULL;
    uint8_t *blob = read_blob(path);
    size_t size = fdt_totalsize(blob);
    uint64_t x = 20240411;
    unsigned refused = 0;
    print_message("mutation seed %llu\n", (unsigned long long)x);
    for (unsigned round = 0; round < 60; round++) {
        uint8_t *copy = malloc(size);
        memcpy(copy, blob, size);
        x = x * UINT64_C(6364136223846793005) + 1442695040888963407;
        copy[(x >> 33) % (round & 1 ? 64 : size)] ^= (uint8_t)(x >> 24) | 1;
        t->config.dtb =
            write_file(t, "bad.dtb", copy, round % 7 ? size : (x >> 40) % size + 1);
        Error *err = NULL;
        Machine *m = machine_new(&t->config, &t->log, NULL, &err);
        refused += !m;
        machine_free(m);
        error_free(err);
        free(copy);
    }
    assert_true(refused > 5);
    free(blob);
}

/* --- memory map ------------------------------------------------------------------ */

/* Source: `info mtree` of QEMU 7.2's virt. */
static void memory_map_is_qemus(void **state) {
    VirtTest *t = *state;
    static const struct {
        hwaddr addr;
        const char *name;
    } want[] = {
        {0x1000, "riscv_virt_board.mrom"},    {0xffff, "riscv_virt_board.mrom"},
        {0x100000, "riscv.sifive.test"},      {0x100fff, "riscv.sifive.test"},
        {0x101023, "goldfish_rtc"},           {0x2003fff, "riscv.aclint.swi"},
        {0x2004000, "riscv.aclint.mtimer"},   {0x200bfff, "riscv.aclint.mtimer"},
        {0xc5fffff, "riscv.sifive.plic"},     {0x10000007, "serial"},
        {0x100011ff, "virtio-mmio"},          {0x10008000, "virtio-mmio"},
        {0x20000000, "virt.flash0"},          {0x23ffffff, "virt.flash1"},
        {0x87ffffff, "riscv_virt_board.ram"},
    };
    static const hwaddr holes[] = {0x0,        0x10000,    0x101024,   0x200c000,
                                   0xc600000,  0x10000008, 0x10001200, 0x24000000,
                                   0x88000000, UINT64_MAX};
    Machine *m = make(t);
    for (unsigned i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        const FlatRange *fr = address_space_find(&m->as, want[i].addr);
        assert_non_null(fr);
        assert_string_equal(fr->mr->name, want[i].name);
    }
    for (unsigned i = 0; i < sizeof(holes) / sizeof(holes[0]); i++) {
        assert_null(address_space_find(&m->as, holes[i]));
    }
    machine_free(m);
}

/* Every device takes any access, in any order, with queues and descriptors anywhere. */
static void scribbling_over_all_of_mmio_cannot_hurt(void **state) {
    VirtTest *t = *state;
    t->config.cpus = 2;
    t->config.devices.item[0] = "virtio-rng-device";
    t->config.devices.count = 1;
    Machine *m = make(t);
    uint64_t x = 20240411;
    print_message("scribble seed %llu\n", (unsigned long long)x);
    for (unsigned round = 0; round < 60000; round++) {
        const FlatView *fv = m->as.view;
        x = x * UINT64_C(6364136223846793005) + 1442695040888963407;
        const FlatRange *fr = &fv->ranges[(x >> 33) % fv->count];
        uint64_t value = x * 0x9e3779b97f4a7c15;
        hwaddr addr = fr->addr + (x >> 17) % (fr->size < 0x400 ? fr->size : 0x400);
        unsigned size = 1u << (x >> 62);
        if (x >> 61 & 1) {
            /* Small values are what registers react to; addresses in RAM what queues
             * need. */
            value = round % 3 == 0
                        ? value & 0xff
                        : (round % 3 == 1 ? 0x80000000 + (value & 0xfffff8) : value);
            address_space_store(&m->as, addr & ~(hwaddr)(size - 1), size, value);
        } else {
            address_space_load(&m->as, addr & ~(hwaddr)(size - 1), size, &value);
        }
        if (round % 1024 == 0) {
            address_space_reclaim(&m->as);
        }
    }
    Error *err = NULL;
    for (Device *d = m->first_device; d; d = d->next) {
        if (d->cls->reset) {
            d->cls->reset(d);
        }
    }
    assert_true(m->cls->reset(m, &err));
    assert_int_equal(load(m, 0x1000, 4), 0x00000297);
    assert_int_equal(load(m, 0x10000005, 1), 0x60);
    machine_free(m);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(device_tree_is_qemus),
        T(device_tree_of_eight_harts_is_qemus),
        T(device_tree_carries_bootargs_and_initrd_as_qemus),
        T(boot_rom_is_qemus),
        T(device_tree_in_memory_is_where_the_boot_rom_says),
        T(raw_kernel_without_firmware_is_at_the_base_of_ram),
        T(kernel_behind_firmware_is_2_mib_into_ram),
        T(reset_restores_the_kernel_and_the_boot_rom),
        T(impossible_machines_are_refused),
        T(hostile_dtb_is_refused_or_harmless),
        T(memory_map_is_qemus),
        T(scribbling_over_all_of_mmio_cannot_hurt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
