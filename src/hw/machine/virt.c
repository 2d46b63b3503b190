/* SPDX-License-Identifier: MIT */
/*
 * Virt: the board of virtual RISC-V machines, with QEMU's memory map, interrupts and
 * names.
 *
 *   devices --irq--> PLIC --MEIP,SEIP--> hart 0..7 <--MSIP,MTIP-- ACLINT
 *
 * Not modelled: PCIe host (0x30000000), platform bus (0x4000000), AIA, ACLINT's SSWI,
 * NUMA; machine properties aclint= and aia= take only their default.
 */
#include "hw/machine/virt.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hw/block/pflash.h"
#include "hw/intc/aclint.h"
#include "hw/intc/plic.h"
#include "util/keyval.h"

#define COMPATIBLE(text) (text), sizeof(text)
#define NO_NODE          NULL, 0

const VirtPart virt_memmap[VIRT_PART_COUNT] = {
    /*               node           base        size       irq count compatible */
    [VIRT_DEBUG] = {NULL, 0x0, 0x100, 0, 1, NO_NODE},
    [VIRT_MROM] = {NULL, 0x1000, 0xf000, 0, 1, NO_NODE},
    [VIRT_TEST] = {"test", 0x100000, 0x1000, 0, 1,
                   COMPATIBLE("sifive,test1\0sifive,test0\0syscon")},
    [VIRT_RTC] = {"rtc", 0x101000, 0x1000, 11, 1, COMPATIBLE("google,goldfish-rtc")},
    [VIRT_CLINT] = {"clint", 0x2000000, 0x10000, 0, 1,
                    COMPATIBLE("sifive,clint0\0riscv,clint0")},
    [VIRT_PLIC] = {"plic", 0xc000000, 0x600000, 0, 1,
                   COMPATIBLE("sifive,plic-1.0.0\0riscv,plic0")},
    [VIRT_UART0] = {"serial", 0x10000000, 0x100, 10, 1, COMPATIBLE("ns16550a")},
    [VIRT_VIRTIO] = {"virtio_mmio", 0x10001000, 0x1000, 1, 8, COMPATIBLE("virtio,mmio")},
    [VIRT_FW_CFG] = {"fw-cfg", 0x10100000, 0x18, 0, 1, COMPATIBLE("qemu,fw-cfg-mmio")},
    [VIRT_FLASH] = {"flash", 0x20000000, 0x2000000, 0, 2, COMPATIBLE("cfi-flash")},
    [VIRT_DRAM] = {"memory", 0x80000000, 0, 0, 1, NO_NODE},
};

#define RV32_RAM_MAX (UINT64_C(2) << 30)

/* --- options --------------------------------------------------------------------- */

static bool check_config(const Machine *m, Error **errp) {
    const MachineConfig *c = &m->config;
    KeyVal kv = {0};
    if (c->ram_size < PAGE_SIZE || (c->ram_size & PAGE_OFFSET_MASK)) {
        error_set(errp, "-m: the size of RAM must be a multiple of 4 KiB");
        return false;
    }
    if (c->xlen == 32 && c->ram_size > RV32_RAM_MAX) {
        error_set(errp, "-m: an RV32 machine has at most 2 GiB of RAM");
        return false;
    }
    bool ok = true;
    if (c->machine_props) {
        const char *aclint, *aia;
        ok = keyval_parse(&kv, c->machine_props, NULL, errp) &&
             keyval_check(&kv, "aclint aia dumpdtb accel acpi usb", "-M virt", errp);
        aclint = ok ? keyval_get(&kv, "aclint") : NULL;
        aia = ok ? keyval_get(&kv, "aia") : NULL;
        if ((aclint && strcmp(aclint, "off")) || (aia && strcmp(aia, "none"))) {
            error_set(errp, "-M virt: only aclint=off and aia=none are supported");
            ok = false;
        }
        keyval_free(&kv);
    }
    return ok;
}

/* --- parts ----------------------------------------------------------------------- */

static void set_hart_irq(void *opaque, int irq, int level) {
    riscv_cpu_set_irq(opaque, (unsigned)irq, level != 0);
}

static IrqLine hart_irq(Machine *m, unsigned hart, int irq) {
    return (IrqLine){
        .set = set_hart_irq, .opaque = riscv_cpu(m->cpus->cpu[hart]), .n = irq};
}

static bool make_harts(Machine *m, VirtBoard *v, Error **errp) {
    const char *model = m->config.cpu;
    if (!riscv_config_parse(&v->cpu_config, m->config.xlen,
                            model ? model : (m->config.xlen == 32 ? "rv32" : "rv64"),
                            errp)) {
        return false;
    }
    for (unsigned i = 0; i < m->config.cpus; i++) {
        RiscvCPU *cpu = riscv_cpu_new(&v->cpu_config, i);
        if (!cpu) {
            error_set(errp, "no memory for vCPU %u", i);
            return false;
        }
        cpu->reset_pc = virt_memmap[VIRT_MROM].base;
        cpu->timebase_hz = ACLINT_TIMEBASE_HZ;
        cpu_group_add(m->cpus, &cpu->parent, &riscv_cpu_class, m->log, &m->clock);
    }
    return true;
}

/* RAM and the boot ROM are regions without a device: the board owns them. */
typedef struct VirtMemory {
    MemoryRegion ram, mrom;
} VirtMemory;

typedef struct VirtState {
    VirtBoard board; /* first: Machine.board points here */
    VirtMemory memory;
    bool memory_made;
} VirtState;

static bool make_memory(Machine *m, VirtState *s, Error **errp) {
    const VirtPart *mrom = &virt_memmap[VIRT_MROM];
    RAMBlock *ram = ramblock_new(&m->ram_list, "riscv_virt_board.ram", m->config.ram_size,
                                 RAM_ANONYMOUS, NULL, errp);
    RAMBlock *rom = ram ? ramblock_new(&m->ram_list, "riscv_virt_board.mrom", mrom->size,
                                       RAM_ANONYMOUS, NULL, errp)
                        : NULL;
    if (!rom) {
        return false;
    }
    memory_region_init_ram(&s->memory.ram, ram, "riscv_virt_board.ram",
                           m->config.ram_size);
    memory_region_init_rom(&s->memory.mrom, rom, "riscv_virt_board.mrom", mrom->size);
    memory_region_add(&m->as, &m->system_memory, virt_memmap[VIRT_DRAM].base,
                      &s->memory.ram, 0);
    memory_region_add(&m->as, &m->system_memory, mrom->base, &s->memory.mrom, 0);
    s->memory_made = true;
    return true;
}

static Device *new_board_device(Machine *m, const char *class_name, Error **errp) {
    return device_new(m, device_class_find(class_name), NULL, errp);
}

static bool realize_and_map(Device *dev, hwaddr base, Error **errp) {
    if (!device_realize(dev, errp)) {
        return false;
    }
    device_map(dev, base);
    return true;
}

/* mtime jumped: the harts' own timers (Sstc) were made from what it was. */
static void renew_hart_timers(void *opaque) {
    Machine *m = opaque;
    for (unsigned i = 0; i < m->cpus->count; i++) {
        RiscvCPU *cpu = riscv_cpu(m->cpus->cpu[i]);
        if (cpu->stimer.clock) {
            riscv_stimer_fire(cpu);
        }
    }
}

static bool make_aclint(Machine *m, Error **errp) {
    hwaddr base = virt_memmap[VIRT_CLINT].base;
    Device *swi = new_board_device(m, "riscv.aclint.swi", errp);
    Device *mtimer = swi ? new_board_device(m, "riscv.aclint.mtimer", errp) : NULL;
    if (!mtimer) {
        return false;
    }
    for (unsigned i = 0; i < m->config.cpus; i++) {
        RiscvCPU *cpu = riscv_cpu(m->cpus->cpu[i]);
        aclint_swi_connect(swi, i, hart_irq(m, i, IRQ_MSI));
        aclint_mtimer_connect(mtimer, i, hart_irq(m, i, IRQ_MTI));
        cpu->read_time = aclint_mtimer_read_time;
        cpu->read_time_opaque = mtimer;
    }
    aclint_mtimer_on_time_change(mtimer, renew_hart_timers, m);
    return realize_and_map(swi, base, errp) &&
           realize_and_map(mtimer, base + ACLINT_SWI_SIZE, errp);
}

static Device *make_plic(Machine *m, Error **errp) {
    Device *plic = new_board_device(m, "riscv.sifive.plic", errp);
    if (!plic) {
        return NULL;
    }
    for (unsigned i = 0; i < m->config.cpus; i++) {
        plic_connect(plic, 2 * i, hart_irq(m, i, IRQ_MEI));
        plic_connect(plic, 2 * i + 1, hart_irq(m, i, IRQ_SEI));
    }
    return realize_and_map(plic, virt_memmap[VIRT_PLIC].base, errp) ? plic : NULL;
}

/* The i-th device of a part, wired to its interrupt. `prepare` may set properties; may be
 * NULL. */
static Device *make_part(Machine *m, Device *plic, unsigned part, unsigned i,
                         const char *class_name, void (*prepare)(Device *dev, unsigned i),
                         Error **errp) {
    const VirtPart *p = &virt_memmap[part];
    Device *dev = new_board_device(m, class_name, errp);
    if (!dev) {
        return NULL;
    }
    if (p->irq) {
        dev->irq = plic_input(plic, p->irq + i);
    }
    if (prepare) {
        prepare(dev, i);
    }
    return realize_and_map(dev, p->base + i * p->size, errp) ? dev : NULL;
}

static void prepare_uart(Device *dev, unsigned i) {
    Machine *m = dev->machine;
    if (i < m->serial_count && m->serials[i]) {
        device_set_reference(dev, "chardev", m->serials[i]);
    }
}

static void prepare_virtio_slot(Device *dev, unsigned i) {
    char name[32];
    snprintf(name, sizeof(name), "virtio-mmio-bus.%u", i);
    dev->bus_name = strdup(name);
}

static void prepare_flash(Device *dev, unsigned i) {
    char name[32];
    snprintf(name, sizeof(name), "virt.flash%u", i);
    device_set_property(dev, "name", name, NULL);
    BlockBackend *blk = machine_take_drive(dev->machine, "pflash", (int)i);
    if (blk) {
        device_set_reference(dev, "drive", blk);
    }
}

/* The machine begins in the first bank if that has contents. */
static bool make_flashes(Machine *m, VirtBoard *v, Error **errp) {
    const VirtPart *p = &virt_memmap[VIRT_FLASH];
    for (unsigned i = 0; i < p->count; i++) {
        Device *flash =
            make_part(m, NULL, VIRT_FLASH, i, "cfi.pflash01", prepare_flash, errp);
        if (!flash) {
            error_prepend(errp, "-drive if=pflash,unit=%u: ", i);
            return false;
        }
        if (i == 0 && pflash_has_drive(flash)) {
            v->boot.flash_start = p->base;
        }
    }
    return true;
}

static bool make_devices(Machine *m, VirtBoard *v, Error **errp) {
    Device *plic = make_aclint(m, errp) ? make_plic(m, errp) : NULL;
    if (!plic || !make_part(m, plic, VIRT_TEST, 0, "riscv.sifive.test", NULL, errp) ||
        !make_part(m, plic, VIRT_UART0, 0, "serial-mm", prepare_uart, errp) ||
        !make_part(m, plic, VIRT_RTC, 0, "goldfish_rtc", NULL, errp) ||
        !make_part(m, plic, VIRT_FW_CFG, 0, "fw_cfg_mmio", NULL, errp) ||
        !make_flashes(m, v, errp)) {
        return false;
    }
    for (unsigned i = 0; i < virt_memmap[VIRT_VIRTIO].count; i++) {
        if (!make_part(m, plic, VIRT_VIRTIO, i, "virtio-mmio", prepare_virtio_slot,
                       errp)) {
            return false;
        }
    }
    return true;
}

/* --- the board ------------------------------------------------------------------- */

static bool virt_init(Machine *m, Error **errp) {
    VirtState *s = calloc(1, sizeof(*s));
    if (!s) {
        error_set(errp, "no memory for the board");
        return false;
    }
    m->board = s;
    s->board.boot = (Boot){.rom_base = virt_memmap[VIRT_MROM].base,
                           .ram_base = virt_memmap[VIRT_DRAM].base,
                           .ram_size = m->config.ram_size};
    return check_config(m, errp) && make_harts(m, &s->board, errp) &&
           make_memory(m, s, errp) && make_devices(m, &s->board, errp);
}

static bool virt_boot(Machine *m, Error **errp) {
    Boot *b = &((VirtBoard *)m->board)->boot;
    if (m->config.dump_dtb && !m->config.bios && !m->config.kernel) {
        /* The tree does not depend on firmware that may be missing. */
        m->config.bios = "none";
    }
    if (!boot_open(b, m, errp)) {
        return false;
    }
    uint8_t *fdt = virt_make_fdt(m, errp);
    return fdt && boot_set_fdt(b, m, fdt, errp) &&
           (!m->config.dump_dtb || boot_dump_fdt(b, m->config.dump_dtb, errp));
}

static bool virt_reset(Machine *m, Error **errp) {
    return boot_load(&((VirtBoard *)m->board)->boot, m, errp);
}

static void virt_exit(Machine *m) {
    VirtState *s = m->board;
    if (!s) {
        return;
    }
    boot_close(&s->board.boot);
    if (s->memory_made) {
        memory_region_del(&m->as, &s->memory.ram);
        memory_region_del(&m->as, &s->memory.mrom);
        address_space_reclaim(&m->as);
        memory_region_destroy(&s->memory.ram);
        memory_region_destroy(&s->memory.mrom);
    }
    free(s);
    m->board = NULL;
}

const MachineClass virt_machine_class = {
    .name = "virt",
    .description = "RISC-V VirtIO board",
    .xlen_mask = 3,
    .max_cpus = MACHINE_MAX_CPUS,
    .default_ram_size = UINT64_C(128) << 20,
    .nic_model = "virtio-net-device",
    .disk_model = "virtio-blk-device",
    .init = virt_init,
    .boot = virt_boot,
    .reset = virt_reset,
    .exit = virt_exit,
};
