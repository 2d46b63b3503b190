/* SPDX-License-Identifier: MIT */
/* Fields: tables to bytes and back. See fields.h. */
#include "state/fields.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 128, MAX_FIELDS = 1024, MAX_OBJECTS = 1024, ICOUNT_WORDS = 6 };

/* What a table describes: a vCPU or a device. */
typedef struct StateObject {
    char name[NAME_SIZE];
    void *object;
    const StateField *fields;
    unsigned version;
} StateObject;

/* --- the machine's objects ------------------------------------------------------------ */

static void name_device(const Device *dev, char name[NAME_SIZE]) {
    char *own = device_unique_name(dev);
    snprintf(name, NAME_SIZE, "device/%s", own ? own : dev->cls->name);
    free(own);
}

/* The n-th object: vCPUs, then devices with a table, in order of creation. False: no more. */
static bool get_object(Machine *m, unsigned n, StateObject *o) {
    if (n < m->cpus->count) {
        CPUState *cpu = m->cpus->cpu[n];
        *o = (StateObject){.object = cpu,
                           .fields = cpu->cls->state->fields,
                           .version = cpu->cls->state->version};
        snprintf(o->name, NAME_SIZE, "cpu/%u", n);
        return true;
    }
    n -= m->cpus->count;
    for (Device *d = m->first_device; d; d = d->next) {
        if (d->cls->state && n-- == 0) {
            *o = (StateObject){
                .object = d, .fields = d->cls->state, .version = d->cls->state_version};
            name_device(d, o->name);
            return true;
        }
    }
    return false;
}

/* --- saving --------------------------------------------------------------------------- */

static void save_object(const StateObject *o, ByteBuffer *out) {
    buffer_add_text(out, o->name);
    buffer_add_number(out, o->version, sizeof(uint32_t));
    size_t at = out->len;
    unsigned count = 0;
    buffer_add_number(out, 0, sizeof(uint32_t));
    for (const StateField *f = o->fields; f->name; f++, count++) {
        buffer_add_text(out, f->name);
        buffer_add_number(out, f->type, sizeof(uint8_t));
        buffer_add_number(out, f->count, sizeof(uint32_t));
        uint8_t *to = buffer_extend(out, state_field_bytes(f));
        if (to) {
            state_field_get(f, o->object, to);
        }
    }
    buffer_patch(out, at, count, sizeof(uint32_t));
}

void fields_save(Machine *m, ByteBuffer *out) {
    StateObject o;
    for (unsigned i = 0; i < m->cpus->count; i++) {
        m->cpus->cpu[i]->cls->state->pre_save(m->cpus->cpu[i]);
    }
    for (unsigned n = 0; get_object(m, n, &o); n++) {
        save_object(&o, out);
    }
}

void fields_save_clock(Machine *m, ByteBuffer *out) {
    buffer_add_number(out, (uint64_t)clock_now_ns(&m->clock), sizeof(uint64_t));
    buffer_add_number(out, (uint64_t)m->clock.wall_base_ns, sizeof(uint64_t));
    if (!cpu_group_icount_enabled(m->cpus)) {
        return;
    }
    const CpuIcountState s = cpu_group_icount_state(m->cpus);
    const uint64_t word[ICOUNT_WORDS] = {
        s.count,     (uint64_t)s.warp_ns,    s.turn,
        s.turn_left, gate_position(m->gate), m->entropy_state,
    };
    for (unsigned i = 0; i < ICOUNT_WORDS; i++) {
        buffer_add_number(out, word[i], sizeof(uint64_t));
    }
}

/* --- checking ------------------------------------------------------------------------- */

/* One field as it stands in the bytes. */
typedef struct SavedField {
    char name[NAME_SIZE];
    unsigned type;
    uint32_t count;
    const uint8_t *bytes;
} SavedField;

static bool read_field(ByteReader *r, SavedField *f) {
    reader_text(r, f->name, sizeof(f->name));
    f->type = (unsigned)reader_number(r, sizeof(uint8_t));
    f->count = (uint32_t)reader_number(r, sizeof(uint32_t));
    if (f->type >= STATE_TYPE_COUNT) {
        r->failed = true;
    }
    f->bytes = r->failed ? NULL
                         : reader_take(r, (uint64_t)f->count *
                                              state_element_bytes((StateType)f->type));
    return f->bytes != NULL;
}

static const StateField *find_field(const StateField *fields, const char *name) {
    for (const StateField *f = fields; f->name; f++) {
        if (!strcmp(f->name, name)) {
            return f;
        }
    }
    return NULL;
}

static bool check_field(const StateObject *o, const SavedField *s, bool seen[MAX_FIELDS],
                        Error **errp) {
    const StateField *f = find_field(o->fields, s->name);
    if (!f) {
        error_set(errp, "it has a field '%s' of %s, which is unknown here", s->name,
                  o->name);
        return false;
    }
    if (seen[f - o->fields] || f->type != s->type || f->count != s->count) {
        error_set(errp, "its field '%s' of %s is not the one that is known here", s->name,
                  o->name);
        return false;
    }
    seen[f - o->fields] = true;
    return true;
}

static bool check_object(const StateObject *o, ByteReader *r, Error **errp) {
    char name[NAME_SIZE];
    bool seen[MAX_FIELDS] = {false};
    SavedField s;
    if (!reader_text(r, name, sizeof(name)) || strcmp(name, o->name)) {
        error_set(errp, "it has the state of '%s' where that of '%s' is wanted", name,
                  o->name);
        return false;
    }
    uint32_t version = (uint32_t)reader_number(r, sizeof(uint32_t));
    uint32_t count = (uint32_t)reader_number(r, sizeof(uint32_t));
    if (version == 0 || version > o->version) {
        error_set(errp, "it has version %u of the state of %s; known are 1 to %u",
                  version, o->name, o->version);
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!read_field(r, &s)) {
            error_set(errp, "the state of %s ends in the middle", o->name);
            return false;
        }
        if (!check_field(o, &s, seen, errp)) {
            return false;
        }
    }
    for (const StateField *f = o->fields; f->name; f++) {
        if (!seen[f - o->fields] && f->since <= version) {
            error_set(errp, "the field '%s' of %s is missing", f->name, o->name);
            return false;
        }
    }
    return true;
}

bool fields_check(Machine *m, const uint8_t *data, size_t len, Error **errp) {
    ByteReader r = {data, data + len, false};
    StateObject o;
    for (unsigned n = 0; get_object(m, n, &o); n++) {
        if (!check_object(&o, &r, errp)) {
            return false;
        }
    }
    if (reader_left(&r)) {
        error_set(errp, "it has the state of more devices than this machine has");
        return false;
    }
    return true;
}

bool fields_check_clock(const Machine *m, const uint8_t *data, size_t len, Error **errp) {
    ByteReader r = {data, data + len, false};
    int64_t now = (int64_t)reader_number(&r, sizeof(uint64_t));
    reader_number(&r, sizeof(uint64_t));
    bool counted = cpu_group_icount_enabled(m->cpus);
    if (counted != (reader_left(&r) == ICOUNT_WORDS * sizeof(uint64_t))) {
        error_set(errp, counted ? "it was saved without -icount"
                                : "it was saved with -icount; start with the same");
        return false;
    }
    reader_take(&r, reader_left(&r));
    if (r.failed || reader_left(&r) || now < 0) {
        error_set(errp, "its clock makes no sense");
        return false;
    }
    return true;
}

/* --- loading -------------------------------------------------------------------------- */

static void load_object(const StateObject *o, ByteReader *r) {
    SavedField s;
    reader_text(r, s.name, sizeof(s.name));
    reader_number(r, sizeof(uint32_t));
    uint32_t count = (uint32_t)reader_number(r, sizeof(uint32_t));
    for (uint32_t i = 0; i < count && read_field(r, &s); i++) {
        const StateField *f = find_field(o->fields, s.name);
        state_field_set(f, o->object, s.bytes);
    }
    assert(!r->failed);
}

static void load_icount(Machine *m, ByteReader *r) {
    uint64_t word[ICOUNT_WORDS];
    for (unsigned i = 0; i < ICOUNT_WORDS; i++) {
        word[i] = reader_number(r, sizeof(uint64_t));
    }
    cpu_group_icount_set_state(m->cpus,
                               &(CpuIcountState){.count = word[0],
                                                 .warp_ns = (int64_t)word[1],
                                                 .turn = (uint32_t)word[2],
                                                 .turn_left = (uint32_t)word[3]});
    m->entropy_state = word[5];
    __atomic_store_n(&m->clock.offset_ns, 0, __ATOMIC_RELAXED);
}

uint64_t fields_input(const uint8_t *clock, size_t len) {
    enum { INPUT_WORD = 2 + 4 }; /* as fields_save_clock() put it */
    ByteReader r = {clock, clock + len, false};
    reader_take(&r, INPUT_WORD * sizeof(uint64_t));
    return r.failed ? 0 : reader_number(&r, sizeof(uint64_t));
}

void fields_load(Machine *m, const uint8_t *clock, size_t clock_len, const uint8_t *data,
                 size_t len) {
    ByteReader c = {clock, clock + clock_len, false};
    int64_t now = (int64_t)reader_number(&c, sizeof(uint64_t));
    int64_t wall_base = (int64_t)reader_number(&c, sizeof(uint64_t));
    clock_set_ns(&m->clock, now);
    if (clock_wall_is_virtual(&m->clock)) {
        m->clock.wall_base_ns = wall_base;
    }
    if (cpu_group_icount_enabled(m->cpus)) {
        load_icount(m, &c);
    }
    ByteReader r = {data, data + len, false};
    StateObject o;
    for (unsigned n = 0; get_object(m, n, &o); n++) {
        load_object(&o, &r);
    }
    for (unsigned i = 0; i < m->cpus->count; i++) {
        m->cpus->cpu[i]->cls->state->post_load(m->cpus->cpu[i]);
        debug_forget_stop(m->cpus->cpu[i]);
    }
    __atomic_add_fetch(&m->epoch, 1, __ATOMIC_RELAXED);
    for (Device *d = m->first_device; d; d = d->next) {
        if (d->cls->post_load) {
            d->cls->post_load(d);
        }
    }
}
