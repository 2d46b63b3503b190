/* SPDX-License-Identifier: MIT */
/*
 * Virtio-serial with one port, and virtconsole, which connects that port to a chardev.
 *
 *   virtio-serial-device (on virtio-bus)     queue 0  receive: host -> guest
 *     '-- virtconsole (on virtio-serial-bus) queue 1  transmit: guest -> host
 *
 * When the host does not take output, chains stay in the transmit queue until
 * CHR_WRITABLE.
 *
 * Spec: VIRTIO 1.2, 5.3.
 * Not modelled: several ports (F_MULTIPORT), virtserialport, the size of the terminal
 * (F_SIZE).
 */
#include <stdlib.h>
#include <string.h>

#include "chardev/chardev.h"
#include "hw/machine/runstate.h"
#include "hw/virtio/virtio.h"

enum { CONSOLE_F_EMERG_WRITE = 2 };
enum { CONSOLE_MAX_PORTS = 4, CONSOLE_EMERG_OFFSET = 8, CONSOLE_CONFIG_LEN = 12 };
enum { RX_QUEUE = 0, TX_QUEUE = 1 };
/* More than any driver sends at once; the rest of a longer chain is thrown away. */
enum { CONSOLE_TX_MAX = 1024 * 1024, CONSOLE_RX_MAX = 4096 };

typedef struct VirtConsole VirtConsole;

typedef struct VirtIOSerial {
    VirtIODevice vdev;
    VirtConsole *port;            /* NULL: nothing is connected */
    VirtQueueElement *rx_element; /* input may come while output is handled */
} VirtIOSerial;

struct VirtConsole {
    Device dev;   /* dev.parent is the VirtIOSerial */
    Chardev *chr; /* or NULL */
};

static Chardev *serial_chardev(const VirtIOSerial *s) {
    return s->port != NULL ? s->port->chr : NULL;
}

/* --- guest to host ------------------------------------------------------------------ */

static int64_t serial_transmit(VirtIODevice *vdev, VirtQueue *vq, VirtQueueElement *e) {
    (void)vq;
    Chardev *chr = serial_chardev((VirtIOSerial *)vdev);
    size_t left = CONSOLE_TX_MAX;
    if (chr == NULL) {
        return 0;
    }
    if (machine_is_quiet(vdev->dev.machine)) {
        return 0;
    }
    if (!chardev_writable(chr)) {
        return VIRTQUEUE_LATER;
    }
    for (unsigned i = 0; i < e->out_count && left > 0; i++) {
        size_t n = e->out[i].iov_len < left ? e->out[i].iov_len : left;
        chardev_write(chr, e->out[i].iov_base, (unsigned)n);
        left -= n;
    }
    return 0;
}

static void serial_handle_tx(VirtIODevice *vdev, VirtQueue *vq) {
    (void)vdev;
    virtqueue_process(vq, serial_transmit);
}

/* Config space: a byte written to `emerg_wr` goes out without any queue. */
static void serial_config_write(VirtIODevice *vdev, unsigned offset, uint64_t value,
                                unsigned size) {
    (void)size;
    Chardev *chr = serial_chardev((VirtIOSerial *)vdev);
    uint8_t byte = (uint8_t)value;
    if (offset == CONSOLE_EMERG_OFFSET && chr && !machine_is_quiet(vdev->dev.machine)) {
        chardev_write(chr, &byte, 1);
    }
}

/* --- host to guest ------------------------------------------------------------------ */

/* The room in the chain that is next. */
static unsigned console_can_receive(void *opaque) {
    VirtConsole *port = opaque;
    VirtIOSerial *s = (VirtIOSerial *)port->dev.parent;
    VirtQueue *vq = &s->vdev.vq[RX_QUEUE];
    if (!virtio_is_running(&s->vdev) || !virtqueue_begin(vq)) {
        return 0;
    }
    uint64_t room = 0;
    if (virtqueue_pop(vq, s->rx_element)) {
        room = s->rx_element->in_len;
        virtqueue_rewind(vq, 1);
    }
    virtqueue_end(vq);
    return room < CONSOLE_RX_MAX ? (unsigned)room : CONSOLE_RX_MAX;
}

static void console_receive(void *opaque, const uint8_t *buf, unsigned len) {
    VirtConsole *port = opaque;
    VirtIOSerial *s = (VirtIOSerial *)port->dev.parent;
    VirtQueue *vq = &s->vdev.vq[RX_QUEUE];
    VirtQueueElement *e = s->rx_element;
    if (!virtio_is_running(&s->vdev) || !virtqueue_begin(vq)) {
        return;
    }
    if (virtqueue_pop(vq, e)) {
        size_t n = iov_from_buf(e->in, e->in_count, 0, buf, len);
        virtqueue_push(vq, e, (uint32_t)n);
    }
    virtqueue_end(vq);
}

/* There is room again. */
static void serial_handle_rx(VirtIODevice *vdev, VirtQueue *vq) {
    (void)vq;
    Chardev *chr = serial_chardev((VirtIOSerial *)vdev);
    if (chr != NULL) {
        chardev_accept_input(chr);
    }
}

static void console_event(void *opaque, int event) {
    VirtConsole *port = opaque;
    VirtIOSerial *s = (VirtIOSerial *)port->dev.parent;
    if (event == CHR_WRITABLE) {
        virtio_queue_notify(&s->vdev, TX_QUEUE);
    }
}

/* --- classes ------------------------------------------------------------------------ */

static const RegisterField serial_features[] = {
    {"EMERG_WRITE", VIRTIO_FEATURE(CONSOLE_F_EMERG_WRITE), "emerg_wr is there", NULL},
    REGISTER_FIELDS_END,
};

static bool serial_realize(Device *dev, Error **errp) {
    static const VirtIOType type = {
        .device_id = VIRTIO_ID_CONSOLE,
        .feature_names = serial_features,
        .features = VIRTIO_FEATURE(CONSOLE_F_EMERG_WRITE),
        .config_write = serial_config_write,
    };
    VirtIOSerial *s = (VirtIOSerial *)dev;
    s->rx_element = malloc(sizeof(*s->rx_element));
    if (s->rx_element == NULL) {
        error_set(errp, "no memory for a %s", dev->cls->name);
        return false;
    }
    if (!virtio_init(&s->vdev, &type, CONSOLE_CONFIG_LEN, errp)) {
        free(s->rx_element);
        return false;
    }
    virtio_add_queue(&s->vdev, serial_handle_rx);
    virtio_add_queue(&s->vdev, serial_handle_tx);
    s->vdev.config[CONSOLE_MAX_PORTS] = 1;
    return true;
}

static void serial_unrealize(Device *dev) {
    VirtIOSerial *s = (VirtIOSerial *)dev;
    free(s->rx_element);
    virtio_exit(&s->vdev);
}

static const DeviceProperty serial_properties[] = {
    VIRTIO_PROPERTIES(VirtIOSerial),
    {0},
};

static const RegisterDesc serial_registers[] = {
    REGISTER("max_nr_ports", CONSOLE_MAX_PORTS, 4, REG_READ, "ports there can be"),
    REGISTER("emerg_wr", CONSOLE_EMERG_OFFSET, 4, REG_WRITE,
             "a byte to show without a queue"),
    REGISTERS_END,
};

static const StateField serial_state[] = {
    VIRTIO_STATE(VirtIOSerial),
    VIRTQUEUE_STATE(VirtIOSerial, 0),
    VIRTQUEUE_STATE(VirtIOSerial, 1),
    STATE_END,
};

const DeviceClass virtio_serial_class = {
    .name = "virtio-serial-device",
    .description = "virtio serial controller with one port",
    .bus = "virtio-bus",
    .offers_bus = "virtio-serial-bus",
    .user_creatable = true,
    .size = sizeof(VirtIOSerial),
    .properties = serial_properties,
    .state = serial_state,
    .state_version = 1,
    .registers = serial_registers,
    .peek = virtio_config_peek,
    .realize = serial_realize,
    .unrealize = serial_unrealize,
    .reset = virtio_device_reset,
    .post_load = virtio_device_post_load,
};

static bool console_realize(Device *dev, Error **errp) {
    VirtConsole *port = (VirtConsole *)dev;
    VirtIOSerial *s = (VirtIOSerial *)dev->parent;
    char *name = device_unique_name(dev);
    const CharFrontend fe = {
        .can_receive = console_can_receive,
        .receive = console_receive,
        .event = console_event,
        .opaque = port,
        .gate = device_gate(dev),
        .gate_name = name,
    };
    bool attached = port->chr == NULL || chardev_attach(port->chr, &fe);
    free(name);
    if (!attached) {
        error_set(errp,
                  "chardev '%s' has a device already; with mux=on it can have several",
                  chardev_id(port->chr));
        return false;
    }
    s->port = port;
    return true;
}

static void console_unrealize(Device *dev) {
    VirtConsole *port = (VirtConsole *)dev;
    VirtIOSerial *s = (VirtIOSerial *)dev->parent;
    if (port->chr != NULL) {
        chardev_detach(port->chr, port);
    }
    s->port = NULL;
}

static const DeviceProperty console_properties[] = {
    {"chardev", PROP_CHARDEV, offsetof(VirtConsole, chr), NULL, "where its bytes go"},
    {0},
};

const DeviceClass virtconsole_class = {
    .name = "virtconsole",
    .description = "console on a virtio-serial-device",
    .bus = "virtio-serial-bus",
    .user_creatable = true,
    .size = sizeof(VirtConsole),
    .properties = console_properties,
    .realize = console_realize,
    .unrealize = console_unrealize,
};
