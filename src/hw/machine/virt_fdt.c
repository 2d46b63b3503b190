/* SPDX-License-Identifier: MIT */
/*
 * Virt's device tree: the memory map in the words of Linux's bindings.
 *
 *   /  chosen  memory  flash  fw-cfg  poweroff  reboot
 *      cpus{cpu@N{interrupt-controller}, cpu-map}
 *      soc{rtc serial test virtio_mmio x 8 plic clint}
 *
 * Nodes come in the order of QEMU's tree: Linux numbers disks and network cards by it.
 */
#include "hw/intc/aclint.h"
#include "hw/intc/plic.h"
#include "hw/machine/fdt.h"
#include "hw/machine/virt.h"

enum {
    UART_CLOCK_HZ = 3686400,
    FLASH_BANK_WIDTH = 4,
    CACHE_BLOCK = 64,
    RNG_SEED_CELLS = 8,
    FINISHER_PASS = 0x5555,
    FINISHER_RESET = 0x7777,
};

/* Every node that is referred to has its handle by rule. */
static uint32_t cpu_phandle(const Machine *m, unsigned hart) {
    return 1 + 2 * (m->config.cpus - 1 - hart);
}
static uint32_t intc_phandle(const Machine *m, unsigned hart) {
    return cpu_phandle(m, hart) + 1;
}
static uint32_t plic_phandle(const Machine *m) {
    return 1 + 2 * m->config.cpus;
}
static uint32_t test_phandle(const Machine *m) {
    return plic_phandle(m) + 1;
}

/* Opens the node of the i-th device of a part with what all have: name, compatible, reg,
 * interrupt. */
static void part_begin(FdtBuilder *b, const Machine *m, unsigned part, unsigned i) {
    const VirtPart *p = &virt_memmap[part];
    hwaddr base = p->base + i * p->size;
    fdt_node_begin(b, "%s@%llx", p->node, (unsigned long long)base);
    fdt_prop_text(b, "compatible", p->compatible, p->compatible_size);
    if (p->irq) {
        fdt_prop_u32(b, "interrupts", p->irq + i);
        fdt_prop_u32(b, "interrupt-parent", plic_phandle(m));
    }
}

static void part_simple(FdtBuilder *b, const Machine *m, unsigned part, unsigned i) {
    const VirtPart *p = &virt_memmap[part];
    part_begin(b, m, part, i);
    fdt_prop_reg(b, p->base + i * p->size, p->size);
    fdt_node_end(b);
}

/* --- processors ------------------------------------------------------------------ */

static const char *mmu_type(const RiscvConfig *cfg) {
    if (!cfg->s || !cfg->satp_max) {
        return "riscv,none";
    }
    switch (cfg->satp_max) {
    case 1:
        return "riscv,sv32";
    case 8:
        return "riscv,sv39";
    case 9:
        return "riscv,sv48";
    default:
        return "riscv,sv57";
    }
}

static void describe_cpu(FdtBuilder *b, const Machine *m, unsigned hart) {
    const RiscvConfig *cfg = &((const VirtBoard *)m->board)->cpu_config;
    char isa[512];
    riscv_isa_string(cfg, isa, sizeof(isa));
    fdt_node_begin(b, "cpu@%x", hart);
    fdt_prop_u32(b, "phandle", cpu_phandle(m, hart));
    fdt_prop_string(b, "device_type", "cpu");
    fdt_prop_u32(b, "reg", hart);
    fdt_prop_string(b, "status", "okay");
    fdt_prop_string(b, "compatible", "riscv");
    if (cfg->zicboz) {
        fdt_prop_u32(b, "riscv,cboz-block-size", CACHE_BLOCK);
    }
    if (cfg->zicbom) {
        fdt_prop_u32(b, "riscv,cbom-block-size", CACHE_BLOCK);
    }
    fdt_prop_string(b, "riscv,isa", isa);
    fdt_prop_string(b, "mmu-type", mmu_type(cfg));

    fdt_node_begin(b, "interrupt-controller");
    fdt_prop_u32(b, "#interrupt-cells", 1);
    fdt_prop_flag(b, "interrupt-controller");
    fdt_prop_string(b, "compatible", "riscv,cpu-intc");
    fdt_prop_u32(b, "phandle", intc_phandle(m, hart));
    fdt_node_end(b);
    fdt_node_end(b);
}

static void describe_cpus(FdtBuilder *b, const Machine *m) {
    fdt_node_begin(b, "cpus");
    fdt_prop_u32(b, "#address-cells", 1);
    fdt_prop_u32(b, "#size-cells", 0);
    fdt_prop_u32(b, "timebase-frequency", ACLINT_TIMEBASE_HZ);
    for (unsigned i = 0; i < m->config.cpus; i++) {
        describe_cpu(b, m, i);
    }
    fdt_node_begin(b, "cpu-map");
    fdt_node_begin(b, "cluster0");
    for (unsigned i = 0; i < m->config.cpus; i++) {
        fdt_node_begin(b, "core%u", i);
        fdt_prop_u32(b, "cpu", cpu_phandle(m, i));
        fdt_node_end(b);
    }
    fdt_node_end(b);
    fdt_node_end(b);
    fdt_node_end(b);
}

/* --- devices --------------------------------------------------------------------- */

/* interrupts-extended: for each hart two of its interrupts. */
static void prop_hart_interrupts(FdtBuilder *b, const Machine *m, uint32_t first,
                                 uint32_t second) {
    uint32_t cells[4 * MACHINE_MAX_CPUS];
    unsigned n = 0;
    for (unsigned i = 0; i < m->config.cpus; i++) {
        cells[n++] = intc_phandle(m, i);
        cells[n++] = first;
        cells[n++] = intc_phandle(m, i);
        cells[n++] = second;
    }
    fdt_prop_cells(b, "interrupts-extended", cells, n);
}

static void describe_soc(FdtBuilder *b, const Machine *m) {
    const VirtPart *map = virt_memmap;
    fdt_node_begin(b, "soc");
    fdt_prop_u32(b, "#address-cells", 2);
    fdt_prop_u32(b, "#size-cells", 2);
    fdt_prop_string(b, "compatible", "simple-bus");
    fdt_prop_flag(b, "ranges");

    part_simple(b, m, VIRT_RTC, 0);

    part_begin(b, m, VIRT_UART0, 0);
    fdt_prop_u32(b, "clock-frequency", UART_CLOCK_HZ);
    fdt_prop_reg(b, map[VIRT_UART0].base, map[VIRT_UART0].size);
    fdt_node_end(b);

    part_begin(b, m, VIRT_TEST, 0);
    fdt_prop_u32(b, "phandle", test_phandle(m));
    fdt_prop_reg(b, map[VIRT_TEST].base, map[VIRT_TEST].size);
    fdt_node_end(b);

    for (unsigned i = map[VIRT_VIRTIO].count; i-- > 0;) {
        part_simple(b, m, VIRT_VIRTIO, i);
    }

    part_begin(b, m, VIRT_PLIC, 0);
    fdt_prop_u32(b, "phandle", plic_phandle(m));
    fdt_prop_u32(b, "riscv,ndev", PLIC_SOURCES);
    fdt_prop_reg(b, map[VIRT_PLIC].base, map[VIRT_PLIC].size);
    prop_hart_interrupts(b, m, IRQ_MEI, IRQ_SEI);
    fdt_prop_flag(b, "interrupt-controller");
    fdt_prop_u32(b, "#address-cells", 0);
    fdt_prop_u32(b, "#interrupt-cells", 1);
    fdt_node_end(b);

    part_begin(b, m, VIRT_CLINT, 0);
    prop_hart_interrupts(b, m, IRQ_MSI, IRQ_MTI);
    fdt_prop_reg(b, map[VIRT_CLINT].base, map[VIRT_CLINT].size);
    fdt_node_end(b);
    fdt_node_end(b);
}

static void describe_syscon(FdtBuilder *b, const Machine *m, const char *node,
                            const char *compatible, uint32_t value) {
    fdt_node_begin(b, "%s", node);
    fdt_prop_u32(b, "value", value);
    fdt_prop_u32(b, "offset", 0);
    fdt_prop_u32(b, "regmap", test_phandle(m));
    fdt_prop_string(b, "compatible", compatible);
    fdt_node_end(b);
}

static void describe_flash(FdtBuilder *b, const Machine *m) {
    const VirtPart *p = &virt_memmap[VIRT_FLASH];
    uint32_t reg[2 * 4];
    for (unsigned i = 0; i < p->count; i++) {
        hwaddr base = p->base + i * p->size;
        reg[4 * i] = (uint32_t)(base >> 32);
        reg[4 * i + 1] = (uint32_t)base;
        reg[4 * i + 2] = (uint32_t)(p->size >> 32);
        reg[4 * i + 3] = (uint32_t)p->size;
    }
    part_begin(b, m, VIRT_FLASH, 0);
    fdt_prop_u32(b, "bank-width", FLASH_BANK_WIDTH);
    fdt_prop_cells(b, "reg", reg, 4 * p->count);
    fdt_node_end(b);
}

static void describe_chosen(FdtBuilder *b) {
    const uint32_t no_seed_yet[RNG_SEED_CELLS] = {0};
    char path[64];
    snprintf(path, sizeof(path), "/soc/%s@%llx", virt_memmap[VIRT_UART0].node,
             (unsigned long long)virt_memmap[VIRT_UART0].base);
    fdt_node_begin(b, "chosen");
    fdt_prop_cells(b, "rng-seed", no_seed_yet, RNG_SEED_CELLS);
    fdt_prop_string(b, "stdout-path", path);
    fdt_node_end(b);
}

uint8_t *virt_make_fdt(const Machine *m, Error **errp) {
    const VirtPart *map = virt_memmap;
    FdtBuilder b;
    fdt_builder_begin(&b);
    fdt_prop_u32(&b, "#address-cells", 2);
    fdt_prop_u32(&b, "#size-cells", 2);
    fdt_prop_string(&b, "compatible", "riscv-virtio");
    fdt_prop_string(&b, "model", "riscv-virtio,qemu");

    part_begin(&b, m, VIRT_FW_CFG, 0);
    fdt_prop_flag(&b, "dma-coherent");
    fdt_prop_reg(&b, map[VIRT_FW_CFG].base, map[VIRT_FW_CFG].size);
    fdt_node_end(&b);

    describe_flash(&b, m);
    describe_chosen(&b);
    describe_syscon(&b, m, "poweroff", "syscon-poweroff", FINISHER_PASS);
    describe_syscon(&b, m, "reboot", "syscon-reboot", FINISHER_RESET);

    fdt_node_begin(&b, "memory@%llx", (unsigned long long)map[VIRT_DRAM].base);
    fdt_prop_string(&b, "device_type", "memory");
    fdt_prop_reg(&b, map[VIRT_DRAM].base, m->config.ram_size);
    fdt_node_end(&b);

    describe_cpus(&b, m);
    describe_soc(&b, m);
    return fdt_builder_finish(&b, errp);
}
