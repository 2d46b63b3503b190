/* SPDX-License-Identifier: MIT */
/*
 * The domain "dev": devices, their registers, state, queues and properties.
 *
 *   registers: DeviceClass.registers + peek()     state: DeviceClass.state
 *   queues: see dev_queues.c
 *
 * Values are copied under the machine lock and formatted after it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hw/intc/plic.h"
#include "inspect/device_names.h"

/* More than any device has: PLIC, 97 priorities, 16 contexts of 4 words and 2 registers. */
enum { MAX_VALUES = 512, MAX_NAME = 64 };

/* --- dev.list -------------------------------------------------------------------- */

static json_t *irq_json(Machine *m, const Device *dev) {
    const Device *plic = device_of_class(m, "riscv.sifive.plic");
    unsigned input = plic && dev->irq.set ? plic_source_of(plic, &dev->irq) : 0;
    char path[DEVICE_PATH_MAX];
    return input ? json_pack("{s:s, s:i}", "controller", device_path(plic, path), "input",
                             (int)input)
                 : json_null();
}

static unsigned count_registers(const DeviceClass *cls) {
    unsigned n = 0;
    for (const RegisterDesc *r = cls->registers; r && r->name; r++) {
        n++;
    }
    return n;
}

static json_t *describe_device(Machine *m, Device *dev) {
    char path[DEVICE_PATH_MAX];
    VirtIODevice *vdev = dev->cls->bus ? device_virtio(dev) : NULL;
    json_t *children = json_array();
    for (Device *d = m->first_device; d; d = d->next) {
        if (d->parent == dev) {
            json_array_append_new(children, describe_device(m, d));
        }
    }
    return json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:o, s:o, s:o, s:i, s:i, s:o}", "path",
                     device_path(dev, path), "class", dev->cls->name, "description",
                     dev->cls->description, "id", dev->id, "bus", dev->bus_name, "base",
                     dev->mapped ? inspect_hex(dev->base) : json_null(), "size",
                     dev->mapped ? inspect_hex(dev->mmio.size) : json_null(), "irq",
                     irq_json(m, dev), "registers", (int)count_registers(dev->cls),
                     "queues", vdev ? (int)vdev->vq_count : 0, "children", children);
}

json_t *inspect_dev_list(InspectCall *call) {
    Machine *m = call->m;
    json_t *list = json_array();
    /* The tree does not change while the machine runs; the lock is for what makes it. */
    inspect_lock(call);
    for (Device *d = m->first_device; d; d = d->next) {
        if (!d->parent) {
            json_array_append_new(list, describe_device(m, d));
        }
    }
    inspect_unlock(call);
    return json_pack("{s:s, s:s, s:o}", "board", m->cls->name, "description",
                     m->cls->description, "devices", list);
}

/* --- dev.regs -------------------------------------------------------------------- */

typedef struct RegisterValue {
    const RegisterDesc *reg;
    unsigned row, index;
    hwaddr offset;
    bool known;
    uint64_t value;
} RegisterValue;

static bool is_array(const RegisterDesc *r) {
    return register_count(r) > 1 || register_rows(r) > 1;
}

/* Elements of an array that are not there are left out; a single register is shown without value. */
static unsigned copy_registers(const Device *dev, RegisterValue *values) {
    unsigned n = 0;
    for (const RegisterDesc *r = dev->cls->registers; r && r->name; r++) {
        unsigned elements = register_rows(r) * register_count(r);
        for (unsigned e = 0; e < elements && n < MAX_VALUES; e++) {
            RegisterValue *v = &values[n];
            *v = (RegisterValue){
                .reg = r, .row = e / register_count(r), .index = e % register_count(r)};
            v->offset = register_offset(r, v->row, v->index);
            v->known = dev->cls->peek && dev->cls->peek(dev, r, v->offset, &v->value);
            n += v->known || !is_array(r);
        }
    }
    return n;
}

static json_t *field_json(const RegisterField *f, uint64_t value) {
    unsigned first = (unsigned)__builtin_ctzll(f->mask);
    unsigned last = 63 - (unsigned)__builtin_clzll(f->mask);
    size_t len = 0;
    const char *words = register_field_words(f, value, &len);
    return json_pack(
        "{s:s, s:o, s:o, s:o, s:s}", "name", f->name, "bits",
        first == last ? json_sprintf("%u", first) : json_sprintf("%u:%u", last, first),
        "value", inspect_hex(register_field_get(f, value)), "words",
        words ? json_stringn(words, len) : json_null(), "meaning", f->meaning);
}

static json_t *register_name(const RegisterValue *v) {
    const RegisterDesc *r = v->reg;
    if (register_rows(r) > 1 && register_count(r) > 1) {
        return json_sprintf("%s[%u][%u]", r->name, v->row, v->index);
    }
    return is_array(r) ? json_sprintf("%s[%u]", r->name, v->row + v->index)
                       : json_string(r->name);
}

static json_t *register_json(const Device *dev, const RegisterValue *v) {
    static const char *const access[] = {
        [REG_READ] = "ro", [REG_WRITE] = "wo", [REG_BOTH] = "rw"};
    json_t *fields = json_array();
    for (const RegisterField *f = v->reg->fields; v->known && f && f->name; f++) {
        json_array_append_new(fields, field_json(f, v->value));
    }
    return json_pack("{s:o, s:o, s:o, s:i, s:s, s:s, s:o, s:o}", "name", register_name(v),
                     "offset", inspect_hex(v->offset), "address",
                     dev->mapped ? inspect_hex(dev->base + v->offset) : json_null(),
                     "size", (int)v->reg->size, "access", access[v->reg->access],
                     "meaning", v->reg->meaning, "value",
                     v->known ? inspect_hex(v->value) : json_null(), "fields", fields);
}

json_t *inspect_dev_regs(InspectCall *call) {
    Device *dev = inspect_device(call);
    if (!dev) {
        return NULL;
    }
    RegisterValue *values = calloc(MAX_VALUES, sizeof(*values));
    if (!values) {
        return inspect_fail(call, INSPECT_HOST, "no memory", "try again later");
    }
    inspect_lock(call);
    unsigned n = copy_registers(dev, values);
    inspect_unlock(call);
    json_t *list = json_array();
    int elided = 0;
    for (unsigned i = 0; i < n; i++) {
        bool dull = is_array(values[i].reg) && values[i].value == 0;
        if (dull && !inspect_bool(call, "all")) {
            elided++;
        } else {
            json_array_append_new(list, register_json(dev, &values[i]));
        }
    }
    free(values);
    char path[DEVICE_PATH_MAX];
    return json_pack("{s:s, s:s, s:o, s:i}", "dev", device_path(dev, path), "class",
                     dev->cls->name, "registers", list, "elided", elided);
}

/* --- dev.state ------------------------------------------------------------------- */

static const char *state_type_name(StateType type) {
    switch (type) {
    case STATE_U8:
        return "u8";
    case STATE_U16:
        return "u16";
    case STATE_U32:
        return "u32";
    case STATE_U64:
        return "u64";
    case STATE_BOOL:
        return "bool";
    case STATE_BYTES:
        return "bytes";
    case STATE_TIMER:
        return "timer";
    default:
        return "?";
    }
}

static json_t *timer_json(const Timer *t) {
    return t->expires_ns < 0 ? json_null() : inspect_hex((uint64_t)t->expires_ns);
}

static json_t *element_json(StateType type, const void *field, size_t i) {
    switch (type) {
    case STATE_U8:
        return inspect_hex(((const uint8_t *)field)[i]);
    case STATE_U16:
        return inspect_hex(((const uint16_t *)field)[i]);
    case STATE_U32:
        return inspect_hex(((const uint32_t *)field)[i]);
    case STATE_U64:
        return inspect_hex(((const uint64_t *)field)[i]);
    case STATE_BOOL:
        return json_boolean(((const bool *)field)[i]);
    case STATE_TIMER:
        return timer_json(&((const Timer *)field)[i]);
    default:
        return json_null();
    }
}

static json_t *field_value(const StateField *f, const void *copy) {
    const uint8_t *field = (const uint8_t *)copy + f->offset;
    if (f->type == STATE_BYTES) {
        return inspect_base64(field, f->count);
    }
    if (f->count == 1) {
        return element_json(f->type, field, 0);
    }
    json_t *list = json_array();
    for (size_t i = 0; i < f->count; i++) {
        json_array_append_new(list, element_json(f->type, field, i));
    }
    return list;
}

json_t *inspect_dev_state(InspectCall *call) {
    Device *dev = inspect_device(call);
    if (!dev) {
        return NULL;
    }
    void *copy = malloc(dev->cls->size);
    if (!copy) {
        return inspect_fail(call, INSPECT_HOST, "no memory", "try again later");
    }
    inspect_lock(call);
    memcpy(copy, dev, dev->cls->size);
    inspect_unlock(call);
    json_t *fields = json_array();
    for (const StateField *f = dev->cls->state; f && f->name; f++) {
        json_array_append_new(fields, json_pack("{s:s, s:s, s:o}", "name", f->name,
                                                "type", state_type_name(f->type), "value",
                                                field_value(f, copy)));
    }
    free(copy);
    char path[DEVICE_PATH_MAX];
    return json_pack("{s:s, s:s, s:i, s:o}", "dev", device_path(dev, path), "class",
                     dev->cls->name, "version", (int)dev->cls->state_version, "fields",
                     fields);
}

/* --- dev.properties -------------------------------------------------------------- */

static const char *prop_type_word(PropType type) {
    static const char *const words[] = {
        [PROP_STRING] = "string", [PROP_U64] = "u64",         [PROP_BOOL] = "bool",
        [PROP_DRIVE] = "drive",   [PROP_CHARDEV] = "chardev", [PROP_NETDEV] = "netdev",
        [PROP_MAC] = "mac",
    };
    return words[type];
}

static json_t *text_or_null(const char *text) {
    json_t *json = text ? json_string(text) : NULL; /* NULL also if it is no UTF-8 */
    return json ? json : json_null();
}

static json_t *property_value(const Device *dev, const DeviceProperty *p) {
    const void *field = (const char *)dev + p->offset;
    const void *ref = NULL;
    if (p->type == PROP_DRIVE || p->type == PROP_CHARDEV || p->type == PROP_NETDEV) {
        ref = *(void *const *)field;
        if (!ref) {
            return json_null();
        }
    }
    switch (p->type) {
    case PROP_STRING:
        return text_or_null(*(char *const *)field);
    case PROP_U64:
        return inspect_hex(*(const uint64_t *)field);
    case PROP_BOOL:
        return json_boolean(*(const bool *)field);
    case PROP_DRIVE:
        return text_or_null(blk_id(ref));
    case PROP_CHARDEV:
        return text_or_null(chardev_id(ref));
    case PROP_NETDEV:
        return text_or_null(net_id(ref));
    case PROP_MAC:
        break;
    }
    const uint8_t *mac = field;
    return json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
                        mac[4], mac[5]);
}

json_t *inspect_dev_properties(InspectCall *call) {
    Device *dev = inspect_device(call);
    if (!dev) {
        return NULL;
    }
    json_t *list = json_array();
    inspect_lock(call);
    for (const DeviceProperty *p = dev->cls->properties; p && p->name; p++) {
        json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:s?, s:s}", "name",
                                              p->name, "type", prop_type_word(p->type),
                                              "value", property_value(dev, p), "default",
                                              p->dflt, "help", p->help));
    }
    inspect_unlock(call);
    char path[DEVICE_PATH_MAX];
    return json_pack("{s:s, s:s, s:o}", "dev", device_path(dev, path), "class",
                     dev->cls->name, "properties", list);
}
