/* SPDX-License-Identifier: MIT */
/* Gdb: q and Q packets: what is there, threads, target description, `monitor`. */
#include <stdlib.h>
#include <string.h>

#include "monitor/gdb_int.h"

enum { XML_MAX = 256 * 1024 };

static void supported(GdbSession *s, const char *args) {
    (void)args;
    gdb_put(&s->reply,
            "PacketSize=%x;qXfer:features:read+;vContSupported+;"
            "QStartNoAckMode+",
            (unsigned)GDB_MAX_PACKET);
    if (s->hooks.reverse) {
        gdb_put(&s->reply, ";ReverseStep+;ReverseContinue+");
    }
}

/* qXfer:features:read:ANNEX:OFFSET,LENGTH */
static void read_features(GdbSession *s, const char *args) {
    uint64_t offset, len;
    if (!gdb_take_text(&args, "target.xml:") || !gdb_take_number(&args, &offset) ||
        !gdb_take_text(&args, ",") || !gdb_take_number(&args, &len)) {
        gdb_error(s, 0);
        return;
    }
    const size_t most = GDB_MAX_PACKET / 2 - 1; /* each byte may need two */
    GdbBuffer xml;
    gdb_buffer_init(&xml, XML_MAX);
    gdb_begin(s);
    gdb_target_describe(gdb_cpu(s), &xml);
    gdb_end(s);
    offset = offset < xml.len ? offset : xml.len;
    len = len < most ? len : most;
    bool last = len >= xml.len - offset;
    len = last ? xml.len - offset : len;
    gdb_put(&s->reply, last ? "l" : "m");
    gdb_put_escaped(&s->reply, xml.data + offset, len);
    gdb_buffer_destroy(&xml);
}

static void current_thread(GdbSession *s, const char *args) {
    (void)args;
    gdb_put(&s->reply, "QC%02x", s->cpu + 1);
}

static void first_threads(GdbSession *s, const char *args) {
    (void)args;
    for (unsigned i = 0; i < s->m->cpus->count; i++) {
        gdb_put(&s->reply, "%c%02x", i ? ',' : 'm', i + 1);
    }
}

static void more_threads(GdbSession *s, const char *args) {
    (void)args;
    gdb_put(&s->reply, "l");
}

static void describe_thread(GdbSession *s, const char *args) {
    int cpu;
    if (!gdb_take_text(&args, ",") || !gdb_take_thread(s, &args, &cpu) ||
        cpu == GDB_ANY_THREAD) {
        gdb_error(s, GDB_E_INVAL);
        return;
    }
    GdbBuffer text;
    gdb_buffer_init(&text, GDB_MAX_PACKET / 2);
    gdb_put(&text, "hart %d: ", cpu);
    gdb_begin(s);
    gdb_target_describe_state(s->m->cpus->cpu[cpu], &text);
    gdb_end(s);
    gdb_put_hex(&s->reply, text.data, text.len);
    gdb_buffer_destroy(&text);
}

static void attached(GdbSession *s, const char *args) {
    (void)args;
    gdb_put(&s->reply, "1");
}

/* --- monitor --------------------------------------------------------------------- */

/* The text in as many O packets as it takes; the OK that follows is the reply. */
static void send_text(GdbSession *s, const char *text) {
    const size_t most = GDB_MAX_PACKET / 2 - 1;
    for (size_t left = strlen(text); left;) {
        size_t n = left < most ? left : most;
        gdb_put(&s->reply, "O");
        gdb_put_hex(&s->reply, text, n);
        gdb_send(s);
        text += n;
        left -= n;
    }
}

static void run_monitor(GdbSession *s, const char *args) {
    char line[GDB_MAX_PACKET / 2 + 1];
    size_t len = strlen(args) / 2;
    if (!gdb_take_text(&args, ",")) {
        gdb_error(s, GDB_E_INVAL);
        return;
    }
    len = strlen(args) / 2;
    if (len >= sizeof(line) || !gdb_take_bytes(&args, line, len) || *args) {
        gdb_error(s, GDB_E_INVAL);
        return;
    }
    line[len] = '\0';
    if (!s->hooks.monitor) {
        send_text(s, "This machine has no monitor for gdb.\n");
        gdb_ok(s);
        return;
    }
    char *answer = s->hooks.monitor(s->hooks.opaque, line);
    if (answer) {
        send_text(s, answer);
    }
    free(answer);
    gdb_ok(s);
}

/* --- what can be set ------------------------------------------------------------- */

static void show_physical(GdbSession *s, const char *args) {
    (void)args;
    gdb_put(&s->reply, "%d", s->physical);
}

static void set_physical(GdbSession *s, const char *args) {
    if ((*args == '0' || *args == '1') && !args[1]) {
        s->physical = *args == '1';
        gdb_ok(s);
    } else {
        gdb_error(s, GDB_E_INVAL);
    }
}

static void show_step_bits(GdbSession *s, const char *args) {
    (void)args;
    gdb_put(&s->reply, "ENABLE=%x,NOIRQ=%x,NOTIMER=%x", GDB_SSTEP_ENABLE, GDB_SSTEP_NOIRQ,
            GDB_SSTEP_NOTIMER);
}

static void show_step(GdbSession *s, const char *args) {
    (void)args;
    gdb_put(&s->reply, "0x%x", s->sstep);
}

static void set_step(GdbSession *s, const char *args) {
    uint64_t bits;
    const unsigned all = GDB_SSTEP_ENABLE | GDB_SSTEP_NOIRQ | GDB_SSTEP_NOTIMER;
    gdb_take_text(&args, "0x");
    if (gdb_take_number(&args, &bits) && !*args && !(bits & ~(uint64_t)all)) {
        s->sstep = (unsigned)bits;
        gdb_ok(s);
    } else {
        gdb_error(s, GDB_E_INVAL);
    }
}

static void no_more_acks(GdbSession *s, const char *args) {
    (void)args;
    s->no_ack = true; /* the packet itself was acknowledged */
    gdb_ok(s);
}

/* --- dispatch -------------------------------------------------------------------- */

static const GdbCommand queries[] = {
    {"Supported", supported, false},
    {"Xfer:features:read:", read_features, false},
    {"fThreadInfo", first_threads, false},
    {"sThreadInfo", more_threads, false},
    {"ThreadExtraInfo", describe_thread, false},
    {"Attached", attached, false},
    {"Rcmd", run_monitor, false},
    {"qemu.PhyMemMode", show_physical, false},
    {"qemu.sstepbits", show_step_bits, false},
    {"qemu.sstep", show_step, false},
    {"C", current_thread, false},
};

static const GdbCommand settings[] = {
    {"StartNoAckMode", no_more_acks, false},
    {"qemu.PhyMemMode:", set_physical, false},
    {"qemu.sstep=", set_step, false},
};

void gdb_cmd_query(GdbSession *s, const char *args) {
    const GdbCommand *row =
        gdb_find_command(queries, sizeof(queries) / sizeof(queries[0]), &args);
    if (row && (row->run != current_thread || !*args)) { /* qC, but not qCRC: */
        row->run(s, args);
    }
}

void gdb_cmd_set(GdbSession *s, const char *args) {
    const GdbCommand *row =
        gdb_find_command(settings, sizeof(settings) / sizeof(settings[0]), &args);
    if (row) {
        row->run(s, args);
    }
}
