/* SPDX-License-Identifier: MIT */
/*
 * The flat view by cases. Expected values: the rules in QEMU's docs/devel/memory.rst
 * (priority, overlap, alias, visibility), worked by hand.
 */
#include "mem_fixture.h"

static const MemoryRegionOps no_ops;

static void io(MemoryRegion *mr, const char *name, uint64_t size) {
    memory_region_init_io(mr, &no_ops, NULL, name, size);
}

static void flatview_of_an_empty_tree_is_empty(void **state) {
    (void)state;
    Fixture f;
    fixture_init(&f, UINT64_MAX);
    assert_view(&f.as, "");
    assert_null(address_space_find(&f.as, 0));
    fixture_destroy(&f);
}

/* The worked example of memory.rst, "Overlapping regions and priority". */
static void flatview_matches_the_example_in_qemus_manual(void **state) {
    (void)state;
    Fixture f;
    fixture_init(&f, 0x8000);
    MemoryRegion b, c, d, e;
    memory_region_init(&b, "B", 0x4000);
    io(&c, "C", 0x6000);
    io(&d, "D", 0x1000);
    io(&e, "E", 0x1000);
    memory_region_add(&f.as, &f.root, 0x2000, &b, 2);
    memory_region_add(&f.as, &f.root, 0, &c, 1);
    memory_region_add(&f.as, &b, 0, &d, 0);
    memory_region_add(&f.as, &b, 0x2000, &e, 0);
    assert_view(&f.as, "0-1fff C+0, 2000-2fff D+0, 3000-3fff C+3000, 4000-4fff E+0, "
                       "5000-5fff C+5000");
    memory_region_del(&f.as, &d);
    memory_region_del(&f.as, &e);
    fixture_destroy(&f);
    memory_region_destroy(&b);
    memory_region_destroy(&c);
    memory_region_destroy(&d);
    memory_region_destroy(&e);
}

static void flatview_higher_priority_child_hides_sibling(void **state) {
    (void)state;
    Fixture f;
    fixture_init(&f, 0x100);
    MemoryRegion low, high;
    io(&low, "low", 0x40);
    io(&high, "high", 0x10);
    memory_region_add(&f.as, &f.root, 0x10, &high, 1);
    memory_region_add(&f.as, &f.root, 0, &low, 0);
    assert_view(&f.as, "0-f low+0, 10-1f high+0, 20-3f low+20");
    fixture_destroy(&f);
    memory_region_destroy(&low);
    memory_region_destroy(&high);
}

static void flatview_negative_priority_is_behind_zero(void **state) {
    (void)state;
    Fixture f;
    fixture_init(&f, 0x100);
    MemoryRegion background, device;
    io(&background, "background", 0x100);
    io(&device, "device", 0x10);
    memory_region_add(&f.as, &f.root, 0x20, &device, 0);
    memory_region_add(&f.as, &f.root, 0, &background, -1000);
    assert_view(&f.as, "0-1f background+0, 20-2f device+0, 30-ff background+30");
    fixture_destroy(&f);
    memory_region_destroy(&background);
    memory_region_destroy(&device);
}

static void flatview_of_equal_priorities_shows_the_one_added_last(void **state) {
    (void)state;
    Fixture f;
    fixture_init(&f, 0x100);
    MemoryRegion first, second;
    io(&first, "first", 0x20);
    io(&second, "second", 0x20);
    memory_region_add(&f.as, &f.root, 0, &first, 0);
    memory_region_add(&f.as, &f.root, 0x10, &second, 0);
    assert_view(&f.as, "0-f first+0, 10-2f second+0");
    fixture_destroy(&f);
    memory_region_destroy(&first);
    memory_region_destroy(&second);
}

/* Priority is local to a container: a child of 100 inside a container of 0 loses to a 1.
 */
static void flatview_priority_does_not_leave_its_container(void **state) {
    (void)state;
    Fixture f;
    fixture_init(&f, 0x100);
    MemoryRegion box, inner, outer;
    memory_region_init(&box, "box", 0x40);
    io(&inner, "inner", 0x40);
    io(&outer, "outer", 0x20);
    memory_region_add(&f.as, &box, 0, &inner, 100);
    memory_region_add(&f.as, &f.root, 0, &box, 0);
    memory_region_add(&f.as, &f.root, 0x10, &outer, 1);
    assert_view(&f.as, "0-f inner+0, 10-2f outer+0, 30-3f inner+30");
    memory_region_del(&f.as, &inner);
    fixture_destroy(&f);
    memory_region_destroy(&box);
    memory_region_destroy(&inner);
    memory_region_destroy(&outer);
}

static void flatview_clips_children_to_their_container(void **state) {
    (void)state;
    Fixture f;
    fixture_init(&f, 0x100);
    MemoryRegion box, big;
    memory_region_init(&box, "box", 0x20);
    io(&big, "big", 0x1000);
    memory_region_add(&f.as, &box, 0x8, &big, 0);
    memory_region_add(&f.as, &f.root, 0xf0, &box, 0);
    assert_view(&f.as, "f8-ff big+0");
    memory_region_set_address(&f.as, &box, 0x40);
    assert_view(&f.as, "48-5f big+0");
    memory_region_del(&f.as, &big);
    fixture_destroy(&f);
    memory_region_destroy(&box);
    memory_region_destroy(&big);
}

static void flatview_child_outside_its_container_is_invisible(void **state) {
    (void)state;
    Fixture f;
    fixture_init(&f, 0x100);
    MemoryRegion device;
    io(&device, "device", 0x10);
    memory_region_add(&f.as, &f.root, 0x100, &device, 0);
    assert_view(&f.as, "");
    fixture_destroy(&f);
    memory_region_destroy(&device);
}

static void flatview_alias_shows_a_window_of_its_target(void **state) {
    (void)state;
    Fixture f;
    fixture_init(&f, 0x1000);
    MemoryRegion ram, window;
    memory_region_init_ram(&ram, f.rb, "ram", 0x1000);
    memory_region_init_alias(&window, "window", &ram, 0x200, 0x100);
    memory_region_add(&f.as, &f.root, 0x800, &window, 0);
    assert_view(&f.as, "800-8ff ram+200");
    fixture_destroy(&f);
    memory_region_destroy(&window);
    memory_region_destroy(&ram);
}

/* The target is clipped to itself: an alias wider than what is behind its offset shows a
 * hole. */
static void flatview_alias_past_the_end_of_its_target_is_a_hole(void **state) {
    (void)state;
    Fixture f;
    fixture_init(&f, 0x1000);
    MemoryRegion ram, window;
    memory_region_init_ram(&ram, f.rb, "ram", 0x100);
    memory_region_init_alias(&window, "window", &ram, 0xc0, 0x100);
    memory_region_add(&f.as, &f.root, 0, &window, 0);
    assert_view(&f.as, "0-3f ram+c0");
    fixture_destroy(&f);
    memory_region_destroy(&window);
    memory_region_destroy(&ram);
}

static void flatview_alias_of_alias_adds_the_offsets(void **state) {
    (void)state;
    Fixture f;
    fixture_init(&f, 0x1000);
    MemoryRegion ram, a, b;
    memory_region_init_ram(&ram, f.rb, "ram", 0x1000);
    memory_region_init_alias(&a, "a", &ram, 0x100, 0x80); /* ram 100-17f */
    memory_region_init_alias(&b, "b", &a, 0x20, 0x1000);  /* a 20-7f: ram 120-17f */
    memory_region_add(&f.as, &f.root, 0x400, &b, 0);
    assert_view(&f.as, "400-45f ram+120");
    fixture_destroy(&f);
    memory_region_destroy(&b);
    memory_region_destroy(&a);
    memory_region_destroy(&ram);
}

/* PCI-like: the target is a container elsewhere in the tree, whose own place does not
 * matter. */
static void flatview_alias_of_container_shows_its_children_in_place(void **state) {
    (void)state;
    Fixture f;
    fixture_init(&f, 0x10000);
    MemoryRegion bus, bar0, bar1, window;
    memory_region_init(&bus, "bus", 0x4000);
    io(&bar0, "bar0", 0x100);
    io(&bar1, "bar1", 0x100);
    memory_region_add(NULL, &bus, 0x1000, &bar0, 0);
    memory_region_add(NULL, &bus, 0x1080, &bar1, 1);
    memory_region_init_alias(&window, "window", &bus, 0x1040, 0x100);
    memory_region_add(&f.as, &f.root, 0x8000, &window, 0);
    assert_view(&f.as, "8000-803f bar0+40, 8040-80ff bar1+0");
    memory_region_add(&f.as, &f.root, 0x2000, &bus, 0);
    assert_view(
        &f.as, "3000-307f bar0+0, 3080-317f bar1+0, 8000-803f bar0+40, 8040-80ff bar1+0");
    memory_region_del(&f.as, &bar0);
    memory_region_del(&f.as, &bar1);
    fixture_destroy(&f);
    memory_region_destroy(&window);
    memory_region_destroy(&bus);
    memory_region_destroy(&bar0);
    memory_region_destroy(&bar1);
}

static void flatview_disabled_container_hides_all_below_it(void **state) {
    (void)state;
    Fixture f;
    fixture_init(&f, 0x1000);
    MemoryRegion outer, inner, device, behind;
    memory_region_init(&outer, "outer", 0x100);
    memory_region_init(&inner, "inner", 0x80);
    io(&device, "device", 0x10);
    io(&behind, "behind", 0x100);
    memory_region_add(NULL, &inner, 0, &device, 0);
    memory_region_add(NULL, &outer, 0x10, &inner, 0);
    memory_region_add(&f.as, &f.root, 0, &outer, 1);
    memory_region_add(&f.as, &f.root, 0, &behind, 0);
    const char *shown = "0-f behind+0, 10-1f device+0, 20-ff behind+20";
    assert_view(&f.as, shown);
    memory_region_set_enabled(&f.as, &outer, false);
    assert_view(&f.as, "0-ff behind+0");
    memory_region_set_enabled(&f.as, &inner, false); /* nested: both are off now */
    memory_region_set_enabled(&f.as, &outer, true);
    assert_view(&f.as, "0-ff behind+0");
    memory_region_set_enabled(&f.as, &inner, true);
    assert_view(&f.as, shown);
    memory_region_del(&f.as, &device);
    memory_region_del(&f.as, &inner);
    fixture_destroy(&f);
    memory_region_destroy(&outer);
    memory_region_destroy(&inner);
    memory_region_destroy(&device);
    memory_region_destroy(&behind);
}

static void flatview_disabled_target_hides_its_aliases(void **state) {
    (void)state;
    Fixture f;
    fixture_init(&f, 0x1000);
    MemoryRegion ram, a;
    memory_region_init_ram(&ram, f.rb, "ram", 0x100);
    memory_region_init_alias(&a, "a", &ram, 0, 0x100);
    memory_region_add(&f.as, &f.root, 0, &ram, 0);
    memory_region_add(&f.as, &f.root, 0x800, &a, 0);
    assert_view(&f.as, "0-ff ram+0, 800-8ff ram+0");
    memory_region_set_enabled(&f.as, &ram, false);
    assert_view(&f.as, "");
    memory_region_set_enabled(&f.as, &ram, true);
    memory_region_set_enabled(&f.as, &a, false);
    assert_view(&f.as, "0-ff ram+0");
    fixture_destroy(&f);
    memory_region_destroy(&a);
    memory_region_destroy(&ram);
}

static void flatview_disabled_root_shows_nothing(void **state) {
    (void)state;
    Fixture f;
    fixture_init(&f, 0x1000);
    MemoryRegion ram;
    memory_region_init_ram(&ram, f.rb, "ram", 0x100);
    memory_region_add(&f.as, &f.root, 0, &ram, 0);
    memory_region_set_enabled(&f.as, &f.root, false);
    assert_view(&f.as, "");
    fixture_destroy(&f);
    memory_region_destroy(&ram);
}

static void flatview_merges_adjacent_windows_of_one_region(void **state) {
    (void)state;
    Fixture f;
    fixture_init(&f, 0x1000);
    MemoryRegion ram, lower, upper, apart;
    memory_region_init_ram(&ram, f.rb, "ram", 0x400);
    memory_region_init_alias(&lower, "lower", &ram, 0x000, 0x100);
    memory_region_init_alias(&upper, "upper", &ram, 0x100, 0x100);
    memory_region_init_alias(&apart, "apart", &ram, 0x300, 0x100);
    memory_region_add(&f.as, &f.root, 0x200, &lower, 0);
    memory_region_add(&f.as, &f.root, 0x300, &upper, 0);
    memory_region_add(&f.as, &f.root, 0x400, &apart,
                      0); /* adjacent, but not consecutive */
    assert_view(&f.as, "200-3ff ram+0, 400-4ff ram+300");
    fixture_destroy(&f);
    memory_region_destroy(&lower);
    memory_region_destroy(&upper);
    memory_region_destroy(&apart);
    memory_region_destroy(&ram);
}

static void flatview_does_not_merge_two_regions_of_one_block(void **state) {
    (void)state;
    Fixture f;
    fixture_init(&f, 0x1000);
    MemoryRegion ram, rom;
    memory_region_init_ram(&ram, f.rb, "ram", 0x100);
    memory_region_init_rom(&rom, f.rb, "rom", 0x200);
    MemoryRegion window;
    memory_region_init_alias(&window, "window", &rom, 0x100, 0x100);
    memory_region_add(&f.as, &f.root, 0, &ram, 0);
    memory_region_add(&f.as, &f.root, 0x100, &window, 0);
    assert_view(&f.as, "0-ff ram+0, 100-1ff rom+100 ro");
    fixture_destroy(&f);
    memory_region_destroy(&window);
    memory_region_destroy(&rom);
    memory_region_destroy(&ram);
}

static void flatview_region_of_2_to_the_64_covers_every_address(void **state) {
    (void)state;
    Fixture f;
    fixture_init(&f, UINT64_MAX);
    MemoryRegion all, device;
    io(&all, "all", UINT64_MAX);
    io(&device, "device", 0x1000);
    memory_region_add(&f.as, &f.root, 0, &all, -1);
    assert_view(&f.as, "0-ffffffffffffffff all+0");
    assert_int_equal(f.as.view->ranges[0].size, UINT64_MAX);
    memory_region_add(&f.as, &f.root, 0xfffffffffffff000, &device, 0);
    assert_view(&f.as,
                "0-ffffffffffffefff all+0, fffffffffffff000-ffffffffffffffff device+0");
    memory_region_set_address(&f.as, &device, 0);
    assert_view(&f.as, "0-fff device+0, 1000-ffffffffffffffff all+1000");
    assert_ptr_equal(address_space_find(&f.as, UINT64_MAX)->mr, &all);
    fixture_destroy(&f);
    memory_region_destroy(&all);
    memory_region_destroy(&device);
}

/* 2^64 - 1 bytes have no size of their own, as UINT64_MAX says 2^64. */
static void flatview_of_all_but_one_byte_does_not_cover_that_byte(void **state) {
    (void)state;
    Fixture f;
    fixture_init(&f, UINT64_MAX);
    MemoryRegion all, byte;
    io(&all, "all", UINT64_MAX);
    io(&byte, "byte", 1);
    memory_region_add(&f.as, &f.root, 0, &all, -1);
    memory_region_add(&f.as, &f.root, UINT64_MAX, &byte, 0);
    assert_ptr_equal(address_space_find(&f.as, UINT64_MAX)->mr, &byte);
    assert_ptr_equal(address_space_find(&f.as, UINT64_MAX - 1)->mr, &all);
    assert_ptr_equal(address_space_find(&f.as, 0)->mr, &all);
    memory_region_set_address(&f.as, &byte, 0);
    assert_view(&f.as, "0-0 byte+0, 1-ffffffffffffffff all+1");
    memory_region_set_address(&f.as, &byte, 1);
    assert_view(&f.as, "0-0 all+0, 1-1 byte+0, 2-ffffffffffffffff all+2");
    fixture_destroy(&f);
    memory_region_destroy(&all);
    memory_region_destroy(&byte);
}

static void flatview_region_that_would_wrap_is_clipped_at_the_top(void **state) {
    (void)state;
    Fixture f;
    fixture_init(&f, UINT64_MAX);
    MemoryRegion ram, alias, box;
    memory_region_init_ram(&ram, f.rb, "ram", 0x2000);
    memory_region_init_alias(&alias, "alias", &ram, 0x800, 0x1000);
    memory_region_init(&box, "box", UINT64_MAX);
    memory_region_add(&f.as, &f.root, 0xfffffffffffff000, &box, 0);
    memory_region_add(&f.as, &box, 0, &ram, 0);
    memory_region_add(&f.as, &f.root, 0xffffffffffffff00, &alias, 1);
    assert_view(&f.as, "fffffffffffff000-fffffffffffffeff ram+0, "
                       "ffffffffffffff00-ffffffffffffffff ram+800");
    memory_region_del(&f.as, &ram);
    fixture_destroy(&f);
    memory_region_destroy(&alias);
    memory_region_destroy(&ram);
    memory_region_destroy(&box);
}

static void flatview_says_what_is_ram_and_what_is_read_only(void **state) {
    (void)state;
    Fixture f;
    fixture_init(&f, 0x10000);
    MemoryRegion ram, rom, romd, device;
    memory_region_init_ram(&ram, f.rb, "ram", 0x1000);
    memory_region_init_rom(&rom, f.rb, "rom", 0x1000);
    memory_region_init_rom_device(&romd, f.rb, &no_ops, NULL, "romd", 0x1000);
    io(&device, "device", 0x1000);
    memory_region_add(&f.as, &f.root, 0x0000, &ram, 0);
    memory_region_add(&f.as, &f.root, 0x1000, &rom, 0);
    memory_region_add(&f.as, &f.root, 0x2000, &romd, 0);
    memory_region_add(&f.as, &f.root, 0x3000, &device, 0);
    static const struct {
        bool is_ram, readonly, writable;
    } expected[] = {{true, false, true},
                    {true, true, false},
                    {true, false, false},
                    {false, false, false}};
    for (unsigned i = 0; i < 4; i++) {
        const FlatRange *fr = address_space_find(&f.as, 0x1000 * i + 0x7f);
        assert_int_equal(fr->addr, 0x1000 * i);
        assert_int_equal(fr->is_ram, expected[i].is_ram);
        assert_int_equal(fr->readonly, expected[i].readonly);
        assert_int_equal(flat_range_is_writable_ram(fr), expected[i].writable);
    }
    memory_region_set_romd(&f.as, &romd, false);
    assert_false(address_space_find(&f.as, 0x2000)->is_ram);
    memory_region_set_romd(&f.as, &romd, true);
    assert_true(address_space_find(&f.as, 0x2000)->is_ram);
    fixture_destroy(&f);
    memory_region_destroy(&ram);
    memory_region_destroy(&rom);
    memory_region_destroy(&romd);
    memory_region_destroy(&device);
}

static void find_is_exact_at_both_ends_of_a_range(void **state) {
    (void)state;
    Fixture f;
    fixture_init(&f, UINT64_MAX);
    MemoryRegion device[9];
    for (unsigned i = 0; i < 9; i++) {
        io(&device[i], "device", 0x10);
        memory_region_add(&f.as, &f.root, 0x20 * i + 0x10, &device[i], 0);
    }
    for (unsigned i = 0; i < 9; i++) {
        hwaddr first = 0x20 * i + 0x10;
        assert_null(address_space_find(&f.as, first - 1));
        assert_ptr_equal(address_space_find(&f.as, first)->mr, &device[i]);
        assert_ptr_equal(address_space_find(&f.as, first + 0xf)->mr, &device[i]);
        assert_null(address_space_find(&f.as, first + 0x10));
    }
    assert_null(address_space_find(&f.as, UINT64_MAX));
    fixture_destroy(&f);
    for (unsigned i = 0; i < 9; i++) {
        memory_region_destroy(&device[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flatview_of_an_empty_tree_is_empty),
        cmocka_unit_test(flatview_matches_the_example_in_qemus_manual),
        cmocka_unit_test(flatview_higher_priority_child_hides_sibling),
        cmocka_unit_test(flatview_negative_priority_is_behind_zero),
        cmocka_unit_test(flatview_of_equal_priorities_shows_the_one_added_last),
        cmocka_unit_test(flatview_priority_does_not_leave_its_container),
        cmocka_unit_test(flatview_clips_children_to_their_container),
        cmocka_unit_test(flatview_child_outside_its_container_is_invisible),
        cmocka_unit_test(flatview_alias_shows_a_window_of_its_target),
        cmocka_unit_test(flatview_alias_past_the_end_of_its_target_is_a_hole),
        cmocka_unit_test(flatview_alias_of_alias_adds_the_offsets),
        cmocka_unit_test(flatview_alias_of_container_shows_its_children_in_place),
        cmocka_unit_test(flatview_disabled_container_hides_all_below_it),
        cmocka_unit_test(flatview_disabled_target_hides_its_aliases),
        cmocka_unit_test(flatview_disabled_root_shows_nothing),
        cmocka_unit_test(flatview_merges_adjacent_windows_of_one_region),
        cmocka_unit_test(flatview_does_not_merge_two_regions_of_one_block),
        cmocka_unit_test(flatview_region_of_2_to_the_64_covers_every_address),
        cmocka_unit_test(flatview_of_all_but_one_byte_does_not_cover_that_byte),
        cmocka_unit_test(flatview_region_that_would_wrap_is_clipped_at_the_top),
        cmocka_unit_test(flatview_says_what_is_ram_and_what_is_read_only),
        cmocka_unit_test(find_is_exact_at_both_ends_of_a_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
