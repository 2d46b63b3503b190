/* SPDX-License-Identifier: MIT */
/*
 * fw_cfg: a small key-value store through which the host tells firmware what it built.
 *
 *   +0x00  data (1 to 8 bytes): the next bytes of the selected item, zeros behind its end
 *   +0x08  selector (16 bits, big-endian): choose an item, from its first byte
 *   +0x10  DMA address (64 bits, big-endian; the write of the low half starts it)
 *
 *   DMA descriptor in guest memory, big-endian: control (32), length (32), address (64)
 *
 * Spec: QEMU, docs/specs/fw_cfg.rst.
 * Not modelled: writable items; the items of kernel, initrd and command line.
 */
#include <string.h>

#include "hw/dma.h"
#include "hw/machine/machine.h"

enum {
    FW_CFG_DATA = 0x00,
    FW_CFG_SELECTOR = 0x08,
    FW_CFG_DMA_HIGH = 0x10,
    FW_CFG_DMA_LOW = 0x14,
    FW_CFG_SIZE = 0x18,

    KEY_SIGNATURE = 0x00,
    KEY_ID = 0x01,
    KEY_UUID = 0x02,
    KEY_RAM_SIZE = 0x03,
    KEY_NOGRAPHIC = 0x04,
    KEY_NB_CPUS = 0x05,
    KEY_MAX_CPUS = 0x0f,
    KEY_FILE_DIR = 0x19,
    KEY_MASK = 0x3fff, /* bits 14 and 15: write mode and architecture's own */

    ID_TRADITIONAL = 1 << 0,
    ID_DMA = 1 << 1,

    DMA_ERROR = 1 << 0,
    DMA_READ = 1 << 1,
    DMA_SKIP = 1 << 2,
    DMA_SELECT = 1 << 3,
    DMA_WRITE = 1 << 4,

    DMA_DESCRIPTOR_SIZE = 16,
    ITEM_SIZE_MAX = 16,
};
#define DMA_SIGNATURE UINT64_C(0x51454d5520434647) /* "QEMU CFG" */

typedef struct FwCfgItem {
    uint16_t key;
    uint16_t size;
    uint8_t data[ITEM_SIZE_MAX];
} FwCfgItem;

enum { ITEM_COUNT = 8 };

typedef struct FwCfg {
    Device dev;
    FwCfgItem item[ITEM_COUNT];
    unsigned item_count;
    uint16_t key;    /* selected */
    uint64_t offset; /* of the next byte in it */
    uint64_t dma_address;
} FwCfg;

/* --- items ----------------------------------------------------------------------- */

static void add_item(FwCfg *s, uint16_t key, const void *data, uint16_t size) {
    FwCfgItem *item = &s->item[s->item_count++];
    item->key = key;
    item->size = size;
    memcpy(item->data, data, size);
}

static void add_number(FwCfg *s, uint16_t key, uint64_t value, uint16_t size) {
    uint8_t bytes[8];
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(value >> 8 * i);
    }
    add_item(s, key, bytes, size);
}

static void add_items(FwCfg *s, const MachineConfig *c) {
    const uint8_t zeros[ITEM_SIZE_MAX] = {0};
    add_item(s, KEY_SIGNATURE, "QEMU", 4);
    add_number(s, KEY_ID, ID_TRADITIONAL | ID_DMA, 4);
    add_item(s, KEY_UUID, zeros, 16);
    add_number(s, KEY_RAM_SIZE, c->ram_size, 8);
    add_number(s, KEY_NOGRAPHIC, c->nographic, 2);
    add_number(s, KEY_NB_CPUS, c->cpus, 2);
    add_number(s, KEY_MAX_CPUS, c->cpus, 2);
    add_number(s, KEY_FILE_DIR, 0, 4); /* no files */
}

static const FwCfgItem *selected_item(const FwCfg *s) {
    for (unsigned i = 0; i < s->item_count; i++) {
        if (s->item[i].key == (s->key & KEY_MASK)) {
            return &s->item[i];
        }
    }
    return NULL;
}

static uint8_t next_byte(FwCfg *s) {
    const FwCfgItem *item = selected_item(s);
    return item && s->offset < item->size ? item->data[s->offset++] : 0;
}

static void select_item(FwCfg *s, uint16_t key) {
    s->key = key;
    s->offset = 0;
    if (!selected_item(s)) {
        device_unimplemented(&s->dev, "item 0x%x is not there", key);
    }
}

/* --- DMA ------------------------------------------------------------------------- */

static uint64_t get_be(const uint8_t *p, unsigned size) {
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++) {
        value = value << 8 | p[i];
    }
    return value;
}

/* Copies `length` bytes of the item, and zeros behind its end, to guest memory. */
static bool dma_read(FwCfg *s, hwaddr address, uint64_t length) {
    AddressSpace *as = &s->dev.machine->as;
    while (length) {
        uint8_t chunk[4096];
        uint64_t n = length < sizeof(chunk) ? length : sizeof(chunk);
        for (uint64_t i = 0; i < n; i++) {
            chunk[i] = next_byte(s);
        }
        if (address_space_write(as, address, chunk, n) != MEMTX_OK) {
            return false;
        }
        const DmaAccess a = {DEBUG_WRITE, -1, 0, "buffer"};
        dma_note_at(&s->dev, a, address, n);
        address += n;
        length -= n;
    }
    return true;
}

static void run_dma(FwCfg *s, hwaddr descriptor) {
    AddressSpace *as = &s->dev.machine->as;
    uint8_t d[DMA_DESCRIPTOR_SIZE];
    if (address_space_read(as, descriptor, d, sizeof(d)) != MEMTX_OK) {
        device_guest_error(&s->dev, "DMA descriptor at 0x%llx is not in memory",
                           (unsigned long long)descriptor);
        return;
    }
    DmaAccess a = {DEBUG_READ, -1, 0, "descriptor"};
    dma_note_at(&s->dev, a, descriptor, sizeof(d));
    uint32_t control = (uint32_t)get_be(d, 4);
    uint64_t length = get_be(d + 4, 4), address = get_be(d + 8, 8);
    bool ok = true;
    if (control & DMA_SELECT) {
        select_item(s, (uint16_t)(control >> 16));
    }
    Trace *trace = s->dev.machine->trace;
    if ((control & DMA_READ) && trace_on(trace, TRACE_DMA_WRITE)) {
        trace_emit(trace, TRACE_DMA_WRITE, TRACE_NO_HART, (uintptr_t)s, address, length,
                   0);
    }
    if (control & DMA_READ) {
        ok = dma_read(s, address, length);
    } else if (control & DMA_WRITE) {
        ok = false; /* no item can be written */
    } else if (control & DMA_SKIP) {
        s->offset += length;
    }
    const uint8_t done[4] = {0, 0, 0, ok ? 0 : DMA_ERROR};
    address_space_write(as, descriptor, done, sizeof(done));
    a.access = DEBUG_WRITE;
    dma_note_at(&s->dev, a, descriptor, sizeof(done));
}

/* --- registers ------------------------------------------------------------------- */

/* Bytes come in memory order whatever the width: the first one is the lowest of a
 * little-endian load. */
static uint64_t read_data(FwCfg *s, unsigned size) {
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)next_byte(s) << 8 * i;
    }
    return value;
}

static uint64_t swap_bytes(uint64_t value, unsigned size) {
    return __builtin_bswap64(value) >> (64 - 8 * size);
}

static uint64_t fw_cfg_read(void *opaque, hwaddr offset, unsigned size) {
    FwCfg *s = opaque;
    if (offset < FW_CFG_SELECTOR) {
        return read_data(s, size);
    }
    if (offset >= FW_CFG_DMA_HIGH) {
        unsigned at = (unsigned)(offset - FW_CFG_DMA_HIGH);
        return __builtin_bswap64(DMA_SIGNATURE) >> 8 * at &
               (UINT64_MAX >> (64 - 8 * size));
    }
    device_guest_error(&s->dev, "read of the selector, which can only be written");
    return 0;
}

static void fw_cfg_write(void *opaque, hwaddr offset, uint64_t value, unsigned size) {
    FwCfg *s = opaque;
    if (offset == FW_CFG_SELECTOR && size == 2) {
        select_item(s, (uint16_t)swap_bytes(value, 2));
    } else if (offset == FW_CFG_DMA_HIGH && size == 4) {
        s->dma_address = swap_bytes(value, 4) << 32;
    } else if (offset == FW_CFG_DMA_LOW && size == 4) {
        hwaddr descriptor = s->dma_address | swap_bytes(value, 4);
        s->dma_address = 0;
        run_dma(s, descriptor);
    } else if (offset == FW_CFG_DMA_HIGH && size == 8) {
        s->dma_address = 0;
        run_dma(s, swap_bytes(value, 8));
    } else {
        device_guest_error(&s->dev, "write of %u bytes at 0x%x is ignored", size,
                           (unsigned)offset);
    }
}

static const MemoryRegionOps fw_cfg_ops = {
    .read = fw_cfg_read,
    .write = fw_cfg_write,
    .valid_min = 1,
    .valid_max = 8,
    .impl_min = 1,
    .impl_max = 8,
};

static bool fw_cfg_realize(Device *dev, Error **errp) {
    (void)errp;
    add_items((FwCfg *)dev, &dev->machine->config);
    memory_region_init_io(&dev->mmio, &fw_cfg_ops, dev, "fwcfg", FW_CFG_SIZE);
    return true;
}

static void fw_cfg_reset(Device *dev) {
    FwCfg *s = (FwCfg *)dev;
    s->key = KEY_SIGNATURE;
    s->offset = 0;
    s->dma_address = 0;
}

static const RegisterField selector_fields[] = {
    {"key", KEY_MASK, "the selected item",
     "0=signature|1=features|2=UUID|3=RAM size|4=no display|5=number of CPUs|"
     "15=most CPUs|25=directory of files"},
    REGISTER_FIELDS_END,
};

static const RegisterDesc fw_cfg_registers[] = {
    REGISTER("DATA", FW_CFG_DATA, 1, REG_READ,
             "the next byte of the item; a read moves on"),
    REGISTER("SELECTOR", FW_CFG_SELECTOR, 2, REG_WRITE, "which item (big-endian)",
             .fields = selector_fields),
    REGISTER(
        "DMA", FW_CFG_DMA_HIGH, 8, REG_BOTH,
        "address of a DMA descriptor (big-endian); shown: the half that waits for the "
        "other"),
    REGISTERS_END,
};

static bool fw_cfg_peek(const Device *dev, const RegisterDesc *reg, hwaddr offset,
                        uint64_t *value) {
    const FwCfg *s = (const FwCfg *)dev;
    const FwCfgItem *item = selected_item(s);
    (void)reg;
    switch (offset) {
    case FW_CFG_DATA:
        *value = item && s->offset < item->size ? item->data[s->offset] : 0;
        return true;
    case FW_CFG_SELECTOR:
        *value = s->key;
        return true;
    default:
        *value = s->dma_address;
        return true;
    }
}

static const StateField fw_cfg_state[] = {
    STATE(FwCfg, key, STATE_U16),
    STATE(FwCfg, offset, STATE_U64),
    STATE(FwCfg, dma_address, STATE_U64),
    STATE_END,
};

const DeviceClass fw_cfg_mmio_class = {
    .name = "fw_cfg_mmio",
    .description = "QEMU firmware configuration",
    .size = sizeof(FwCfg),
    .state = fw_cfg_state,
    .state_version = 1,
    .registers = fw_cfg_registers,
    .peek = fw_cfg_peek,
    .realize = fw_cfg_realize,
    .reset = fw_cfg_reset,
};
