/* SPDX-License-Identifier: MIT */
/* Virtio: status, features, config space and interrupt, the same for every type. See
 * virtio.h. */
#include "hw/virtio/virtio.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hw/machine/machine.h"

/* --- life --------------------------------------------------------------------------- */

bool virtio_init(VirtIODevice *vdev, const VirtIOType *type, unsigned config_len,
                 Error **errp) {
    assert(config_len <= VIRTIO_CONFIG_MAX);
    vdev->element = malloc(sizeof(*vdev->element));
    if (vdev->element == NULL) {
        error_set(errp, "no memory for a %s", vdev->dev.cls->name);
        return false;
    }
    const VirtIOTransport *transport = (const VirtIOTransport *)vdev->dev.parent;
    vdev->type = type;
    vdev->as = &vdev->dev.machine->as;
    vdev->legacy = transport->legacy;
    vdev->config_len = config_len;
    vdev->host_features = type->features;
    if (vdev->offer_indirect) {
        vdev->host_features |= VIRTIO_FEATURE(VIRTIO_F_INDIRECT_DESC_BIT);
    }
    if (vdev->offer_event_idx) {
        vdev->host_features |= VIRTIO_FEATURE(VIRTIO_F_EVENT_IDX_BIT);
    }
    vdev->host_features |=
        VIRTIO_FEATURE(vdev->legacy ? VIRTIO_F_ANY_LAYOUT_BIT : VIRTIO_F_VERSION_1_BIT);
    return true;
}

void virtio_exit(VirtIODevice *vdev) {
    free(vdev->element);
    vdev->element = NULL;
}

VirtQueue *virtio_add_queue(VirtIODevice *vdev,
                            void (*handle_output)(VirtIODevice *vdev, VirtQueue *vq)) {
    assert(vdev->vq_count < VIRTIO_QUEUE_MAX);
    VirtQueue *vq = &vdev->vq[vdev->vq_count];
    vq->vdev = vdev;
    vq->index = vdev->vq_count++;
    vq->handle_output = handle_output;
    virtqueue_reset(vq);
    return vq;
}

void virtio_reset(VirtIODevice *vdev) {
    vdev->status = 0;
    vdev->guest_features = 0;
    vdev->broken = false;
    for (unsigned i = 0; i < vdev->vq_count; i++) {
        virtqueue_reset(&vdev->vq[i]);
    }
    if (vdev->type->reset != NULL) {
        vdev->type->reset(vdev);
    }
    vdev->isr = 0;
    virtio_update_irq(vdev);
}

void virtio_device_reset(Device *dev) {
    virtio_reset((VirtIODevice *)dev);
}

void virtio_device_post_load(Device *dev) {
    VirtIODevice *vdev = (VirtIODevice *)dev;
    for (unsigned i = 0; i < vdev->vq_count; i++) {
        virtqueue_post_load(&vdev->vq[i]);
    }
}

/* --- interrupt and errors ----------------------------------------------------------- */

void virtio_update_irq(VirtIODevice *vdev) {
    irq_set(&vdev->dev.parent->irq, vdev->isr != 0);
}

void virtio_notify_config(VirtIODevice *vdev) {
    vdev->config_generation++;
    if (vdev->status & VIRTIO_STATUS_DRIVER_OK) {
        vdev->isr |= VIRTIO_ISR_CONFIG;
        virtio_update_irq(vdev);
    }
}

void virtio_error(VirtIODevice *vdev, const char *fmt, ...) {
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    device_guest_error(&vdev->dev, "%s; it needs a reset", text);
    vdev->broken = true;
    if (virtio_has_feature(vdev, VIRTIO_F_VERSION_1_BIT)) {
        vdev->status |= VIRTIO_STATUS_NEEDS_RESET;
        virtio_notify_config(vdev);
    }
}

/* --- what transports ask for -------------------------------------------------------- */

void virtio_queue_notify(VirtIODevice *vdev, unsigned index) {
    if (index >= vdev->vq_count) {
        device_guest_error(&vdev->dev, "notification of queue %u, there are %u", index,
                           vdev->vq_count);
        return;
    }
    VirtQueue *vq = &vdev->vq[index];
    if (vq->ready && virtio_is_running(vdev) && vq->handle_output != NULL) {
        vq->handle_output(vdev, vq);
    }
}

void virtio_set_status(VirtIODevice *vdev, uint8_t status) {
    if (status == 0) {
        virtio_reset(vdev);
        return;
    }
    if ((status & VIRTIO_STATUS_FEATURES_OK) &&
        (vdev->guest_features & ~vdev->host_features)) {
        device_guest_error(&vdev->dev,
                           "the driver accepts features that were not offered");
        status &= (uint8_t)~VIRTIO_STATUS_FEATURES_OK;
    }
    uint8_t before = vdev->status;
    vdev->status = status | (before & VIRTIO_STATUS_NEEDS_RESET);
    if (vdev->type->set_status != NULL) {
        vdev->type->set_status(vdev);
    }
    if ((status & ~before) & VIRTIO_STATUS_DRIVER_OK) {
        for (unsigned i = 0; i < vdev->vq_count;
             i++) { /* what came before we were allowed to look */
            virtio_queue_notify(vdev, i);
        }
    }
}

uint64_t virtio_config_read(VirtIODevice *vdev, unsigned offset, unsigned size) {
    if (offset >= vdev->config_len || size > vdev->config_len - offset) {
        return UINT32_MAX;
    }
    uint64_t value = 0;
    memcpy(&value, vdev->config + offset, size);
    return value;
}

const RegisterField *virtio_common_features(void) {
    static const RegisterField names[] = {
        {"ANY_LAYOUT", VIRTIO_FEATURE(VIRTIO_F_ANY_LAYOUT_BIT),
         "headers and data share descriptors as the driver likes", NULL},
        {"INDIRECT_DESC", VIRTIO_FEATURE(VIRTIO_F_INDIRECT_DESC_BIT),
         "a descriptor may point to a table of descriptors", NULL},
        {"EVENT_IDX", VIRTIO_FEATURE(VIRTIO_F_EVENT_IDX_BIT),
         "each side says at which index it wants to be told", NULL},
        {"VERSION_1", VIRTIO_FEATURE(VIRTIO_F_VERSION_1_BIT), "not the legacy interface",
         NULL},
        REGISTER_FIELDS_END,
    };
    return names;
}

bool virtio_config_peek(const Device *dev, const RegisterDesc *reg, hwaddr offset,
                        uint64_t *value) {
    const VirtIODevice *vdev = (const VirtIODevice *)dev;
    if (offset >= vdev->config_len || reg->size > vdev->config_len - offset) {
        return false;
    }
    *value = 0;
    memcpy(value, vdev->config + offset, reg->size);
    return true;
}

void virtio_config_write(VirtIODevice *vdev, unsigned offset, uint64_t value,
                         unsigned size) {
    if (vdev->type->config_write == NULL || offset >= vdev->config_len ||
        size > vdev->config_len - offset) {
        device_guest_error(&vdev->dev, "write of config space at %u, which is read-only",
                           offset);
        return;
    }
    vdev->type->config_write(vdev, offset, value, size);
}

void virtio_queue_place_legacy(VirtQueue *vq, uint64_t addr, uint32_t align) {
    enum { DESC_SIZE = 16, AVAIL_WORDS = 3 }; /* flags, idx, used_event */
    uint64_t avail = addr + (uint64_t)DESC_SIZE * vq->num;
    uint64_t end = avail + sizeof(uint16_t) * (AVAIL_WORDS + (uint64_t)vq->num);
    vq->desc_addr = addr;
    vq->avail_addr = avail;
    vq->used_addr = align != 0 ? (end + align - 1) / align * align : end;
    vq->ready = addr != 0;
}
