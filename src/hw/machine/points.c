/* SPDX-License-Identifier: MIT */
/* Points: break and watch points of a machine, changed while its vCPUs are paused. */
#include "hw/machine/machine.h"

#include <string.h>

static void begin(Machine *m) {
    machine_pause(m);
    machine_lock(m);
}

static void end(Machine *m) {
    machine_unlock(m);
    machine_unpause(m);
}

unsigned machine_add_break(Machine *m, DebugOwner owner, vaddr pc, Error **errp) {
    begin(m);
    unsigned id = debug_add_break(m->cpus, owner, pc, errp);
    end(m);
    return id;
}

unsigned machine_add_watch(Machine *m, DebugOwner owner, vaddr addr, uint64_t len,
                           unsigned access, Error **errp) {
    begin(m);
    unsigned id = debug_add_watch(m->cpus, owner, addr, len, access, errp);
    end(m);
    return id;
}

unsigned machine_add_phys_watch(Machine *m, DebugOwner owner, hwaddr addr, uint64_t len,
                                unsigned access, Error **errp) {
    begin(m);
    unsigned id = debug_add_phys_watch(m->cpus, owner, addr, len, access, errp);
    end(m);
    return id;
}

bool machine_remove_point(Machine *m, DebugOwner owner, unsigned id) {
    begin(m);
    bool ok = debug_remove(m->cpus, owner, id);
    end(m);
    return ok;
}

void machine_remove_points(Machine *m, DebugOwner owner) {
    begin(m);
    debug_remove_all(m->cpus, owner);
    end(m);
}

unsigned machine_list_points(Machine *m, DebugPoint *out, unsigned max) {
    machine_lock(m);
    const GroupDebug *d = &m->cpus->debug;
    unsigned count = d->count;
    memcpy(out, d->point, (count < max ? count : max) * sizeof(*out));
    machine_unlock(m);
    return count;
}
