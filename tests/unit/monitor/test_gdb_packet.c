/* SPDX-License-Identifier: MIT */
/* The envelope of gdb's packets. Checksums and escapes are those of the GDB manual, E.1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "monitor/gdb_packet.h"

/* What the last byte completed. */
static GdbInput feed(GdbParser *p, const char *bytes, size_t len) {
    GdbInput what = GDB_NOTHING;
    for (size_t i = 0; i < len; i++) {
        what = gdb_parser_take(p, (uint8_t)bytes[i]);
        if (i + 1 < len) {
            assert_int_equal(what, GDB_NOTHING);
        }
    }
    return what;
}

static GdbParser *parser(void **state) {
    return memset(*state, 0, sizeof(GdbParser));
}

static int setup(void **state) {
    *state = malloc(sizeof(GdbParser));
    return 0;
}

static int teardown(void **state) {
    free(*state);
    return 0;
}

static void packet_with_its_sum_is_taken(void **state) {
    GdbParser *p = parser(state);
    assert_int_equal(feed(p, "noise$g#67", 10), GDB_PACKET); /* 'g' is 0x67 */
    assert_string_equal((char *)p->payload, "g");
    assert_int_equal(feed(p, "$#00", 4), GDB_PACKET);
    assert_int_equal(p->len, 0);
    assert_int_equal(feed(p, "$m0,4#FD", 8), GDB_PACKET); /* 6d+30+2c+34 = fd */
    assert_string_equal((char *)p->payload, "m0,4");
}

static void wrong_sum_or_no_number_is_damage(void **state) {
    GdbParser *p = parser(state);
    assert_int_equal(feed(p, "$g#68", 5), GDB_DAMAGED);
    assert_int_equal(feed(p, "$g#6z", 5), GDB_DAMAGED);
    assert_int_equal(feed(p, "$g#67", 5), GDB_PACKET);
}

static void escaped_bytes_come_back(void **state) {
    GdbParser *p = parser(state);
    /* X with the bytes # $ } 00: sum over what is sent */
    assert_int_equal(feed(p, "$}\x03}\x04}]\0#db", 11), GDB_PACKET);
    assert_int_equal(p->len, 4);
    assert_memory_equal(p->payload, "#$}\0", 4);
}

static void cut_off_packet_gives_way_to_the_next(void **state) {
    GdbParser *p = parser(state);
    assert_int_equal(feed(p, "$qSuppor$g#67", 13), GDB_PACKET);
    assert_string_equal((char *)p->payload, "g");
}

static void signs_between_packets(void **state) {
    GdbParser *p = parser(state);
    assert_int_equal(feed(p, "+", 1), GDB_ACK);
    assert_int_equal(feed(p, "-", 1), GDB_NACK);
    assert_int_equal(feed(p, "\x03", 1), GDB_INTERRUPT);
}

static void too_long_is_told_and_forgotten(void **state) {
    GdbParser *p = parser(state);
    uint8_t sum = 0;
    gdb_parser_take(p, '$');
    for (unsigned i = 0; i < GDB_MAX_PACKET + 100; i++) {
        assert_int_equal(gdb_parser_take(p, 'a'), GDB_NOTHING);
        sum = (uint8_t)(sum + 'a');
    }
    char end[4];
    snprintf(end, sizeof(end), "#%02x", sum);
    assert_int_equal(feed(p, end, 3), GDB_TOO_LONG);
    assert_int_equal(p->len, GDB_MAX_PACKET);
    assert_int_equal(feed(p, "$g#67", 5), GDB_PACKET);
}

static void what_is_written_can_be_read(void **state) {
    GdbParser *p = parser(state);
    GdbBuffer payload, wire;
    uint8_t bytes[256];
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)i;
    }
    gdb_buffer_init(&payload, 1000);
    gdb_buffer_init(&wire, 1000);
    gdb_put_escaped(&payload, bytes, sizeof(bytes));
    gdb_put_packet(&wire, payload.data, payload.len);
    assert_int_equal(feed(p, wire.data, wire.len), GDB_PACKET);
    assert_int_equal(p->len, sizeof(bytes));
    assert_memory_equal(p->payload, bytes, sizeof(bytes));
    gdb_buffer_destroy(&payload);
    gdb_buffer_destroy(&wire);
}

static void buffer_keeps_its_limit(void **state) {
    (void)state;
    GdbBuffer b;
    gdb_buffer_init(&b, 6);
    gdb_put(&b, "abcd");
    gdb_put_hex(&b, "xy", 2);
    assert_true(b.full);
    assert_string_equal(b.data, "abcd");
    gdb_put_hex(&b, "\x01", 1);
    assert_string_equal(b.data, "abcd01");
    gdb_buffer_destroy(&b);
}

static void numbers_and_bytes(void **state) {
    (void)state;
    uint64_t n;
    uint8_t bytes[2];
    const char *text = "ffffffff80000000,10";
    assert_true(gdb_take_number(&text, &n));
    assert_int_equal(n, UINT64_C(0xffffffff80000000));
    assert_string_equal(text, ",10");
    assert_false(gdb_take_number(&text, &n));
    text = "11111111111111111";
    assert_false(gdb_take_number(&text, &n)); /* 17 digits */
    text = "1f2";
    assert_false(gdb_take_bytes(&text, bytes, 2));
    text = "1F20z";
    assert_true(gdb_take_bytes(&text, bytes, 2));
    assert_int_equal(bytes[0], 0x1f);
    assert_int_equal(bytes[1], 0x20);
    assert_string_equal(text, "z");
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(packet_with_its_sum_is_taken),
        T(wrong_sum_or_no_number_is_damage),
        T(escaped_bytes_come_back),
        T(cut_off_packet_gives_way_to_the_next),
        T(signs_between_packets),
        T(too_long_is_told_and_forgotten),
        T(what_is_written_can_be_read),
        T(buffer_keeps_its_limit),
        T(numbers_and_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
