/* SPDX-License-Identifier: MIT */
/*
 * Pflash: a bank of NOR flash: two 16-bit chips side by side, 32 MiB, Intel's command
 * set.
 *
 *   array mode: reads go straight to the RAMBlock (ROM device)
 *        |  any command write           ^ 0xff
 *        v                              |
 *   command mode: reads answer with status, identifiers or the CFI table;
 *                 writes program and erase
 *
 * A command is the low byte of a write; an answer is repeated for both chips. Programming
 * can only clear bits, erasing sets all bits of a block; both are written through to the
 * -drive at once.
 *
 * Invariants: the region is in ROM mode exactly while mode == MODE_ARRAY and no command
 * is under way.
 *
 * Spec: Common Flash Memory Interface (JESD68.01); Intel StrataFlash J3 data sheet (basic
 * and buffered programming, block erase, status register).
 *
 * Not modelled: block locks (they are accepted and do nothing), suspend, protection
 * registers, time: every operation is done when its last write returns.
 */
#include "hw/block/pflash.h"

#include <string.h>

#include "hw/machine/machine.h"

enum {
    BANK_WIDTH = 4,
    CHIP_WIDTH = 2,
    CHIPS = BANK_WIDTH / CHIP_WIDTH,
    BLOCK_SIZE = 256 * 1024, /* of the bank */
    BLOCK_COUNT = PFLASH_SIZE / BLOCK_SIZE,
    BUFFER_BITS = 8, /* bytes of a chip's write buffer, as a power of two */
    BUFFER_SIZE = CHIPS << BUFFER_BITS,
    BUFFER_WRITES = BUFFER_SIZE / BANK_WIDTH,
    CHIP_SIZE_BITS = 24,

    CMD_PROGRAM_ALT = 0x10,
    CMD_ERASE = 0x20,
    CMD_PROGRAM = 0x40,
    CMD_CLEAR_STATUS = 0x50,
    CMD_LOCK = 0x60,
    CMD_READ_STATUS = 0x70,
    CMD_READ_ID = 0x90,
    CMD_CFI = 0x98,
    CMD_SUSPEND = 0xb0,
    CMD_CONFIRM = 0xd0,
    CMD_BUFFER = 0xe8,
    CMD_RESET_ALT = 0xf0, /* the other command set's, which drivers try */
    CMD_READ_ARRAY = 0xff,

    STATUS_LOCKED = 1 << 1,
    STATUS_PROGRAM_ERROR = 1 << 4,
    STATUS_ERASE_ERROR = 1 << 5,
    STATUS_READY = 1 << 7,

    ID_INTEL = 0x89,
    ID_CHIP = 0x18, /* 28F128J3: 128 Mbit */

    CFI_LENGTH = 0x40,
};

typedef enum PflashMode { MODE_ARRAY, MODE_STATUS, MODE_ID, MODE_CFI } PflashMode;

/* The CFI table as a chip answers it, by word address. */
static const uint8_t cfi_table[CFI_LENGTH] = {
    [0x10] = 'Q',
    [0x11] = 'R',
    [0x12] = 'Y',
    [0x13] = 0x01, /* Intel/Sharp extended command set */
    [0x15] = 0x31, /* where its own table is */
    [0x1b] = 0x45, /* supply 4.5 V ... */
    [0x1c] = 0x55, /* ... to 5.5 V */
    [0x1f] = 0x07, /* typical word write: 2^7 us */
    [0x20] = 0x07, /* buffer write */
    [0x21] = 0x0a, /* block erase: 2^10 ms */
    [0x23] = 0x04, /* maxima: 2^4 times typical */
    [0x24] = 0x04,
    [0x25] = 0x04,
    [0x27] = CHIP_SIZE_BITS,
    [0x28] = 0x02, /* x8/x16 interface */
    [0x2a] = BUFFER_BITS,
    [0x2c] = 0x01, /* one region of equal blocks */
    [0x2d] = (BLOCK_COUNT - 1) & 0xff,
    [0x2e] = (BLOCK_COUNT - 1) >> 8,
    [0x2f] = (BLOCK_SIZE / CHIPS / 256) & 0xff,
    [0x30] = (BLOCK_SIZE / CHIPS / 256) >> 8,
    [0x31] = 'P',
    [0x32] = 'R',
    [0x33] = 'I',
    [0x34] = '1',
    [0x35] = '0',
};

typedef struct Pflash {
    Device dev;
    BlockBackend *drive; /* or NULL: contents are lost at the end */
    char *name;          /* of the region, as QEMU's: "virt.flash0" */
    RAMBlock *ram;
    bool read_only;
    uint8_t mode;    /* PflashMode: what reads answer */
    uint8_t command; /* the one under way, or 0 */
    uint8_t step;    /* how many of its writes have come */
    uint8_t status;
    uint16_t buffer_left;  /* writes still to come */
    uint32_t buffer_start; /* where in the bank the buffer belongs */
    uint8_t buffer[BUFFER_SIZE];
} Pflash;

/* --- contents -------------------------------------------------------------------- */

/* The array's bytes were changed: tell who watches memory, and the drive. */
static bool contents_changed(Pflash *s, uint64_t offset, uint64_t len) {
    AddressSpace *as = &s->dev.machine->as;
    ramblock_set_dirty(s->ram, offset, len, DIRTY_ALL_CLIENTS & ~(1u << DIRTY_CODE));
    if (as->ram_written) {
        as->ram_written(as->ram_written_opaque, s->ram, offset, len);
    }
    int err = s->drive ? blk_write(s->drive, offset, s->ram->host + offset, len) : 0;
    if (err) {
        device_guest_error(&s->dev, "the drive did not take a write: %s", strerror(-err));
    }
    return !err;
}

static void fail(Pflash *s, uint8_t error) {
    s->status |= error;
}

static void program(Pflash *s, uint64_t offset, const uint8_t *bytes, unsigned len) {
    if (s->read_only) {
        fail(s, STATUS_PROGRAM_ERROR | STATUS_LOCKED);
        return;
    }
    for (unsigned i = 0; i < len; i++) {
        s->ram->host[offset + i] &= bytes[i];
    }
    if (!contents_changed(s, offset, len)) {
        fail(s, STATUS_PROGRAM_ERROR);
    }
}

static void erase_block(Pflash *s, uint64_t offset) {
    offset &= ~(uint64_t)(BLOCK_SIZE - 1);
    if (s->read_only) {
        fail(s, STATUS_ERASE_ERROR | STATUS_LOCKED);
        return;
    }
    memset(s->ram->host + offset, 0xff, BLOCK_SIZE);
    if (!contents_changed(s, offset, BLOCK_SIZE)) {
        fail(s, STATUS_ERASE_ERROR);
    }
}

/* --- commands -------------------------------------------------------------------- */

static void enter_mode(Pflash *s, PflashMode mode) {
    s->mode = (uint8_t)mode;
    s->command = 0;
    s->step = 0;
    memory_region_set_romd(&s->dev.machine->as, &s->dev.mmio, mode == MODE_ARRAY);
}

static void begin_command(Pflash *s, uint8_t command) {
    memory_region_set_romd(&s->dev.machine->as, &s->dev.mmio, false);
    s->mode = MODE_STATUS;
    s->command = command;
    s->step = 1;
}

static void first_write(Pflash *s, uint8_t command) {
    switch (command) {
    case CMD_PROGRAM:
    case CMD_PROGRAM_ALT:
    case CMD_ERASE:
    case CMD_LOCK:
    case CMD_BUFFER:
        begin_command(s, command);
        break;
    case CMD_CLEAR_STATUS:
        s->status = STATUS_READY;
        break;
    case CMD_READ_STATUS:
        enter_mode(s, MODE_STATUS);
        break;
    case CMD_READ_ID:
        enter_mode(s, MODE_ID);
        break;
    case CMD_CFI:
        enter_mode(s, MODE_CFI);
        break;
    case CMD_SUSPEND: /* nothing takes time that could be suspended */
    case CMD_CONFIRM: /* resume */
        break;
    case CMD_READ_ARRAY:
    case CMD_RESET_ALT:
        enter_mode(s, MODE_ARRAY);
        break;
    default:
        device_unimplemented(&s->dev, "command 0x%02x", command);
        enter_mode(s, MODE_ARRAY);
    }
}

static void begin_buffer(Pflash *s, uint64_t offset, uint16_t count) {
    if (count >= BUFFER_WRITES) {
        fail(s, STATUS_PROGRAM_ERROR | STATUS_ERASE_ERROR);
        enter_mode(s, MODE_STATUS);
        return;
    }
    s->buffer_left = count + 1;
    s->buffer_start = (uint32_t)(offset & ~(uint64_t)(BUFFER_SIZE - 1));
    memset(s->buffer, 0xff, sizeof(s->buffer));
    s->step = 2;
}

/* The third and later writes of a buffered program: data, at last the confirmation. */
static void continue_buffer(Pflash *s, uint64_t offset, uint64_t value, unsigned size) {
    if (s->buffer_left == 0) {
        if ((uint8_t)value == CMD_CONFIRM) {
            program(s, s->buffer_start, s->buffer, sizeof(s->buffer));
        } else {
            fail(s, STATUS_PROGRAM_ERROR | STATUS_ERASE_ERROR);
        }
        enter_mode(s, MODE_STATUS);
        return;
    }
    if (offset < s->buffer_start || offset - s->buffer_start > sizeof(s->buffer) - size) {
        fail(s, STATUS_PROGRAM_ERROR);
        enter_mode(s, MODE_STATUS);
        return;
    }
    memcpy(s->buffer + (offset - s->buffer_start), &value, size);
    s->buffer_left--;
}

static void later_write(Pflash *s, uint64_t offset, uint64_t value, unsigned size) {
    switch (s->command) {
    case CMD_PROGRAM:
    case CMD_PROGRAM_ALT:
        program(s, offset, (const uint8_t *)&value, size);
        enter_mode(s, MODE_STATUS);
        break;
    case CMD_ERASE:
        if ((uint8_t)value == CMD_CONFIRM) {
            erase_block(s, offset);
        } else {
            fail(s, STATUS_PROGRAM_ERROR | STATUS_ERASE_ERROR);
        }
        enter_mode(s, MODE_STATUS);
        break;
    case CMD_BUFFER:
        if (s->step == 1) {
            begin_buffer(s, offset, (uint16_t)value);
        } else {
            continue_buffer(s, offset, value, size);
        }
        break;
    default: /* CMD_LOCK: set, clear or lock down; all stay unlocked */
        enter_mode(s, MODE_STATUS);
    }
}

static void pflash_write(void *opaque, hwaddr offset, uint64_t value, unsigned size) {
    Pflash *s = opaque;
    if (s->command) {
        later_write(s, offset, value, size);
    } else {
        first_write(s, (uint8_t)value);
    }
}

/* What each chip answers at a word address. */
static uint16_t chip_answer(const Pflash *s, uint64_t word) {
    switch (s->mode) {
    case MODE_ID:
        word %=
            BLOCK_SIZE / BANK_WIDTH; /* each block answers alike; word 2: not locked */
        return word == 0 ? ID_INTEL : word == 1 ? ID_CHIP : 0;
    case MODE_CFI:
        return word < CFI_LENGTH ? cfi_table[word] : 0;
    default:
        return s->status;
    }
}

static uint64_t pflash_read(void *opaque, hwaddr offset, unsigned size) {
    const Pflash *s = opaque;
    uint64_t value = 0;
    if (s->mode == MODE_ARRAY) {
        memcpy(&value, s->ram->host + offset, size);
        return value;
    }
    for (unsigned i = 0; i < size; i++) {
        uint16_t answer = chip_answer(s, (offset + i) / BANK_WIDTH);
        value |= (uint64_t)(uint8_t)(answer >> 8 * ((offset + i) % CHIP_WIDTH)) << 8 * i;
    }
    return value;
}

static const MemoryRegionOps pflash_ops = {
    .read = pflash_read,
    .write = pflash_write,
    .valid_min = 1,
    .valid_max = 8,
    .impl_min = 1,
    .impl_max = BANK_WIDTH,
};

/* --- the device ------------------------------------------------------------------ */

static bool read_drive(Pflash *s, Error **errp) {
    uint64_t size = blk_size(s->drive);
    if (size != PFLASH_SIZE) {
        error_set(errp,
                  "a flash is %d bytes, but its drive has %llu; make it that size "
                  "(truncate -s %d FILE)",
                  PFLASH_SIZE, (unsigned long long)size, PFLASH_SIZE);
        return false;
    }
    int err = blk_read(s->drive, 0, s->ram->host, PFLASH_SIZE);
    if (err) {
        error_set_errno(errp, -err, "cannot read the drive of a flash");
        return false;
    }
    s->read_only = blk_read_only(s->drive);
    return true;
}

static bool pflash_realize(Device *dev, Error **errp) {
    Pflash *s = (Pflash *)dev;
    const char *name = s->name ? s->name : "pflash";
    s->ram = ramblock_new(&dev->machine->ram_list, name, PFLASH_SIZE, RAM_ANONYMOUS, NULL,
                          errp);
    if (!s->ram || (s->drive && !read_drive(s, errp))) {
        return false;
    }
    memory_region_init_rom_device(&dev->mmio, s->ram, &pflash_ops, dev, name,
                                  PFLASH_SIZE);
    return true;
}

static void pflash_reset(Device *dev) {
    Pflash *s = (Pflash *)dev;
    s->status = STATUS_READY;
    s->buffer_left = 0;
    s->buffer_start = 0;
    memset(s->buffer, 0, sizeof(s->buffer));
    enter_mode(s, MODE_ARRAY);
}

static void pflash_post_load(Device *dev) {
    Pflash *s = (Pflash *)dev;
    s->buffer_start &= PFLASH_SIZE - BUFFER_SIZE;
    memory_region_set_romd(&dev->machine->as, &dev->mmio,
                           s->mode == MODE_ARRAY && !s->command);
}

bool pflash_has_drive(const Device *dev) {
    return ((const Pflash *)dev)->drive != NULL;
}

static const DeviceProperty pflash_properties[] = {
    {"drive", PROP_DRIVE, offsetof(Pflash, drive), NULL, "what it holds"},
    {"name", PROP_STRING, offsetof(Pflash, name), NULL, "name of its memory region"},
    {NULL, PROP_STRING, 0, NULL, NULL},
};

static const RegisterField status_fields[] = {
    {"LOCKED", STATUS_LOCKED, "the block is locked: the drive is read-only", NULL},
    {"PROGRAM_ERROR", STATUS_PROGRAM_ERROR, "programming failed", NULL},
    {"ERASE_ERROR", STATUS_ERASE_ERROR, "erasing failed", NULL},
    {"READY", STATUS_READY, "nothing is under way inside", NULL},
    REGISTER_FIELDS_END,
};
static const RegisterField command_fields[] = {
    {"command", 0xff, "the command under way",
     "0=none|0x10=program|0x20=erase block|0x40=program|0x60=lock|0xe8=buffered program"},
    REGISTER_FIELDS_END,
};
static const RegisterField mode_fields[] = {
    {"mode", 3, "what reads answer", "0=contents|1=status|2=identifiers|3=CFI table"},
    REGISTER_FIELDS_END,
};

/* A flash has no registers of its own address: a write anywhere is a command, and what a read answers
 * depends on it. Rows of pflash_registers. */
enum { ROW_STATUS, ROW_COMMAND, ROW_MODE, ROW_END };
static const RegisterDesc pflash_registers[] = {
    [ROW_STATUS] =
        REGISTER("STATUS", 0, 1, REG_READ, "status register", .fields = status_fields),
    [ROW_COMMAND] = REGISTER("COMMAND", 0, 1, REG_WRITE, "command user interface",
                             .fields = command_fields),
    [ROW_MODE] = REGISTER("MODE", 0, 1, REG_READ, "read mode", .fields = mode_fields),
    [ROW_END] = REGISTERS_END,
};

static bool pflash_peek(const Device *dev, const RegisterDesc *reg, hwaddr offset,
                        uint64_t *value) {
    const Pflash *s = (const Pflash *)dev;
    (void)offset;
    switch (reg - pflash_registers) {
    case ROW_STATUS:
        *value = s->status;
        return true;
    case ROW_COMMAND:
        *value = s->command;
        return true;
    default:
        *value = s->mode;
        return true;
    }
}

static const StateField pflash_state[] = {
    STATE(Pflash, mode, STATE_U8),
    STATE(Pflash, command, STATE_U8),
    STATE(Pflash, step, STATE_U8),
    STATE(Pflash, status, STATE_U8),
    STATE(Pflash, buffer_left, STATE_U16),
    STATE(Pflash, buffer_start, STATE_U32),
    STATE_ARRAY(Pflash, buffer, STATE_BYTES, BUFFER_SIZE),
    STATE_END,
};

const DeviceClass pflash_cfi01_class = {
    .name = "cfi.pflash01",
    .description = "NOR flash with Intel's command set",
    .size = sizeof(Pflash),
    .properties = pflash_properties,
    .state = pflash_state,
    .state_version = 1,
    .registers = pflash_registers,
    .peek = pflash_peek,
    .realize = pflash_realize,
    .reset = pflash_reset,
    .post_load = pflash_post_load,
};
