/* SPDX-License-Identifier: MIT */
/*
 * Virtio-rng: fills what the guest offers with random bytes from machine_random(), the
 * gate through which entropy enters the machine.
 *
 * Spec: VIRTIO 1.2, 5.4.
 * Not modelled: rng back ends (-object), max-bytes and period: a request is given 64 KiB
 * at most, which is the device's right.
 */
#include <string.h>

#include "hw/machine/machine.h"
#include "hw/virtio/virtio.h"

enum { RNG_REQUEST_MAX = 64 * 1024 };

typedef struct VirtIORng {
    VirtIODevice vdev;
} VirtIORng;

static int64_t rng_request(VirtIODevice *vdev, VirtQueue *vq, VirtQueueElement *e) {
    (void)vq;
    size_t left = RNG_REQUEST_MAX;
    for (unsigned i = 0; i < e->in_count && left > 0; i++) {
        size_t n = e->in[i].iov_len < left ? e->in[i].iov_len : left;
        machine_random(vdev->dev.machine, e->in[i].iov_base, n);
        left -= n;
    }
    return (int64_t)(RNG_REQUEST_MAX - left);
}

static void rng_handle_output(VirtIODevice *vdev, VirtQueue *vq) {
    (void)vdev;
    virtqueue_process(vq, rng_request);
}

static bool rng_realize(Device *dev, Error **errp) {
    static const VirtIOType type = {.device_id = VIRTIO_ID_RNG};
    VirtIODevice *vdev = (VirtIODevice *)dev;
    if (!virtio_init(vdev, &type, 0, errp)) {
        return false;
    }
    virtio_add_queue(vdev, rng_handle_output);
    return true;
}

static void rng_unrealize(Device *dev) {
    virtio_exit((VirtIODevice *)dev);
}

static const DeviceProperty rng_properties[] = {
    VIRTIO_PROPERTIES(VirtIORng),
    {0},
};

static const StateField rng_state[] = {
    VIRTIO_STATE(VirtIORng),
    VIRTQUEUE_STATE(VirtIORng, 0),
    STATE_END,
};

const DeviceClass virtio_rng_class = {
    .name = "virtio-rng-device",
    .description = "virtio source of random bytes",
    .bus = "virtio-bus",
    .user_creatable = true,
    .size = sizeof(VirtIORng),
    .properties = rng_properties,
    .state = rng_state,
    .state_version = 1,
    .realize = rng_realize,
    .unrealize = rng_unrealize,
    .reset = virtio_device_reset,
    .post_load = virtio_device_post_load,
};
