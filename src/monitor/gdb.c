/* SPDX-License-Identifier: MIT */
/* Gdb: packets to commands, replies to packets. See gdb.h; the table at the end is the list. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "hw/machine/touch.h"
#include "monitor/gdb_int.h"

/* --- parts ----------------------------------------------------------------------- */

void gdb_error(GdbSession *s, unsigned number) {
    gdb_put(&s->reply, "E%02x", number & 0xff);
}

void gdb_ok(GdbSession *s) {
    gdb_put(&s->reply, "OK");
}

void gdb_send(GdbSession *s) {
    s->last.len = 0;
    if (s->reply.full) { /* no part of an answer is better than a broken one */
        s->reply.len = 0;
        s->reply.full = false;
        gdb_error(s, GDB_E_NOSPC);
    }
    gdb_put_packet(&s->last, s->reply.data ? s->reply.data : "", s->reply.len);
    gdb_put_bytes(&s->out, s->last.data, s->last.len);
    s->reply.len = 0;
}

CPUState *gdb_cpu(const GdbSession *s) {
    return s->m->cpus->cpu[s->cpu];
}

void gdb_begin(GdbSession *s) {
    machine_pause(s->m);
    machine_lock(s->m);
}

void gdb_end(GdbSession *s) {
    machine_unlock(s->m);
    machine_unpause(s->m);
}

bool gdb_take_thread(const GdbSession *s, const char **text, int *cpu) {
    uint64_t id;
    if (gdb_take_text(text, "-1")) {
        *cpu = GDB_ANY_THREAD;
        return true;
    }
    if (!gdb_take_number(text, &id) || id > s->m->cpus->count) {
        return false;
    }
    *cpu = id ? (int)id - 1 : GDB_ANY_THREAD;
    return true;
}

const GdbCommand *gdb_find_command(const GdbCommand *rows, unsigned count,
                                   const char **args) {
    for (unsigned i = 0; i < count; i++) {
        if (gdb_take_text(args, rows[i].prefix)) {
            return &rows[i];
        }
    }
    return NULL;
}

/* --- registers ------------------------------------------------------------------- */

static void read_registers(GdbSession *s, const char *args) {
    (void)args;
    gdb_begin(s);
    for (unsigned n = 0; n < GDB_REGS_OF_G; n++) {
        uint64_t value = 0;
        gdb_target_read_reg(gdb_cpu(s), n, &value);
        gdb_put_hex(&s->reply, &value, gdb_target_reg_size(gdb_cpu(s), n));
    }
    gdb_end(s);
}

static void write_registers(GdbSession *s, const char *args) {
    unsigned size = gdb_target_reg_size(gdb_cpu(s), 0);
    if (strlen(args) < (size_t)2 * size * GDB_REGS_OF_G) {
        gdb_error(s, GDB_E_INVAL);
        return;
    }
    bool ok = true;
    gdb_begin(s);
    for (unsigned n = 0; ok && n < GDB_REGS_OF_G; n++) {
        uint64_t value = 0;
        ok = gdb_take_bytes(&args, &value, size) &&
             gdb_target_write_reg(s->m, gdb_cpu(s), n, value);
    }
    gdb_end(s);
    if (ok) {
        gdb_ok(s);
    } else {
        gdb_error(s, GDB_E_INVAL);
    }
}

static void read_register(GdbSession *s, const char *args) {
    uint64_t n, value = 0;
    if (!gdb_take_number(&args, &n) || n > GDB_REG_PRIV) {
        gdb_error(s, GDB_E_INVAL);
        return;
    }
    gdb_begin(s);
    unsigned size = gdb_target_reg_size(gdb_cpu(s), (unsigned)n);
    if (size && gdb_target_read_reg(gdb_cpu(s), (unsigned)n, &value)) {
        gdb_put_hex(&s->reply, &value, size);
    } else {
        gdb_error(s, GDB_E_INVAL);
    }
    gdb_end(s);
}

static void write_register(GdbSession *s, const char *args) {
    uint64_t n, value = 0;
    unsigned size = 0;
    bool ok =
        gdb_take_number(&args, &n) && n <= GDB_REG_PRIV && gdb_take_text(&args, "=");
    if (ok) {
        size = gdb_target_reg_size(gdb_cpu(s), (unsigned)n);
    }
    ok = ok && size && gdb_take_bytes(&args, &value, size);
    if (ok) {
        gdb_begin(s);
        ok = gdb_target_write_reg(s->m, gdb_cpu(s), (unsigned)n, value);
        gdb_end(s);
    }
    if (ok) {
        gdb_ok(s);
    } else {
        gdb_error(s, GDB_E_INVAL);
    }
}

/* --- threads, life --------------------------------------------------------------- */

static void choose_thread(GdbSession *s, const char *args) {
    bool run = *args == 'c';
    int cpu;
    if (*args != 'c' && *args != 'g') {
        return; /* an operation that is not known: an empty reply */
    }
    args++;
    if (!gdb_take_thread(s, &args, &cpu)) {
        gdb_error(s, GDB_E_INVAL);
        return;
    }
    if (run) {
        s->run_cpu = cpu;
    } else if (cpu != GDB_ANY_THREAD) {
        s->cpu = (unsigned)cpu;
    }
    gdb_ok(s);
}

static void is_alive(GdbSession *s, const char *args) {
    int cpu;
    if (gdb_take_thread(s, &args, &cpu) && cpu != GDB_ANY_THREAD) {
        gdb_ok(s);
    } else {
        gdb_error(s, GDB_E_INVAL);
    }
}

static void extend(GdbSession *s, const char *args) {
    (void)args;
    gdb_ok(s);
}

static void detach(GdbSession *s, const char *args) {
    (void)args;
    gdb_let_go(s);
    s->over = true;
    gdb_ok(s);
}

static void kill_machine(GdbSession *s, const char *args) {
    (void)args;
    machine_request_shutdown(s->m, SHUTDOWN_USER, 0);
    s->over = true;
}

static void kill_politely(GdbSession *s, const char *args) {
    kill_machine(s, args);
    gdb_ok(s);
}

static void restart(GdbSession *s, const char *args) {
    (void)args;
    touch_reset(s->m, NULL); /* R has no answer */
}

static void no_such(GdbSession *s, const char *args) {
    (void)s;
    (void)args; /* an empty reply: not known */
}

/* --- dispatch -------------------------------------------------------------------- */

/* Longer prefixes before shorter ones that they begin with. */
static const GdbCommand commands[] = {
    {"vMustReplyEmpty", no_such, false},
    {"vCont?", gdb_cmd_vcont_which, false},
    {"vCont", gdb_cmd_vcont, true},
    {"vKill", kill_politely, false},
    {"bs", gdb_cmd_back, true},
    {"bc", gdb_cmd_back, true},
    {"!", extend, false},
    {"?", gdb_cmd_stop_reason, false},
    {"c", gdb_cmd_continue, true},
    {"C", gdb_cmd_continue_signal, true},
    {"s", gdb_cmd_step, true},
    {"S", gdb_cmd_step_signal, true},
    {"g", read_registers, false},
    {"G", write_registers, false},
    {"p", read_register, false},
    {"P", write_register, false},
    {"m", gdb_cmd_read_memory, false},
    {"M", gdb_cmd_write_memory, false},
    {"X", gdb_cmd_write_binary, false},
    {"Z", gdb_cmd_insert, false},
    {"z", gdb_cmd_remove, false},
    {"H", choose_thread, false},
    {"T", is_alive, false},
    {"q", gdb_cmd_query, false},
    {"Q", gdb_cmd_set, false},
    {"D", detach, false},
    {"k", kill_machine, true},
    {"R", restart, true},
};

static void carry_out(GdbSession *s) {
    const char *args = (const char *)s->parser.payload;
    const GdbCommand *row =
        gdb_find_command(commands, sizeof(commands) / sizeof(commands[0]), &args);
    if (row) {
        row->run(s, args);
    }
    if (!row || !row->silent || s->reply.len) {
        gdb_send(s);
    }
}

static void acknowledge(GdbSession *s, char how) {
    if (!s->no_ack) {
        gdb_put_bytes(&s->out, &how, 1);
    }
}

static void take_byte(GdbSession *s, uint8_t byte) {
    switch (gdb_parser_take(&s->parser, byte)) {
    case GDB_NOTHING:
    case GDB_ACK:
        break;
    case GDB_NACK:
        if (!s->no_ack) {
            gdb_put_bytes(&s->out, s->last.data, s->last.len);
        }
        break;
    case GDB_DAMAGED:
        acknowledge(s, '-');
        break;
    case GDB_TOO_LONG:
        acknowledge(s, '+');
        gdb_error(s, GDB_E_NOSPC);
        gdb_send(s);
        break;
    case GDB_INTERRUPT:
        gdb_interrupt(s);
        break;
    case GDB_PACKET:
        acknowledge(s, '+');
        carry_out(s);
        gdb_session_notice(s, false);
        if (s->early && s->running) {
            gdb_interrupt(s);
        }
        s->early = false; /* meant for this packet or for none */
        break;
    }
}

void gdb_session_input(GdbSession *s, const uint8_t *bytes, size_t len) {
    for (size_t i = 0; i < len && !s->over; i++) {
        take_byte(s, bytes[i]);
    }
}

/* --- life ------------------------------------------------------------------------ */

GdbSession *gdb_session_new(Machine *m, const GdbHooks *hooks) {
    GdbSession *s = calloc(1, sizeof(*s));
    assert(s);
    s->m = m;
    if (hooks) {
        s->hooks = *hooks;
    }
    s->run_cpu = GDB_ANY_THREAD;
    s->sstep = GDB_SSTEP_ENABLE | GDB_SSTEP_NOIRQ | GDB_SSTEP_NOTIMER;
    gdb_buffer_init(&s->out, GDB_MAX_OUTPUT);
    gdb_buffer_init(&s->reply, GDB_MAX_PACKET);
    gdb_buffer_init(&s->last, GDB_MAX_PACKET + sizeof("$#00"));
    if (machine_run_state(m) == RUN_RUNNING) {
        machine_stop(m, RUN_PAUSED);
    }
    return s;
}

void gdb_session_free(GdbSession *s) {
    if (!s) {
        return;
    }
    if (s->over) { /* detached, or killed */
        machine_remove_points(s->m, DEBUG_OWNER_GDB);
    } else {
        gdb_let_go(s);
    }
    gdb_buffer_destroy(&s->out);
    gdb_buffer_destroy(&s->reply);
    gdb_buffer_destroy(&s->last);
    free(s);
}

const char *gdb_session_output(const GdbSession *s, size_t *len) {
    *len = s->out.len;
    return s->out.data;
}

void gdb_session_sent(GdbSession *s, size_t len) {
    assert(len <= s->out.len);
    if (!len) {
        return;
    }
    memmove(s->out.data, s->out.data + len, s->out.len - len);
    s->out.len -= len;
}

bool gdb_session_is_over(const GdbSession *s) {
    return s->over || s->out.full;
}
