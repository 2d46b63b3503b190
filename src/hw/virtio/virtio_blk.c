/* SPDX-License-Identifier: MIT */
/*
 * Virtio-blk: a disk.
 *
 *   chain:   | type, ioprio, sector | data ...           | status           |
 *   device:    reads                  reads, or writes     writes one byte
 *
 * A request that makes no sense (no header, no place for the status) breaks the device;
 * one that cannot be done (outside the disk, host error) ends with status IOERR or
 * UNSUPP.
 *
 * Invariants: a request transfers at most BLK_MAX_TRANSFER bytes, so that the machine
 * lock is not held for a whole image.
 * Spec: VIRTIO 1.2, 5.2.
 * Not modelled: several queues, SCSI commands, secure erase, lifetime, zoned devices,
 * config-wce.
 */
#include <errno.h>
#include <string.h>

#include "block/block.h"
#include "hw/virtio/virtio.h"

enum { /* feature bits */
       BLK_F_SEG_MAX = 2,
       BLK_F_GEOMETRY = 4,
       BLK_F_RO = 5,
       BLK_F_BLK_SIZE = 6,
       BLK_F_FLUSH = 9,
       BLK_F_TOPOLOGY = 10,
       BLK_F_DISCARD = 13,
       BLK_F_WRITE_ZEROES = 14,
};

enum { /* request types */
       BLK_T_IN = 0,
       BLK_T_OUT = 1,
       BLK_T_FLUSH = 4,
       BLK_T_GET_ID = 8,
       BLK_T_DISCARD = 11,
       BLK_T_WRITE_ZEROES = 13,
};
#define BLK_T_BARRIER 0x80000000u /* legacy; a hint */

enum { BLK_S_OK = 0, BLK_S_IOERR = 1, BLK_S_UNSUPP = 2 };

enum {
    BLK_ID_BYTES = 20,
    BLK_SEG_MAX = 254,
    BLK_MAX_TRANSFER = 128 * 1024 * 1024,
    BLK_MAX_ZERO_SECTORS = 0x3fffff,
    BLK_ZERO_FLAG_UNMAP = 1,
    GEOMETRY_HEADS = 16,
    GEOMETRY_SECTORS = 63,
    GEOMETRY_MAX_CYLINDERS = 16383,
};

typedef struct BlkHeader {
    uint32_t type, ioprio;
    uint64_t sector;
} BlkHeader;

typedef struct BlkZeroSegment {
    uint64_t sector;
    uint32_t sectors, flags;
} BlkZeroSegment;

typedef struct __attribute__((packed)) BlkConfig {
    uint64_t capacity; /* sectors of 512 bytes */
    uint32_t size_max, seg_max;
    uint16_t cylinders;
    uint8_t heads, sectors;
    uint32_t blk_size;
    uint8_t physical_block_exp, alignment_offset;
    uint16_t min_io_size;
    uint32_t opt_io_size;
    uint8_t writeback, unused;
    uint16_t num_queues;
    uint32_t max_discard_sectors, max_discard_seg, discard_sector_alignment;
    uint32_t max_write_zeroes_sectors, max_write_zeroes_seg;
    uint8_t write_zeroes_may_unmap, unused1[3];
} BlkConfig;
_Static_assert(sizeof(BlkConfig) == 60, "the layout of VIRTIO 1.2, 5.2.4");

typedef struct VirtIOBlk {
    VirtIODevice vdev;
    BlockBackend *blk;
    char *serial;
} VirtIOBlk;

/* --- requests ----------------------------------------------------------------------- */

static uint8_t blk_status(int rc) {
    return rc == 0 ? BLK_S_OK : rc == -ENOTSUP ? BLK_S_UNSUPP : BLK_S_IOERR;
}

/* The byte offset of a transfer, or false if it is misaligned, too large or beyond the
 * end. */
static bool blk_range(VirtIOBlk *s, uint64_t sector, uint64_t len, uint64_t *offset) {
    uint64_t size = blk_size(s->blk);
    if (len % SECTOR_SIZE != 0 || sector > size / SECTOR_SIZE ||
        len > size - sector * SECTOR_SIZE) {
        device_guest_error(&s->vdev.dev,
                           "request of %llu bytes at sector %llu, the disk has %llu",
                           (unsigned long long)len, (unsigned long long)sector,
                           (unsigned long long)(size / SECTOR_SIZE));
        return false;
    }
    *offset = sector * SECTOR_SIZE;
    return true;
}

static uint8_t blk_transfer(VirtIOBlk *s, const BlkHeader *h, const struct iovec *iov,
                            unsigned count, uint64_t len) {
    uint64_t offset;
    if (len > BLK_MAX_TRANSFER || !blk_range(s, h->sector, len, &offset)) {
        return BLK_S_IOERR;
    }
    return blk_status(h->type == BLK_T_IN ? blk_readv(s->blk, offset, iov, count)
                                          : blk_writev(s->blk, offset, iov, count));
}

/* The guest's copy of the serial number: 20 bytes, padded with NUL. */
static uint8_t blk_get_id(VirtIOBlk *s, const struct iovec *iov, unsigned count) {
    char id[BLK_ID_BYTES] = {0};
    if (s->serial != NULL) {
        memcpy(id, s->serial, strnlen(s->serial, sizeof(id)));
    }
    iov_from_buf(iov, count, 0, id, sizeof(id));
    return BLK_S_OK;
}

static uint8_t blk_zero(VirtIOBlk *s, const BlkHeader *h, const struct iovec *iov,
                        unsigned count, uint64_t len) {
    BlkZeroSegment seg;
    uint64_t offset;
    bool discard = h->type == BLK_T_DISCARD;
    uint32_t known = discard ? 0 : BLK_ZERO_FLAG_UNMAP;
    if (len != sizeof(seg) ||
        iov_to_buf(iov, count, 0, &seg, sizeof(seg)) != sizeof(seg) ||
        (seg.flags & ~known)) {
        return BLK_S_UNSUPP;
    }
    uint64_t bytes = (uint64_t)seg.sectors * SECTOR_SIZE;
    if (seg.sectors > BLK_MAX_ZERO_SECTORS || !blk_range(s, seg.sector, bytes, &offset)) {
        return BLK_S_IOERR;
    }
    if (blk_read_only(s->blk)) {
        return BLK_S_IOERR;
    }
    return blk_status(discard ? blk_discard(s->blk, offset, bytes)
                              : blk_write_zeroes(s->blk, offset, bytes));
}

static int64_t blk_request(VirtIODevice *vdev, VirtQueue *vq, VirtQueueElement *e) {
    (void)vq;
    VirtIOBlk *s = (VirtIOBlk *)vdev;
    BlkHeader h;
    struct iovec *out = e->out;
    unsigned out_count = e->out_count;
    if (iov_to_buf(out, out_count, 0, &h, sizeof(h)) != sizeof(h) || e->in_len == 0) {
        virtio_error(vdev, "a request has no header or no room for its status");
        return 0;
    }
    iov_cut_front(&out, &out_count, sizeof(h));
    uint64_t out_len = e->out_len - sizeof(h);
    /* The last byte is the status: out of the data while the request is done. */
    struct iovec *last = &e->in[e->in_count - 1];
    last->iov_len--;
    uint8_t *status = (uint8_t *)last->iov_base + last->iov_len;
    uint64_t in_len = e->in_len - 1;

    h.type &= ~BLK_T_BARRIER;
    switch (h.type) {
    case BLK_T_IN:
        *status = blk_transfer(s, &h, e->in, e->in_count, in_len);
        break;
    case BLK_T_OUT:
        *status = blk_transfer(s, &h, out, out_count, out_len);
        break;
    case BLK_T_FLUSH:
        *status = blk_status(blk_flush(s->blk));
        break;
    case BLK_T_GET_ID:
        *status = blk_get_id(s, e->in, e->in_count);
        break;
    case BLK_T_DISCARD:
    case BLK_T_WRITE_ZEROES:
        *status = blk_zero(s, &h, out, out_count, out_len);
        break;
    default:
        device_unimplemented(&vdev->dev, "request type %u", h.type);
        *status = BLK_S_UNSUPP;
    }
    last->iov_len++;
    return e->in_len <= UINT32_MAX ? (int64_t)e->in_len : UINT32_MAX;
}

static void blk_handle_output(VirtIODevice *vdev, VirtQueue *vq) {
    (void)vdev;
    virtqueue_process(vq, blk_request);
}

/* --- class -------------------------------------------------------------------------- */

static const RegisterField blk_features[] = {
    {"SEG_MAX", VIRTIO_FEATURE(BLK_F_SEG_MAX), "seg_max is valid", NULL},
    {"GEOMETRY", VIRTIO_FEATURE(BLK_F_GEOMETRY), "the geometry is valid", NULL},
    {"RO", VIRTIO_FEATURE(BLK_F_RO), "the disk is read-only", NULL},
    {"BLK_SIZE", VIRTIO_FEATURE(BLK_F_BLK_SIZE), "blk_size is valid", NULL},
    {"FLUSH", VIRTIO_FEATURE(BLK_F_FLUSH), "caches can be flushed", NULL},
    {"TOPOLOGY", VIRTIO_FEATURE(BLK_F_TOPOLOGY), "I/O sizes are valid", NULL},
    {"DISCARD", VIRTIO_FEATURE(BLK_F_DISCARD), "blocks can be discarded", NULL},
    {"WRITE_ZEROES", VIRTIO_FEATURE(BLK_F_WRITE_ZEROES), "zeros need no data", NULL},
    REGISTER_FIELDS_END,
};

static void blk_fill_config(VirtIOBlk *s) {
    uint64_t sectors = blk_size(s->blk) / SECTOR_SIZE;
    uint64_t cylinders = sectors / (GEOMETRY_HEADS * GEOMETRY_SECTORS);
    BlkConfig c = {
        .capacity = sectors,
        .seg_max = BLK_SEG_MAX,
        .cylinders =
            (uint16_t)(cylinders < GEOMETRY_MAX_CYLINDERS ? cylinders
                                                          : GEOMETRY_MAX_CYLINDERS),
        .heads = GEOMETRY_HEADS,
        .sectors = GEOMETRY_SECTORS,
        .blk_size = SECTOR_SIZE,
        .min_io_size = 1,
        .num_queues = 1,
        .max_discard_sectors = BLK_MAX_ZERO_SECTORS,
        .max_discard_seg = 1,
        .discard_sector_alignment = 1,
        .max_write_zeroes_sectors = BLK_MAX_ZERO_SECTORS,
        .max_write_zeroes_seg = 1,
        .write_zeroes_may_unmap = 1,
    };
    memcpy(s->vdev.config, &c, sizeof(c));
}

static bool blk_realize(Device *dev, Error **errp) {
    static const VirtIOType type = {
        .device_id = VIRTIO_ID_BLOCK,
        .feature_names = blk_features,
        .features = VIRTIO_FEATURE(BLK_F_SEG_MAX) | VIRTIO_FEATURE(BLK_F_GEOMETRY) |
                    VIRTIO_FEATURE(BLK_F_BLK_SIZE) | VIRTIO_FEATURE(BLK_F_FLUSH) |
                    VIRTIO_FEATURE(BLK_F_TOPOLOGY) | VIRTIO_FEATURE(BLK_F_DISCARD) |
                    VIRTIO_FEATURE(BLK_F_WRITE_ZEROES),
    };
    VirtIOBlk *s = (VirtIOBlk *)dev;
    if (s->blk == NULL) {
        error_set(
            errp,
            "virtio-blk-device: no drive; write drive=ID, with a -drive if=none,id=ID");
        return false;
    }
    if (!virtio_init(&s->vdev, &type, sizeof(BlkConfig), errp)) {
        return false;
    }
    if (blk_read_only(s->blk)) {
        s->vdev.host_features |= VIRTIO_FEATURE(BLK_F_RO);
    }
    virtio_add_queue(&s->vdev, blk_handle_output);
    blk_fill_config(s);
    return true;
}

static void blk_unrealize(Device *dev) {
    virtio_exit((VirtIODevice *)dev);
}

static const DeviceProperty blk_properties[] = {
    {"drive", PROP_DRIVE, offsetof(VirtIOBlk, blk), NULL,
     "the disk image, by its -drive id"},
    {"serial", PROP_STRING, offsetof(VirtIOBlk, serial), NULL,
     "serial number, up to 20 bytes"},
    VIRTIO_PROPERTIES(VirtIOBlk),
    {0},
};

#define BLK_REG(field, text)                                                             \
    REGISTER(#field, offsetof(BlkConfig, field), sizeof(((BlkConfig *)0)->field),        \
             REG_READ, text, )
static const RegisterDesc blk_registers[] = {
    BLK_REG(capacity, "size of the disk in sectors of 512 bytes"),
    BLK_REG(size_max, "most bytes a descriptor; 0: any"),
    BLK_REG(seg_max, "most data descriptors a request"),
    BLK_REG(cylinders, "geometry for old software"),
    BLK_REG(heads, "geometry for old software"),
    BLK_REG(sectors, "geometry for old software"),
    BLK_REG(blk_size, "bytes of a logical block"),
    BLK_REG(min_io_size, "smallest efficient transfer, in blocks"),
    BLK_REG(opt_io_size, "best transfer, in blocks; 0: no opinion"),
    BLK_REG(num_queues, "request queues"),
    BLK_REG(max_discard_sectors, "most sectors a discard"),
    BLK_REG(max_discard_seg, "most ranges a discard"),
    BLK_REG(discard_sector_alignment, "alignment of a discard, in sectors"),
    BLK_REG(max_write_zeroes_sectors, "most sectors a write of zeros"),
    BLK_REG(max_write_zeroes_seg, "most ranges a write of zeros"),
    BLK_REG(write_zeroes_may_unmap, "a write of zeros may give space back"),
    REGISTERS_END,
};

static const StateField blk_state[] = {
    VIRTIO_STATE(VirtIOBlk),
    VIRTQUEUE_STATE(VirtIOBlk, 0),
    STATE_END,
};

const DeviceClass virtio_blk_class = {
    .name = "virtio-blk-device",
    .description = "virtio disk",
    .bus = "virtio-bus",
    .user_creatable = true,
    .size = sizeof(VirtIOBlk),
    .properties = blk_properties,
    .state = blk_state,
    .state_version = 1,
    .registers = blk_registers,
    .peek = virtio_config_peek,
    .realize = blk_realize,
    .unrealize = blk_unrealize,
    .reset = virtio_device_reset,
    .post_load = virtio_device_post_load,
};
