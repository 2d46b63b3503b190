/* SPDX-License-Identifier: MIT */
/* NS16550A. Expected values: PC16550D data sheet (National Semiconductor, June 1995). */
#include "hw_fixture.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { U = 0x10000000 };
enum {
    DATA = U,
    IER = U + 1,
    IIR = U + 2,
    FCR = U + 2,
    LCR = U + 3,
    MCR = U + 4,
    LSR = U + 5,
    MSR = U + 6,
    SCR = U + 7
};

typedef struct UartTest {
    Fixture *f;
    Device *uart;
    Chardev *chr;
    int peer; /* our end of the line */
    char path[64];
} UartTest;

/* Lets the loop look at its descriptors once. */
static void quit_loop(void *opaque) {
    loop_quit(opaque);
}

static void turn(UartTest *t) {
    for (unsigned i = 0; i < 4; i++) {
        loop_call(t->f->m.loop, quit_loop, t->f->m.loop);
        loop_run(t->f->m.loop);
    }
}

static int setup(void **state) {
    UartTest *t = calloc(1, sizeof(*t));
    Error *err = NULL;
    char spec[128];
    t->f = fixture_new();
    snprintf(t->path, sizeof(t->path), "/tmp/vitrine-uart-%d", (int)getpid());
    snprintf(spec, sizeof(spec), "unix:%s,server=on,wait=off", t->path);
    t->chr = chardev_new(t->f->m.loop, spec, NULL, &err);
    assert_non_null(t->chr);
    t->uart = device_new(&t->f->m, device_class_find("serial-mm"), NULL, &err);
    t->uart->irq = fixture_irq(t->f);
    device_set_reference(t->uart, "chardev", t->chr);
    assert_true(device_realize(t->uart, &err));
    device_map(t->uart, U);
    t->uart->cls->reset(t->uart);

    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    strcpy(addr.sun_path, t->path);
    t->peer = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(t->peer, (struct sockaddr *)&addr, sizeof(addr)), 0);
    turn(t);
    *state = t;
    return 0;
}

static int teardown(void **state) {
    UartTest *t = *state;
    close(t->peer);
    device_free(t->uart);
    chardev_free(t->chr);
    fixture_free(t->f);
    unlink(t->path);
    free(t);
    return 0;
}

static uint8_t get(UartTest *t, hwaddr reg) {
    return (uint8_t)rd(t->f, reg, 1);
}

static void put(UartTest *t, hwaddr reg, uint8_t value) {
    wr(t->f, reg, 1, value);
}

static void type(UartTest *t, const char *text) {
    assert_int_equal(write(t->peer, text, strlen(text)), (ssize_t)strlen(text));
    turn(t);
}

static void registers_reset_to_the_data_sheets_values(void **state) {
    UartTest *t = *state;
    assert_int_equal(get(t, IER), 0);
    assert_int_equal(get(t, IIR), 0x01);
    assert_int_equal(get(t, LCR), 0);
    assert_int_equal(get(t, LSR), 0x60);
    put(t, SCR, 0x5a);
    assert_int_equal(get(t, SCR), 0x5a);
}

static void dlab_shows_the_divisor_in_place_of_data_and_ier(void **state) {
    UartTest *t = *state;
    put(t, IER, 0x05);
    put(t, LCR, 0x83);
    put(t, DATA, 0x34);
    put(t, IER, 0x12);
    assert_int_equal(get(t, DATA), 0x34);
    assert_int_equal(get(t, IER), 0x12);
    put(t, LCR, 0x03);
    assert_int_equal(get(t, IER), 0x05);
}

static void bytes_written_reach_the_line(void **state) {
    UartTest *t = *state;
    char buf[8] = {0};
    put(t, DATA, 'o');
    put(t, DATA, 'k');
    turn(t);
    assert_int_equal(read(t->peer, buf, sizeof(buf)), 2);
    assert_string_equal(buf, "ok");
}

static void received_byte_sets_dr_and_interrupts(void **state) {
    UartTest *t = *state;
    put(t, IER, 0x01);
    type(t, "A");
    assert_int_equal(t->f->irq_level, 1);
    assert_int_equal(get(t, IIR), 0x04);
    assert_int_equal(get(t, LSR) & 1, 1);
    assert_int_equal(get(t, DATA), 'A');
    assert_int_equal(get(t, LSR) & 1, 0);
    assert_int_equal(t->f->irq_level, 0);
}

static void the_host_waits_while_the_fifo_is_full(void **state) {
    UartTest *t = *state;
    char got[41] = {0};
    put(t, FCR, 0x01);
    type(t, "0123456789abcdefghijklmnopqrstuvwxyzABCD");
    for (unsigned i = 0; i < 40; i++) {
        assert_int_equal(get(t, LSR) & 3, 1); /* data ready, no overrun */
        got[i] = (char)get(t, DATA);
        turn(t);
    }
    assert_string_equal(got, "0123456789abcdefghijklmnopqrstuvwxyzABCD");
    assert_int_equal(get(t, LSR) & 1, 0);
}

static void fifo_interrupts_at_its_trigger_level(void **state) {
    UartTest *t = *state;
    put(t, FCR, 0x81); /* 8 bytes */
    put(t, IER, 0x01);
    type(t, "1234567");
    assert_int_equal(t->f->irq_level, 0);
    type(t, "8");
    assert_int_equal(t->f->irq_level, 1);
    assert_int_equal(get(t, IIR), 0xc4);
    get(t, DATA);
    assert_int_equal(t->f->irq_level, 0);
}

static void fifo_below_its_trigger_level_times_out_after_four_characters(void **state) {
    UartTest *t = *state;
    put(t, LCR, 0x83);
    put(t, DATA, 24); /* 3686400 / 16 / 24 = 9600 baud */
    put(t, IER, 0);
    put(t, LCR, 0x03); /* 8N1: ten bit times a character */
    put(t, FCR, 0xc1);
    put(t, IER, 0x01);
    type(t, "x");
    fixture_pass(t->f, 4 * 10 * INT64_C(1000000000) / 9600 - 1000);
    assert_int_equal(t->f->irq_level, 0);
    fixture_pass(t->f, 2000);
    assert_int_equal(t->f->irq_level, 1);
    assert_int_equal(get(t, IIR), 0xcc);
    get(t, DATA);
    assert_int_equal(t->f->irq_level, 0);
}

static void thre_interrupt_is_cleared_by_reading_iir(void **state) {
    UartTest *t = *state;
    put(t, IER, 0x02);
    assert_int_equal(t->f->irq_level, 1);
    assert_int_equal(get(t, IIR), 0x02);
    assert_int_equal(get(t, IIR), 0x01);
    assert_int_equal(t->f->irq_level, 0);
    put(t, DATA, 'a');
    assert_int_equal(t->f->irq_level, 1);
    assert_int_equal(get(t, LSR) & 0x60, 0x60);
    assert_int_equal(t->f->irq_level, 1);
}

static void loopback_returns_data_and_modem_lines(void **state) {
    UartTest *t = *state;
    put(t, MCR, 0x10);
    get(t, MSR);
    put(t, DATA, 0xa5);
    assert_int_equal(get(t, DATA), 0xa5);
    put(t, MCR, 0x13); /* DTR, RTS */
    assert_int_equal(get(t, MSR), 0x30 | 0x03);
    assert_int_equal(get(t, MSR), 0x30);
    put(t, MCR, 0x1c); /* OUT1, OUT2 */
    assert_int_equal(get(t, MSR) & 0xf0, 0xc0);
    put(t, MCR, 0x10);
    assert_int_equal(get(t, MSR), 0x0c); /* trailing edge of RI, change of DCD */
}

static void overrun_is_the_most_urgent_cause(void **state) {
    UartTest *t = *state;
    put(t, MCR, 0x10);
    get(t, MSR);
    put(t, IER, 0x0f);
    put(t, DATA, 1);
    put(t, DATA, 2);
    assert_int_equal(get(t, IIR), 0x06);
    assert_int_equal(get(t, LSR) & 3, 3);
    assert_int_equal(get(t, LSR) & 3, 1);
    assert_int_equal(get(t, IIR), 0x04);
    assert_int_equal(get(t, DATA),
                     2); /* without FIFO the new byte destroys the old one */
    assert_int_equal(get(t, IIR), 0x02);
}

static void fcr_clears_the_receive_fifo(void **state) {
    UartTest *t = *state;
    put(t, FCR, 0x01);
    type(t, "abc");
    put(t, FCR, 0x03);
    assert_int_equal(get(t, LSR) & 1, 0);
    assert_int_equal(get(t, IIR) & 0xc0, 0xc0);
    put(t, FCR, 0x00);
    assert_int_equal(get(t, IIR) & 0xc0, 0x00);
}

static void uart_survives_scribbling(void **state) {
    UartTest *t = *state;
    char drop[4096];
    for (unsigned i = 0; i < 20; i++) {
        fixture_scribble(t->f, U, 8, 500);
        turn(t);
        assert_true(recv(t->peer, drop, sizeof(drop), MSG_DONTWAIT) != 0);
    }
    t->uart->cls->reset(t->uart);
    assert_int_equal(get(t, LSR), 0x60);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(registers_reset_to_the_data_sheets_values),
        T(dlab_shows_the_divisor_in_place_of_data_and_ier),
        T(bytes_written_reach_the_line),
        T(received_byte_sets_dr_and_interrupts),
        T(the_host_waits_while_the_fifo_is_full),
        T(fifo_interrupts_at_its_trigger_level),
        T(fifo_below_its_trigger_level_times_out_after_four_characters),
        T(thre_interrupt_is_cleared_by_reading_iir),
        T(loopback_returns_data_and_modem_lines),
        T(overrun_is_the_most_urgent_cause),
        T(fcr_clears_the_receive_fifo),
        T(uart_survives_scribbling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
