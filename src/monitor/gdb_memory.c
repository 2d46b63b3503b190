/* SPDX-License-Identifier: MIT */
/*
 * Gdb: memory, break and watch points.
 *
 * Addresses are virtual, as the chosen hart's privilege and page tables have them now; or
 * physical, after Qqemu.PhyMemMode:1. A look at a device's registers is a real one. In the past of
 * a run (-history, -replay) nothing can be written, nor devices be read: hw/machine/touch.h.
 */
#include <string.h>

#include "hw/machine/touch.h"
#include "monitor/gdb_int.h"

/* --- memory ---------------------------------------------------------------------- */

typedef MemTxResult AccessFn(Machine *m, hwaddr addr, void *buf, uint64_t len);

static MemTxResult write_physical(Machine *m, hwaddr addr, void *buf, uint64_t len) {
    return touch_allowed(m, NULL) ? touch_write(m, addr, buf, len) : MEMTX_ERROR;
}

/* As many bytes as there are behind each other; returns how many. */
static size_t access_memory(GdbSession *s, vaddr addr, uint8_t *buf, size_t len,
                            AccessFn *fn) {
    CPUState *cpu = gdb_cpu(s);
    size_t done = 0;
    gdb_begin(s);
    while (done < len) {
        vaddr at = gdb_target_address(cpu, addr + done);
        size_t left = PAGE_SIZE - (size_t)(at & PAGE_OFFSET_MASK);
        size_t n = left < len - done ? left : len - done;
        hwaddr phys = at;
        if ((!s->physical && !cpu->cls->debug_translate(cpu, at, &phys)) ||
            fn(s->m, phys, buf + done, n) != MEMTX_OK) {
            break;
        }
        done += n;
    }
    gdb_end(s);
    return done;
}

/* ADDR,LEN followed by what `behind` says. */
static bool take_range(const char **args, uint64_t *addr, uint64_t *len,
                       const char *behind) {
    return gdb_take_number(args, addr) && gdb_take_text(args, ",") &&
           gdb_take_number(args, len) && gdb_take_text(args, behind);
}

void gdb_cmd_read_memory(GdbSession *s, const char *args) {
    uint64_t addr, len;
    uint8_t buf[GDB_MAX_PACKET / 2];
    if (!take_range(&args, &addr, &len, "") || *args) {
        gdb_error(s, GDB_E_INVAL);
        return;
    }
    len = len < sizeof(buf) ? len : sizeof(buf);
    size_t done = access_memory(s, addr, buf, len, touch_read);
    if (done || !len) {
        gdb_put_hex(&s->reply, buf, done);
    } else {
        gdb_error(s, GDB_E_FAULT);
    }
}

static void write_memory(GdbSession *s, uint64_t addr, uint8_t *buf, size_t len) {
    if (access_memory(s, addr, buf, len, write_physical) == len) {
        gdb_ok(s);
    } else {
        gdb_error(s, GDB_E_FAULT);
    }
}

void gdb_cmd_write_memory(GdbSession *s, const char *args) {
    uint64_t addr, len;
    uint8_t buf[GDB_MAX_PACKET / 2];
    if (take_range(&args, &addr, &len, ":") && len <= sizeof(buf) &&
        gdb_take_bytes(&args, buf, len) && !*args) {
        write_memory(s, addr, buf, len);
    } else {
        gdb_error(s, GDB_E_INVAL);
    }
}

void gdb_cmd_write_binary(GdbSession *s, const char *args) {
    uint64_t addr, len;
    bool ok = take_range(&args, &addr, &len, ":");
    size_t behind = (size_t)((const uint8_t *)args - s->parser.payload);
    if (!ok || len != s->parser.len - behind) {
        gdb_error(s, GDB_E_INVAL);
    } else if (!len) {
        gdb_ok(s); /* gdb asks whether there is an X */
    } else {
        write_memory(s, addr, &s->parser.payload[behind], len);
    }
}

/* --- points ---------------------------------------------------------------------- */

enum { POINT_SOFT_BREAK, POINT_HARD_BREAK, POINT_WRITE, POINT_READ, POINT_ACCESS };

static bool take_point(GdbSession *s, const char *args, GdbPoint *point) {
    if (*args < '0' + POINT_SOFT_BREAK || *args > '0' + POINT_ACCESS) {
        return false;
    }
    point->type = (unsigned)(*args++ - '0');
    if (!gdb_take_text(&args, ",") || !take_range(&args, &point->addr, &point->len, "")) {
        return false;
    }
    point->addr = gdb_target_address(gdb_cpu(s), point->addr);
    return true; /* conditions and commands behind a ; were not offered */
}

static GdbPoint *find_point(GdbSession *s, const GdbPoint *like) {
    for (unsigned i = 0; i < s->point_count; i++) {
        GdbPoint *p = &s->point[i];
        if (p->type == like->type && p->addr == like->addr && p->len == like->len) {
            return p;
        }
    }
    return NULL;
}

static unsigned add_point(GdbSession *s, const GdbPoint *point) {
    static const unsigned access[] = {0, 0, DEBUG_WRITE, DEBUG_READ, DEBUG_ACCESS};
    if (s->point_count == DEBUG_MAX_POINTS) {
        return 0;
    }
    if (!access[point->type]) {
        return machine_add_break(s->m, DEBUG_OWNER_GDB, point->addr, NULL);
    }
    return machine_add_watch(s->m, DEBUG_OWNER_GDB, point->addr, point->len,
                             access[point->type], NULL);
}

void gdb_cmd_insert(GdbSession *s, const char *args) {
    GdbPoint point = {0};
    if (!take_point(s, args, &point)) {
        return; /* a kind that is not known */
    }
    if (!find_point(s, &point)) {
        point.id = add_point(s, &point);
        if (!point.id) {
            gdb_error(s, GDB_E_NOSPC);
            return;
        }
        s->point[s->point_count++] = point;
    }
    gdb_ok(s);
}

void gdb_cmd_remove(GdbSession *s, const char *args) {
    GdbPoint point = {0};
    if (!take_point(s, args, &point)) {
        return;
    }
    GdbPoint *p = find_point(s, &point);
    if (p) {
        machine_remove_point(s->m, DEBUG_OWNER_GDB, p->id);
        *p = s->point[--s->point_count];
    }
    gdb_ok(s);
}
