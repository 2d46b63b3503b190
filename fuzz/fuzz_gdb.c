/* SPDX-License-Identifier: MIT */
/* What a gdb client may send. Input: a byte of options, then lines; each becomes a packet with its sum,
 * or goes as it is. Harts do not run: what wants them to is refused. */
#include "fuzz.h"
#include "monitor/gdb.h"

static void send_line(GdbSession *s, const char *line, size_t len, bool as_packet) {
    GdbBuffer wire;
    gdb_buffer_init(&wire, 2 * GDB_MAX_PACKET);
    if (as_packet) {
        gdb_put_packet(&wire, line, len);
    } else {
        gdb_put_bytes(&wire, line, len);
    }
    gdb_session_input(s, (const uint8_t *)wire.data, wire.len);
    gdb_buffer_destroy(&wire);
    size_t out;
    gdb_session_output(s, &out);
    gdb_session_sent(s, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static Machine *m;
    if (!m) {
        m = fuzz_machine_new(true);
        m->run.ended = true;
    }
    FuzzInput in = {data, data + size};
    uint8_t options = fuzz_u8(&in);
    GdbSession *s = gdb_session_new(m, NULL);
    while (fuzz_left(&in) && !gdb_session_is_over(s)) {
        const char *line = (const char *)in.p;
        const uint8_t *end = memchr(in.p, '\n', fuzz_left(&in));
        size_t len = end ? (size_t)(end - in.p) : fuzz_left(&in);
        send_line(s, line, len, !(options & 1));
        in.p += len + (end != NULL);
    }
    gdb_session_free(s);
    DebugPoint point;
    if (machine_list_points(m, &point, 1)) {
        abort(); /* it left something behind */
    }
    fuzz_machine_reset(m);
    return 0;
}
