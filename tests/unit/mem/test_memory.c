/* SPDX-License-Identifier: MIT */
/* Transactions, listeners and retired views. */
#include "mem_fixture.h"

#include <pthread.h>
#include <sched.h>

static const MemoryRegionOps no_ops;

/* A listener that writes down what it is told: "-name@addr +name@addr commit". */
typedef struct Recorder {
    MemoryListener listener;
    AddressSpace *as;
    char text[512];
    bool view_is_new; /* at commit: the space already resolves by the new view */
    hwaddr probe;
    MemoryRegion *probe_expected;
} Recorder;

static void record(Recorder *r, char sign, const FlatRange *fr) {
    size_t used = strlen(r->text);
    snprintf(r->text + used, sizeof(r->text) - used, "%c%s@%llx+%llx ", sign,
             fr->mr->name, (unsigned long long)fr->addr, (unsigned long long)fr->size);
}

static void record_del(MemoryListener *l, const FlatRange *fr) {
    record((Recorder *)l, '-', fr);
}

static void record_add(MemoryListener *l, const FlatRange *fr) {
    record((Recorder *)l, '+', fr);
}

static void record_commit(MemoryListener *l) {
    Recorder *r = (Recorder *)l;
    strcat(r->text, "commit");
    if (r->as != NULL) {
        const FlatRange *fr = address_space_find(r->as, r->probe);
        r->view_is_new = fr != NULL && fr->mr == r->probe_expected;
    }
}

static void recorder_init(Recorder *r) {
    *r = (Recorder){.listener = {record_del, record_add, record_commit, NULL}};
}

static void assert_recorded(Recorder *r, const char *expected) {
    assert_string_equal(r->text, expected);
    r->text[0] = '\0';
}

/* Most tests want two devices, not yet added. */
typedef struct Machine {
    Fixture f;
    MemoryRegion a, b;
    Recorder r;
} Machine;

static void machine_init(Machine *m) {
    fixture_init(&m->f, UINT64_MAX);
    memory_region_init_io(&m->a, &no_ops, NULL, "a", 0x100);
    memory_region_init_io(&m->b, &no_ops, NULL, "b", 0x100);
    recorder_init(&m->r);
}

static void machine_destroy(Machine *m) {
    fixture_destroy(&m->f);
    memory_region_destroy(&m->a);
    memory_region_destroy(&m->b);
}

static void each_change_alone_is_a_transaction(void **state) {
    (void)state;
    Machine m;
    machine_init(&m);
    address_space_add_listener(&m.f.as, &m.r.listener);
    assert_recorded(&m.r, "commit");
    memory_region_add(&m.f.as, &m.f.root, 0x1000, &m.a, 0);
    assert_recorded(&m.r, "+a@1000+100 commit");
    memory_region_set_enabled(&m.f.as, &m.a, false);
    assert_recorded(&m.r, "-a@1000+100 commit");
    memory_region_set_enabled(&m.f.as, &m.a, true);
    assert_recorded(&m.r, "+a@1000+100 commit");
    memory_region_set_address(&m.f.as, &m.a, 0x2000);
    assert_recorded(&m.r, "-a@1000+100 +a@2000+100 commit");
    memory_region_del(&m.f.as, &m.a);
    assert_recorded(&m.r, "-a@2000+100 commit");
    machine_destroy(&m);
}

static void nested_transactions_are_seen_when_the_outermost_ends(void **state) {
    (void)state;
    Machine m;
    machine_init(&m);
    address_space_add_listener(&m.f.as, &m.r.listener);
    m.r.text[0] = '\0';
    address_space_begin(&m.f.as);
    memory_region_add(&m.f.as, &m.f.root, 0x1000, &m.a, 0);
    address_space_begin(&m.f.as);
    memory_region_add(&m.f.as, &m.f.root, 0x2000, &m.b, 0);
    address_space_commit(&m.f.as);
    assert_view(&m.f.as, "");
    assert_recorded(&m.r, "");
    address_space_commit(&m.f.as);
    assert_view(&m.f.as, "1000-10ff a+0, 2000-20ff b+0");
    assert_recorded(&m.r, "+a@1000+100 +b@2000+100 commit");
    machine_destroy(&m);
}

static void listeners_hear_of_nothing_that_stayed_the_same(void **state) {
    (void)state;
    Machine m;
    machine_init(&m);
    memory_region_add(&m.f.as, &m.f.root, 0x1000, &m.a, 0);
    memory_region_add(&m.f.as, &m.f.root, 0x1080, &m.b, -1); /* seen from 1100 on only */
    address_space_add_listener(&m.f.as, &m.r.listener);
    m.r.text[0] = '\0';
    const FlatView *view = m.f.as.view;

    /* A change that shows nowhere: neither a call nor a new view. */
    MemoryRegion hidden;
    memory_region_init_io(&hidden, &no_ops, NULL, "hidden", 0x10);
    memory_region_add(&m.f.as, &m.f.root, 0x1010, &hidden, -2);
    memory_region_set_address(&m.f.as, &hidden, 0x1020);
    memory_region_del(&m.f.as, &hidden);
    address_space_begin(&m.f.as);
    memory_region_set_enabled(&m.f.as, &m.a, false);
    memory_region_set_enabled(&m.f.as, &m.a, true);
    address_space_commit(&m.f.as);
    address_space_begin(&m.f.as);
    address_space_commit(&m.f.as);
    assert_recorded(&m.r, "");
    assert_ptr_equal(m.f.as.view, view);

    /* b's visible part changes, a stays. */
    memory_region_set_address(&m.f.as, &m.b, 0x1040);
    assert_recorded(&m.r, "-b@1100+80 +b@1100+40 commit");
    machine_destroy(&m);
    memory_region_destroy(&hidden);
}

static void listeners_hear_of_a_change_of_romd_mode(void **state) {
    (void)state;
    Machine m;
    machine_init(&m);
    MemoryRegion romd;
    memory_region_init_rom_device(&romd, m.f.rb, &no_ops, NULL, "romd", 0x1000);
    memory_region_add(&m.f.as, &m.f.root, 0, &romd, 0);
    address_space_add_listener(&m.f.as, &m.r.listener);
    m.r.text[0] = '\0';
    memory_region_set_romd(&m.f.as, &romd, true);
    assert_recorded(&m.r, "");
    memory_region_set_romd(&m.f.as, &romd, false);
    assert_recorded(&m.r, "-romd@0+1000 +romd@0+1000 commit");
    machine_destroy(&m);
    memory_region_destroy(&romd);
}

static void
listeners_replay_the_view_when_added_and_are_silent_when_removed(void **state) {
    (void)state;
    Machine m;
    machine_init(&m);
    memory_region_add(&m.f.as, &m.f.root, 0x1000, &m.a, 0);
    Recorder other;
    recorder_init(&other);
    address_space_add_listener(&m.f.as, &m.r.listener);
    address_space_add_listener(&m.f.as, &other.listener);
    assert_recorded(&m.r, "+a@1000+100 commit");
    assert_recorded(&other, "+a@1000+100 commit");
    memory_region_add(&m.f.as, &m.f.root, 0x2000, &m.b, 0);
    assert_recorded(&m.r, "+b@2000+100 commit");
    address_space_remove_listener(&m.f.as, &m.r.listener);
    memory_region_del(&m.f.as, &m.b);
    assert_recorded(&m.r, "");
    assert_recorded(&other, "+b@2000+100 commit-b@2000+100 commit");
    machine_destroy(&m);
}

static void listener_callbacks_may_be_null(void **state) {
    (void)state;
    Machine m;
    machine_init(&m);
    MemoryListener deaf = {0};
    address_space_add_listener(&m.f.as, &deaf);
    address_space_add_listener(&m.f.as, &m.r.listener);
    memory_region_add(&m.f.as, &m.f.root, 0x1000, &m.a, 0);
    memory_region_del(&m.f.as, &m.a);
    assert_recorded(&m.r, "commit+a@1000+100 commit-a@1000+100 commit");
    machine_destroy(&m);
}

/* A TLB that flushes in commit may refill at once: it has to get the new view. */
static void commit_is_called_when_the_new_view_is_in_place(void **state) {
    (void)state;
    Machine m;
    machine_init(&m);
    address_space_add_listener(&m.f.as, &m.r.listener);
    m.r.as = &m.f.as;
    m.r.probe = 0x1000;
    m.r.probe_expected = &m.b;
    memory_region_add(&m.f.as, &m.f.root, 0x1000, &m.a, 0);
    assert_false(m.r.view_is_new);
    memory_region_add(&m.f.as, &m.f.root, 0x1000, &m.b, 1);
    assert_true(m.r.view_is_new);
    machine_destroy(&m);
}

/* Under asan this is also the proof that the old ranges are not freed early. */
static void views_that_come_back_are_used_again(void **state) {
    (void)state;
    Fixture f;
    fixture_init(&f, 0x10000);
    MemoryRegion ram;
    memory_region_init_ram(&ram, f.rb, "ram", 0x1000);
    memory_region_add(&f.as, &f.root, 0x1000, &ram, 0);
    FlatView *with = f.as.view;
    for (unsigned i = 0; i < 1000; i++) {
        memory_region_set_enabled(&f.as, &ram, false);
        assert_null(address_space_find(&f.as, 0x1000));
        memory_region_set_enabled(&f.as, &ram, true);
        assert_ptr_equal(f.as.view, with);
    }
    unsigned retired = 0;
    for (FlatView *fv = f.as.retired; fv != NULL; fv = fv->retired_next) {
        retired++;
    }
    assert_int_equal(retired, 1);
    fixture_destroy(&f);
    memory_region_destroy(&ram);
}

static void retired_view_lives_until_reclaim(void **state) {
    (void)state;
    Machine m;
    machine_init(&m);
    memory_region_add(&m.f.as, &m.f.root, 0x1000, &m.a, 0);
    const FlatRange *before = address_space_find(&m.f.as, 0x1000);
    memory_region_set_address(&m.f.as, &m.a, 0x2000);
    memory_region_set_address(&m.f.as, &m.a, 0x3000);
    assert_ptr_equal(before->mr, &m.a);
    assert_int_equal(before->addr, 0x1000);
    assert_null(address_space_find(&m.f.as, 0x1000));
    assert_non_null(m.f.as.retired);
    address_space_reclaim(&m.f.as);
    assert_null(m.f.as.retired);
    assert_view(&m.f.as, "3000-30ff a+0");
    machine_destroy(&m);
}

static void regions_can_be_joined_before_any_space_shows_them(void **state) {
    (void)state;
    Machine m;
    machine_init(&m);
    MemoryRegion root;
    AddressSpace as;
    memory_region_init(&root, "later", 0x1000);
    memory_region_add(NULL, &root, 0x100, &m.a, 0);
    memory_region_set_address(NULL, &m.a, 0x200);
    address_space_init(&as, &root, "as", NULL);
    assert_view(&as, "200-2ff a+0");
    memory_region_del(&as, &m.a);
    assert_view(&as, "");
    address_space_destroy(&as);
    memory_region_destroy(&root);
    machine_destroy(&m);
}

static void siblings_are_sorted_by_priority_and_then_the_latest_first(void **state) {
    (void)state;
    Fixture f;
    fixture_init(&f, UINT64_MAX);
    MemoryRegion mr[5];
    static const int priority[5] = {0, 7, -3, 0, 7};
    static const char *const name[5] = {"0", "1", "2", "3", "4"};
    for (unsigned i = 0; i < 5; i++) {
        memory_region_init_io(&mr[i], &no_ops, NULL, name[i], 1);
        memory_region_add(&f.as, &f.root, i, &mr[i], priority[i]);
    }
    char order[16] = "";
    for (MemoryRegion *c = f.root.children; c != NULL; c = c->next_sibling) {
        strcat(order, c->name);
    }
    assert_string_equal(order, "41302");
    memory_region_del(&f.as, &mr[1]);
    memory_region_add(&f.as, &f.root, 1, &mr[1], 7); /* now it is the latest */
    assert_ptr_equal(f.root.children, &mr[1]);
    assert_ptr_equal(mr[1].container, &f.root);
    fixture_destroy(&f);
    for (unsigned i = 0; i < 5; i++) {
        memory_region_destroy(&mr[i]);
    }
}

/* A reader thread that looks up one address again and again until it is told to stop. */
typedef struct Reader {
    AddressSpace *as;
    int stop;
    uint64_t loads, wrong;
} Reader;

static void *read_on(void *opaque) {
    Reader *r = opaque;
    while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
        uint64_t value;
        MemTxResult result = address_space_load(r->as, 0x1008, 4, &value);
        r->wrong += result != MEMTX_OK || (value != 0xaaaaaaaa && value != 0xbbbbbbbb);
        __atomic_fetch_add(&r->loads, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void readers_see_the_old_view_or_the_new_one_and_nothing_between(void **state) {
    (void)state;
    Fixture f;
    fixture_init(&f, UINT64_MAX);
    MemoryRegion below, above;
    memory_region_init_ram(&below, f.rb, "below", 0x2000);
    memory_region_init_ram(&above, f.rb, "above", 0x3000);
    memset(f.rb->host, 0xbb, 0x1000);
    memset(f.rb->host + 0x1000, 0xaa, 0x1000);
    memory_region_add(&f.as, &f.root, 0, &below, 0);
    memory_region_add(&f.as, &f.root, 0x1000, &above, 1);
    Reader r = {.as = &f.as};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_on, &r), 0);
    for (int i = 0; i < 300; i++) {
        memory_region_set_enabled(&f.as, &above, i % 2 != 0);
        uint64_t before = __atomic_load_n(&r.loads, __ATOMIC_RELAXED);
        while (__atomic_load_n(&r.loads, __ATOMIC_RELAXED) == before) {
            sched_yield(); /* the reader has looked at least once */
        }
    }
    __atomic_store_n(&r.stop, 1, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    assert_int_equal(r.wrong, 0);
    assert_true(r.loads >= 300);
    fixture_destroy(&f);
    memory_region_destroy(&below);
    memory_region_destroy(&above);
}

static void names_are_copied(void **state) {
    (void)state;
    char name[] = "uart";
    MemoryRegion mr;
    memory_region_init(&mr, name, 1);
    name[0] = 'X';
    assert_string_equal(mr.name, "uart");
    memory_region_destroy(&mr);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_change_alone_is_a_transaction),
        cmocka_unit_test(nested_transactions_are_seen_when_the_outermost_ends),
        cmocka_unit_test(listeners_hear_of_nothing_that_stayed_the_same),
        cmocka_unit_test(listeners_hear_of_a_change_of_romd_mode),
        cmocka_unit_test(
            listeners_replay_the_view_when_added_and_are_silent_when_removed),
        cmocka_unit_test(listener_callbacks_may_be_null),
        cmocka_unit_test(commit_is_called_when_the_new_view_is_in_place),
        cmocka_unit_test(views_that_come_back_are_used_again),
        cmocka_unit_test(retired_view_lives_until_reclaim),
        cmocka_unit_test(regions_can_be_joined_before_any_space_shows_them),
        cmocka_unit_test(siblings_are_sorted_by_priority_and_then_the_latest_first),
        cmocka_unit_test(readers_see_the_old_view_or_the_new_one_and_nothing_between),
        cmocka_unit_test(names_are_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
