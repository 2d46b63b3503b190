/* SPDX-License-Identifier: MIT */
/*
 * The pictures, line for line against QEMU's for the same regions.
 *
 * Expected text: `info mtree` and `info mtree -f` of qemu-system-riscv64 7.2, -M virt,
 * cut to some of its regions; those it makes of a container with callbacks are plain
 * containers here.
 */
#include "mem_fixture.h"

static const MemoryRegionOps no_ops;

enum { COUNT = 12 };

typedef struct Virt {
    Fixture f;
    MemoryRegion system, window, ecam_target;
    MemoryRegion mr[COUNT];
    unsigned used;
} Virt;

static MemoryRegion *next(Virt *v) {
    assert_true(v->used < COUNT);
    return &v->mr[v->used++];
}

static void add_io(Virt *v, MemoryRegion *container, hwaddr addr, const char *name,
                   uint64_t size) {
    MemoryRegion *mr = next(v);
    memory_region_init_io(mr, &no_ops, NULL, name, size);
    memory_region_add(&v->f.as, container, addr, mr, 0);
}

static void add_alias(Virt *v, hwaddr addr, const char *name, MemoryRegion *target,
                      hwaddr offset, uint64_t size) {
    MemoryRegion *mr = next(v);
    memory_region_init_alias(mr, name, target, offset, size);
    memory_region_add(&v->f.as, &v->system, addr, mr, 0);
}

/* Added in an order other than that of the addresses. */
static void virt_init(Virt *v) {
    *v = (Virt){0};
    fixture_init(&v->f, UINT64_MAX);
    memory_region_init(&v->system, "system", UINT64_MAX);
    v->f.as.root = &v->system;
    memory_region_init(&v->window, "gpex_mmio_window", UINT64_MAX);
    memory_region_init_io(&v->ecam_target, &no_ops, NULL, "pcie-mmcfg-mmio", 0x10000000);
    MemoryRegion *mr = next(v);
    memory_region_init_ram(mr, v->f.rb, "riscv_virt_board.ram", 0x100000);
    memory_region_add(&v->f.as, &v->system, 0x80000000, mr, 0);
    mr = next(v);
    memory_region_init_rom(mr, v->f.rb, "riscv_virt_board.mrom", 0xf000);
    memory_region_add(&v->f.as, &v->system, 0x1000, mr, 0);
    mr = next(v);
    memory_region_init_rom_device(mr, v->f.rb, &no_ops, NULL, "virt.flash0", 0x10000);
    memory_region_add(&v->f.as, &v->system, 0x20000000, mr, 0);
    MemoryRegion *ports = next(v);
    memory_region_init(ports, "gpex_ioport_window", 0x10000);
    memory_region_add(&v->f.as, &v->system, 0x3000000, ports, 0);
    add_io(v, ports, 0, "gpex_ioport", 0x10000);
    add_io(v, &v->window, 0, "gpex_mmio", UINT64_MAX);
    add_io(v, &v->system, 0x101000, "goldfish_rtc", 0x24);
    add_io(v, &v->system, 0x10000000, "serial", 8);
    add_alias(v, 0x400000000, "pcie-mmio-high", &v->window, 0x400000000, 0x400000000);
    add_alias(v, 0x40000000, "pcie-mmio", &v->window, 0x40000000, 0x40000000);
    add_alias(v, 0x30000000, "pcie-ecam", &v->ecam_target, 0, 0x10000000);
}

static void virt_destroy(Virt *v) {
    for (unsigned i = v->used; i-- > 0;) {
        memory_region_del(&v->f.as, &v->mr[i]);
        memory_region_destroy(&v->mr[i]);
    }
    memory_region_destroy(&v->window);
    memory_region_destroy(&v->ecam_target);
    memory_region_destroy(&v->system);
    v->f.as.root = &v->f.root;
    fixture_destroy(&v->f);
}

static const char tree_text[] =
    "  0000000000000000-ffffffffffffffff (prio 0, i/o): system\n"
    "    0000000000001000-000000000000ffff (prio 0, rom): riscv_virt_board.mrom\n"
    "    0000000000101000-0000000000101023 (prio 0, i/o): goldfish_rtc\n"
    "    0000000003000000-000000000300ffff (prio 0, i/o): gpex_ioport_window\n"
    "      0000000003000000-000000000300ffff (prio 0, i/o): gpex_ioport\n"
    "    0000000010000000-0000000010000007 (prio 0, i/o): serial\n"
    "    0000000020000000-000000002000ffff (prio 0, romd): virt.flash0\n"
    "    0000000030000000-000000003fffffff (prio 0, i/o): alias pcie-ecam "
    "@pcie-mmcfg-mmio "
    "0000000000000000-000000000fffffff\n"
    "    0000000040000000-000000007fffffff (prio 0, i/o): alias pcie-mmio "
    "@gpex_mmio_window "
    "0000000040000000-000000007fffffff\n"
    "    0000000080000000-00000000800fffff (prio 0, ram): riscv_virt_board.ram\n"
    "    0000000400000000-00000007ffffffff (prio 0, i/o): alias pcie-mmio-high "
    "@gpex_mmio_window 0000000400000000-00000007ffffffff\n"
    "\n"
    "memory-region: pcie-mmcfg-mmio\n"
    "  0000000000000000-000000000fffffff (prio 0, i/o): pcie-mmcfg-mmio\n"
    "\n"
    "memory-region: gpex_mmio_window\n"
    "  0000000000000000-ffffffffffffffff (prio 0, i/o): gpex_mmio_window\n"
    "    0000000000000000-ffffffffffffffff (prio 0, i/o): gpex_mmio\n";

static const char flat_text[] =
    " AS \"memory\", root: system\n"
    " Root memory region: system\n"
    "  0000000000001000-000000000000ffff (prio 0, rom): riscv_virt_board.mrom\n"
    "  0000000000101000-0000000000101023 (prio 0, i/o): goldfish_rtc\n"
    "  0000000003000000-000000000300ffff (prio 0, i/o): gpex_ioport\n"
    "  0000000010000000-0000000010000007 (prio 0, i/o): serial\n"
    "  0000000020000000-000000002000ffff (prio 0, romd): virt.flash0\n"
    "  0000000030000000-000000003fffffff (prio 0, i/o): pcie-mmcfg-mmio\n"
    "  0000000040000000-000000007fffffff (prio 0, i/o): gpex_mmio @0000000040000000\n"
    "  0000000080000000-00000000800fffff (prio 0, ram): riscv_virt_board.ram\n"
    "  0000000400000000-00000007ffffffff (prio 0, i/o): gpex_mmio @0000000400000000\n";

static void assert_tree(const MemoryRegion *root, const char *expected) {
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    memory_print_tree(root, out);
    fclose(out);
    assert_string_equal(text, expected);
    free(text);
}

static void assert_flat(const AddressSpace *as, const char *expected) {
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    memory_print_flat(as, out);
    fclose(out);
    assert_string_equal(text, expected);
    free(text);
}

static void tree_is_printed_as_qemu_prints_it(void **state) {
    (void)state;
    Virt v;
    virt_init(&v);
    assert_tree(&v.system, tree_text);
    virt_destroy(&v);
}

static void flat_view_is_printed_as_qemu_prints_it(void **state) {
    (void)state;
    Virt v;
    virt_init(&v);
    assert_flat(&v.f.as, flat_text);
    virt_destroy(&v);
}

static void disabled_regions_are_in_the_tree_but_not_in_the_view(void **state) {
    (void)state;
    Fixture f;
    fixture_init(&f, 0x100);
    MemoryRegion a;
    memory_region_init_io(&a, &no_ops, NULL, "a", 0x10);
    memory_region_add(&f.as, &f.root, 0, &a, -5);
    memory_region_set_enabled(&f.as, &a, false);
    assert_tree(&f.root,
                "  0000000000000000-00000000000000ff (prio 0, i/o): root\n"
                "    0000000000000000-000000000000000f (prio -5, i/o): a [disabled]\n");
    assert_flat(&f.as, " AS \"memory\", root: root\n"
                       " Root memory region: root\n"
                       "  No rendered FlatView\n");
    fixture_destroy(&f);
    memory_region_destroy(&a);
}

static void siblings_at_one_address_are_printed_by_priority_each_once(void **state) {
    (void)state;
    Fixture f;
    fixture_init(&f, 0x100);
    MemoryRegion mr[5];
    static const int priority[5] = {0, 1, 0, 2, 0};
    static const char *const name[5] = {"a", "b", "c", "d", "e"};
    for (int i = 0; i < 5; i++) {
        memory_region_init_io(&mr[i], &no_ops, NULL, name[i], 0x10);
        memory_region_add(&f.as, &f.root, i == 4 ? 0 : 0x20, &mr[i], priority[i]);
    }
    assert_tree(&f.root, "  0000000000000000-00000000000000ff (prio 0, i/o): root\n"
                         "    0000000000000000-000000000000000f (prio 0, i/o): e\n"
                         "    0000000000000020-000000000000002f (prio 2, i/o): d\n"
                         "    0000000000000020-000000000000002f (prio 1, i/o): b\n"
                         "    0000000000000020-000000000000002f (prio 0, i/o): c\n"
                         "    0000000000000020-000000000000002f (prio 0, i/o): a\n");
    fixture_destroy(&f);
    for (int i = 0; i < 5; i++) {
        memory_region_destroy(&mr[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tree_is_printed_as_qemu_prints_it),
        cmocka_unit_test(flat_view_is_printed_as_qemu_prints_it),
        cmocka_unit_test(disabled_regions_are_in_the_tree_but_not_in_the_view),
        cmocka_unit_test(siblings_at_one_address_are_printed_by_priority_each_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
