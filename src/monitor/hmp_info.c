/* SPDX-License-Identifier: MIT */
/* info: what the machine consists of and how it is. The words are QEMU's. */
#include <inttypes.h>
#include <string.h>

#include "cpu/riscv/cpu.h"
#include "monitor/describe.h"
#include "monitor/hmp_call.h"
#include "util/version.h"

void hmp_info_version(HmpCall *call) {
    fprintf(call->out, VITRINE_VERSION "\n");
}

void hmp_info_name(HmpCall *call) {
    if (call->m->config.name) {
        fprintf(call->out, "%s\n", call->m->config.name);
    }
}

void hmp_info_status(HmpCall *call) {
    RunState state = machine_run_state(call->m);
    bool plain = state == RUN_RUNNING || state == RUN_PAUSED;
    fprintf(call->out, "VM status: %s", state == RUN_RUNNING ? "running" : "paused");
    if (!plain) {
        fprintf(call->out, " (%s)", machine_run_state_name(state));
    }
    fputc('\n', call->out);
}

/* --- harts ---------------------------------------------------------------------------------- */

void hmp_info_cpus(HmpCall *call) {
    CpuGroup *group = call->m->cpus;
    hmp_hold(call);
    for (unsigned i = 0; i < group->count; i++) {
        CPUState *cpu = group->cpu[i];
        fprintf(call->out, "%c CPU #%u: pc=0x%016" PRIx64 "%s\n",
                i == call->hmp->cpu ? '*' : ' ', i, cpu->cls->get_pc(cpu),
                cpu->halted ? " (halted)" : "");
    }
    hmp_release(call);
}

static void dump_cpu(HmpCall *call, unsigned index) {
    CPUState *cpu = call->m->cpus->cpu[index];
    fprintf(call->out, "\nCPU#%u\n", index);
    cpu->cls->dump(cpu, call->out);
}

void hmp_info_registers(HmpCall *call) {
    unsigned count = call->m->cpus->count;
    bool one = hmp_has(call, "vcpu");
    int64_t index = one ? hmp_number(call, "vcpu") : call->hmp->cpu;
    if (index < 0 || index >= count) {
        fprintf(call->out, "CPU#%" PRId64 " not available\n", index);
        return;
    }
    hmp_hold(call);
    if (hmp_has(call, "all")) {
        for (unsigned i = 0; i < count; i++) {
            dump_cpu(call, i);
        }
    } else {
        dump_cpu(call, (unsigned)index);
    }
    hmp_release(call);
}

/* --- memory --------------------------------------------------------------------------------- */

void hmp_info_mtree(HmpCall *call) {
    Machine *m = call->m;
    if (hmp_has(call, "dispatch")) { /* Deviates: QEMU wants -f, too */
        hmp_mtree_ranges(call);
        return;
    }
    if (hmp_has(call, "owner")) {
        hmp_mtree_owners(call);
        return;
    }
    machine_lock(m);
    if (hmp_has(call, "flat")) {
        fprintf(call->out, "FlatView #0\n");
        memory_print_flat(&m->as, call->out);
    } else {
        fprintf(call->out, "address-space: %s\n", m->as.name);
        memory_print_tree(&m->system_memory, call->out);
    }
    machine_unlock(m);
    fputc('\n', call->out);
}

/* --- back ends ------------------------------------------------------------------------------ */

static void show_chardev(void *opaque, const char *label, Chardev *chr) {
    char text[CHARDEV_NAME_MAX];
    chardev_describe(chr, text, sizeof(text));
    fprintf((FILE *)opaque, "%s: filename=%s\n", label, text);
}

void hmp_info_chardev(HmpCall *call) {
    machine_lock(call->m);
    describe_each_chardev(call->m, show_chardev, call->out);
    machine_unlock(call->m);
}

static void show_drive(HmpCall *call, const BlockBackend *blk) {
    const Device *dev = describe_drive_user(call->m, blk);
    const char *id = blk_id(blk);
    fprintf(call->out, "%s: %s (raw%s)\n", id ? id : "(no id)", blk_file(blk),
            blk_read_only(blk) ? ", read-only" : "");
    if (dev) {
        char name[DESCRIBE_NAME_MAX];
        describe_device(dev, name, sizeof(name));
        fprintf(call->out, "    Attached to:      %s\n", name);
    }
    fprintf(call->out, "    Size:             %" PRIu64 " bytes\n", blk_size(blk));
}

void hmp_info_block(HmpCall *call) {
    machine_lock(call->m);
    for (unsigned i = 0; i < call->m->drive_count; i++) {
        show_drive(call, call->m->drives[i].blk);
    }
    machine_unlock(call->m);
}

static void show_card(HmpCall *call, const Device *dev, const NetBackend *net) {
    char name[DESCRIBE_NAME_MAX], mac[DESCRIBE_NAME_MAX];
    const char *id = net_id(net);
    describe_device(dev, name, sizeof(name));
    fprintf(call->out, "%s: index=0,type=nic,model=%s", name, dev->cls->name);
    if (describe_property_of_type(dev, PROP_MAC, mac, sizeof(mac))) {
        fprintf(call->out, ",macaddr=%s", mac);
    }
    fprintf(call->out, "\n \\ %s: index=0,type=user\n", id ? id : "user.0");
}

void hmp_info_network(HmpCall *call) {
    machine_lock(call->m);
    for (const Device *d = call->m->first_device; d; d = d->next) {
        const NetBackend *net = describe_reference(d, PROP_NETDEV);
        if (net) {
            show_card(call, d, net);
        }
    }
    machine_unlock(call->m);
}

/* --- devices -------------------------------------------------------------------------------- */

static void show_device(HmpCall *call, const Device *dev, int indent) {
    fprintf(call->out, "%*sdev: %s, id \"%s\"\n", indent, "", dev->cls->name,
            dev->id ? dev->id : "");
    indent += 2;
    for (const DeviceProperty *p = dev->cls->properties; p && p->name; p++) {
        char value[DESCRIBE_VALUE_MAX];
        describe_property(dev, p, value, sizeof(value));
        fprintf(call->out, "%*s%s = %s\n", indent, "", p->name, value);
    }
    if (dev->mapped) {
        fprintf(call->out, "%*smmio %016" PRIx64 "/%016" PRIx64 "\n", indent, "",
                dev->base, dev->mmio.size);
    }
    if (dev->cls->offers_bus) {
        fprintf(call->out, "%*sbus: %s\n%*s  type %s\n", indent, "",
                dev->bus_name ? dev->bus_name : "", indent, "", dev->cls->offers_bus);
    }
    if (dev->child) {
        show_device(call, dev->child, indent + 2);
    }
}

void hmp_info_qtree(HmpCall *call) {
    machine_lock(call->m);
    fprintf(call->out, "bus: main-system-bus\n  type System\n");
    for (const Device *d = call->m->first_device; d; d = d->next) {
        if (!d->parent) {
            show_device(call, d, 2);
        }
    }
    machine_unlock(call->m);
}
