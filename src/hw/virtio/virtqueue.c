/* SPDX-License-Identifier: MIT */
/*
 * VirtQueue: a split ring in guest RAM, read with suspicion.
 *
 *   avail.ring[last_avail % num] -> head -> desc[head] -next-> desc[..] -indirect-> table
 *                                               '---- each one is pieces of iov[] ----'
 *   used.ring[used_idx % num] <- {head, bytes written};  then used.idx <- used_idx
 *
 * Invariants: a descriptor is read once (the guest may change it while we look); every
 * one adds to iov[], which has VIRTQUEUE_MAX_SIZE pieces, so loops end; every piece is
 * guest RAM.
 * Threads: the driver is other vCPUs. avail.idx is read with acquire before the entries
 * it covers, used.idx written with release after the entries it covers.
 * Spec: VIRTIO 1.2, 2.7.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "hw/dma.h"
#include "hw/machine/machine.h"
#include "hw/virtio/virtio.h"

/* Rings are little-endian in guest memory and are read as they lie. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "virtqueues need a little-endian host");

enum {
    DESC_F_NEXT = 1,
    DESC_F_WRITE = 2,
    DESC_F_INDIRECT = 4,
    AVAIL_F_NO_INTERRUPT = 1,
    USED_F_NO_NOTIFY = 1,
    DESC_SIZE = 16,
    DESC_ALIGN = 16,
    AVAIL_ALIGN = 2,
    USED_ALIGN = 4,
    RING_IDX = 2,     /* offset in both rings */
    RING_ENTRIES = 4, /* offset in both rings */
    AVAIL_ENTRY = 2,  /* size */
    USED_ENTRY = 8,   /* size */
};

typedef struct VirtDesc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
} VirtDesc;

/* --- the words of the rings --------------------------------------------------------- */

static uint16_t load_u16(const uint8_t *p) {
    return __atomic_load_n((const uint16_t *)(const void *)p, __ATOMIC_RELAXED);
}

static void store_u16(uint8_t *p, uint16_t v) {
    __atomic_store_n((uint16_t *)(void *)p, v, __ATOMIC_RELAXED);
}

static void store_u32(uint8_t *p, uint32_t v) {
    __atomic_store_n((uint32_t *)(void *)p, v, __ATOMIC_RELAXED);
}

static uint16_t avail_idx(const VirtQueue *vq) {
    return __atomic_load_n((const uint16_t *)(const void *)(vq->view.avail + RING_IDX),
                           __ATOMIC_ACQUIRE);
}

static uint8_t *used_event(const VirtQueue *vq) {
    return vq->view.avail + RING_ENTRIES + AVAIL_ENTRY * vq->num;
}

static uint8_t *avail_event(const VirtQueue *vq) {
    return vq->view.used + RING_ENTRIES + USED_ENTRY * vq->num;
}

/* A descriptor in one read of each half; the table may be indirect and then of any
 * alignment. */
static VirtDesc load_desc(const uint8_t *table, unsigned i) {
    VirtDesc d;
    const uint8_t *p = table + (size_t)i * DESC_SIZE;
    if ((uintptr_t)p % sizeof(uint64_t) == 0) {
        const uint64_t *w = (const uint64_t *)(const void *)p;
        uint64_t half[2] = {__atomic_load_n(&w[0], __ATOMIC_RELAXED),
                            __atomic_load_n(&w[1], __ATOMIC_RELAXED)};
        memcpy(&d, half, sizeof(d));
    } else {
        memcpy(&d, p, sizeof(d));
    }
    return d;
}

_Static_assert(sizeof(VirtDesc) == DESC_SIZE, "VirtDesc has the layout of the ring");

/* Tells who watches these bytes that the device accessed them. */
static void note(const VirtQueue *vq, unsigned access, uint32_t head, const char *part,
                 const void *host, uint64_t len) {
    const DmaAccess a = {access, (int)vq->index, head, part};
    dma_note(&vq->vdev->dev, a, host, len);
}

static void note_ring(const VirtQueue *vq, const char *part, const void *host,
                      uint64_t len) {
    note(vq, DEBUG_WRITE, 0, part, host, len);
}

/* --- mapping ------------------------------------------------------------------------ */

static uint64_t avail_bytes(const VirtQueue *vq) {
    return RING_ENTRIES + (uint64_t)AVAIL_ENTRY * vq->num + sizeof(uint16_t);
}

static uint64_t used_bytes(const VirtQueue *vq) {
    return RING_ENTRIES + (uint64_t)USED_ENTRY * vq->num + sizeof(uint16_t);
}

/* Guest RAM [addr, addr + len) as one host pointer, or NULL. */
static uint8_t *map_whole(const VirtQueue *vq, uint64_t addr, uint64_t len,
                          unsigned align, bool is_write) {
    if (addr % align != 0) {
        return NULL;
    }
    uint64_t got = len;
    uint8_t *host = address_space_map(vq->vdev->as, addr, &got, is_write);
    return got >= len ? host : NULL;
}

bool virtqueue_begin(VirtQueue *vq) {
    VirtIODevice *vdev = vq->vdev;
    assert(vq->view.desc == NULL);
    if (vdev->broken || !vq->ready || vq->num == 0) {
        return false;
    }
    uint8_t *desc =
        map_whole(vq, vq->desc_addr, (uint64_t)vq->num * DESC_SIZE, DESC_ALIGN, false);
    uint8_t *avail = map_whole(vq, vq->avail_addr, avail_bytes(vq), AVAIL_ALIGN, false);
    uint8_t *used = map_whole(vq, vq->used_addr, used_bytes(vq), USED_ALIGN, true);
    if (desc == NULL || avail == NULL || used == NULL) {
        virtio_error(vdev, "queue %u: its rings are misaligned or not in RAM", vq->index);
        return false;
    }
    vq->view = (VirtQueueView){desc, avail, used};
    return true;
}

/* True if the driver wants an interrupt for what was used since it was last asked. A
 * turn uses far fewer than 65536 chains, so the difference of the indices is exact. */
static bool virtqueue_wants_interrupt(VirtQueue *vq) {
    uint16_t before = vq->signalled_used, now = vq->used_idx;
    vq->signalled_used = now;
    if (before == now) {
        return false;
    }
    if (!virtio_has_feature(vq->vdev, VIRTIO_F_EVENT_IDX_BIT)) {
        return !(load_u16(vq->view.avail) & AVAIL_F_NO_INTERRUPT);
    }
    uint16_t event = load_u16(used_event(vq));
    /* Did used_idx step over `event` on its way from before to now? */
    return (uint16_t)(event - before) < (uint16_t)(now - before);
}

void virtqueue_end(VirtQueue *vq) {
    VirtIODevice *vdev = vq->vdev;
    /* used.idx before the driver's wish: it writes its wish, then looks at used.idx. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    bool signal = !vdev->broken && virtqueue_wants_interrupt(vq);
    address_space_unmap(vdev->as, vq->view.used, used_bytes(vq), true);
    vq->view = (VirtQueueView){0};
    if (signal) {
        vdev->isr |= VIRTIO_ISR_QUEUE;
        virtio_update_irq(vdev);
    }
}

void virtqueue_reset(VirtQueue *vq) {
    *vq = (VirtQueue){
        .vdev = vq->vdev,
        .index = vq->index,
        .handle_output = vq->handle_output,
        .num = VIRTQUEUE_MAX_SIZE,
        .notification = true,
        .call_pending = vq->call_pending,
        .view = vq->view, /* a reset from inside a turn of work ends with it */
    };
}

/* The driver is to notify us from here on. */
static void ask_event(VirtQueue *vq) {
    store_u16(avail_event(vq), vq->last_avail);
    note_ring(vq, "avail event", avail_event(vq), sizeof(vq->last_avail));
}

/* --- taking chains ------------------------------------------------------------------ */

bool virtqueue_is_empty(VirtQueue *vq) {
    return vq->vdev->broken || avail_idx(vq) == vq->last_avail;
}

/* Adds a piece of guest memory; a piece that is not contiguous on the host becomes
 * several. */
static bool elem_add(VirtQueue *vq, VirtQueueElement *elem, VirtDesc d) {
    VirtIODevice *vdev = vq->vdev;
    bool is_write = d.flags & DESC_F_WRITE;
    if (!is_write && elem->in_count > 0) {
        virtio_error(vdev, "a chain has a readable descriptor behind a writable one");
        return false;
    }
    if (d.len == 0) {
        virtio_error(vdev, "a descriptor has length 0");
        return false;
    }
    TraceKind kind = is_write ? TRACE_DMA_WRITE : TRACE_DMA_READ;
    if (trace_on(vdev->dev.machine->trace, kind)) {
        trace_emit(vdev->dev.machine->trace, kind, TRACE_NO_HART, (uintptr_t)vdev, d.addr,
                   d.len, 0);
    }
    while (d.len > 0) {
        unsigned n = elem->out_count + elem->in_count;
        if (n == VIRTQUEUE_MAX_SIZE) {
            virtio_error(vdev, "a chain of descriptors is too long or a loop");
            return false;
        }
        uint64_t got = d.len;
        void *host = address_space_map(vdev->as, d.addr, &got, is_write);
        if (host == NULL || got == 0) {
            virtio_error(vdev, "a descriptor points to 0x%" PRIx64 ", which is not RAM",
                         d.addr);
            return false;
        }
        elem->iov[n] = (struct iovec){host, got};
        if (!is_write) {
            note(vq, DEBUG_READ, elem->head, "buffer", host, got);
        }
        *(is_write ? &elem->in_count : &elem->out_count) += 1;
        *(is_write ? &elem->in_len : &elem->out_len) += got;
        d.addr += got;
        d.len -= (uint32_t)got;
    }
    return true;
}

/* Follows a chain from its head. */
static bool elem_collect(VirtQueue *vq, VirtQueueElement *elem) {
    VirtIODevice *vdev = vq->vdev;
    const uint8_t *table = vq->view.desc;
    unsigned size = vq->num, i = elem->head;
    bool indirect = false;
    for (;;) {
        if (i >= size) {
            virtio_error(vdev, "descriptor %u is beyond its table of %u", i, size);
            return false;
        }
        VirtDesc d = load_desc(table, i);
        if (d.flags & DESC_F_INDIRECT) {
            if (indirect || (d.flags & DESC_F_NEXT) || d.len == 0 ||
                d.len % DESC_SIZE != 0) {
                virtio_error(vdev,
                             "an indirect descriptor is nested, chained or has length %u",
                             d.len);
                return false;
            }
            table = map_whole(vq, d.addr, d.len, 1, false);
            if (table == NULL) {
                virtio_error(vdev, "an indirect table at 0x%" PRIx64 " is not in RAM",
                             d.addr);
                return false;
            }
            indirect = true;
            size = d.len / DESC_SIZE;
            i = 0;
            continue;
        }
        if (!elem_add(vq, elem, d)) {
            return false;
        }
        if (!(d.flags & DESC_F_NEXT)) {
            return true;
        }
        i = d.next;
    }
}

bool virtqueue_pop(VirtQueue *vq, VirtQueueElement *elem) {
    VirtIODevice *vdev = vq->vdev;
    if (vdev->broken) {
        return false;
    }
    uint16_t waiting = (uint16_t)(avail_idx(vq) - vq->last_avail);
    if (waiting == 0) {
        return false;
    }
    if (waiting > vq->num) {
        virtio_error(vdev, "queue %u: the avail index jumped from %u by %u", vq->index,
                     vq->last_avail, waiting);
        return false;
    }
    unsigned slot = vq->last_avail % vq->num;
    elem->head = load_u16(vq->view.avail + RING_ENTRIES + AVAIL_ENTRY * slot);
    elem->out_count = elem->in_count = 0;
    elem->out_len = elem->in_len = 0;
    if (!elem_collect(vq, elem)) {
        return false;
    }
    elem->out = elem->iov;
    elem->in = elem->iov + elem->out_count;
    vq->last_avail++;
    if (vq->notification && virtio_has_feature(vdev, VIRTIO_F_EVENT_IDX_BIT)) {
        ask_event(vq);
    }
    return true;
}

void virtqueue_rewind(VirtQueue *vq, unsigned count) {
    vq->last_avail = (uint16_t)(vq->last_avail - count);
}

/* --- giving them back --------------------------------------------------------------- */

void virtqueue_fill(VirtQueue *vq, const VirtQueueElement *elem, uint32_t written,
                    unsigned slot) {
    uint64_t left = written;
    const struct iovec *in = elem->iov + elem->out_count;
    for (unsigned i = 0; i < elem->in_count && left > 0; i++) {
        uint64_t n = in[i].iov_len < left ? in[i].iov_len : left;
        address_space_unmap(vq->vdev->as, in[i].iov_base, n, true);
        note(vq, DEBUG_WRITE, elem->head, "buffer", in[i].iov_base, n);
        left -= n;
    }
    unsigned entry = (uint16_t)(vq->used_idx + slot) % vq->num;
    uint8_t *p = vq->view.used + RING_ENTRIES + USED_ENTRY * entry;
    store_u32(p, elem->head);
    store_u32(p + sizeof(uint32_t), written);
    note(vq, DEBUG_WRITE, elem->head, "used", p, USED_ENTRY);
}

void virtqueue_flush(VirtQueue *vq, unsigned count) {
    vq->used_idx = (uint16_t)(vq->used_idx + count);
    __atomic_store_n((uint16_t *)(void *)(vq->view.used + RING_IDX), vq->used_idx,
                     __ATOMIC_RELEASE);
    note_ring(vq, "used index", vq->view.used + RING_IDX, sizeof(vq->used_idx));
}

void virtqueue_push(VirtQueue *vq, const VirtQueueElement *elem, uint32_t written) {
    virtqueue_fill(vq, elem, written, 0);
    virtqueue_flush(vq, 1);
}

void virtqueue_set_notification(VirtQueue *vq, bool on) {
    vq->notification = on;
    if (vq->vdev->broken) {
        return;
    }
    if (!virtio_has_feature(vq->vdev, VIRTIO_F_EVENT_IDX_BIT)) {
        store_u16(vq->view.used, on ? 0 : USED_F_NO_NOTIFY);
        note_ring(vq, "used flags", vq->view.used, sizeof(uint16_t));
    } else if (on) {
        ask_event(vq);
    }
    if (on) { /* our wish before we look at avail.idx again */
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
}

/* --- looking on --------------------------------------------------------------------- */

/* The rings as host pointers, all or none. */
static bool look_map(const VirtQueue *vq, VirtQueueView *view) {
    if (!vq->ready || vq->num == 0 || vq->num > VIRTQUEUE_MAX_SIZE) {
        return false;
    }
    view->desc =
        map_whole(vq, vq->desc_addr, (uint64_t)vq->num * DESC_SIZE, DESC_ALIGN, false);
    view->avail = map_whole(vq, vq->avail_addr, avail_bytes(vq), AVAIL_ALIGN, false);
    view->used = map_whole(vq, vq->used_addr, used_bytes(vq), USED_ALIGN, false);
    return view->desc != NULL && view->avail != NULL && view->used != NULL;
}

VirtQueueInfo virtqueue_look(const VirtQueue *vq) {
    VirtQueue seen = *vq;
    VirtQueueInfo info = {0};
    if (look_map(vq, &seen.view)) {
        info.in_ram = true;
        info.avail_flags = load_u16(seen.view.avail);
        info.avail_idx = load_u16(seen.view.avail + RING_IDX);
        info.used_event = load_u16(used_event(&seen));
        info.used_flags = load_u16(seen.view.used);
        info.used_idx = load_u16(seen.view.used + RING_IDX);
        info.avail_event = load_u16(avail_event(&seen));
    }
    return info;
}

unsigned virtqueue_look_chain(const VirtQueue *vq, uint16_t avail, VirtDescInfo *descs,
                              unsigned max, const char **problem) {
    VirtQueueView view;
    *problem = "the rings are not in RAM";
    if (!look_map(vq, &view)) {
        return 0;
    }
    const uint8_t *table = view.desc;
    unsigned size = vq->num, n = 0;
    unsigned i = load_u16(view.avail + RING_ENTRIES + AVAIL_ENTRY * (avail % vq->num));
    bool indirect = false;
    while (n < max) {
        *problem = "a descriptor is beyond its table";
        if (i >= size) {
            return n;
        }
        VirtDesc d = load_desc(table, i);
        descs[n++] = (VirtDescInfo){
            .index = (uint16_t)i,
            .indirect = indirect,
            .addr = d.addr,
            .len = d.len,
            .next = d.flags & DESC_F_NEXT,
            .write = d.flags & DESC_F_WRITE,
            .table = d.flags & DESC_F_INDIRECT,
        };
        i = d.next;
        if (d.flags & DESC_F_INDIRECT) {
            *problem =
                "an indirect table is nested, chained, of a bad length or not in RAM";
            if (indirect || (d.flags & DESC_F_NEXT) || d.len == 0 ||
                d.len % DESC_SIZE != 0 ||
                !(table = map_whole(vq, d.addr, d.len, 1, false))) {
                return n;
            }
            indirect = true;
            size = d.len / DESC_SIZE;
            i = 0;
        } else if (!(d.flags & DESC_F_NEXT)) {
            *problem = NULL;
            return n;
        }
    }
    *problem = "the chain is longer than what is shown, or a loop";
    return n;
}

bool virtqueue_look_used(const VirtQueue *vq, uint16_t used, uint32_t *id,
                         uint32_t *written) {
    VirtQueueView view;
    if (!look_map(vq, &view)) {
        return false;
    }
    const uint8_t *p = view.used + RING_ENTRIES + USED_ENTRY * (used % vq->num);
    memcpy(id, p, sizeof(*id));
    memcpy(written, p + sizeof(*id), sizeof(*written));
    return true;
}

/* --- the usual loop ----------------------------------------------------------------- */

static void virtqueue_continue(void *opaque) {
    VirtQueue *vq = opaque;
    bool wanted = vq->continued || vq->blocked;
    vq->call_pending = false;
    vq->continued = false;
    if (wanted && virtio_is_running(vq->vdev) && vq->handle_output != NULL) {
        vq->handle_output(vq->vdev, vq);
    }
}

static void virtqueue_call_later(VirtQueue *vq) {
    if (!vq->call_pending) {
        vq->call_pending = true;
        loop_call(vq->vdev->dev.machine->loop, virtqueue_continue, vq);
    }
}

void virtqueue_post_load(VirtQueue *vq) {
    if (vq->num > VIRTQUEUE_MAX_SIZE) { /* from a file that lies: as if not set up */
        vq->num = VIRTQUEUE_MAX_SIZE;
        vq->ready = false;
    }
    if (vq->continued || vq->blocked) {
        virtqueue_call_later(vq);
    }
}

/* Handles what is there now. Returns true if the ring is empty, false if the budget is
 * spent or the device asked to stop (*later). */
static bool virtqueue_drain(VirtQueue *vq, VirtQueueFn *fn, unsigned *chains,
                            uint64_t *bytes, bool *later) {
    VirtIODevice *vdev = vq->vdev;
    VirtQueueElement *elem = vdev->element;
    while (*chains > 0 && *bytes > 0) {
        if (!virtqueue_pop(vq, elem)) {
            return true;
        }
        uint64_t cost = elem->in_len + elem->out_len;
        int64_t written = fn(vdev, vq, elem);
        if (vdev->broken || !vq->ready) {
            return true;
        }
        if (written == VIRTQUEUE_LATER) {
            virtqueue_rewind(vq, 1);
            *later = true;
            return false;
        }
        virtqueue_push(vq, elem, (uint32_t)written);
        (*chains)--;
        *bytes -= cost < *bytes ? cost : *bytes;
    }
    return false;
}

void virtqueue_process(VirtQueue *vq, VirtQueueFn *fn) {
    unsigned chains = VIRTIO_CHAINS_PER_TURN;
    uint64_t bytes = VIRTIO_BYTES_PER_TURN;
    bool empty, later = false;
    if (!virtqueue_begin(vq)) {
        return;
    }
    do {
        virtqueue_set_notification(vq, false);
        empty = virtqueue_drain(vq, fn, &chains, &bytes, &later);
        virtqueue_set_notification(vq, true);
    } while (empty && !virtqueue_is_empty(vq));
    virtqueue_end(vq);
    vq->blocked = later;
    if (!empty && !later) {
        vq->continued = true;
        virtqueue_call_later(vq);
    }
}

/* --- pieces of memory --------------------------------------------------------------- */

/* Copies between the pieces from `offset` on and buf: out of them, or into them. */
static size_t iov_copy(const struct iovec *iov, unsigned count, uint64_t offset,
                       uint8_t *buf, size_t len, bool into) {
    size_t done = 0;
    for (unsigned i = 0; i < count && done < len; i++) {
        if (offset >= iov[i].iov_len) {
            offset -= iov[i].iov_len;
            continue;
        }
        size_t n = iov[i].iov_len - offset;
        n = n < len - done ? n : len - done;
        uint8_t *piece = (uint8_t *)iov[i].iov_base + offset;
        memcpy(into ? piece : buf + done, into ? buf + done : piece, n);
        done += n;
        offset = 0;
    }
    return done;
}

size_t iov_to_buf(const struct iovec *iov, unsigned count, uint64_t offset, void *buf,
                  size_t len) {
    return iov_copy(iov, count, offset, buf, len, false);
}

size_t iov_from_buf(const struct iovec *iov, unsigned count, uint64_t offset,
                    const void *buf, size_t len) {
    return iov_copy(iov, count, offset, (uint8_t *)(uintptr_t)buf, len, true);
}

bool iov_cut_front(struct iovec **iov, unsigned *count, uint64_t len) {
    while (len > 0 && *count > 0) {
        if (len < (*iov)->iov_len) {
            (*iov)->iov_base = (uint8_t *)(*iov)->iov_base + len;
            (*iov)->iov_len -= len;
            return true;
        }
        len -= (*iov)->iov_len;
        (*iov)++;
        (*count)--;
    }
    return len == 0;
}
