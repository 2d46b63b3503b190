/* SPDX-License-Identifier: MIT */
/*
 * Virtio: what all virtio devices have in common, between a transport and the device
 * proper.
 *
 *   guest driver       transport (virtio_mmio.c)   core (virtio.c, virtqueue.c)   device
 *   registers -------> QueueSel, Status, ... ----> VirtIODevice.status, vq[]
 *   QueueNotify -----> virtio_queue_notify() ----> handle_output() -------------> blk,
 *   descriptors <---------- virtqueue_pop, virtqueue_push <---------------------- net,
 *   interrupt <------- irq = (isr != 0) <--------- virtqueue_end                  ...
 *
 * A ring lives in guest RAM and is written by other vCPUs while we read it, so everything
 * in it is checked when it is used, and used as it was read. A ring or descriptor that is
 * nonsense makes the device `broken`: DEVICE_NEEDS_RESET where the driver knows that bit,
 * and silence until the reset.
 *
 * Invariants: work per notification is bounded by VIRTIO_CHAINS_PER_TURN and
 * VIRTIO_BYTES_PER_TURN; what is left is done by the main loop, so that the machine lock
 * is given up in between.
 * Locks: the machine lock.
 * Spec: Virtual I/O Device (VIRTIO) 1.2, sections 2 (split virtqueues), 3, 4.2 (MMIO)
 * with legacy.
 * Not modelled: packed virtqueues, ring reset, in-order use, big-endian legacy guests.
 */
#ifndef VITRINE_HW_VIRTIO_VIRTIO_H
#define VITRINE_HW_VIRTIO_VIRTIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "hw/device.h"

enum {
    VIRTIO_QUEUE_MAX = 4,      /* queues a device */
    VIRTQUEUE_MAX_SIZE = 1024, /* descriptors a queue, and pieces a chain */
    VIRTIO_CONFIG_MAX = 64,    /* bytes */
    VIRTIO_CHAINS_PER_TURN = 256,
    VIRTIO_BYTES_PER_TURN = 16 * 1024 * 1024,
};

/* Device types (5). */
enum { VIRTIO_ID_NET = 1, VIRTIO_ID_BLOCK = 2, VIRTIO_ID_CONSOLE = 3, VIRTIO_ID_RNG = 4 };

/* Bits of the device status field (2.1). */
enum {
    VIRTIO_STATUS_ACKNOWLEDGE = 1,
    VIRTIO_STATUS_DRIVER = 2,
    VIRTIO_STATUS_DRIVER_OK = 4,
    VIRTIO_STATUS_FEATURES_OK = 8,
    VIRTIO_STATUS_NEEDS_RESET = 64,
    VIRTIO_STATUS_FAILED = 128,
};

/* Causes in the interrupt status. */
enum { VIRTIO_ISR_QUEUE = 1, VIRTIO_ISR_CONFIG = 2 };

/* Feature bits that do not belong to a device type (6). */
enum {
    VIRTIO_F_ANY_LAYOUT_BIT = 27, /* legacy only */
    VIRTIO_F_INDIRECT_DESC_BIT = 28,
    VIRTIO_F_EVENT_IDX_BIT = 29,
    VIRTIO_F_VERSION_1_BIT = 32,
};
#define VIRTIO_FEATURE(bit) (UINT64_C(1) << (bit))

typedef struct VirtIODevice VirtIODevice;
typedef struct VirtQueue VirtQueue;

/* The rings while they are mapped, as host pointers; NULL between two turns of work. */
typedef struct VirtQueueView {
    uint8_t *desc;
    uint8_t *avail; /* u16 flags, u16 idx, u16 ring[num], u16 used_event */
    uint8_t *used;  /* u16 flags, u16 idx, {u32 id, u32 len} ring[num], u16 avail_event */
} VirtQueueView;

struct VirtQueue {
    VirtIODevice *vdev;
    unsigned index;
    void (*handle_output)(VirtIODevice *vdev, VirtQueue *vq);

    /* What the driver set. */
    uint32_t num; /* size */
    bool ready;
    uint64_t desc_addr, avail_addr, used_addr;

    uint16_t last_avail;     /* next entry of the avail ring to take */
    uint16_t used_idx;       /* next entry of the used ring to fill */
    uint16_t signalled_used; /* used_idx when the driver's wish was last looked at */
    bool notification;       /* the driver is to notify us */
    bool continued;          /* work is left for the main loop */
    bool blocked;            /* the device handles no more until its back end can go on */
    bool call_pending;       /* the main loop's call is on its way; the host's affair */
    VirtQueueView view;
};

/* One chain of descriptors: first what the device reads, then what it writes. */
typedef struct VirtQueueElement {
    uint32_t head;
    unsigned out_count, in_count; /* pieces */
    uint64_t out_len, in_len;     /* bytes */
    struct iovec *out, *in;       /* out is iov, in follows it */
    struct iovec iov[VIRTQUEUE_MAX_SIZE];
} VirtQueueElement;

/* A device type's part. Any but get_features may be NULL. */
typedef struct VirtIOType {
    uint32_t device_id;
    uint64_t features;                  /* offered, besides the common ones */
    const RegisterField *feature_names; /* of its own bits; or NULL */
    void (*reset)(VirtIODevice *vdev);
    void (*set_status)(VirtIODevice *vdev); /* vdev->status is new */
    /* The driver writes config space; NULL: it is read-only. */
    void (*config_write)(VirtIODevice *vdev, unsigned offset, uint64_t value,
                         unsigned size);
} VirtIOType;

/* What a transport's device struct begins with. Its interrupt line is dev.irq. */
typedef struct VirtIOTransport {
    Device dev;
    bool legacy; /* speaks the interface before 1.0 */
} VirtIOTransport;

struct VirtIODevice {
    Device dev; /* dev.parent is the VirtIOTransport */
    const VirtIOType *type;
    AddressSpace *as;
    bool offer_indirect, offer_event_idx; /* properties */
    uint64_t host_features;
    uint64_t guest_features; /* what the driver accepted */
    uint8_t status;
    uint8_t isr;
    uint32_t config_generation;
    bool broken;
    bool legacy; /* the transport's */
    uint8_t config[VIRTIO_CONFIG_MAX];
    unsigned config_len;
    VirtQueue vq[VIRTIO_QUEUE_MAX];
    unsigned vq_count;
    VirtQueueElement *element; /* the chain in work */
};

/* --- virtio.c: for device types ----------------------------------------------------- */

/* In realize(): then the queues are added, then the config space is filled. */
bool virtio_init(VirtIODevice *vdev, const VirtIOType *type, unsigned config_len,
                 Error **errp);
void virtio_exit(VirtIODevice *vdev);
/* For DeviceClass.peek: registers are those of the config space. */
bool virtio_config_peek(const Device *dev, const RegisterDesc *reg, hwaddr offset,
                        uint64_t *value);
VirtQueue *virtio_add_queue(VirtIODevice *vdev,
                            void (*handle_output)(VirtIODevice *vdev, VirtQueue *vq));
/* The whole device back to its start: for DeviceClass.reset and the driver's Status =
 * 0. */
void virtio_reset(VirtIODevice *vdev);
/* For DeviceClass.reset. */
void virtio_device_reset(Device *dev);
/* For DeviceClass.post_load: work that was left is left again. */
void virtio_device_post_load(Device *dev);
/* The config space changed by itself: tells the driver. */
void virtio_notify_config(VirtIODevice *vdev);
/* The driver broke the rules beyond repair. */
void virtio_error(VirtIODevice *vdev, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static inline bool virtio_has_feature(const VirtIODevice *vdev, unsigned bit) {
    return vdev->guest_features >> bit & 1;
}
/* The device may use its queues. Old drivers do so before they say that they are
 * ready. */
static inline bool virtio_is_running(const VirtIODevice *vdev) {
    return ((vdev->status & VIRTIO_STATUS_DRIVER_OK) || vdev->legacy) && !vdev->broken;
}

/* --- virtio.c: for transports ------------------------------------------------------- */

void virtio_set_status(VirtIODevice *vdev, uint8_t status);
void virtio_queue_notify(VirtIODevice *vdev, unsigned index);
/* Feature bits that do not belong to a type; ends with REGISTER_FIELDS_END. */
const RegisterField *virtio_common_features(void);
void virtio_update_irq(VirtIODevice *vdev);
uint64_t virtio_config_read(VirtIODevice *vdev, unsigned offset, unsigned size);
void virtio_config_write(VirtIODevice *vdev, unsigned offset, uint64_t value,
                         unsigned size);
/* Places a queue the legacy way: one block, the used ring at the next multiple of
 * align. */
void virtio_queue_place_legacy(VirtQueue *vq, uint64_t addr, uint32_t align);

/* --- virtqueue.c -------------------------------------------------------------------- */

void virtqueue_reset(VirtQueue *vq);
/* Maps the rings for a turn of work. False: not set up, or device broken by rings
 * outside RAM. */
bool virtqueue_begin(VirtQueue *vq);
/* Publishes what was pushed, interrupts the driver if it wants that, unmaps. */
void virtqueue_end(VirtQueue *vq);
/* Between begin and end. pop: false if there is none (or the device broke). */
bool virtqueue_is_empty(VirtQueue *vq);
bool virtqueue_pop(VirtQueue *vq, VirtQueueElement *elem);
/* Hands the chain back; the first `written` bytes of elem->in are new. elem->iov is as
 * popped, but for lengths and bases of elem->out. */
void virtqueue_push(VirtQueue *vq, const VirtQueueElement *elem, uint32_t written);
/* As push, but the driver sees nothing before virtqueue_flush(): slot 0, 1, ... of
 * this batch. */
void virtqueue_fill(VirtQueue *vq, const VirtQueueElement *elem, uint32_t written,
                    unsigned slot);
void virtqueue_flush(VirtQueue *vq, unsigned count);
/* Takes the last `count` pops back; nothing of them was pushed. */
void virtqueue_rewind(VirtQueue *vq, unsigned count);
/* Asks the driver to notify us about new chains, or not to bother. */
void virtqueue_set_notification(VirtQueue *vq, bool on);

/* --- looking at a queue from outside: changes nothing, believes nothing ------------------ */

/* What lies in the rings, as far as they can be read. */
typedef struct VirtQueueInfo {
    bool in_ram; /* the rings are aligned and in RAM; else the rest is zero */
    uint16_t avail_flags, avail_idx, used_event;
    uint16_t used_flags, used_idx, avail_event;
} VirtQueueInfo;

typedef struct VirtDescInfo {
    uint16_t index; /* in its table */
    bool indirect;  /* the table is an indirect one */
    uint64_t addr;
    uint32_t len;
    bool next, write, table; /* its flags */
} VirtDescInfo;

VirtQueueInfo virtqueue_look(const VirtQueue *vq);
/* Follows the chain in entry `avail` of the available ring: its descriptors, at most `max`.
 * *problem: what is wrong with it, or NULL. Returns how many there are. */
unsigned virtqueue_look_chain(const VirtQueue *vq, uint16_t avail, VirtDescInfo *descs,
                              unsigned max, const char **problem);
/* Entry `used` of the used ring. */
bool virtqueue_look_used(const VirtQueue *vq, uint16_t used, uint32_t *id,
                         uint32_t *written);

/* Handles one chain: returns the bytes written to elem->in, or VIRTQUEUE_LATER to
 * leave it where it is (the device calls virtqueue_process() again when it can go on). */
typedef int64_t VirtQueueFn(VirtIODevice *vdev, VirtQueue *vq, VirtQueueElement *elem);
enum { VIRTQUEUE_LATER = -1 };
/* Pops, handles and pushes until the ring is empty or the turn's budget is used up. */
void virtqueue_process(VirtQueue *vq, VirtQueueFn *fn);
void virtqueue_post_load(VirtQueue *vq);

/* Copies between a buffer and pieces from `offset` on; returns the bytes copied. */
size_t iov_to_buf(const struct iovec *iov, unsigned count, uint64_t offset, void *buf,
                  size_t len);
size_t iov_from_buf(const struct iovec *iov, unsigned count, uint64_t offset,
                    const void *buf, size_t len);
/* Cuts bytes off the front; returns false if there were fewer. */
bool iov_cut_front(struct iovec **iov, unsigned *count, uint64_t len);

/* --- tables every device type includes ---------------------------------------------- */

#define VIRTIO_PROPERTIES(T)                                                             \
    {"indirect_desc", PROP_BOOL, offsetof(T, vdev.offer_indirect), "on",                 \
     "offer indirect descriptors"},                                                      \
    {                                                                                    \
        "event_idx", PROP_BOOL, offsetof(T, vdev.offer_event_idx), "on",                 \
            "offer notification by ring index"                                           \
    }

#define VIRTQUEUE_STATE(T, i)                                                            \
    STATE(T, vdev.vq[i].num, STATE_U32), STATE(T, vdev.vq[i].ready, STATE_BOOL),         \
        STATE(T, vdev.vq[i].desc_addr, STATE_U64),                                       \
        STATE(T, vdev.vq[i].avail_addr, STATE_U64),                                      \
        STATE(T, vdev.vq[i].used_addr, STATE_U64),                                       \
        STATE(T, vdev.vq[i].last_avail, STATE_U16),                                      \
        STATE(T, vdev.vq[i].used_idx, STATE_U16),                                        \
        STATE(T, vdev.vq[i].signalled_used, STATE_U16),                                  \
        STATE(T, vdev.vq[i].notification, STATE_BOOL),                                   \
        STATE(T, vdev.vq[i].continued, STATE_BOOL),                                      \
        STATE(T, vdev.vq[i].blocked, STATE_BOOL)

#define VIRTIO_STATE(T)                                                                  \
    STATE(T, vdev.guest_features, STATE_U64), STATE(T, vdev.status, STATE_U8),           \
        STATE(T, vdev.isr, STATE_U8), STATE(T, vdev.config_generation, STATE_U32),       \
        STATE(T, vdev.broken, STATE_BOOL),                                               \
        STATE_ARRAY(T, vdev.config, STATE_BYTES, VIRTIO_CONFIG_MAX)

#endif
