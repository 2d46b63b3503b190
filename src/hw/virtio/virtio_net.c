/* SPDX-License-Identifier: MIT */
/*
 * Virtio-net: a network card.
 *
 *   queue 0  receive:   | header | frame |   one chain; with MRG_RXBUF as many as needed
 *   queue 1  transmit:  | header | frame |
 *
 * The header is 10 bytes, 12 with MRG_RXBUF or VERSION_1. No offloads are offered, so it
 * is zeros but for num_buffers.
 *
 * Spec: VIRTIO 1.2, 5.1.
 * Not modelled: control queue (address filters, MAC change of version 1), offloads,
 * several queue pairs, MTU, announcing.
 */
#include <stdlib.h>
#include <string.h>

#include "hw/dma.h"
#include "hw/machine/machine.h"
#include "hw/virtio/virtio.h"
#include "net/net.h"

enum { NET_F_MAC = 5, NET_F_MRG_RXBUF = 15, NET_F_STATUS = 16 };

enum { RX_QUEUE = 0, TX_QUEUE = 1 };

enum {
    NET_HEADER = 10,
    NET_HEADER_MRG = 12, /* num_buffers behind it */
    NET_FRAME_MAX = 64 * 1024,
    NET_FRAME_MIN = 14, /* two addresses and a type */
    NET_MAC_BYTES = 6,
    NET_CONFIG_STATUS = 6, /* offset */
    NET_CONFIG_LEN = 8,
    NET_STATUS_LINK_UP = 1,
};

typedef struct VirtIONet {
    VirtIODevice vdev;
    NetBackend *net; /* or NULL: no cable */
    /* Property; zeros: the n-th card has 52:54:00:12:34:56 + n. */
    uint8_t mac[NET_MAC_BYTES];
    VirtQueueElement *rx_element; /* a reply may come while a transmit chain is handled */
    uint8_t frame[NET_FRAME_MAX];
} VirtIONet;

static unsigned net_header_len(const VirtIONet *s) {
    return virtio_has_feature(&s->vdev, NET_F_MRG_RXBUF) ||
                   virtio_has_feature(&s->vdev, VIRTIO_F_VERSION_1_BIT)
               ? NET_HEADER_MRG
               : NET_HEADER;
}

/* --- transmit ----------------------------------------------------------------------- */

static int64_t net_transmit(VirtIODevice *vdev, VirtQueue *vq, VirtQueueElement *e) {
    (void)vq;
    VirtIONet *s = (VirtIONet *)vdev;
    unsigned header = net_header_len(s);
    if (e->out_len < header + NET_FRAME_MIN || e->out_len - header > NET_FRAME_MAX) {
        device_guest_error(&vdev->dev, "a frame of %llu bytes was not sent",
                           (unsigned long long)e->out_len);
        return 0;
    }
    if (s->net != NULL) {
        size_t n = iov_to_buf(e->out, e->out_count, header, s->frame, NET_FRAME_MAX);
        net_send(s->net, s->frame, n);
    }
    return 0;
}

static void net_handle_tx(VirtIODevice *vdev, VirtQueue *vq) {
    (void)vdev;
    virtqueue_process(vq, net_transmit);
}

/* --- receive ------------------------------------------------------------------------ */

static bool net_can_receive(void *opaque) {
    VirtIONet *s = opaque;
    VirtQueue *vq = &s->vdev.vq[RX_QUEUE];
    if (!virtio_is_running(&s->vdev) || !virtqueue_begin(vq)) {
        return false;
    }
    bool empty = virtqueue_is_empty(vq);
    virtqueue_end(vq);
    return !empty;
}

/* Where num_buffers of the first chain lies: two bytes that may be in two pieces. */
static bool net_find_count(const VirtQueueElement *e, uint8_t *where[2]) {
    uint64_t offset = NET_HEADER;
    unsigned found = 0;
    for (unsigned i = 0; i < e->in_count && found < 2; i++) {
        while (found < 2 && offset < e->in[i].iov_len) {
            where[found++] = (uint8_t *)e->in[i].iov_base + offset++;
        }
        offset -= e->in[i].iov_len;
    }
    return found == 2;
}

/* Puts header and frame into chains; returns how many it took, 0 if there were not
 * enough. */
static unsigned net_fill_chains(VirtIONet *s, VirtQueue *vq, const uint8_t *frame,
                                size_t len) {
    static const uint8_t zeros[NET_HEADER_MRG];
    VirtQueueElement *e = s->rx_element;
    bool merge = virtio_has_feature(&s->vdev, NET_F_MRG_RXBUF);
    unsigned header = net_header_len(s), chains = 0;
    uint8_t *count[2] = {NULL, NULL};
    size_t done = 0;
    while (done < len || chains == 0) {
        if (!virtqueue_pop(vq, e)) {
            virtqueue_rewind(vq, chains);
            return 0;
        }
        size_t skip = chains == 0 ? header : 0;
        if (e->in_len <= skip || (!merge && e->in_len < skip + len)) {
            virtio_error(&s->vdev, "a receive chain has room for %llu bytes only",
                         (unsigned long long)e->in_len);
            virtqueue_rewind(vq, chains + 1);
            return 0;
        }
        if (chains == 0) {
            iov_from_buf(e->in, e->in_count, 0, zeros, header);
            if (header == NET_HEADER_MRG) {
                net_find_count(e, count);
            }
        }
        size_t n = iov_from_buf(e->in, e->in_count, skip, frame + done, len - done);
        virtqueue_fill(vq, e, (uint32_t)(skip + n), chains++);
        done += n;
    }
    if (count[1] != NULL) {
        *count[0] = (uint8_t)chains;
        *count[1] = (uint8_t)(chains >> 8);
        address_space_unmap(s->vdev.as, count[0], 1, true);
        address_space_unmap(s->vdev.as, count[1], 1, true);
        const DmaAccess a = {DEBUG_WRITE, RX_QUEUE, 0, "buffer count"};
        dma_note(&s->vdev.dev, a, count[0], 1);
        dma_note(&s->vdev.dev, a, count[1], 1);
    }
    return chains;
}

static void net_receive(void *opaque, const uint8_t *frame, size_t len) {
    VirtIONet *s = opaque;
    VirtQueue *vq = &s->vdev.vq[RX_QUEUE];
    if (!virtio_is_running(&s->vdev) || !virtqueue_begin(vq)) {
        return;
    }
    unsigned chains = net_fill_chains(s, vq, frame, len);
    if (chains > 0) {
        virtqueue_flush(vq, chains);
    }
    virtqueue_end(vq);
}

/* There is room again. */
static void net_handle_rx(VirtIODevice *vdev, VirtQueue *vq) {
    (void)vq;
    VirtIONet *s = (VirtIONet *)vdev;
    if (s->net != NULL) {
        net_flush(s->net);
    }
}

/* --- class -------------------------------------------------------------------------- */

/* Old drivers change the address by writing config space. */
static void net_config_write(VirtIODevice *vdev, unsigned offset, uint64_t value,
                             unsigned size) {
    if (virtio_has_feature(vdev, VIRTIO_F_VERSION_1_BIT) ||
        offset + size > NET_MAC_BYTES) {
        device_guest_error(&vdev->dev, "write of config space at %u, which is read-only",
                           offset);
        return;
    }
    memcpy(vdev->config + offset, &value, size);
}

static void net_reset(VirtIODevice *vdev) {
    VirtIONet *s = (VirtIONet *)vdev;
    memcpy(vdev->config, s->mac, NET_MAC_BYTES);
    vdev->config[NET_CONFIG_STATUS] = s->net != NULL ? NET_STATUS_LINK_UP : 0;
}

/* As QEMU numbers its cards. */
static void net_default_mac(VirtIONet *s) {
    static const uint8_t first[NET_MAC_BYTES] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
    static const uint8_t none[NET_MAC_BYTES] = {0};
    if (memcmp(s->mac, none, sizeof(none)) != 0) {
        return;
    }
    memcpy(s->mac, first, sizeof(first));
    for (Device *d = s->vdev.dev.machine->first_device; d != NULL; d = d->next) {
        if (d != &s->vdev.dev && d->cls == s->vdev.dev.cls && d->realized) {
            s->mac[NET_MAC_BYTES - 1]++;
        }
    }
}

static bool attach(VirtIONet *s) {
    Device *dev = &s->vdev.dev;
    char *name = device_unique_name(dev);
    const NetFrontend fe = {.can_receive = net_can_receive,
                            .receive = net_receive,
                            .opaque = s,
                            .gate = device_gate(dev),
                            .gate_name = name};
    bool ok = net_attach(s->net, &fe);
    free(name);
    return ok;
}

static const RegisterField net_features[] = {
    {"MAC", VIRTIO_FEATURE(NET_F_MAC), "the address is in config space", NULL},
    {"MRG_RXBUF", VIRTIO_FEATURE(NET_F_MRG_RXBUF), "a frame may fill several buffers",
     NULL},
    {"STATUS", VIRTIO_FEATURE(NET_F_STATUS), "the link's state is in config space", NULL},
    REGISTER_FIELDS_END,
};

static bool net_realize(Device *dev, Error **errp) {
    static const VirtIOType type = {
        .device_id = VIRTIO_ID_NET,
        .feature_names = net_features,
        .features = VIRTIO_FEATURE(NET_F_MAC) | VIRTIO_FEATURE(NET_F_STATUS) |
                    VIRTIO_FEATURE(NET_F_MRG_RXBUF),
        .reset = net_reset,
        .config_write = net_config_write,
    };
    VirtIONet *s = (VirtIONet *)dev;
    s->rx_element = malloc(sizeof(*s->rx_element));
    if (s->rx_element == NULL) {
        error_set(errp, "no memory for a %s", dev->cls->name);
        return false;
    }
    if (s->net != NULL && !attach(s)) {
        error_set(errp, "network '%s' has a card already; give each its own -netdev",
                  net_id(s->net));
        goto out_free;
    }
    if (!virtio_init(&s->vdev, &type, NET_CONFIG_LEN, errp)) {
        goto out_detach;
    }
    virtio_add_queue(&s->vdev, net_handle_rx);
    virtio_add_queue(&s->vdev, net_handle_tx);
    net_default_mac(s);
    net_reset(&s->vdev);
    return true;

out_detach:
    if (s->net != NULL) {
        net_detach(s->net);
    }
out_free:
    free(s->rx_element);
    return false;
}

static void net_unrealize(Device *dev) {
    VirtIONet *s = (VirtIONet *)dev;
    if (s->net != NULL) {
        net_detach(s->net);
    }
    free(s->rx_element);
    virtio_exit(&s->vdev);
}

static const DeviceProperty net_properties[] = {
    {"netdev", PROP_NETDEV, offsetof(VirtIONet, net), NULL,
     "the network, by its -netdev id"},
    {"mac", PROP_MAC, offsetof(VirtIONet, mac), NULL,
     "address (default: 52:54:00:12:34:56, ...)"},
    VIRTIO_PROPERTIES(VirtIONet),
    {0},
};

static const RegisterField net_status_fields[] = {
    {"LINK_UP", NET_STATUS_LINK_UP, "the cable", "0=unplugged|1=plugged in"},
    REGISTER_FIELDS_END,
};

static const RegisterDesc net_registers[] = {
    REGISTER("mac", 0, NET_MAC_BYTES, REG_BOTH, "Ethernet address, first byte lowest"),
    REGISTER("status", NET_CONFIG_STATUS, 2, REG_READ, "state of the link",
             .fields = net_status_fields),
    REGISTERS_END,
};

static const StateField net_state[] = {
    VIRTIO_STATE(VirtIONet),
    VIRTQUEUE_STATE(VirtIONet, 0),
    VIRTQUEUE_STATE(VirtIONet, 1),
    STATE_END,
};

const DeviceClass virtio_net_class = {
    .name = "virtio-net-device",
    .description = "virtio network card",
    .bus = "virtio-bus",
    .user_creatable = true,
    .size = sizeof(VirtIONet),
    .properties = net_properties,
    .state = net_state,
    .state_version = 1,
    .registers = net_registers,
    .peek = virtio_config_peek,
    .realize = net_realize,
    .unrealize = net_unrealize,
    .reset = virtio_device_reset,
    .post_load = virtio_device_post_load,
};
