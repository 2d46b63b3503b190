/* SPDX-License-Identifier: MIT */
/* Commands that change the machine or the monitor itself. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "hw/machine/touch.h"
#include "monitor/gdb_port.h"
#include "monitor/hmp_call.h"

void hmp_quit(HmpCall *call) {
    machine_request_shutdown(call->m, SHUTDOWN_USER, EXIT_SUCCESS);
}

void hmp_stop(HmpCall *call) {
    machine_stop(call->m, RUN_PAUSED);
}

void hmp_cont(HmpCall *call) {
    Error *err = NULL;
    if (!machine_cont(call->m, &err)) {
        hmp_error(call, err);
    }
}

void hmp_system_reset(HmpCall *call) {
    Error *err = NULL;
    if (!touch_reset(call->m, &err)) {
        hmp_error(call, err);
    }
}

/* Deviates: nothing; as in QEMU, board virt has no power button that the guest could see:
 * the event is for those who watch. */
void hmp_system_powerdown(HmpCall *call) {
    machine_powerdown(call->m);
}

void hmp_set_cpu(HmpCall *call) {
    int64_t index = hmp_number(call, "index");
    if (index < 0 || index >= call->m->cpus->count) {
        fprintf(call->out, "invalid CPU index; there are 0 to %u\n",
                call->m->cpus->count - 1);
        return;
    }
    call->hmp->cpu = (unsigned)index;
}

/* --- gdb ------------------------------------------------------------------------------------ */

void hmp_gdbserver(HmpCall *call) {
    const char *device =
        hmp_has(call, "device") ? hmp_string(call, "device") : GDB_DEFAULT;
    bool none = !strcmp(device, "none");
    Error *err = NULL;
    if (!call->hmp->gdb) {
        fprintf(call->out, "gdb cannot replace the server it talks to; use a monitor\n");
    } else if (!gdb_port_open(call->hmp->gdb, none ? NULL : device, &err)) {
        fprintf(call->out, "Could not open gdbserver on device '%s'\n", device);
        hmp_error(call, err);
    } else if (none) {
        fprintf(call->out, "Disabled gdbserver\n");
    } else {
        fprintf(call->out, "Waiting for gdb connection on device '%s'\n", device);
    }
}

/* --- log ------------------------------------------------------------------------------------ */

void hmp_log(HmpCall *call) {
    const char *items = hmp_string(call, "items");
    Log *log = call->m->log;
    Error *err = NULL;
    if (!strcmp(items, "help") || !strcmp(items, "?")) {
        log_help(call->out);
        return;
    }
    bool ok = true;
    hmp_hold(call);
    if (!strcmp(items, "none")) {
        log->mask = 0;
    } else {
        ok = log_set_mask(log, items, &err);
    }
    hmp_release(call);
    if (!ok) {
        hmp_error(call, err);
        log_help(call->out);
    }
}

void hmp_logfile(HmpCall *call) {
    Error *err = NULL;
    hmp_hold(call); /* nobody is writing to the old one */
    bool ok = log_set_file(call->m->log, hmp_string(call, "filename"), &err);
    hmp_release(call);
    if (!ok) {
        hmp_error(call, err);
    }
}
