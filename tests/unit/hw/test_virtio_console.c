/* SPDX-License-Identifier: MIT */
/* Virtio-serial with its virtconsole against VIRTIO 1.2, 5.3, on a pipe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "hw/virtio_driver.h"

enum { RX = 0, TX = 1, NUM = 16 };

/* The device's chardev is a unix socket; `peer` is the other end. */
typedef struct Line {
    Drv *d;
    char path[64];
    int peer;
} Line;

static void stop_loop(void *opaque) {
    loop_quit(opaque);
}

/* A few turns of the main loop: what is ready is handled. */
static void turn(Drv *d) {
    for (unsigned i = 0; i < 4; i++) {
        loop_call(d->m.loop, stop_loop, d->m.loop);
        loop_run(d->m.loop);
    }
}

static Line line_new(bool attach) {
    Line l = {.d = drv_new(false)};
    char spec[128];
    snprintf(l.path, sizeof(l.path), "/tmp/test-virtio-console-%d", (int)getpid());
    snprintf(spec, sizeof(spec), "socket,id=c0,path=%s,server=on,wait=off", l.path);
    l.d->m.chardevs[0] = chardev_new(l.d->m.loop, spec, NULL, NULL);
    assert_non_null(l.d->m.chardevs[0]);
    l.d->m.chardev_count = 1;
    drv_plug(l.d, "virtio-serial-device");
    if (attach) {
        Device *serial = l.d->dev;
        drv_plug(l.d, "virtconsole,chardev=c0");
        l.d->dev = serial;
    }
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    strcpy(addr.sun_path, l.path);
    l.peer = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(l.peer, (struct sockaddr *)&addr, sizeof(addr)), 0);
    fcntl(l.peer, F_SETFL, O_NONBLOCK);
    turn(l.d); /* accepted */
    drv_init(l.d, DRV_VERSION_1, 2, NUM);
    return l;
}

static void line_free(Line l) {
    Chardev *chr = l.d->m.chardevs[0];
    while (l.d->m.first_device->next !=
           NULL) { /* the chardev lives on the machine's loop */
        Device *last = l.d->m.first_device;
        while (last->next != NULL) {
            last = last->next;
        }
        device_free(last);
    }
    chardev_free(chr);
    close(l.peer);
    drv_free(l.d);
}

static void transmit(Line l, const void *bytes, uint32_t len) {
    DrvQueue *q = &l.d->q[TX];
    uint64_t buf = drv_alloc(l.d, len, 16);
    memcpy(drv_host(l.d, buf), bytes, len);
    drv_offer(q, drv_desc(q, -1, buf, len, 0));
    drv_kick(l.d, TX);
}

static void guest_output_reaches_the_host(void **state) {
    (void)state;
    Line l = line_new(true);
    char seen[16] = {0};
    transmit(l, "hello", 5);
    assert_true(drv_take(&l.d->q[TX], NULL, NULL));
    assert_int_equal(read(l.peer, seen, sizeof(seen)), 5);
    assert_string_equal(seen, "hello");
    line_free(l);
}

static void host_input_reaches_the_guest(void **state) {
    (void)state;
    Line l = line_new(true);
    DrvQueue *q = &l.d->q[RX];
    uint64_t buf = drv_alloc(l.d, 64, 16);
    uint32_t len;
    assert_int_equal(write(l.peer, "abc", 3), 3);
    turn(l.d); /* waits in the chardev: the guest has offered nothing */
    assert_false(drv_take(q, NULL, NULL));
    drv_offer(q, drv_desc(q, -1, buf, 2, DRV_WRITE));
    drv_kick(l.d, RX);
    assert_true(drv_take(q, NULL, &len));
    assert_int_equal(len, 2);
    drv_offer(q, drv_desc(q, -1, buf + 2, 62, DRV_WRITE));
    drv_kick(l.d, RX);
    assert_true(drv_take(q, NULL, &len));
    assert_int_equal(len, 1);
    assert_memory_equal(drv_host(l.d, buf), "abc", 3);
    line_free(l);
}

/* The host does not read: the guest's buffers stay in the queue, and nothing is lost. */
static void full_host_holds_the_guest_back(void **state) {
    (void)state;
    Line l = line_new(true);
    enum { CHUNK = 32 * 1024, CHUNKS = 64 };
    static uint8_t chunk[CHUNK];
    uint8_t seen[CHUNK];
    unsigned sent = 0, used = 0, got = 0;
    while (sent < CHUNKS) {
        memset(chunk, (int)sent, CHUNK);
        transmit(l, chunk, CHUNK);
        sent++;
        while (drv_take(&l.d->q[TX], NULL, NULL)) {
            used++;
        }
        if (used < sent) {
            break;
        }
    }
    assert_true(used < sent); /* held back */
    for (unsigned idle = 0; idle < 100 && got < sent * CHUNK; idle++) {
        ssize_t n;
        while ((n = read(l.peer, seen, sizeof(seen))) > 0) {
            for (ssize_t i = 0; i < n; i++) {
                assert_int_equal(seen[i], (got + (unsigned)i) / CHUNK);
            }
            got += (unsigned)n;
            idle = 0;
        }
        turn(l.d);
    }
    assert_int_equal(got, sent * CHUNK);
    while (drv_take(&l.d->q[TX], NULL, NULL)) {
        used++;
    }
    assert_int_equal(used, sent);
    line_free(l);
}

static void emergency_write_needs_no_queue(void **state) {
    (void)state;
    Line l = line_new(true);
    char c = 0;
    assert_true(drv_features(l.d) & 1 << 2); /* VIRTIO_CONSOLE_F_EMERG_WRITE */
    drv_write(l.d, 0x108, '!');
    assert_int_equal(read(l.peer, &c, 1), 1);
    assert_int_equal(c, '!');
    line_free(l);
}

static void controller_without_console_swallows_output(void **state) {
    (void)state;
    Line l = line_new(false);
    transmit(l, "x", 1);
    assert_true(drv_take(&l.d->q[TX], NULL, NULL));
    line_free(l);
}

static void guest_without_driver_takes_no_input(void **state) {
    (void)state;
    Line l = line_new(true);
    drv_write(l.d, 0x070, 0);
    assert_int_equal(write(l.peer, "abc", 3), 3);
    turn(l.d);
    drv_init(l.d, DRV_VERSION_1, 2, NUM);
    uint64_t buf = drv_alloc(l.d, 64, 16);
    drv_offer(&l.d->q[RX], drv_desc(&l.d->q[RX], -1, buf, 64, DRV_WRITE));
    drv_kick(l.d, RX);
    assert_true(drv_take(&l.d->q[RX], NULL, NULL));
    assert_memory_equal(drv_host(l.d, buf), "abc", 3);
    line_free(l);
}

int main(void) {
    alarm(60);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guest_output_reaches_the_host),
        cmocka_unit_test(host_input_reaches_the_guest),
        cmocka_unit_test(full_host_holds_the_guest_back),
        cmocka_unit_test(emergency_write_needs_no_queue),
        cmocka_unit_test(controller_without_console_swallows_output),
        cmocka_unit_test(guest_without_driver_takes_no_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
