/* SPDX-License-Identifier: MIT */
/*
 * The input gate with a machine of three fields: a count, a time, and whether a guest instruction is
 * being executed. What a device was given is kept as text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "util/gate.h"

typedef struct Rig {
    InputGate *gate;
    GatePort *serial, *net;
    uint64_t count;
    int64_t time_ns;
    bool in_guest;
    char got[256]; /* "count:port:bytes " */
    unsigned told, opened, leaves;
    uint8_t next_random;
} Rig;

static uint64_t rig_count(void *opaque) {
    return ((Rig *)opaque)->count;
}
static int64_t rig_time(void *opaque) {
    return ((Rig *)opaque)->time_ns;
}
static bool rig_in_guest(void *opaque) {
    return ((Rig *)opaque)->in_guest;
}
static void rig_diverged(void *opaque, const char *message) {
    ((Rig *)opaque)->told++;
    assert_non_null(strstr(message, "count"));
}

static void note(Rig *r, const char *port, unsigned kind, const uint8_t *data,
                 size_t len) {
    size_t at = strlen(r->got);
    snprintf(r->got + at, sizeof(r->got) - at, "%u:%s%u:%.*s ", (unsigned)r->count, port,
             kind, (int)len, data ? (const char *)data : "");
}
static void serial_deliver(void *opaque, unsigned kind, const uint8_t *data, size_t len) {
    note(opaque, "s", kind, data, len);
}
/* What the host has kept back: one byte. */
static void serial_opened(void *opaque) {
    Rig *r = opaque;
    assert_false(r->in_guest);
    r->opened++;
    gate_input(r->serial, 0, "c", 1);
}
static void rig_leave(void *opaque) {
    ((Rig *)opaque)->leaves++;
}
static void net_deliver(void *opaque, unsigned kind, const uint8_t *data, size_t len) {
    note(opaque, "n", kind, data, len);
}

/* As the run loop does between instructions. */
static unsigned service(InputGate *gate) {
    unsigned delivered = gate_replay(gate, UINT64_MAX);
    gate_call_ports(gate);
    return delivered;
}

static void rig_init(Rig *r) {
    memset(r, 0, sizeof(*r));
    r->gate = gate_new();
    r->serial = gate_port_new(r->gate, "serial0", serial_deliver, r);
    r->net = gate_port_new(r->gate, "net0", net_deliver, r);
    const GateHooks hooks = {.count = rig_count,
                             .time_ns = rig_time,
                             .in_guest = rig_in_guest,
                             .leave = rig_leave,
                             .diverged = rig_diverged,
                             .diverged_opaque = r,
                             .opaque = r};
    gate_set_hooks(r->gate, &hooks);
}

static void at(Rig *r, uint64_t count, bool in_guest) {
    r->count = count;
    r->time_ns = (int64_t)count * 10;
    r->in_guest = in_guest;
}

static void random_fill(void *opaque, void *data, size_t len) {
    Rig *r = opaque;
    memset(data, ++r->next_random, len);
}

/* A short life: input between and inside instructions, and a random value. */
static uint8_t live(Rig *r) {
    uint8_t value[4];
    at(r, 5, false);
    assert_true(gate_input(r->serial, 0, "ab", 2));
    gate_port_on_open(r->serial, serial_opened, r);
    at(r, 7, true);
    assert_true(gate_is_busy(r->serial));
    gate_ask(r->serial);
    assert_int_equal(r->leaves, 1);
    at(r, 8, false);
    assert_false(gate_is_busy(r->serial));
    service(r->gate);
    service(r->gate);
    assert_int_equal(r->opened, 1); /* asked once, called once */
    gate_port_on_open(r->serial, NULL, NULL);
    at(r, 9, true);
    gate_pull(r->net, value, sizeof(value), random_fill, r);
    at(r, 10, false);
    assert_true(gate_input(r->net, 1, "frame", 5));
    assert_true(gate_input(r->serial, 3, NULL, 0));
    return value[0];
}

static const char life[] = "5:s0:ab 8:s0:c 10:n1:frame 10:s3: ";

/* The same life from the log; the host's input is kept out. */
static uint8_t again(Rig *r) {
    uint8_t value[4];
    uint64_t count;
    int64_t time_ns;
    at(r, 0, false);
    assert_false(gate_is_open(r->serial));
    assert_false(gate_input(r->serial, 0, "no", 2));
    assert_true(gate_next(r->gate, &count, &time_ns));
    assert_int_equal(count, 5);
    assert_int_equal(time_ns, 50);
    assert_int_equal(service(r->gate), 0);
    at(r, 5, false);
    assert_int_equal(service(r->gate), 1);
    assert_true(gate_next(r->gate, &count, &time_ns));
    assert_int_equal(count, 8);
    at(r, 8, false);
    assert_int_equal(service(r->gate), 1);
    assert_true(gate_next(r->gate, &count, &time_ns));
    assert_int_equal(count, 10); /* at 9 the guest asks itself */
    at(r, 9, true);
    gate_pull(r->net, value, sizeof(value), random_fill, r);
    at(r, 10, false);
    assert_int_equal(service(r->gate), 2);
    return value[0];
}

static void replay_brings_each_event_to_its_moment(void **state) {
    (void)state;
    Rig r;
    rig_init(&r);
    gate_keep(r.gate, true, NULL, NULL);
    uint8_t value = live(&r);
    assert_string_equal(r.got, life);
    for (unsigned i = 0; i < 2; i++) {
        r.got[0] = '\0';
        assert_true(gate_seek(r.gate, 0, NULL));
        assert_int_equal(again(&r), value);
        assert_string_equal(r.got, life);
        assert_true(gate_is_open(r.serial)); /* the present is reached */
    }
    assert_null(gate_divergence(r.gate));
    assert_int_equal(r.told, 0);
    gate_free(r.gate);
}

static void events_due_later_in_idle_time_wait_for_it(void **state) {
    (void)state;
    Rig r;
    rig_init(&r);
    gate_keep(r.gate, true, NULL, NULL);
    at(&r, 4, false);
    r.time_ns = 900; /* the guest slept */
    gate_input(r.serial, 0, "x", 1);
    gate_seek(r.gate, 0, NULL);
    r.got[0] = '\0';
    r.time_ns = 40;
    assert_int_equal(service(r.gate), 0);
    r.time_ns = 900;
    assert_int_equal(service(r.gate), 1);
    assert_string_equal(r.got, "4:s0:x ");
    gate_free(r.gate);
}

static void a_guest_that_does_otherwise_is_found_out(void **state) {
    (void)state;
    Rig r;
    uint8_t value[4];
    rig_init(&r);
    gate_keep(r.gate, true, NULL, NULL);
    live(&r);
    gate_seek(r.gate, 0, NULL);
    at(&r, 5, false);
    service(r.gate);
    at(&r, 9, false); /* it was not here at 8 */
    service(r.gate);
    assert_non_null(strstr(gate_divergence(r.gate), "serial0"));
    assert_int_equal(r.told, 1);
    at(&r, 9, true);
    gate_pull(r.net, value, sizeof(value), random_fill, &r); /* nor does it go on */
    assert_int_equal(value[0], 0);
    assert_int_equal(r.told, 1); /* the first difference counts */
    gate_free(r.gate);
}

static void without_hooks_everything_passes_and_nothing_is_kept(void **state) {
    (void)state;
    Rig r;
    uint8_t value[2];
    rig_init(&r);
    r.gate->has_hooks = false;
    gate_keep(r.gate, true, NULL, NULL);
    at(&r, 1, true);
    assert_false(gate_is_busy(r.serial));
    assert_true(gate_input(r.serial, 0, "a", 1));
    gate_pull(r.net, value, sizeof(value), random_fill, &r);
    assert_int_equal(value[1], 1);
    assert_int_equal(gate_end(r.gate), 0);
    gate_free(r.gate);
}

static void what_is_forgotten_cannot_be_gone_back_to(void **state) {
    (void)state;
    Rig r;
    Error *err = NULL;
    rig_init(&r);
    gate_keep(r.gate, true, NULL, NULL);
    live(&r);
    gate_forget(r.gate, 2);
    assert_int_equal(gate_first(r.gate), 2);
    assert_null(gate_event(r.gate, 1));
    assert_int_equal(gate_event(r.gate, 3)->len, 5);
    assert_false(gate_seek(r.gate, 1, &err));
    assert_non_null(strstr(error_message(err), "later moment"));
    error_free(err);
    assert_true(gate_seek(r.gate, 2, NULL));
    gate_free(r.gate);
}

static void a_sealed_log_ends_in_silence(void **state) {
    (void)state;
    Rig r;
    Error *err = NULL;
    rig_init(&r);
    GateEvent ev = {.count = 3, .port = 0};
    assert_true(gate_append(r.gate, &ev, NULL));
    ev.count = 2;
    assert_false(gate_append(r.gate, &ev, &err));
    error_free(err);
    err = NULL;
    ev = (GateEvent){.count = 4, .port = 9};
    assert_false(gate_append(r.gate, &ev, &err));
    error_free(err);
    gate_seal(r.gate, 0);
    at(&r, 3, false);
    assert_int_equal(service(r.gate), 1);
    assert_false(gate_input(r.serial, 0, "late", 4));
    assert_string_equal(r.got, "3:s0: ");
    gate_free(r.gate);
}

static void a_guest_that_stands_takes_no_input(void **state) {
    (void)state;
    Rig r;
    rig_init(&r);
    gate_port_on_open(r.serial, serial_opened, &r);
    gate_stand(r.gate, true);
    at(&r, 3, false);
    assert_false(gate_is_open(r.serial));
    assert_true(gate_is_live(r.gate));
    service(r.gate);
    assert_int_equal(r.opened, 0);
    gate_stand(r.gate, false);
    service(r.gate);
    assert_int_equal(r.opened, 1); /* what was kept back comes now */
    service(r.gate);
    assert_int_equal(r.opened, 1);
    assert_string_equal(r.got, "3:s0:c ");
    gate_free(r.gate);
}

/* Its owner does it himself the first time; then the log has it done. */
static void what_is_noted_is_delivered_by_a_replay_only(void **state) {
    (void)state;
    Rig r;
    rig_init(&r);
    gate_keep(r.gate, true, NULL, NULL);
    at(&r, 3, false);
    gate_note(r.net, 2, "done", 4);
    assert_string_equal(r.got, "");
    gate_seek(r.gate, 0, NULL);
    assert_int_equal(service(r.gate), 1);
    assert_string_equal(r.got, "3:n2:done ");
    gate_free(r.gate);
}

/* The event that has the guest stand is the last that is delivered there. */
static void stand_deliver(void *opaque, unsigned kind, const uint8_t *data, size_t len) {
    Rig *r = opaque;
    note(r, "x", kind, data, len);
    gate_stand(r->gate, true);
}

static void a_replay_waits_for_a_guest_that_stands(void **state) {
    (void)state;
    Rig r;
    rig_init(&r);
    GatePort *reset = gate_port_new(r.gate, "reset", stand_deliver, &r);
    gate_keep(r.gate, true, NULL, NULL);
    at(&r, 3, false);
    gate_note(reset, 1, NULL, 0);
    gate_input(r.net, 0, "behind", 6);
    gate_seek(r.gate, 0, NULL);
    r.got[0] = '\0';
    assert_int_equal(service(r.gate), 1);
    assert_int_equal(service(r.gate), 0);
    assert_string_equal(r.got, "3:x1: ");
    gate_stand(r.gate, false);
    assert_int_equal(service(r.gate), 1);
    assert_string_equal(r.got, "3:x1: 3:n0:behind ");
    gate_free(r.gate);
}

static void a_moment_in_the_middle_of_a_count_can_be_asked_for(void **state) {
    (void)state;
    Rig r;
    rig_init(&r);
    gate_keep(r.gate, true, NULL, NULL);
    at(&r, 3, false);
    gate_input(r.net, 0, "a", 1);
    gate_input(r.net, 0, "b", 1);
    gate_seek(r.gate, 0, NULL);
    assert_int_equal(gate_replay(r.gate, 1), 1);
    assert_int_equal(gate_position(r.gate), 1);
    assert_false(gate_skip(r.serial, 0)); /* that is not next */
    assert_false(gate_skip(r.net, 1));
    assert_true(gate_skip(r.net, 0));
    assert_true(gate_is_live(r.gate));
    gate_free(r.gate);
}

static void a_log_is_cut_or_begun_anew(void **state) {
    (void)state;
    Rig r;
    rig_init(&r);
    gate_keep(r.gate, true, NULL, NULL);
    live(&r);
    gate_seek(r.gate, 2, NULL);
    assert_false(gate_is_live(r.gate));
    gate_cut(r.gate);
    assert_true(gate_is_live(r.gate));
    assert_int_equal(gate_end(r.gate), 2);
    assert_non_null(gate_event(r.gate, 1));
    uint32_t run = r.gate->run;
    gate_restart(r.gate, 17);
    assert_int_equal(gate_first(r.gate), 17);
    assert_int_equal(gate_position(r.gate), 17);
    assert_null(gate_event(r.gate, 1));
    assert_true(r.gate->run != run);
    gate_free(r.gate);
}

static void names_are_taken_once(void **state) {
    (void)state;
    Rig r;
    rig_init(&r);
    assert_null(gate_port_new(r.gate, "net0", net_deliver, &r));
    assert_int_equal(gate_port_find(r.gate, "net0"), 1);
    assert_string_equal(gate_port_name(r.gate, 0), "serial0");
    gate_port_free(r.serial);
    assert_int_equal(gate_port_find(r.gate, "serial0"), -1);
    assert_int_equal(gate_port_find(r.gate, "net0"), 1);
    gate_free(r.gate);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replay_brings_each_event_to_its_moment),
        cmocka_unit_test(events_due_later_in_idle_time_wait_for_it),
        cmocka_unit_test(a_guest_that_does_otherwise_is_found_out),
        cmocka_unit_test(without_hooks_everything_passes_and_nothing_is_kept),
        cmocka_unit_test(what_is_forgotten_cannot_be_gone_back_to),
        cmocka_unit_test(a_sealed_log_ends_in_silence),
        cmocka_unit_test(a_guest_that_stands_takes_no_input),
        cmocka_unit_test(what_is_noted_is_delivered_by_a_replay_only),
        cmocka_unit_test(a_replay_waits_for_a_guest_that_stands),
        cmocka_unit_test(a_moment_in_the_middle_of_a_count_can_be_asked_for),
        cmocka_unit_test(a_log_is_cut_or_begun_anew),
        cmocka_unit_test(names_are_taken_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
