/* SPDX-License-Identifier: MIT */
/* Register tables: what peek() shows is what the guest wrote and would read, and looking changes no byte
 * of the device. Meanings of fields are checked against the manuals named in the devices. */
#include "hw/hw_fixture.h"

enum { BASE = 0x10000000 };

/* Devices that stand alone on the fixture; PLIC and ACLINT are wired by the test. */
static const char *const plain[] = {
    "serial-mm", "goldfish_rtc", "riscv.sifive.test", "fw_cfg_mmio", "virtio-mmio",
};
enum { PLAIN_COUNT = sizeof(plain) / sizeof(plain[0]) };

static const RegisterDesc *find(const Device *dev, const char *name) {
    for (const RegisterDesc *r = dev->cls->registers; r->name; r++) {
        if (!strcmp(r->name, name)) {
            return r;
        }
    }
    fail_msg("%s has no register %s", dev->cls->name, name);
    return NULL;
}

static uint64_t peek(const Device *dev, const char *name) {
    const RegisterDesc *r = find(dev, name);
    uint64_t value = 0;
    assert_true(dev->cls->peek(dev, r, r->offset, &value));
    return value;
}

static void assert_words(const Device *dev, const char *name, const char *field,
                         const char *words) {
    const RegisterDesc *r = find(dev, name);
    for (const RegisterField *f = r->fields; f->name; f++) {
        if (!strcmp(f->name, field)) {
            size_t len = 0;
            const char *text = register_field_words(f, peek(dev, name), &len);
            assert_non_null(text);
            assert_int_equal(len, strlen(words));
            assert_memory_equal(text, words, len);
            return;
        }
    }
    fail_msg("%s.%s has no field %s", dev->cls->name, name, field);
}

static void check_field(const RegisterDesc *r, const RegisterField *f) {
    unsigned first = (unsigned)__builtin_ctzll(f->mask);
    uint64_t run = f->mask >> first;
    assert_true(f->mask != 0);
    assert_true((run & (run + 1)) == 0); /* contiguous */
    assert_true(r->size == 8 || f->mask >> 8 * r->size == 0);
    assert_true(f->meaning && *f->meaning);
    for (const RegisterField *other = r->fields; other != f; other++) {
        assert_int_equal(other->mask & f->mask, 0);
        assert_string_not_equal(other->name, f->name);
    }
}

static void tables_are_sound(void **state) {
    (void)state;
    unsigned count, tables = 0;
    const DeviceClass *const *classes = device_classes(&count);
    for (unsigned i = 0; i < count; i++) {
        const RegisterDesc *all = classes[i]->registers;
        tables += all != NULL;
        for (const RegisterDesc *r = all; r && r->name; r++) {
            assert_true(r->size >= 1 && r->size <= 8);
            assert_true(r->access >= REG_READ && r->access <= REG_BOTH);
            assert_true(r->meaning && *r->meaning);
            assert_true(register_count(r) == 1 || r->stride >= r->size);
            for (const RegisterDesc *other = all; other != r; other++) {
                assert_string_not_equal(other->name, r->name);
            }
            for (const RegisterField *f = r->fields; f && f->name; f++) {
                check_field(r, f);
            }
        }
    }
    assert_true(tables >=
                11); /* all but rng and the console's port, which have no registers */
}

/* Every element of every register; the device's bytes must stay. */
static void peek_all(Device *dev) {
    void *before = malloc(dev->cls->size);
    memcpy(before, dev, dev->cls->size);
    for (const RegisterDesc *r = dev->cls->registers; dev->cls->peek && r->name; r++) {
        for (unsigned row = 0; row < register_rows(r); row++) {
            for (unsigned i = 0; i < register_count(r); i++) {
                uint64_t value;
                dev->cls->peek(dev, r, register_offset(r, row, i), &value);
            }
        }
    }
    assert_memory_equal(before, dev, dev->cls->size);
    free(before);
}

static void looking_changes_nothing(void **state) {
    (void)state;
    for (unsigned i = 0; i < PLAIN_COUNT; i++) {
        Fixture *f = fixture_new();
        Device *dev = fixture_device(f, plain[i], BASE);
        for (unsigned round = 0; round < 50; round++) {
            fixture_scribble(f, BASE, dev->mmio.size, 20);
            unsigned irqs = f->irq_changes;
            peek_all(dev);
            assert_int_equal(f->irq_changes, irqs);
        }
        fixture_free(f);
    }
}

static bool is_time(const char *name) {
    return !strncmp(name, "TIME_", 5);
}

/* Registers of one address in the UART are told apart by DLAB. */
static bool is_shown(const Device *dev, const RegisterDesc *r) {
    if (strcmp(dev->cls->name, "serial-mm")) {
        return true;
    }
    bool dlab = peek(dev, "LCR") & 0x80;
    bool divisor = !strcmp(r->name, "DLL") || !strcmp(r->name, "DLM");
    return r->offset > 1 || divisor == dlab;
}

static void a_peek_is_what_the_guest_reads_next(void **state) {
    (void)state;
    unsigned compared = 0;
    for (unsigned i = 0; i < PLAIN_COUNT; i++) {
        Fixture *f = fixture_new();
        Device *dev = fixture_device(f, plain[i], BASE);
        for (unsigned round = 0; round < 50; round++) {
            fixture_scribble(f, BASE, dev->mmio.size, 20);
            for (const RegisterDesc *r = dev->cls->registers; r->name; r++) {
                uint64_t value;
                bool readable = (r->access & REG_READ) && strcmp(r->name, "DMA");
                if (readable && !is_time(r->name) && is_shown(dev, r) &&
                    dev->cls->peek(dev, r, r->offset, &value)) {
                    assert_int_equal(rd(f, BASE + r->offset, r->size), value);
                    compared++;
                }
            }
        }
        fixture_free(f);
    }
    assert_true(compared > 500);
}

/* PC16550D, table 2: LCR 0x1b is 8 bits, 1 stop bit, even parity. */
static void uart_fields_say_what_was_written(void **state) {
    (void)state;
    Fixture *f = fixture_new();
    Device *dev = fixture_device(f, "serial-mm", BASE);
    wr(f, BASE + 3, 1, 0x80);
    wr(f, BASE + 0, 1, 0x34);
    wr(f, BASE + 1, 1, 0x12);
    wr(f, BASE + 3, 1, 0x1b);
    wr(f, BASE + 2, 1, 0x81); /* FIFOs on, trigger at 8 */
    assert_int_equal(peek(dev, "DLL"), 0x34);
    assert_int_equal(peek(dev, "DLM"), 0x12);
    assert_words(dev, "LCR", "WORD", "8 bits");
    assert_words(dev, "LCR", "STOP", "1 stop bit");
    assert_words(dev, "LCR", "PARITY", "parity");
    assert_words(dev, "LCR", "EVEN", "even");
    assert_words(dev, "LCR", "DLAB", "data");
    assert_words(dev, "FCR", "TRIGGER", "8 bytes");
    assert_words(dev, "IIR", "FIFOS", "on");
    wr(f, BASE + 1, 1, 2);
    assert_words(dev, "IIR", "cause", "transmitter empty");
    assert_words(dev, "IIR", "cause",
                 "transmitter empty"); /* reading IIR would clear it */
    fixture_free(f);
}

static void a_received_byte_stays_when_it_is_looked_at(void **state) {
    (void)state;
    Fixture *f = fixture_new();
    Device *dev = fixture_device(f, "serial-mm", BASE);
    wr(f, BASE + 4, 1, 0x10); /* loopback */
    wr(f, BASE, 1, 'v');
    assert_int_equal(peek(dev, "RBR"), 'v');
    assert_int_equal(peek(dev, "RBR"), 'v');
    assert_int_equal(peek(dev, "LSR") & 1, 1);
    assert_int_equal(rd(f, BASE, 1), 'v');
    assert_int_equal(peek(dev, "LSR") & 1, 0);
    fixture_free(f);
}

static void words_are_found_or_not(void **state) {
    (void)state;
    const RegisterField field = {"f", 0xf0, "", "0=none|0x3=three|12=twelve"};
    size_t len;
    assert_int_equal(register_field_get(&field, 0xc5), 12);
    assert_string_equal(register_field_words(&field, 0xc5, &len), "twelve");
    assert_non_null(register_field_words(&field, 0x3f, &len));
    assert_int_equal(len, strlen("three"));
    assert_null(register_field_words(&field, 0x10, &len));
    const RegisterField plain_field = {"f", 1, "", NULL};
    assert_null(register_field_words(&plain_field, 1, &len));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_sound),
        cmocka_unit_test(looking_changes_nothing),
        cmocka_unit_test(a_peek_is_what_the_guest_reads_next),
        cmocka_unit_test(uart_fields_say_what_was_written),
        cmocka_unit_test(a_received_byte_stays_when_it_is_looked_at),
        cmocka_unit_test(words_are_found_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
