/* SPDX-License-Identifier: MIT */
/* Devices: properties, -global, ids, seats on buses. Seats are taken as QEMU 7.2's `info
 * qtree` shows: without bus= the newest transport first. */
#include "hw_fixture.h"

typedef struct DeviceTest {
    Fixture *f;
    Device *slot[3];
} DeviceTest;

static int setup(void **state) {
    DeviceTest *t = calloc(1, sizeof(*t));
    t->f = fixture_new();
    for (unsigned i = 0; i < 3; i++) {
        char name[32];
        Error *err = NULL;
        snprintf(name, sizeof(name), "virtio-mmio-bus.%u", i);
        t->slot[i] = device_new(&t->f->m, device_class_find("virtio-mmio"), NULL, &err);
        assert_non_null(t->slot[i]);
        t->slot[i]->bus_name = strdup(name);
        assert_true(device_realize(t->slot[i], &err));
    }
    *state = t;
    return 0;
}

static int teardown(void **state) {
    DeviceTest *t = *state;
    Machine *m = &t->f->m;
    while (m->first_device) { /* children first */
        Device *last = m->first_device;
        while (last->next) {
            last = last->next;
        }
        device_free(last);
    }
    fixture_free(t->f);
    free(t);
    return 0;
}

static Device *make(DeviceTest *t, const char *text) {
    Error *err = NULL;
    Device *dev = device_new_from_text(&t->f->m, text, &err);
    if (!dev) {
        fail_msg("%s", error_message(err));
    }
    return dev;
}

static void expect_error(DeviceTest *t, const char *text, const char *words) {
    Error *err = NULL;
    Device *last = t->slot[2];
    while (last->next) {
        last = last->next;
    }
    assert_null(device_new_from_text(&t->f->m, text, &err));
    assert_non_null(err);
    if (!strstr(error_message(err), words)) {
        fail_msg("'%s' does not say '%s'", error_message(err), words);
    }
    error_free(err);
    assert_null(last->next); /* nothing of it is left */
}

static void device_without_bus_takes_the_newest_free_seat(void **state) {
    DeviceTest *t = *state;
    assert_ptr_equal(make(t, "virtio-rng-device")->parent, t->slot[2]);
    assert_ptr_equal(make(t, "virtio-rng-device")->parent, t->slot[1]);
    assert_ptr_equal(make(t, "virtio-rng-device")->parent, t->slot[0]);
    expect_error(t, "virtio-rng-device", "no free");
}

static void device_sits_where_bus_says(void **state) {
    DeviceTest *t = *state;
    Device *dev = make(t, "virtio-rng-device,bus=virtio-mmio-bus.0,id=r0");
    assert_ptr_equal(dev->parent, t->slot[0]);
    assert_ptr_equal(t->slot[0]->child, dev);
    assert_ptr_equal(machine_find_device(&t->f->m, "r0"), dev);
    expect_error(t, "virtio-rng-device,bus=virtio-mmio-bus.0", "already has");
    expect_error(t, "virtio-rng-device,bus=pci.0", "no bus 'pci.0'");
    assert_ptr_equal(t->slot[0]->child, dev);
    device_free(dev);
    assert_null(t->slot[0]->child);
}

static void mistakes_in_device_text_are_named(void **state) {
    DeviceTest *t = *state;
    make(t, "virtio-rng-device,id=r0");
    expect_error(t, "virtio-rng-device,id=r0", "r0");
    expect_error(t, "nosuch", "unknown device");
    expect_error(t, "virtio-mmio", "itself");
    expect_error(t, "virtio-rng-device,colour=red", "no property 'colour'");
    expect_error(t, "virtio-blk-device,drive=d", "no -drive with id=d");
    expect_error(t, "virtio-net-device,netdev=n", "no -netdev with id=n");
    expect_error(t, "virtio-net-device,mac=12", "MAC");
}

static void global_sets_the_property_of_new_devices(void **state) {
    DeviceTest *t = *state;
    Error *err = NULL;
    Machine *m = &t->f->m;
    m->config.globals.item[0] = "virtio-mmio.force-legacy=nonsense";
    m->config.globals.count = 1;
    assert_null(device_new(m, device_class_find("virtio-mmio"), NULL, &err));
    assert_non_null(
        strstr(error_message(err), "-global virtio-mmio.force-legacy=nonsense"));
    error_free(err);
    err = NULL;
    m->config.globals.item[0] = "virtio-mmio.force-legacy=false";
    assert_non_null(device_new(m, device_class_find("virtio-mmio"), NULL, &err));
}

/* Each row names a property or a field that lies inside its struct, once. */
static void tables_of_all_classes_are_sound(void **state) {
    (void)state;
    unsigned count;
    const DeviceClass *const *classes = device_classes(&count);
    assert_true(count >= 10);
    for (unsigned i = 0; i < count; i++) {
        const DeviceClass *c = classes[i];
        assert_ptr_equal(device_class_find(c->name), c);
        assert_true(c->size >= sizeof(Device));
        assert_non_null(c->description);
        for (const DeviceProperty *p = c->properties; p && p->name; p++) {
            assert_true(p->offset >= sizeof(Device) && p->offset < c->size);
            assert_non_null(p->help);
        }
        for (const StateField *s = c->state; s && s->name; s++) {
            static const size_t size[] = {1, 2, 4, 8, sizeof(bool), 1, sizeof(Timer)};
            assert_true(s->offset >= sizeof(Device));
            assert_true(s->offset + s->count * size[s->type] <= c->size);
            assert_true(s->since >= 1 && s->since <= c->state_version);
            for (const StateField *other = c->state; other != s; other++) {
                assert_string_not_equal(other->name, s->name);
            }
        }
    }
}

static void help_lists_every_creatable_device_and_its_properties(void **state) {
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    device_list_help(out);
    assert_true(device_class_help("virtio-blk-device", out));
    assert_false(device_class_help("nosuch", out));
    fclose(out);
    assert_non_null(strstr(text, "name \"virtio-blk-device\", bus"));
    assert_null(strstr(text, "\"riscv.sifive.plic\""));
    assert_non_null(strstr(text, "drive=<drive id>"));
    free(text);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(device_without_bus_takes_the_newest_free_seat),
        T(device_sits_where_bus_says),
        T(mistakes_in_device_text_are_named),
        T(global_sets_the_property_of_new_devices),
        T(tables_of_all_classes_are_sound),
        T(help_lists_every_creatable_device_and_its_properties),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
