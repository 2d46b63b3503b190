/* SPDX-License-Identifier: MIT */
/*
 * dev.queues: the virtqueues of a device, from the driver's side and from the device's.
 *
 *   available ring:  ... last_avail ......... avail.idx     between them: chains that wait
 *   used ring:       ........ used.idx                      the last entries: what was done
 *
 * Invariants: the rings are the guest's and may be nonsense: everything is bounded by MAX_CHAINS and
 * MAX_DESCS, and what cannot be followed is shown as far as it goes, with the reason.
 */
#include <stdlib.h>

#include "inspect/device_names.h"

enum { MAX_CHAINS = 64, MAX_DESCS = 48, SHOWN_USED = 8 };

typedef struct Chain {
    uint16_t slot;
    unsigned count;
    const char *problem;
    VirtDescInfo desc[MAX_DESCS];
} Chain;

typedef struct UsedEntry {
    uint16_t slot;
    uint32_t id, written;
} UsedEntry;

/* One queue, copied. */
typedef struct QueueCopy {
    VirtQueue vq;
    VirtQueueInfo info;
    unsigned waiting, chain_count, used_count;
    Chain chain[MAX_CHAINS];
    UsedEntry used[SHOWN_USED];
} QueueCopy;

static void copy_queue(const VirtQueue *vq, unsigned limit, QueueCopy *copy) {
    copy->vq = *vq;
    copy->info = virtqueue_look(vq);
    copy->chain_count = copy->used_count = copy->waiting = 0;
    if (!copy->info.in_ram) {
        return;
    }
    copy->waiting = (uint16_t)(copy->info.avail_idx - vq->last_avail);
    bool sane = copy->waiting <= vq->num;
    while (sane && copy->chain_count < copy->waiting && copy->chain_count < limit) {
        Chain *c = &copy->chain[copy->chain_count];
        c->slot = (uint16_t)(vq->last_avail + copy->chain_count++);
        c->count = virtqueue_look_chain(vq, c->slot, c->desc, MAX_DESCS, &c->problem);
    }
    unsigned most = vq->num < SHOWN_USED ? vq->num : SHOWN_USED;
    for (unsigned i = 0; i < most && i < vq->used_idx; i++) {
        UsedEntry *u = &copy->used[copy->used_count++];
        u->slot = (uint16_t)(vq->used_idx - 1 - i);
        virtqueue_look_used(vq, u->slot, &u->id, &u->written);
    }
}

static json_t *chain_json(const Chain *c) {
    json_t *descs = json_array();
    for (unsigned i = 0; i < c->count; i++) {
        const VirtDescInfo *d = &c->desc[i];
        json_array_append_new(
            descs, json_pack("{s:i, s:b, s:o, s:o, s:b, s:b, s:b}", "index",
                             (int)d->index, "in_indirect_table", d->indirect, "address",
                             inspect_hex(d->addr), "length", inspect_hex(d->len), "next",
                             d->next, "write", d->write, "indirect", d->table));
    }
    return json_pack("{s:o, s:o, s:s?}", "avail", inspect_hex(c->slot), "descriptors",
                     descs, "problem", c->problem);
}

static json_t *used_json(const QueueCopy *q) {
    json_t *list = json_array();
    for (unsigned i = 0; i < q->used_count; i++) {
        const UsedEntry *u = &q->used[i];
        json_array_append_new(
            list, json_pack("{s:o, s:o, s:o}", "used", inspect_hex(u->slot), "id",
                            inspect_hex(u->id), "written", inspect_hex(u->written)));
    }
    return list;
}

static const char *queue_words(const QueueCopy *q) {
    if (!q->vq.ready) {
        return "the driver has not set the queue up";
    }
    if (!q->info.in_ram) {
        return "the rings are misaligned or not in RAM";
    }
    if (q->waiting > q->vq.num) {
        return "the available index has jumped: more chains than descriptors";
    }
    return q->waiting ? "chains wait for the device" : "the device has taken everything";
}

static json_t *queue_json(const QueueCopy *q) {
    const VirtQueue *vq = &q->vq;
    json_t *chains = json_array();
    for (unsigned i = 0; i < q->chain_count; i++) {
        json_array_append_new(chains, chain_json(&q->chain[i]));
    }
    json_t *indices = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o}", "avail", inspect_hex(q->info.avail_idx),
        "last_avail", inspect_hex(vq->last_avail), "used", inspect_hex(vq->used_idx),
        "used_in_ram", inspect_hex(q->info.used_idx), "used_event",
        inspect_hex(q->info.used_event), "avail_event", inspect_hex(q->info.avail_event));
    return json_pack(
        "{s:i, s:i, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:i, s:o, s:o, s:s}", "index",
        (int)vq->index, "num", (int)vq->num, "ready", vq->ready, "desc",
        inspect_hex(vq->desc_addr), "avail", inspect_hex(vq->avail_addr), "used",
        inspect_hex(vq->used_addr), "indices", indices, "avail_flags",
        inspect_hex(q->info.avail_flags), "used_flags", inspect_hex(q->info.used_flags),
        "notification", vq->notification, "waiting_count", (int)q->waiting, "waiting",
        chains, "last_used", used_json(q), "words", queue_words(q));
}

static void add_features(json_t *list, const RegisterField *names, uint64_t offered,
                         uint64_t accepted, uint64_t *named) {
    for (const RegisterField *f = names; f && f->name; f++) {
        if ((offered | accepted) & f->mask) {
            json_array_append_new(
                list,
                json_pack("{s:s, s:i, s:b, s:b, s:s}", "name", f->name, "bit",
                          __builtin_ctzll(f->mask), "offered", (offered & f->mask) != 0,
                          "accepted", (accepted & f->mask) != 0, "meaning", f->meaning));
            *named |= f->mask;
        }
    }
}

static json_t *features_json(const VirtIODevice *vdev, uint64_t offered,
                             uint64_t accepted) {
    json_t *list = json_array();
    uint64_t named = 0;
    add_features(list, vdev->type->feature_names, offered, accepted, &named);
    add_features(list, virtio_common_features(), offered, accepted, &named);
    return json_pack("{s:o, s:o, s:o, s:o}", "offered", inspect_hex(offered), "accepted",
                     inspect_hex(accepted), "named", list, "unnamed",
                     inspect_hex((offered | accepted) & ~named));
}

static json_t *status_words(uint8_t status, bool broken) {
    static const struct {
        uint8_t bit;
        const char *word;
    } words[] = {
        {VIRTIO_STATUS_ACKNOWLEDGE, "acknowledged"},
        {VIRTIO_STATUS_DRIVER, "has a driver"},
        {VIRTIO_STATUS_FEATURES_OK, "features agreed"},
        {VIRTIO_STATUS_DRIVER_OK, "driver ready"},
        {VIRTIO_STATUS_NEEDS_RESET, "needs a reset"},
        {VIRTIO_STATUS_FAILED, "driver gave up"},
    };
    json_t *list = json_array();
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (status & words[i].bit) {
            json_array_append_new(list, json_string(words[i].word));
        }
    }
    if (broken) {
        json_array_append_new(list, json_string("broken by its driver"));
    }
    return list;
}

json_t *inspect_dev_queues(InspectCall *call) {
    Device *dev = inspect_device(call);
    if (!dev) {
        return NULL;
    }
    VirtIODevice *vdev = device_virtio(dev);
    if (!vdev) {
        return inspect_failf(call, INSPECT_UNSUPPORTED,
                             "dev.list shows which devices have queues",
                             "%s has no virtqueues", dev->cls->name);
    }
    QueueCopy *copies = calloc(VIRTIO_QUEUE_MAX, sizeof(*copies));
    if (!copies) {
        return inspect_fail(call, INSPECT_HOST, "no memory", "try again later");
    }
    unsigned limit = (unsigned)inspect_int(call, "limit");
    inspect_lock(call);
    uint64_t offered = vdev->host_features, accepted = vdev->guest_features;
    uint8_t status = vdev->status, isr = vdev->isr;
    bool broken = vdev->broken, legacy = vdev->legacy;
    for (unsigned i = 0; i < vdev->vq_count; i++) {
        copy_queue(&vdev->vq[i], limit, &copies[i]);
    }
    inspect_unlock(call);
    json_t *queues = json_array();
    for (unsigned i = 0; i < vdev->vq_count; i++) {
        json_array_append_new(queues, queue_json(&copies[i]));
    }
    free(copies);
    char path[DEVICE_PATH_MAX];
    return json_pack("{s:s, s:o, s:o, s:o, s:b, s:o, s:o}", "dev",
                     device_path(&vdev->dev, path), "status", inspect_hex(status),
                     "words", status_words(status, broken), "isr", inspect_hex(isr),
                     "legacy", legacy, "features", features_json(vdev, offered, accepted),
                     "queues", queues);
}
