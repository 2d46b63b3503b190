/* SPDX-License-Identifier: MIT */
/*
 * Virtio-mmio: one seat for a virtio device behind 0x200 bytes of registers.
 *
 *   0x000 magic, version, ids, features   0x030 queue set-up           0x050 notify
 *   0x060 interrupt   0x070 status        0x080 queue addresses        0x100 config space
 *
 * Version 1 (legacy) unless -global virtio-mmio.force-legacy=false, as in QEMU. An empty
 * seat shows device id 0 and ignores writes.
 *
 * Deviates: a version 2 driver's queue registers may not change while QueueReady is 1;
 * the writes are ignored.
 * Spec: VIRTIO 1.2, 4.2.
 */
#include "hw/virtio/virtio_mmio.h"

#include <inttypes.h>

#include "hw/virtio/virtio.h"

typedef struct VirtIOMmio {
    VirtIOTransport transport;
    uint32_t device_features_sel, driver_features_sel;
    uint32_t queue_sel;
    uint32_t guest_page_shift; /* legacy */
    uint32_t queue_align[VIRTIO_QUEUE_MAX];
} VirtIOMmio;

static VirtIODevice *mmio_device(const VirtIOMmio *s) {
    return (VirtIODevice *)s->transport.dev.child;
}

/* The queue QueueSel names, or NULL. */
static VirtQueue *mmio_queue(const VirtIOMmio *s) {
    VirtIODevice *vdev = mmio_device(s);
    return s->queue_sel < vdev->vq_count ? &vdev->vq[s->queue_sel] : NULL;
}

static void bad_access(const VirtIOMmio *s, const char *what, hwaddr offset) {
    device_guest_error(&s->transport.dev, "%s of register 0x%" PRIx64, what,
                       (uint64_t)offset);
}

/* --- reads -------------------------------------------------------------------------- */

static uint32_t read_features(const VirtIOMmio *s) {
    uint64_t features = mmio_device(s)->host_features;
    switch (s->device_features_sel) {
    case 0:
        return (uint32_t)features;
    case 1:
        return s->transport.legacy ? 0 : (uint32_t)(features >> 32);
    default:
        return 0;
    }
}

/* A seat without a device answers who it is, and 0. */
static uint64_t read_empty(const VirtIOMmio *s, hwaddr offset) {
    switch (offset) {
    case VIRTIO_MMIO_MAGIC_VALUE:
        return VIRTIO_MMIO_MAGIC;
    case VIRTIO_MMIO_VERSION:
        return s->transport.legacy ? 1 : 2;
    case VIRTIO_MMIO_VENDOR_ID:
        return VIRTIO_MMIO_VENDOR;
    default:
        return 0;
    }
}

static uint64_t read_legacy(const VirtIOMmio *s, hwaddr offset) {
    const VirtQueue *vq = mmio_queue(s);
    switch (offset) {
    case VIRTIO_MMIO_QUEUE_PFN:
        return vq != NULL && vq->ready ? (uint32_t)(vq->desc_addr >> s->guest_page_shift)
                                       : 0;
    default:
        bad_access(s, "read", offset);
        return 0;
    }
}

static uint64_t read_modern(const VirtIOMmio *s, hwaddr offset) {
    const VirtQueue *vq = mmio_queue(s);
    switch (offset) {
    case VIRTIO_MMIO_QUEUE_READY:
        return vq != NULL && vq->ready;
    case VIRTIO_MMIO_SHM_LEN_LOW:
    case VIRTIO_MMIO_SHM_LEN_HIGH:
    case VIRTIO_MMIO_SHM_BASE_LOW:
    case VIRTIO_MMIO_SHM_BASE_HIGH:
        return UINT32_MAX; /* there is no shared memory region */
    case VIRTIO_MMIO_CONFIG_GENERATION:
        return mmio_device(s)->config_generation;
    default:
        bad_access(s, "read", offset);
        return 0;
    }
}

static uint64_t mmio_read(void *opaque, hwaddr offset, unsigned size) {
    const VirtIOMmio *s = opaque;
    VirtIODevice *vdev = mmio_device(s);
    if (vdev == NULL) {
        return size == 4 ? read_empty(s, offset) : 0;
    }
    if (offset >= VIRTIO_MMIO_CONFIG) {
        return virtio_config_read(vdev, (unsigned)offset - VIRTIO_MMIO_CONFIG, size);
    }
    if (size != 4) {
        bad_access(s, "read of the wrong size", offset);
        return 0;
    }
    switch (offset) {
    case VIRTIO_MMIO_MAGIC_VALUE:
    case VIRTIO_MMIO_VERSION:
    case VIRTIO_MMIO_VENDOR_ID:
        return read_empty(s, offset);
    case VIRTIO_MMIO_DEVICE_ID:
        return vdev->type->device_id;
    case VIRTIO_MMIO_DEVICE_FEATURES:
        return read_features(s);
    case VIRTIO_MMIO_QUEUE_NUM_MAX:
        return mmio_queue(s) != NULL ? VIRTQUEUE_MAX_SIZE : 0;
    case VIRTIO_MMIO_INTERRUPT_STATUS:
        return vdev->isr;
    case VIRTIO_MMIO_STATUS:
        return vdev->status;
    default:
        return s->transport.legacy ? read_legacy(s, offset) : read_modern(s, offset);
    }
}

/* --- writes ------------------------------------------------------------------------- */

static void write_features(VirtIOMmio *s, uint32_t value) {
    VirtIODevice *vdev = mmio_device(s);
    uint64_t low = UINT32_MAX;
    if (s->transport
            .legacy) { /* no FEATURES_OK there: what was not offered is not accepted */
        if (s->driver_features_sel == 0) {
            vdev->guest_features = value & vdev->host_features;
        }
        return;
    }
    if (vdev->status & VIRTIO_STATUS_FEATURES_OK) {
        bad_access(s, "write after FEATURES_OK", VIRTIO_MMIO_DRIVER_FEATURES);
    } else if (s->driver_features_sel == 0) {
        vdev->guest_features = (vdev->guest_features & ~low) | value;
    } else if (s->driver_features_sel == 1) {
        vdev->guest_features = (vdev->guest_features & low) | (uint64_t)value << 32;
    }
}

static void write_queue_num(VirtIOMmio *s, uint32_t value) {
    VirtQueue *vq = mmio_queue(s);
    if (vq == NULL || value == 0 || value > VIRTQUEUE_MAX_SIZE ||
        (vq->ready && !s->transport.legacy)) {
        device_guest_error(&s->transport.dev, "queue %u cannot have size %u",
                           s->queue_sel, value);
        return;
    }
    vq->num = value;
    if (vq->ready) {
        virtio_queue_place_legacy(vq, vq->desc_addr, s->queue_align[s->queue_sel]);
    }
}

static void write_legacy(VirtIOMmio *s, hwaddr offset, uint32_t value) {
    VirtIODevice *vdev = mmio_device(s);
    VirtQueue *vq = mmio_queue(s);
    switch (offset) {
    case VIRTIO_MMIO_GUEST_PAGE_SIZE:
        s->guest_page_shift = value != 0 ? (uint32_t)__builtin_ctz(value) : 0;
        break;
    case VIRTIO_MMIO_QUEUE_ALIGN:
        if (vq != NULL) {
            s->queue_align[s->queue_sel] = value;
        }
        break;
    case VIRTIO_MMIO_QUEUE_PFN:
        if (value == 0) { /* how old drivers let go of a device */
            virtio_reset(vdev);
        } else if (vq != NULL) {
            virtio_queue_place_legacy(vq, (uint64_t)value << s->guest_page_shift,
                                      s->queue_align[s->queue_sel]);
        }
        break;
    default:
        bad_access(s, "write", offset);
    }
}

static void set_low(uint64_t *field, uint32_t value) {
    *field = (*field & ~(uint64_t)UINT32_MAX) | value;
}

static void set_high(uint64_t *field, uint32_t value) {
    *field = (*field & UINT32_MAX) | (uint64_t)value << 32;
}

static void write_modern(VirtIOMmio *s, hwaddr offset, uint32_t value) {
    VirtQueue *vq = mmio_queue(s);
    if (vq == NULL || (vq->ready && offset != VIRTIO_MMIO_QUEUE_READY)) {
        bad_access(s, "write without a queue or to a live one", offset);
        return;
    }
    switch (offset) {
    case VIRTIO_MMIO_QUEUE_READY:
        vq->ready = value & 1;
        break;
    case VIRTIO_MMIO_QUEUE_DESC_LOW:
        set_low(&vq->desc_addr, value);
        break;
    case VIRTIO_MMIO_QUEUE_DESC_HIGH:
        set_high(&vq->desc_addr, value);
        break;
    case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
        set_low(&vq->avail_addr, value);
        break;
    case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
        set_high(&vq->avail_addr, value);
        break;
    case VIRTIO_MMIO_QUEUE_USED_LOW:
        set_low(&vq->used_addr, value);
        break;
    case VIRTIO_MMIO_QUEUE_USED_HIGH:
        set_high(&vq->used_addr, value);
        break;
    default:
        bad_access(s, "write", offset);
    }
}

static void mmio_write(void *opaque, hwaddr offset, uint64_t value64, unsigned size) {
    VirtIOMmio *s = opaque;
    VirtIODevice *vdev = mmio_device(s);
    uint32_t value = (uint32_t)value64;
    if (vdev == NULL) {
        return;
    }
    if (offset >= VIRTIO_MMIO_CONFIG) {
        virtio_config_write(vdev, (unsigned)offset - VIRTIO_MMIO_CONFIG, value, size);
        return;
    }
    if (size != 4) {
        bad_access(s, "write of the wrong size", offset);
        return;
    }
    switch (offset) {
    case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
        s->device_features_sel = value;
        break;
    case VIRTIO_MMIO_DRIVER_FEATURES:
        write_features(s, value);
        break;
    case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
        s->driver_features_sel = value;
        break;
    case VIRTIO_MMIO_QUEUE_SEL:
        s->queue_sel = value;
        break;
    case VIRTIO_MMIO_QUEUE_NUM:
        write_queue_num(s, value);
        break;
    case VIRTIO_MMIO_QUEUE_NOTIFY:
        virtio_queue_notify(vdev, value);
        break;
    case VIRTIO_MMIO_INTERRUPT_ACK:
        vdev->isr &= (uint8_t)~value;
        virtio_update_irq(vdev);
        break;
    case VIRTIO_MMIO_STATUS:
        if (value == 0) {
            virtio_reset(vdev);
        } else {
            virtio_set_status(vdev, (uint8_t)value);
        }
        break;
    case VIRTIO_MMIO_SHM_SEL:
        break;
    default:
        if (s->transport.legacy) {
            write_legacy(s, offset, value);
        } else {
            write_modern(s, offset, value);
        }
    }
}

/* --- class -------------------------------------------------------------------------- */

static const MemoryRegionOps mmio_ops = {
    .read = mmio_read,
    .write = mmio_write,
    .endian = MEM_LITTLE_ENDIAN,
    .valid_min = 1,
    .valid_max = 8,
    .impl_min = 1,
    .impl_max = 4,
};

/* A reset of the machine. The driver's own (Status = 0) leaves the transport's
 * registers alone: old drivers write GuestPageSize before it. */
static void mmio_reset(Device *dev) {
    VirtIOMmio *s = (VirtIOMmio *)dev;
    s->device_features_sel = s->driver_features_sel = 0;
    s->queue_sel = 0;
    s->guest_page_shift = 0;
    for (unsigned i = 0; i < VIRTIO_QUEUE_MAX; i++) {
        s->queue_align[i] = PAGE_SIZE;
    }
}

static bool mmio_realize(Device *dev, Error **errp) {
    (void)errp;
    VirtIOMmio *s = (VirtIOMmio *)dev;
    memory_region_init_io(&dev->mmio, &mmio_ops, s, "virtio-mmio", VIRTIO_MMIO_SIZE);
    mmio_reset(dev);
    return true;
}

static void mmio_post_load(Device *dev) {
    VirtIOMmio *s = (VirtIOMmio *)dev;
    s->guest_page_shift &= 31;
    if (mmio_device(s) != NULL) {
        virtio_update_irq(mmio_device(s));
    }
}

/* --- for who looks on --------------------------------------------------------------- */

static const RegisterField version_fields[] = {
    {"version", 3, "interface", "1=legacy|2=1.0 and later"},
    REGISTER_FIELDS_END,
};
static const RegisterField device_id_fields[] = {
    {"type", 0xffffffff, "kind of device",
     "0=none here|1=network|2=block|3=console|4=entropy"},
    REGISTER_FIELDS_END,
};
static const RegisterField isr_fields[] = {
    {"QUEUE", VIRTIO_ISR_QUEUE, "a queue has used buffers", NULL},
    {"CONFIG", VIRTIO_ISR_CONFIG, "the configuration changed", NULL},
    REGISTER_FIELDS_END,
};
static const RegisterField status_fields[] = {
    {"ACKNOWLEDGE", VIRTIO_STATUS_ACKNOWLEDGE, "the guest has seen the device", NULL},
    {"DRIVER", VIRTIO_STATUS_DRIVER, "it has a driver", NULL},
    {"DRIVER_OK", VIRTIO_STATUS_DRIVER_OK, "the driver is ready", NULL},
    {"FEATURES_OK", VIRTIO_STATUS_FEATURES_OK, "features are agreed on", NULL},
    {"NEEDS_RESET", VIRTIO_STATUS_NEEDS_RESET, "the driver broke the rules", NULL},
    {"FAILED", VIRTIO_STATUS_FAILED, "the driver has given up", NULL},
    REGISTER_FIELDS_END,
};

#define MMIO_REG(reg, how, text, ...)                                                    \
    REGISTER(#reg, VIRTIO_MMIO_##reg, 4, how, text, __VA_ARGS__)
static const RegisterDesc mmio_registers[] = {
    MMIO_REG(MAGIC_VALUE, REG_READ, "\"virt\""),
    MMIO_REG(VERSION, REG_READ, "which interface", .fields = version_fields),
    MMIO_REG(DEVICE_ID, REG_READ, "who sits here", .fields = device_id_fields),
    MMIO_REG(VENDOR_ID, REG_READ, "\"QEMU\""),
    MMIO_REG(DEVICE_FEATURES, REG_READ, "32 feature bits the device offers"),
    MMIO_REG(DEVICE_FEATURES_SEL, REG_WRITE, "which 32 of them"),
    MMIO_REG(DRIVER_FEATURES, REG_WRITE, "32 feature bits the driver accepted"),
    MMIO_REG(DRIVER_FEATURES_SEL, REG_WRITE, "which 32 of them"),
    MMIO_REG(GUEST_PAGE_SIZE, REG_WRITE, "unit of QUEUE_PFN (legacy)"),
    MMIO_REG(QUEUE_SEL, REG_WRITE, "which queue the registers below are about"),
    MMIO_REG(QUEUE_NUM_MAX, REG_READ, "most descriptors the queue can have; 0: no queue"),
    MMIO_REG(QUEUE_NUM, REG_WRITE, "descriptors of the queue"),
    MMIO_REG(QUEUE_ALIGN, REG_WRITE, "alignment of the used ring (legacy)"),
    MMIO_REG(QUEUE_PFN, REG_BOTH, "where the queue is, in pages (legacy)"),
    MMIO_REG(QUEUE_READY, REG_BOTH, "the queue may be used"),
    MMIO_REG(QUEUE_NOTIFY, REG_WRITE, "a write tells that a queue has new buffers"),
    MMIO_REG(INTERRUPT_STATUS, REG_READ, "why the line is high", .fields = isr_fields),
    MMIO_REG(INTERRUPT_ACK, REG_WRITE, "clears bits of INTERRUPT_STATUS"),
    MMIO_REG(STATUS, REG_BOTH, "how far the driver is; writing 0 resets",
             .fields = status_fields),
    MMIO_REG(QUEUE_DESC_LOW, REG_WRITE, "address of the descriptors, low half"),
    MMIO_REG(QUEUE_DESC_HIGH, REG_WRITE, "and high half"),
    MMIO_REG(QUEUE_AVAIL_LOW, REG_WRITE, "address of the available ring, low half"),
    MMIO_REG(QUEUE_AVAIL_HIGH, REG_WRITE, "and high half"),
    MMIO_REG(QUEUE_USED_LOW, REG_WRITE, "address of the used ring, low half"),
    MMIO_REG(QUEUE_USED_HIGH, REG_WRITE, "and high half"),
    MMIO_REG(CONFIG_GENERATION, REG_READ, "grows with each change of the configuration"),
    REGISTERS_END,
};

/* What the selectors and the driver's halves of registers hold. */
static bool peek_written(const VirtIOMmio *s, hwaddr offset, uint64_t *value) {
    const VirtIODevice *vdev = mmio_device(s);
    switch (offset) {
    case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
        *value = s->device_features_sel;
        return true;
    case VIRTIO_MMIO_DRIVER_FEATURES:
        *value = (uint32_t)(vdev->guest_features >> (s->driver_features_sel ? 32 : 0));
        return s->driver_features_sel <= 1;
    case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
        *value = s->driver_features_sel;
        return true;
    case VIRTIO_MMIO_GUEST_PAGE_SIZE:
        *value = s->guest_page_shift ? UINT64_C(1) << s->guest_page_shift : 0;
        return s->transport.legacy;
    case VIRTIO_MMIO_QUEUE_SEL:
        *value = s->queue_sel;
        return true;
    default: /* notify, acknowledge: nothing is kept */
        return false;
    }
}

/* Of the queue QueueSel names. */
static bool peek_queue(const VirtIOMmio *s, hwaddr offset, uint64_t *value) {
    const VirtQueue *vq = mmio_queue(s);
    bool legacy = s->transport.legacy;
    if (vq == NULL) {
        return false;
    }
    switch (offset) {
    case VIRTIO_MMIO_QUEUE_NUM:
        *value = vq->num;
        return true;
    case VIRTIO_MMIO_QUEUE_ALIGN:
        *value = s->queue_align[s->queue_sel];
        return legacy;
    case VIRTIO_MMIO_QUEUE_PFN:
        *value = vq->ready ? (uint32_t)(vq->desc_addr >> s->guest_page_shift) : 0;
        return legacy;
    case VIRTIO_MMIO_QUEUE_READY:
        *value = vq->ready;
        return !legacy;
    case VIRTIO_MMIO_QUEUE_DESC_LOW:
    case VIRTIO_MMIO_QUEUE_DESC_HIGH:
        *value = vq->desc_addr;
        break;
    case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
    case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
        *value = vq->avail_addr;
        break;
    case VIRTIO_MMIO_QUEUE_USED_LOW:
    case VIRTIO_MMIO_QUEUE_USED_HIGH:
        *value = vq->used_addr;
        break;
    default:
        return false;
    }
    *value = offset & 4 ? *value >> 32 : (uint32_t)*value; /* the high half is 4 above */
    return !legacy;
}

static bool mmio_peek(const Device *dev, const RegisterDesc *reg, hwaddr offset,
                      uint64_t *value) {
    const VirtIOMmio *s = (const VirtIOMmio *)dev;
    const VirtIODevice *vdev = mmio_device(s);
    (void)reg;
    switch (offset) {
    case VIRTIO_MMIO_MAGIC_VALUE:
    case VIRTIO_MMIO_VERSION:
    case VIRTIO_MMIO_VENDOR_ID:
        *value = read_empty(s, offset);
        return true;
    case VIRTIO_MMIO_DEVICE_ID:
        *value = vdev != NULL ? vdev->type->device_id : 0;
        return true;
    }
    if (vdev == NULL) {
        return false;
    }
    switch (offset) {
    case VIRTIO_MMIO_DEVICE_FEATURES:
        *value = read_features(s);
        return true;
    case VIRTIO_MMIO_QUEUE_NUM_MAX:
        *value = mmio_queue(s) != NULL ? VIRTQUEUE_MAX_SIZE : 0;
        return true;
    case VIRTIO_MMIO_INTERRUPT_STATUS:
        *value = vdev->isr;
        return true;
    case VIRTIO_MMIO_STATUS:
        *value = vdev->status;
        return true;
    case VIRTIO_MMIO_CONFIG_GENERATION:
        *value = vdev->config_generation;
        return !s->transport.legacy;
    default:
        return peek_written(s, offset, value) || peek_queue(s, offset, value);
    }
}

static const DeviceProperty mmio_properties[] = {
    {"force-legacy", PROP_BOOL, offsetof(VirtIOMmio, transport.legacy), "on",
     "speak version 1 (legacy) of the register interface"},
    {0},
};

static const StateField mmio_state[] = {
    STATE(VirtIOMmio, device_features_sel, STATE_U32),
    STATE(VirtIOMmio, driver_features_sel, STATE_U32),
    STATE(VirtIOMmio, queue_sel, STATE_U32),
    STATE(VirtIOMmio, guest_page_shift, STATE_U32),
    STATE_ARRAY(VirtIOMmio, queue_align, STATE_U32, VIRTIO_QUEUE_MAX),
    STATE_END,
};

const DeviceClass virtio_mmio_class = {
    .name = "virtio-mmio",
    .description = "transport for one virtio device, memory-mapped",
    .offers_bus = "virtio-bus",
    .size = sizeof(VirtIOMmio),
    .properties = mmio_properties,
    .state = mmio_state,
    .state_version = 1,
    .registers = mmio_registers,
    .peek = mmio_peek,
    .realize = mmio_realize,
    .reset = mmio_reset,
    .post_load = mmio_post_load,
};
