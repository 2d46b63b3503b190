/* SPDX-License-Identifier: MIT */
/*
 * Touch: events of the port "machine", kept when they are done and done again in a replay. See touch.h.
 *
 *   kind      bytes (numbers little-endian, 8 each)
 *   WRITE     address, bytes
 *   READ      address, length
 *   REGISTER  vCPU, index in its CpuRegisters, value
 *   RESET, MARK
 */
#include "hw/machine/touch.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER = 8 }; /* bytes */

/* Kinds of events, as a recording has them. */
enum { TOUCH_WRITE = 1, TOUCH_READ, TOUCH_REGISTER, TOUCH_RESET, TOUCH_MARK };

static void put_number(uint8_t *p, uint64_t value) {
    for (unsigned i = 0; i < NUMBER; i++) {
        p[i] = (uint8_t)(value >> 8 * i);
    }
}

static uint64_t get_number(const uint8_t *p) {
    uint64_t value = 0;
    for (unsigned i = 0; i < NUMBER; i++) {
        value |= (uint64_t)p[i] << 8 * i;
    }
    return value;
}

/* --- once more ------------------------------------------------------------------------ */

static void read_again(Machine *m, hwaddr addr, uint64_t len) {
    void *buf = len && len <= TOUCH_MAX_BYTES ? malloc(len) : NULL;
    if (buf) {
        address_space_read(&m->as, addr, buf, len);
    }
    free(buf);
}

static void set_register_again(Machine *m, const uint8_t *data) {
    uint64_t cpu = get_number(data), index = get_number(data + NUMBER);
    CpuRegister reg;
    if (cpu < m->cpus->count && index <= UINT32_MAX) {
        CPUState *cs = m->cpus->cpu[cpu];
        if (cs->cls->registers->get(cs, (unsigned)index, &reg) && reg.bits) {
            cs->cls->registers->write(cs, &reg, get_number(data + 2 * NUMBER));
        }
    }
}

static void reset_again(Machine *m) {
    m->touch_reset_again = true;
    machine_request_reset(m, SHUTDOWN_HOST_RESET);
}

/* The bytes are a file's: what makes no sense does nothing. */
static void deliver(void *opaque, unsigned kind, const uint8_t *data, size_t len) {
    Machine *m = opaque;
    if (kind == TOUCH_WRITE && len >= NUMBER) {
        address_space_write(&m->as, get_number(data), data + NUMBER, len - NUMBER);
    } else if (kind == TOUCH_READ && len == 2 * NUMBER) {
        read_again(m, get_number(data), get_number(data + NUMBER));
    } else if (kind == TOUCH_REGISTER && len == 3 * NUMBER) {
        set_register_again(m, data);
    } else if (kind == TOUCH_RESET) {
        reset_again(m);
    }
}

GatePort *touch_port_new(Machine *m) {
    return gate_port_new(m->gate, "machine", deliver, m);
}

/* --- for the first time --------------------------------------------------------------- */

bool touch_allowed(Machine *m, Error **errp) {
    const InputGate *g = m->gate;
    if (gate_is_live(g)) {
        return true;
    }
    const GateEvent *last = gate_event(g, gate_end(g) - 1);
    if (g->sealed) {
        error_set(errp,
                  "a recording is replayed, and what is done to the machine now would "
                  "not be in it");
    } else {
        error_set(errp,
                  "this is the past, which has to come out as it did; it ends at count "
                  "%" PRIu64 ": go there, or make this moment the present",
                  last ? last->count : 0);
    }
    return false;
}

MemTxResult touch_write(Machine *m, hwaddr addr, const void *buf, uint64_t len) {
    assert(len <= TOUCH_MAX_BYTES - NUMBER);
    uint8_t *event = malloc(NUMBER + len);
    assert(event);
    put_number(event, addr);
    memcpy(event + NUMBER, buf, len);
    gate_note(m->touch_input, TOUCH_WRITE, event, NUMBER + len);
    free(event);
    return address_space_write(&m->as, addr, buf, len);
}

MemTxResult touch_read_device(Machine *m, hwaddr addr, void *buf, uint64_t len) {
    uint8_t event[2 * NUMBER];
    put_number(event, addr);
    put_number(event + NUMBER, len);
    gate_note(m->touch_input, TOUCH_READ, event, sizeof(event));
    return address_space_read(&m->as, addr, buf, len);
}

MemTxResult touch_read(Machine *m, hwaddr addr, void *buf, uint64_t len) {
    MemTxResult result = MEMTX_OK;
    while (len && result == MEMTX_OK) {
        const FlatRange *fr = address_space_find(&m->as, addr);
        uint64_t n = len;
        if (fr) {
            uint64_t room = flat_range_last(fr) - addr;
            n = room < len - 1 ? room + 1 : len;
        }
        if (!fr || fr->is_ram) {
            result = address_space_read(&m->as, addr, buf, n);
        } else {
            result = MEMTX_ERROR;
            if (gate_is_live(m->gate)) {
                result = touch_read_device(m, addr, buf, n);
            }
        }
        buf = (uint8_t *)buf + n;
        addr += n;
        len -= n;
    }
    return result;
}

void touch_register(Machine *m, CPUState *cpu, const CpuRegister *reg, uint64_t value) {
    uint8_t event[3 * NUMBER];
    put_number(event, cpu->index);
    put_number(event + NUMBER, reg->index);
    put_number(event + 2 * NUMBER, value);
    gate_note(m->touch_input, TOUCH_REGISTER, event, sizeof(event));
    cpu->cls->registers->write(cpu, reg, value);
}

bool touch_reset(Machine *m, Error **errp) {
    machine_lock(m);
    bool ok = touch_allowed(m, errp);
    if (ok) {
        gate_stand(m->gate, true);
        machine_request_reset(m, SHUTDOWN_HOST_RESET);
    }
    machine_unlock(m);
    return ok;
}

bool touch_note_reset(Machine *m, ShutdownCause cause) {
    bool again = m->touch_reset_again, live = gate_is_live(m->gate);
    m->touch_reset_again = false;
    if (cause != SHUTDOWN_HOST_RESET) {
        return true;
    }
    if (live && !again) {
        gate_note(m->touch_input, TOUCH_RESET, NULL, 0);
    }
    return live || again;
}

bool touch_reset_follows(Machine *m) {
    machine_lock(m);
    bool follows = !gate_is_live(m->gate) && gate_skip(m->touch_input, TOUCH_RESET);
    if (follows) {
        reset_again(m);
    }
    machine_unlock(m);
    return follows;
}

void touch_mark(Machine *m) {
    const InputGate *g = m->gate;
    const GateEvent *last = gate_event(g, gate_end(g) - 1);
    bool marked = last && last->port == m->touch_input->number &&
                  last->kind == TOUCH_MARK && last->count == cpu_group_icount(m->cpus) &&
                  last->time_ns == clock_now_ns(&m->clock);
    if (gate_is_live(g) && !marked) {
        gate_note(m->touch_input, TOUCH_MARK, NULL, 0);
    }
}

void touch_pass_mark(Machine *m) {
    while (!gate_is_live(m->gate) && gate_skip(m->touch_input, TOUCH_MARK)) {
    }
}
