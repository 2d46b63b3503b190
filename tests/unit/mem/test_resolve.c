/* SPDX-License-Identifier: MIT */
/* Resolve: each region on the way gets the verdict that the rules of the tree give it (priority, then
 * later-added first; memory.h). That the winner is right: test_flatview_random.c. */
#include "mem/resolve.h"
#include "mem_fixture.h"

static const MemoryRegionOps no_ops;

static void expect_step(const MemoryPath *path, unsigned i, const char *name,
                        unsigned depth, ResolveVerdict verdict) {
    assert_true(i < path->count);
    assert_string_equal(path->step[i].mr->name, name);
    assert_int_equal(path->step[i].depth, depth);
    assert_int_equal(path->step[i].verdict, verdict);
}

static void every_region_on_the_way_has_a_verdict(void **state) {
    (void)state;
    Fixture f;
    MemoryRegion ram, uart, bus, off, window;
    fixture_init(&f, UINT64_MAX);
    memory_region_init_ram(&ram, f.rb, "ram", 1 << 20);
    memory_region_init_io(&uart, &no_ops, NULL, "uart", 0x100);
    memory_region_init_io(&off, &no_ops, NULL, "off", 0x100);
    memory_region_init(&bus, "bus", 0x1000);
    memory_region_init_alias(&window, "window", &ram, 0x2000, 0x1000);
    memory_region_add(&f.as, &f.root, 0x1000, &ram, 0);
    memory_region_add(&f.as, &f.root, 0x3000, &bus, 2);
    memory_region_add(&f.as, &bus, 0x80, &uart, 0);
    memory_region_add(&f.as, &f.root, 0x3000, &off, 5);
    memory_region_set_enabled(&f.as, &off, false);
    memory_region_add(&f.as, &f.root, 0x800000, &window, 0);

    MemoryPath path;
    memory_resolve(&f.root, 0x3090, &path);
    assert_int_equal(path.count, 5);
    expect_step(&path, 0, "root", 0, RESOLVE_PASSED);
    expect_step(&path, 1, "off", 1, RESOLVE_DISABLED);
    expect_step(&path, 2, "bus", 1, RESOLVE_PASSED);
    expect_step(&path, 3, "uart", 2, RESOLVE_TAKEN);
    expect_step(&path, 4, "ram", 1, RESOLVE_HIDDEN);
    assert_int_equal(path.step[4].winner, 3);
    assert_ptr_equal(path.mr, &uart);
    assert_int_equal(path.offset, 0x10);

    memory_resolve(&f.root, 0x3010, &path); /* the bus has nothing there */
    expect_step(&path, 2, "bus", 1, RESOLVE_EMPTY);
    expect_step(&path, 3, "ram", 1, RESOLVE_TAKEN);

    memory_resolve(&f.root, 0x800010, &path);
    expect_step(&path, 1, "window", 1, RESOLVE_PASSED);
    expect_step(&path, 2, "ram", 2, RESOLVE_TAKEN);
    assert_int_equal(path.offset, 0x2010);

    memory_resolve(&f.root, 0x900000, &path);
    assert_null(path.mr);
    expect_step(&path, 0, "root", 0, RESOLVE_EMPTY);

    memory_region_del(&f.as, &uart);
    memory_region_destroy(&uart);
    fixture_destroy(&f);
    memory_region_destroy(&ram);
    memory_region_destroy(&off);
    memory_region_destroy(&bus);
    memory_region_destroy(&window);
}

static void a_long_way_is_cut_but_the_answer_is_right(void **state) {
    (void)state;
    enum { MANY = MEMORY_PATH_MAX + 10 };
    Fixture f;
    MemoryRegion io[MANY];
    fixture_init(&f, UINT64_MAX);
    for (unsigned i = 0; i < MANY; i++) {
        memory_region_init_io(&io[i], &no_ops, NULL, "io", 0x100);
        memory_region_add(&f.as, &f.root, 0, &io[i], 0);
        memory_region_set_enabled(&f.as, &io[i], i == 0);
    }
    MemoryPath path;
    memory_resolve(&f.root, 4, &path); /* the first added is asked last */
    assert_true(path.truncated);
    assert_int_equal(path.count, MEMORY_PATH_MAX);
    assert_ptr_equal(path.mr, &io[0]);
    assert_int_equal(path.offset, 4);
    fixture_destroy(&f);
    for (unsigned i = 0; i < MANY; i++) {
        memory_region_destroy(&io[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_region_on_the_way_has_a_verdict),
        cmocka_unit_test(a_long_way_is_cut_but_the_answer_is_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
