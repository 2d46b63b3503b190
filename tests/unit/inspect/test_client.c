/* SPDX-License-Identifier: MIT */
/* Queues: what happens to a client that is slow, floods, or goes. */
#include <sched.h>

#include "inspect/inspect_int.h"
#include "inspect_rig.h"

static uint32_t subscribe(InspectRig *rig, const char *options) {
    char text[256];
    snprintf(
        text, sizeof(text),
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"events.subscribe\",\"params\":{%s}}",
        options);
    rig_send(rig->client, text);
    json_t *answer = rig_receive(rig, rig->client);
    uint32_t id = (uint32_t)number_at(answer, "result", "subscription");
    assert_true(id > 0);
    json_decref(answer);
    return id;
}

static json_t *next_event(InspectRig *rig) {
    json_t *message = rig_receive(rig, rig->client);
    assert_string_equal(json_string_value(json_object_get(message, "method")), "event");
    json_t *params = json_incref(json_object_get(message, "params"));
    json_decref(message);
    return params;
}

static void emit(InspectRig *rig, const char *event, int n) {
    inspect_emit(rig->ins, event, json_pack("{s:i}", "n", n));
}

static int64_t get(const json_t *event, const char *name) {
    return json_integer_value(json_object_get(event, name));
}

static void events_of_which_nothing_is_lost_come_in_order(void **state) {
    InspectRig *rig = *state;
    subscribe(rig, "\"events\":[\"machine.resumed\"]");
    for (int i = 0; i < 1000; i++) {
        emit(rig, "machine.resumed", i);
    }
    for (int i = 0; i < 1000; i++) {
        json_t *event = next_event(rig);
        assert_int_equal(get(event, "seq"), i);
        assert_int_equal(number_at(event, "data", "n"), i);
        assert_int_equal(get(event, "dropped"), 0);
        json_decref(event);
    }
}

static void a_client_that_does_not_take_them_is_told_that_it_is_over(void **state) {
    InspectRig *rig = *state;
    subscribe(rig, "\"events\":[\"machine.resumed\"]");
    for (int i = 0; i < INSPECT_MAX_EVENTS + 100; i++) {
        emit(rig, "machine.resumed", i);
    }
    json_t *event = next_event(rig); /* what waited of it went with the subscription */
    assert_string_equal(json_string_value(json_object_get(event, "event")),
                        "events.overrun");
    json_decref(event);
    assert_null(inspect_client_take(rig->client));
    assert_false(inspect_wants(rig->ins, "machine.resumed"));
}

static void sampled_events_are_dropped_and_counted(void **state) {
    InspectRig *rig = *state;
    subscribe(rig, "\"events\":[\"log.line\"],\"rate\":1");
    for (int i = 0; i < 50; i++) {
        emit(rig, "log.line", i);
    }
    json_t *event = next_event(rig);
    assert_int_equal(number_at(event, "data", "n"), 0);
    json_decref(event);
    assert_null(inspect_client_take(rig->client)); /* 49 came within the second */
    rig_send(rig->client,
             "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"events.unsubscribe\","
             "\"params\":{\"subscription\":1}}");
    json_t *answer = rig_receive(rig, rig->client);
    assert_int_equal(number_at(answer, "result", "dropped"), 49);
    assert_int_equal(number_at(answer, "result", "sent"), 1);
    json_decref(answer);
}

static void of_the_latest_kind_only_the_newest_waits(void **state) {
    InspectRig *rig = *state;
    subscribe(rig, "\"events\":[\"events.result\"]");
    for (int i = 0; i < 100; i++) {
        emit(rig, "events.result", i);
    }
    json_t *event = next_event(rig);
    assert_int_equal(number_at(event, "data", "n"), 99);
    assert_int_equal(get(event, "dropped"), 99);
    json_decref(event);
    assert_null(inspect_client_take(rig->client));
}

static void credit_holds_events_back(void **state) {
    InspectRig *rig = *state;
    subscribe(rig, "\"events\":[\"machine.resumed\"],\"credit\":2");
    for (int i = 0; i < 5; i++) {
        emit(rig, "machine.resumed", i);
    }
    json_decref(next_event(rig));
    json_decref(next_event(rig));
    assert_null(inspect_client_take(rig->client));
    rig_send(rig->client, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"events.credit\","
                          "\"params\":{\"subscription\":1,\"more\":2}}");
    json_t *event = next_event(rig); /* they were there before the answer */
    assert_int_equal(number_at(event, "data", "n"), 2);
    json_decref(event);
}

/* Jobs run on the inspector's thread: while this one waits, requests do. */
static void hold_thread(void *opaque) {
    pthread_mutex_t *gate = opaque;
    pthread_mutex_lock(gate);
    pthread_mutex_unlock(gate);
}

static void too_many_requests_are_refused_and_the_limit_named(void **state) {
    InspectRig *rig = *state;
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    unsigned good = 0, refused = 0;
    pthread_mutex_lock(&gate);
    inspector_run(rig->ins, hold_thread, &gate);
    for (int i = 0; i < INSPECT_MAX_QUEUE + 10; i++) {
        assert_int_equal(inspect_client_has_room(rig->client), i < INSPECT_MAX_QUEUE);
        rig_send(rig->client,
                 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"machine.version\"}");
    }
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < INSPECT_MAX_QUEUE + 10; i++) {
        json_t *answer = rig_receive(rig, rig->client);
        bool error = json_object_get(answer, "error") != NULL;
        good += !error;
        refused += error && number_at(answer, "error", "code") == -32004;
        json_decref(answer);
    }
    assert_int_equal(good, INSPECT_MAX_QUEUE);
    assert_int_equal(refused, 10);
}

static void a_client_may_go_while_its_request_is_under_way(void **state) {
    InspectRig *rig = *state;
    for (int i = 0; i < 200; i++) {
        InspectClient *client = rig_client(rig, INSPECT_OPERATOR);
        assert_non_null(client);
        for (int n = 0; n < 5; n++) {
            rig_send(client, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"cpu.regs\"}");
        }
        inspect_client_free(client);
        char *answer =
            rig_ask(rig, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"machine.version\"}");
        free(answer);
    }
}

static void answers_wait_until_they_are_taken(void **state) {
    InspectRig *rig = *state;
    const size_t most = INSPECT_MAX_BACKLOG + INSPECT_MAX_ANSWER;
    for (int i = 0; i < 2000 && inspect_client_has_room(rig->client); i++) {
        rig_send(rig->client,
                 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"machine.methods\"}");
        struct timespec pause = {0, 500000};
        nanosleep(&pause, NULL);
    }
    /* Nobody took anything: requests wait now, and memory does not grow. */
    assert_false(inspect_client_has_room(rig->client));
    size_t bytes = 0;
    unsigned answers = 0;
    InspectOut *out;
    while ((out = inspect_client_take(rig->client)) != NULL) {
        bytes += out->len;
        answers++;
        free(out);
        if (answers == 1) {
            pthread_mutex_lock(&rig->ins->lock);
            assert_true(rig->client->out_bytes + bytes <= most);
            pthread_mutex_unlock(&rig->ins->lock);
        }
    }
    assert_true(answers > 1);
}

static void stalled_clients_are_dropped(void **state) {
    InspectRig *rig = *state;
    rig_send(rig->client,
             "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"machine.version\"}");
    while (!inspect_client_is_dropped(rig->client)) {
        pthread_mutex_lock(&rig->ins->lock);
        if (rig->client->stalled_since_ns) { /* as if the patience were over */
            client_housekeeping_locked(
                rig->client,
                inspect_now_ns() + INT64_C(1000000000) * (INSPECT_STALL_SECONDS + 1));
        }
        pthread_mutex_unlock(&rig->ins->lock);
    }
    assert_false(inspect_client_message(rig->client, "{}", 2));
}

typedef struct Chain {
    Inspector *ins;
    bool over;  /* atomic */
    bool ended; /* atomic */
} Chain;

static void queue_again(void *opaque) {
    Chain *c = opaque;
    if (__atomic_load_n(&c->over, __ATOMIC_ACQUIRE)) {
        __atomic_store_n(&c->ended, true, __ATOMIC_RELEASE);
    } else {
        inspector_run(c->ins, queue_again, c);
    }
}

static void jobs_without_end_do_not_keep_requests_waiting(void **state) {
    InspectRig *rig = *state;
    Chain chain = {.ins = rig->ins};
    inspector_run(rig->ins, queue_again, &chain);
    char *answer =
        rig_ask(rig, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"machine.version\"}");
    assert_non_null(strstr(answer, "protocol"));
    free(answer);
    __atomic_store_n(&chain.over, true, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&chain.ended, __ATOMIC_ACQUIRE)) {
        sched_yield();
    }
}

static void wait_for_mutex(void *opaque) {
    pthread_mutex_lock(opaque);
    pthread_mutex_unlock(opaque);
}

static void a_batch_lets_others_have_their_turn(void **state) {
    enum { BATCH = 20 };
    InspectRig *rig = *state;
    InspectClient *other =
        rig_client(rig, INSPECT_VIEWER); /* the newest has the first turn */
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    json_t *batch = json_array();
    for (int i = 0; i < BATCH; i++) {
        json_array_append_new(batch, json_pack("{s:s, s:i, s:s}", "jsonrpc", "2.0", "id",
                                               i, "method", "cpu.regs"));
    }
    char *text = json_dumps(batch, JSON_COMPACT);
    pthread_mutex_lock(&gate);
    inspector_run(rig->ins, wait_for_mutex, &gate);
    rig_send(other, text);
    rig_send(rig->client, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"machine.pauses\"}");
    pthread_mutex_unlock(&gate);
    json_t *pauses = rig_receive(rig, rig->client);
    const json_t *count = json_object_get(json_object_get(pauses, "result"), "count");
    assert_string_equal(json_string_value(count), "0x1"); /* of the batch, one was */
    json_t *answers = rig_receive(rig, other);
    assert_int_equal(json_array_size(answers), BATCH);
    json_decref(answers);
    json_decref(pauses);
    json_decref(batch);
    free(text);
    inspect_client_free(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

static json_t *ask(InspectRig *rig, InspectClient *client, const char *request) {
    char text[256];
    snprintf(text, sizeof(text), "{\"jsonrpc\":\"2.0\",\"id\":1,%s}", request);
    rig_send(client, text);
    return rig_receive(rig, client);
}

static int64_t hex_at(const json_t *answer, const char *name) {
    const json_t *result = json_object_get(answer, "result");
    return (int64_t)strtoull(json_string_value(json_object_get(result, name)), NULL, 16);
}

/* What machine.pauses has summed up, which counts without the way there and back. */
static int64_t paused_ns(InspectRig *rig, InspectClient *client, int64_t *count) {
    json_t *answer = ask(rig, client, "\"method\":\"machine.pauses\"");
    int64_t ns = hex_at(answer, "total_ns");
    *count = hex_at(answer, "count");
    json_decref(answer);
    return ns;
}

static void an_answer_says_how_long_a_running_guest_was_held_for_it(void **state) {
    InspectRig *rig = *state;
    int64_t count;
    json_decref(ask(rig, rig->client, "\"method\":\"machine.cont\""));
    int64_t before = paused_ns(rig, rig->client, &count);
    json_t *looked = ask(rig, rig->client, "\"method\":\"cpu.regs\"");
    int64_t ns = paused_ns(rig, rig->client, &count) - before;
    assert_true(ns > 0);
    assert_true(get(looked, "held_ns") >= ns);
    json_t *version = ask(rig, rig->client, "\"method\":\"machine.version\"");
    assert_null(json_object_get(version, "held_ns"));
    json_decref(ask(rig, rig->client, "\"method\":\"machine.stop\""));
    json_t *stopped = ask(rig, rig->client, "\"method\":\"cpu.regs\"");
    assert_non_null(json_object_get(stopped, "result"));
    assert_null(json_object_get(stopped, "held_ns"));
    json_decref(looked);
    json_decref(version);
    json_decref(stopped);
}

static int64_t budget_left(const json_t *pauses) {
    const json_t *result = json_object_get(pauses, "result");
    return number_at(result, "budget", "held_ns");
}

static int64_t longest_at(const json_t *pauses, const char *which, const char *name) {
    const json_t *result = json_object_get(pauses, "result");
    const json_t *record = json_object_get(result, which);
    return (int64_t)strtoull(json_string_value(json_object_get(record, name)), NULL, 16);
}

/* Somebody else has the machine lock in the middle of a hold, as on a busy host. */
static void a_hold_that_had_to_wait_is_told_whole_and_charged_in_part(void **state) {
    static const char look_back[] =
        "\"method\":\"machine.pauses\",\"params\":{\"clear\":true}";
    InspectRig *rig = *state;
    int64_t longest_ns;
    json_decref(ask(rig, rig->client, "\"method\":\"machine.cont\""));
    do { /* until the hold began early enough */
        json_t *before = ask(rig, rig->client, look_back);
        machine_lock(rig->m);
        rig_send(rig->client, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"cpu.regs\"}");
        nanosleep(&(struct timespec){.tv_nsec = 60000000}, NULL);
        machine_unlock(rig->m);
        json_t *looked = rig_receive(rig, rig->client);
        json_t *after = ask(rig, rig->client, look_back);
        longest_ns = longest_at(after, "longest", "ns");
        assert_true(get(looked, "held_ns") >= longest_ns);
        assert_true(budget_left(before) - budget_left(after) <=
                    BUDGET_HOLD_WAITS_NS + longest_at(after, "longest_cpu", "cpu_ns"));
        json_decref(before);
        json_decref(looked);
        json_decref(after);
    } while (longest_ns < 3 * BUDGET_HOLD_WAITS_NS);
}

static void a_result_counts_in_what_calls_cost_whose_results_were_not_sent(void **state) {
    InspectRig *rig = *state;
    InspectClient *other = rig_client(rig, INSPECT_VIEWER);
    int64_t count = 0, ns = 0;
    json_decref(ask(rig, rig->client, "\"method\":\"machine.cont\""));
    int64_t before = paused_ns(rig, other, &count);
    json_decref(ask(rig, rig->client,
                    "\"method\":\"events.every\",\"params\":{\"ms\":10,\"changed\":false,"
                    "\"method\":\"cpu.regs\"}"));
    for (int64_t first = count; count < first + 5;) {
        ns = paused_ns(rig, other, &count) - before;
    }
    json_t *event = next_event(rig);
    assert_true(ns > 0);
    assert_true(get(event, "held_ns") >= ns);
    json_decref(event);
    inspect_client_free(other);
}

static void count_up(void *opaque) {
    __atomic_add_fetch((unsigned *)opaque, 1, __ATOMIC_RELAXED);
}

static void a_job_of_later_keeps_nobody_waiting(void **state) {
    InspectRig *rig = *state;
    unsigned later = 0, now = 0;
    inspector_run_at(rig->ins, INT64_MAX, count_up, &later);
    inspector_run(rig->ins, count_up, &now);
    json_decref(ask(rig, rig->client, "\"method\":\"machine.version\""));
    inspector_run(rig->ins, count_up, &now); /* behind the one that waits */
    json_decref(ask(rig, rig->client, "\"method\":\"machine.version\""));
    json_decref(ask(rig, rig->client, "\"method\":\"machine.version\""));
    assert_int_equal(__atomic_load_n(&now, __ATOMIC_RELAXED), 2);
    assert_int_equal(__atomic_load_n(&later, __ATOMIC_RELAXED), 0);
    inspect_client_free(rig->client);
    inspector_free(rig->ins); /* runs what there is */
    assert_int_equal(later, 1);
    rig->ins = inspector_new(rig->m, NULL);
    rig->client = rig_client(rig, INSPECT_OPERATOR);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(events_of_which_nothing_is_lost_come_in_order),
        TEST(a_client_that_does_not_take_them_is_told_that_it_is_over),
        TEST(sampled_events_are_dropped_and_counted),
        TEST(of_the_latest_kind_only_the_newest_waits),
        TEST(credit_holds_events_back),
        TEST(too_many_requests_are_refused_and_the_limit_named),
        TEST(a_client_may_go_while_its_request_is_under_way),
        TEST(answers_wait_until_they_are_taken),
        TEST(stalled_clients_are_dropped),
        TEST(a_job_of_later_keeps_nobody_waiting),
        TEST(a_batch_lets_others_have_their_turn),
        TEST(jobs_without_end_do_not_keep_requests_waiting),
        TEST(an_answer_says_how_long_a_running_guest_was_held_for_it),
        TEST(a_hold_that_had_to_wait_is_told_whole_and_charged_in_part),
        TEST(a_result_counts_in_what_calls_cost_whose_results_were_not_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
