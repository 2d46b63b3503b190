/* SPDX-License-Identifier: MIT */
/*
 * Backends: the host side of the command line.
 *
 *   -chardev, -serial --> Chardev
 *   -drive            --> BlockBackend
 *   -netdev, -nic     --> NetBackend
 *
 * Not modelled: -drive if= other than none, pflash and virtio; cache, aio, werror and
 * rerror are accepted and have no effect.
 */
#include "hw/machine/backends.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/keyval.h"

/* --- character devices ----------------------------------------------------------- */

static bool open_chardevs(Machine *m, Error **errp) {
    const OptionList *list = &m->config.chardevs;
    for (unsigned i = 0; i < list->count; i++) {
        Chardev *chr = chardev_new(m->loop, list->item[i], m->escapes, errp);
        if (!chr) {
            error_prepend(errp, "-chardev %s: ", list->item[i]);
            return false;
        }
        const char *id = chardev_id(chr);
        bool twice = id && machine_find_chardev(m, id);
        if (!id || twice) {
            error_set(errp,
                      twice ? "-chardev %s: its id is taken; ids must differ"
                            : "-chardev %s: it needs an id=, for a device to name it",
                      list->item[i]);
            chardev_free(chr);
            return false;
        }
        m->chardevs[m->chardev_count++] = chr;
    }
    return true;
}

/* Opens one -serial; "none" leaves the place empty. */
static bool open_serial(Machine *m, const char *spec, Error **errp) {
    static const char by_id[] = "chardev:";
    Chardev *chr = NULL;
    if (!strncmp(spec, by_id, sizeof(by_id) - 1)) {
        chr = machine_find_chardev(m, spec + sizeof(by_id) - 1);
        if (!chr) {
            error_set(errp, "-serial %s: there is no -chardev with that id", spec);
            return false;
        }
    } else if (strcmp(spec, "none")) {
        chr = chardev_new(m->loop, spec, m->escapes, errp);
        if (!chr) {
            error_prepend(errp, "-serial %s: ", spec);
            return false;
        }
    }
    m->serials[m->serial_count++] = chr;
    return true;
}

static bool open_serials(Machine *m, Error **errp) {
    const MachineConfig *c = &m->config;
    if (c->dump_dtb) {
        return true;
    }
    for (unsigned i = 0; i < c->serials.count; i++) {
        if (!open_serial(m, c->serials.item[i], errp)) {
            return false;
        }
    }
    /* Deviates: without -nographic QEMU shows the line in a window; there is none here,
     * so the terminal has it unless -display none asks for silence. */
    if (!c->serials.count && !c->nodefaults) {
        bool terminal = c->nographic || !(c->display_none || c->terminal_taken);
        return open_serial(m, terminal ? "mon:stdio" : "null", errp);
    }
    return true;
}

/* --- drives ---------------------------------------------------------------------- */

static bool check_drive_interface(const char *interface, Error **errp) {
    static const char *const known[] = {"none", "pflash", "virtio"};
    for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (!strcmp(interface, known[i])) {
            return true;
        }
    }
    error_set(errp, "if=%s is not supported; use none, pflash or virtio", interface);
    return false;
}

static bool parse_drive(Machine *m, const KeyVal *kv, MachineDrive *d, Error **errp) {
    static const char known[] =
        "file id format if index unit readonly read-only snapshot media "
        "cache aio discard detect-zeroes werror rerror";
    BlockOptions bo = {.id = keyval_get(kv, "id"),
                       .file = keyval_get(kv, "file"),
                       .format = keyval_get(kv, "format"),
                       .tmp_dir = m->config.tmp_dir,
                       .report = m->config.report,
                       .report_opaque = m->config.report_opaque};
    const char *discard = keyval_get(kv, "discard");
    bo.discard = discard && (!strcmp(discard, "unmap") || !strcmp(discard, "on"));
    const char *interface = keyval_get(kv, "if");
    interface = interface ? interface : "none";
    uint64_t unit = UINT64_MAX;
    if (!keyval_check(kv, known, "-drive", errp) ||
        !keyval_get_bool(kv, "readonly", &bo.read_only, errp) ||
        !keyval_get_bool(kv, "read-only", &bo.read_only, errp) ||
        !keyval_get_bool(kv, "snapshot", &bo.snapshot, errp) ||
        !check_drive_interface(interface, errp) ||
        !keyval_get_u64(kv, "index", &unit, errp) ||
        !keyval_get_u64(kv, "unit", &unit, errp)) {
        return false;
    }
    if (!bo.file || (bo.id && machine_find_drive(m, bo.id))) {
        error_set(errp,
                  bo.file ? "its id is taken; ids must differ" : "it needs a file=");
        return false;
    }
    d->unit = unit < MACHINE_MAX_LIST ? (int)unit : -1;
    d->interface = strdup(interface);
    d->blk = d->interface ? blk_open(&bo, errp) : NULL;
    if (!d->blk) {
        free(d->interface);
        *d = (MachineDrive){0};
    }
    return d->blk != NULL;
}

static bool open_drives(Machine *m, Error **errp) {
    const OptionList *list = &m->config.drives;
    for (unsigned i = 0; i < list->count; i++) {
        KeyVal kv;
        bool ok = keyval_parse(&kv, list->item[i], "file", errp) &&
                  parse_drive(m, &kv, &m->drives[m->drive_count], errp);
        keyval_free(&kv);
        if (!ok) {
            error_prepend(errp, "-drive %s: ", list->item[i]);
            return false;
        }
        m->drive_count++;
    }
    return true;
}

BlockBackend *machine_find_drive(Machine *m, const char *id) {
    for (unsigned i = 0; i < m->drive_count; i++) {
        const char *have = blk_id(m->drives[i].blk);
        if (have && !strcmp(have, id)) {
            return m->drives[i].blk;
        }
    }
    return NULL;
}

BlockBackend *machine_take_drive(Machine *m, const char *interface, int unit) {
    for (unsigned i = 0; i < m->drive_count; i++) {
        MachineDrive *d = &m->drives[i];
        if (!d->taken && !strcmp(d->interface, interface) &&
            (unit < 0 || d->unit < 0 || d->unit == unit)) {
            d->taken = true;
            return d->blk;
        }
    }
    return NULL;
}

/* --- networks -------------------------------------------------------------------- */

static NetBackend *open_netdev(Machine *m, const char *spec, Error **errp) {
    if (m->netdev_count == MACHINE_MAX_LIST) {
        error_set(errp, "too many networks (at most %d)", MACHINE_MAX_LIST);
        return NULL;
    }
    NetBackend *net = net_new(m->loop, &m->clock, spec, errp);
    if (net) {
        m->netdevs[m->netdev_count++] = net;
    }
    return net;
}

static bool open_netdevs(Machine *m, Error **errp) {
    const OptionList *list = &m->config.netdevs;
    for (unsigned i = 0; i < list->count; i++) {
        if (!open_netdev(m, list->item[i], errp)) {
            error_prepend(errp, "-netdev %s: ", list->item[i]);
            return false;
        }
    }
    return true;
}

NetBackend *machine_find_netdev(Machine *m, const char *id) {
    for (unsigned i = 0; i < m->netdev_count; i++) {
        const char *have = net_id(m->netdevs[i]);
        if (have && !strcmp(have, id)) {
            return m->netdevs[i];
        }
    }
    return NULL;
}

Chardev *machine_find_chardev(Machine *m, const char *id) {
    for (unsigned i = 0; i < m->chardev_count; i++) {
        if (!strcmp(chardev_id(m->chardevs[i]), id)) {
            return m->chardevs[i];
        }
    }
    return NULL;
}

/* --- devices of the command line ------------------------------------------------- */

/* Writes to `out` the -netdev text: that of -nic without what belongs to the card. */
static bool nic_backend_text(const KeyVal *kv, const char *id, char *out, size_t size) {
    size_t n = (size_t)snprintf(out, size, "user,id=%s", id);
    for (unsigned i = 0; i < kv->count && n < size; i++) {
        const KeyValItem *it = &kv->items[i];
        if (strcmp(it->key, "type") && strcmp(it->key, "model") &&
            strcmp(it->key, "mac") && strcmp(it->key, "id")) {
            n += (size_t)snprintf(out + n, size - n, ",%s=%s", it->key, it->value);
        }
    }
    return n < size;
}

/* -nic user[,model=..][,mac=..][,id=..][,what -netdev takes] | none */
static bool add_nic(Machine *m, const KeyVal *kv, unsigned number, Error **errp) {
    char auto_id[32], spec[1024], device[256];
    const char *type = keyval_get(kv, "type"), *model = keyval_get(kv, "model");
    const char *mac = keyval_get(kv, "mac"), *id = keyval_get(kv, "id");
    snprintf(auto_id, sizeof(auto_id), "nic%u", number);
    id = id ? id : auto_id;
    model = model ? model : m->cls->nic_model;
    if (type && !strcmp(type, "none")) {
        return true;
    }
    if (!type || strcmp(type, "user") || !model) {
        error_set(errp, "only -nic user and -nic none are supported");
        return false;
    }
    if (!nic_backend_text(kv, id, spec, sizeof(spec))) {
        error_set(errp, "the text is too long");
        return false;
    }
    snprintf(device, sizeof(device), "%s,netdev=%s%s%s", model, id, mac ? ",mac=" : "",
             mac ? mac : "");
    return open_netdev(m, spec, errp) && device_new_from_text(m, device, errp);
}

static bool add_nics(Machine *m, Error **errp) {
    const OptionList *list = &m->config.nics;
    for (unsigned i = 0; i < list->count; i++) {
        KeyVal kv;
        bool ok =
            keyval_parse(&kv, list->item[i], "type", errp) && add_nic(m, &kv, i, errp);
        keyval_free(&kv);
        if (!ok) {
            error_prepend(errp, "-nic %s: ", list->item[i]);
            return false;
        }
    }
    return true;
}

static bool add_virtio_disk(Machine *m, BlockBackend *blk, Error **errp) {
    const DeviceClass *cls =
        m->cls->disk_model ? device_class_find(m->cls->disk_model) : NULL;
    if (!cls) {
        error_set(
            errp,
            "-drive if=virtio: machine %s has no such disk; use if=none and -device",
            m->cls->name);
        return false;
    }
    Device *dev = device_new(m, cls, NULL, errp);
    if (!dev) {
        return false;
    }
    device_set_reference(dev, "drive", blk);
    return device_realize(dev, errp);
}

bool backends_add_devices(Machine *m, Error **errp) {
    const MachineConfig *c = &m->config;
    for (BlockBackend *blk; (blk = machine_take_drive(m, "virtio", -1)) != NULL;) {
        if (!add_virtio_disk(m, blk, errp)) {
            return false;
        }
    }
    if (!add_nics(m, errp)) {
        return false;
    }
    for (unsigned i = 0; i < c->devices.count; i++) {
        if (!device_new_from_text(m, c->devices.item[i], errp)) {
            return false;
        }
    }
    return true;
}

bool backends_open(Machine *m, Error **errp) {
    return open_chardevs(m, errp) && open_serials(m, errp) && open_drives(m, errp) &&
           open_netdevs(m, errp);
}

static bool is_named_chardev(const Machine *m, const Chardev *chr) {
    for (unsigned i = 0; i < m->chardev_count; i++) {
        if (m->chardevs[i] == chr) {
            return true;
        }
    }
    return false;
}

void backends_close(Machine *m) {
    for (unsigned i = 0; i < m->serial_count; i++) {
        if (m->serials[i] && !is_named_chardev(m, m->serials[i])) {
            chardev_free(m->serials[i]);
        }
    }
    for (unsigned i = 0; i < m->chardev_count; i++) {
        chardev_free(m->chardevs[i]);
    }
    for (unsigned i = 0; i < m->netdev_count; i++) {
        net_free(m->netdevs[i]);
    }
    for (unsigned i = 0; i < m->drive_count; i++) {
        blk_close(m->drives[i].blk);
        free(m->drives[i].interface);
    }
}
