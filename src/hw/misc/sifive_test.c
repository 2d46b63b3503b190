/* SPDX-License-Identifier: MIT */
/*
 * SiFive test finisher: the guest's way to end the run with a result.
 *
 *   write  0x5555              pass: exit status 0
 *          0x3333 | code << 16 fail: exit status `code`
 *          0x7777              reset
 *
 * The device tree also names it as a syscon whose offset 0 powers off and reboots.
 * Deviates: a failure whose code would end as exit status 0 (a multiple of 256) ends as
 * 1, so that a script sees it.
 */
#include "hw/device.h"
#include "hw/machine/machine.h"

enum {
    FINISHER_FAIL = 0x3333,
    FINISHER_PASS = 0x5555,
    FINISHER_RESET = 0x7777,
    FINISHER_SIZE = 0x1000,
};

static uint64_t test_read(void *opaque, hwaddr offset, unsigned size) {
    (void)opaque;
    (void)offset;
    (void)size;
    return 0;
}

static void test_write(void *opaque, hwaddr offset, uint64_t value, unsigned size) {
    Device *dev = opaque;
    (void)size;
    int code = value >> 16 & 0xff;
    if (offset != 0) {
        device_guest_error(dev, "write to unknown register 0x%x", (unsigned)offset);
        return;
    }
    switch (value & 0xffff) {
    case FINISHER_FAIL:
        machine_request_shutdown(dev->machine, SHUTDOWN_GUEST_ERROR, code ? code : 1);
        break;
    case FINISHER_PASS:
        machine_request_shutdown(dev->machine, SHUTDOWN_GUEST, 0);
        break;
    case FINISHER_RESET:
        machine_request_reset(dev->machine, SHUTDOWN_GUEST_RESET);
        break;
    default:
        device_guest_error(dev, "write of 0x%x, which is no command", (unsigned)value);
    }
}

static const MemoryRegionOps test_ops = {
    .read = test_read,
    .write = test_write,
    .valid_min = 2,
    .valid_max = 4,
    .impl_min = 2,
    .impl_max = 4,
};

static bool test_realize(Device *dev, Error **errp) {
    (void)errp;
    memory_region_init_io(&dev->mmio, &test_ops, dev, "riscv.sifive.test", FINISHER_SIZE);
    return true;
}

static const RegisterField test_fields[] = {
    {"command", 0xffff, "what is to happen",
     "0x3333=end with the status in `code`|0x5555=end with status 0|0x7777=reset"},
    {"code", 0xffff0000, "exit status", NULL},
    REGISTER_FIELDS_END,
};

static const RegisterDesc test_registers[] = {
    REGISTER("COMMAND", 0, 4, REG_WRITE,
             "ends or resets the machine (syscon power-off, reboot)",
             .fields = test_fields),
    REGISTERS_END,
};

const DeviceClass sifive_test_class = {
    .name = "riscv.sifive.test",
    .description = "SiFive test finisher",
    .size = sizeof(Device),
    .registers = test_registers,
    .realize = test_realize,
};
