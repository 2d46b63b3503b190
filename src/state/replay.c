/* SPDX-License-Identifier: MIT */
/*
 * Replay: between the gate, the recording and the run loop. See replay.h.
 *
 * Invariants: whatever is in the log at the time of a check is in the file: a recording that was cut
 * off can be replayed up to its last check.
 */
#include "state/replay.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

#include "hw/machine/run.h"
#include "state/fields.h"
#include "state/hash.h"
#include "state/identity.h"
#include "state/record.h"

enum { FLUSH_NS = 500000000, MESSAGE_SIZE = 512 };
#define NS_PER_SEC INT64_C(1000000000)

struct Replay {
    Machine *m;
    RecordWriter *writer; /* recording */
    Recording *rec;       /* playing */
    size_t next_check;
    uint64_t last_check; /* recording */
    CpuIcountHook check, end;
    int64_t flushed_ns; /* host time */
    char *trouble;
};

static int64_t host_ns(clockid_t id) {
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

/* --- what both must have in common --------------------------------------------------- */

static bool check_machine(Machine *m, const char *option, Error **errp) {
    if (!m->config.icount.on) {
        error_set(errp, "%s needs -icount, such as -icount shift=0", option);
        return false;
    }
    for (unsigned i = 0; i < m->drive_count; i++) {
        const BlockBackend *blk = m->drives[i].blk;
        if (!blk_read_only(blk) && !blk_has_overlay(blk)) {
            error_set(errp,
                      "%s: drive '%s' would be another one next time; add snapshot=on or "
                      "readonly=on to it",
                      option, blk_id(blk) ? blk_id(blk) : blk_file(blk));
            return false;
        }
    }
    return true;
}

/* The machine as text: a line a fact, the first that differs names the difference. */
static bool describe(Machine *m, int64_t wall_base_ns, ByteBuffer *out, Error **errp) {
    char line[256], hash[MACHINE_HASH_HEX];
    identity_describe(m, out);
    snprintf(line, sizeof(line), "icount=%u\n", m->config.icount.shift);
    buffer_add(out, line, strlen(line));
    for (unsigned i = 0; i < GATE_MAX_PORTS; i++) {
        const char *name = gate_port_name(m->gate, i);
        if (name) {
            snprintf(line, sizeof(line), "input=%u %s\n", i, name);
            buffer_add(out, line, strlen(line));
        }
    }
    for (unsigned i = 0; i < m->drive_count; i++) {
        uint64_t size;
        int64_t mtime;
        blk_identity(m->drives[i].blk, &size, &mtime);
        snprintf(line, sizeof(line), "drive=%u %" PRIu64 " bytes, of %" PRId64 "\n", i,
                 size, mtime);
        buffer_add(out, line, strlen(line));
    }
    snprintf(line, sizeof(line), "date=%" PRId64 "\n", wall_base_ns);
    buffer_add(out, line, strlen(line));
    if (m->config.seeded) {
        snprintf(line, sizeof(line), "seed=%" PRIu64 "\n", m->config.seed);
        buffer_add(out, line, strlen(line));
    }
    if (!machine_hash(m, hash, errp)) {
        return false;
    }
    snprintf(line, sizeof(line), "start=%s\n", hash);
    buffer_add(out, line, strlen(line));
    buffer_add(out, "", 1);
    return true;
}

/* From the first instruction on, again, now that the gate looks. */
static bool restart(Machine *m, int64_t wall_base_ns, Error **errp) {
    m->clock.wall_base_ns = wall_base_ns;
    machine_lock(m);
    machine_set_seed(m, m->config.seeded, m->config.seed);
    bool ok = run_reset_locked(m, errp);
    machine_unlock(m);
    return ok;
}

/* Registers of all vCPUs. Machine lock, between two instructions. */
static uint64_t hash_registers(Machine *m) {
    XXH64_hash_t hash = 0;
    uint8_t bytes[4096];
    for (unsigned i = 0; i < m->cpus->count; i++) {
        CPUState *cpu = m->cpus->cpu[i];
        cpu->cls->state->pre_save(cpu);
        for (const StateField *f = cpu->cls->state->fields; f->name; f++) {
            size_t size = state_field_bytes(f);
            if (size <= sizeof(bytes)) {
                state_field_get(f, cpu, bytes);
                hash = XXH3_64bits_withSeed(bytes, size, hash);
            }
        }
    }
    return hash;
}

static Replay *replay_new(Machine *m) {
    Replay *r = calloc(1, sizeof(*r));
    assert(r);
    r->m = m;
    r->check.interval = REPLAY_CHECK_INSNS;
    r->check.opaque = r->end.opaque = r;
    return r;
}

/* --- record -------------------------------------------------------------------------- */

static void write_event(void *opaque, const GateEvent *ev) {
    Replay *r = opaque;
    record_event(r->writer, ev);
}

static void record_registers(void *opaque, uint64_t count) {
    Replay *r = opaque;
    if (count <= r->last_check) {
        return; /* somebody went back, and comes again */
    }
    r->last_check = count;
    record_check(r->writer, &(RecordCheck){count, hash_registers(r->m)});
    int64_t now = host_ns(CLOCK_MONOTONIC);
    if (now - r->flushed_ns > FLUSH_NS) {
        r->flushed_ns = now;
        bool was_good = record_error(r->writer) == NULL;
        record_flush(r->writer);
        if (was_good && record_error(r->writer) && r->m->config.report) {
            r->m->config.report(r->m->config.report_opaque, record_error(r->writer));
        }
    }
}

static bool begin_file(Replay *r, const char *path, int64_t wall_base_ns, Error **errp) {
    ByteBuffer text = {0};
    bool ok = describe(r->m, wall_base_ns, &text, errp);
    if (ok && (text.failed || text.len > RECORD_MAX_DESCRIPTION)) {
        error_set(errp, "-record: no memory");
        ok = false;
    }
    r->writer = ok ? record_writer_new(path, (const char *)text.data, errp) : NULL;
    buffer_free(&text);
    return r->writer != NULL;
}

Replay *replay_record(Machine *m, const char *path, Error **errp) {
    int64_t wall_base_ns = machine_wall_base_ns(m);
    if (!check_machine(m, "-record", errp)) {
        return NULL;
    }
    Replay *r = replay_new(m);
    gate_keep(m->gate, true, NULL, NULL);
    if (!restart(m, wall_base_ns, errp) || !begin_file(r, path, wall_base_ns, errp)) {
        gate_keep(m->gate, false, NULL, NULL);
        free(r);
        return NULL;
    }
    for (uint64_t i = gate_first(m->gate); i < gate_end(m->gate); i++) {
        record_event(r->writer, gate_event(m->gate, i)); /* what the reset asked for */
    }
    gate_keep(m->gate, true, write_event, r);
    r->check.fn = record_registers;
    cpu_group_icount_add_hook(m->cpus, &r->check);
    return r;
}

/* --- play ---------------------------------------------------------------------------- */

/* The run is over: it ends with the recorded status, or stands for someone to look. */
static void end_play(Replay *r, bool good) {
    Machine *m = r->m;
    if (m->config.no_shutdown) {
        cpu_group_icount_end(m->cpus,
                             (CpuMoment){.count = cpu_group_icount(m->cpus),
                                         .inputs = good ? gate_end(m->gate) : 0});
    } else {
        machine_request_shutdown(m, good ? SHUTDOWN_USER : SHUTDOWN_HOST_ERROR,
                                 good ? r->rec->end.status : EXIT_FAILURE);
    }
}

static void play_trouble(Replay *r, const char *message) {
    if (!r->trouble) {
        char text[MESSAGE_SIZE];
        snprintf(text, sizeof(text), "the replay goes another way than the recording: %s",
                 message);
        r->trouble = strdup(text);
        if (r->m->config.report) {
            r->m->config.report(r->m->config.report_opaque, text);
        }
        end_play(r, false);
    }
}

static void diverged(void *opaque, const char *message) {
    play_trouble(opaque, message);
}

static void compare_registers(void *opaque, uint64_t count) {
    Replay *r = opaque;
    while (r->next_check < r->rec->check_count &&
           r->rec->check[r->next_check].count < count) {
        r->next_check++;
    }
    if (r->next_check < r->rec->check_count &&
        r->rec->check[r->next_check].count == count &&
        r->rec->check[r->next_check].hash != hash_registers(r->m)) {
        char text[MESSAGE_SIZE];
        snprintf(text, sizeof(text),
                 "registers differ at count %" PRIu64 " (at %" PRIu64 " they did not)",
                 count, r->next_check ? r->rec->check[r->next_check - 1].count : 0);
        play_trouble(r, text);
    }
}

static void at_end(void *opaque, uint64_t count) {
    Replay *r = opaque;
    if (count >= r->rec->end.count) {
        end_play(r, true);
    }
}

static bool find_line(const char *text, const char *key, uint64_t *value) {
    const char *at = strstr(text, key);
    if (at) {
        *value = strtoull(at + strlen(key), NULL, 10);
    }
    return at != NULL;
}

/* The first line that differs. */
static bool same_machine(const char *path, const char *theirs, const char *ours,
                         Error **errp) {
    while (*theirs || *ours) {
        int a = (int)strcspn(theirs, "\n"), b = (int)strcspn(ours, "\n");
        if (a != b || memcmp(theirs, ours, (size_t)a) != 0) {
            bool start = !strncmp(theirs, "start=", 6);
            error_set(errp,
                      "'%s' was recorded with '%.*s', and this machine has '%.*s'; %s",
                      path, a, theirs, b, ours,
                      start ? "give it the same kernel, initrd, firmware and -append"
                            : "give it the same options");
            return false;
        }
        theirs += a + (theirs[a] == '\n');
        ours += b + (ours[b] == '\n');
    }
    return true;
}

static bool take_events(Replay *r, Error **errp) {
    for (size_t i = 0; i < r->rec->event_count; i++) {
        GateEvent *ev = &r->rec->event[i];
        if (!gate_append(r->m->gate, ev, errp)) {
            return false;
        }
        ev->data = NULL; /* the gate's now */
    }
    gate_seal(r->m->gate, r->rec->end.count);
    return true;
}

static bool start_play(Replay *r, const char *path, Error **errp) {
    uint64_t date = 0, seed = 0;
    ByteBuffer text = {0};
    bool dated = find_line(r->rec->description, "\ndate=", &date);
    bool seeded = find_line(r->rec->description, "\nseed=", &seed);
    int64_t wall_base_ns = (int64_t)date;
    machine_set_seed(r->m, seeded, seed);
    if (!dated || !take_events(r, errp) || !restart(r->m, wall_base_ns, errp) ||
        !describe(r->m, wall_base_ns, &text, errp)) {
        buffer_free(&text);
        return false;
    }
    bool ok = same_machine(path, r->rec->description, (const char *)text.data, errp);
    buffer_free(&text);
    return ok;
}

/* A recording without an end is worth what it has; but it should not pass for a whole one. */
static void tell_cut_off(const Replay *r, const char *path) {
    char text[MESSAGE_SIZE];
    if (r->rec->end.cut_off && r->m->config.report) {
        snprintf(text, sizeof(text),
                 "'%s' was cut off: its replay ends at count %" PRIu64, path,
                 r->rec->end.count);
        r->m->config.report(r->m->config.report_opaque, text);
    }
}

Replay *replay_play(Machine *m, const char *path, Error **errp) {
    if (!check_machine(m, "-replay", errp)) {
        return NULL;
    }
    Replay *r = replay_new(m);
    r->rec = recording_read(path, errp);
    if (!r->rec || !start_play(r, path, errp)) {
        recording_free(r->rec);
        free(r);
        return NULL;
    }
    m->gate->hooks.diverged = diverged;
    m->gate->hooks.diverged_opaque = r;
    r->check.fn = compare_registers;
    cpu_group_icount_add_hook(m->cpus, &r->check);
    r->end.fn = at_end;
    r->end.interval = r->rec->end.count ? r->rec->end.count : 1;
    cpu_group_icount_add_hook(m->cpus, &r->end);
    tell_cut_off(r, path);
    return r;
}

/* --- the end ------------------------------------------------------------------------- */

static bool finish_record(Replay *r, Error **errp) {
    Machine *m = r->m;
    int requested = __atomic_load_n(&m->shutdown_requested, __ATOMIC_ACQUIRE);
    record_end(r->writer, &(RecordEnd){.count = cpu_group_icount(m->cpus),
                                       .cause = (uint8_t)requested,
                                       .status = (uint8_t)(requested >> 8)});
    gate_keep(m->gate, false, NULL, NULL);
    return record_close(r->writer, errp);
}

bool replay_finish(Replay *r, Error **errp) {
    bool ok = true;
    if (!r) {
        return true;
    }
    cpu_group_icount_remove_hook(r->m->cpus, &r->check);
    cpu_group_icount_remove_hook(r->m->cpus, &r->end);
    if (r->writer) {
        ok = finish_record(r, errp);
    } else if (r->trouble) {
        error_set(errp, "%s", r->trouble);
        ok = false;
    }
    recording_free(r->rec);
    free(r->trouble);
    free(r);
    return ok;
}
