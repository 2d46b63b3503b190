/* SPDX-License-Identifier: MIT */
/* Identity: see identity.h. */
#include "state/identity.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/riscv/cpu.h"

enum { LINE_SIZE = 1024, SHOWN_LINE = 200 };

__attribute__((format(printf, 2, 3))) static void add(ByteBuffer *out, const char *fmt,
                                                      ...) {
    char text[LINE_SIZE];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    buffer_add(out, text, n < LINE_SIZE ? (size_t)n : LINE_SIZE - 1);
}

static void describe_property(const Device *dev, const DeviceProperty *p,
                              ByteBuffer *out) {
    const char *field = (const char *)dev + p->offset;
    const uint8_t *mac = (const uint8_t *)field;
    switch (p->type) {
    case PROP_STRING:
        add(out, " %s=%s", p->name, *(char *const *)field ? *(char *const *)field : "");
        break;
    case PROP_U64:
        add(out, " %s=%" PRIu64, p->name, *(const uint64_t *)field);
        break;
    case PROP_BOOL:
        add(out, " %s=%d", p->name, *(const bool *)field);
        break;
    case PROP_MAC:
        add(out, " %s=%02x:%02x:%02x:%02x:%02x:%02x", p->name, mac[0], mac[1], mac[2],
            mac[3], mac[4], mac[5]);
        break;
    case PROP_DRIVE: /* drives are described in a part of their own */
        add(out, " %s=%d", p->name, *(void *const *)field != NULL);
        break;
    case PROP_CHARDEV: /* the host's affair: a guest sees no difference */
    case PROP_NETDEV:
        break;
    }
}

static void describe_device(const Device *dev, ByteBuffer *out) {
    char *name = device_unique_name(dev);
    add(out, "device=%s %s", dev->cls->name, name ? name : "");
    if (dev->parent && dev->parent->bus_name) {
        add(out, " on %s", dev->parent->bus_name);
    }
    if (dev->mapped) {
        add(out, " at 0x%" PRIx64, dev->base);
    }
    for (const DeviceProperty *p = dev->cls->properties; p && p->name; p++) {
        describe_property(dev, p, out);
    }
    add(out, "\n");
    free(name);
}

void identity_describe(Machine *m, ByteBuffer *out) {
    char isa[LINE_SIZE / 2];
    RiscvCPU *cpu = riscv_cpu(m->cpus->cpu[0]);
    riscv_isa_string(&cpu->cfg, isa, sizeof(isa));
    add(out, "board=%s %s\n", m->cls->name,
        m->config.machine_props ? m->config.machine_props : "");
    add(out, "harts=%u\n", m->cpus->count);
    add(out, "isa=%s misaligned=%d satp=%u\n", isa, cpu->cfg.misaligned,
        cpu->cfg.satp_max);
    for (const RAMBlock *rb = m->ram_list.first; rb; rb = rb->next) {
        add(out, "memory=%s 0x%" PRIx64 "\n", rb->name, rb->size);
    }
    for (const Device *d = m->first_device; d; d = d->next) {
        describe_device(d, out);
    }
}

/* Bytes of the line at p, without its end. */
static size_t line_length(const uint8_t *p, const uint8_t *end) {
    const uint8_t *nl = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
    return nl ? (size_t)(nl - p) : (size_t)(end - p);
}

static void show_line(char out[SHOWN_LINE], const uint8_t *p, const uint8_t *end) {
    size_t n = line_length(p, end);
    n = n < SHOWN_LINE - 1 ? n : SHOWN_LINE - 1;
    for (size_t i = 0; i < n; i++) {
        out[i] = p[i] >= ' ' && p[i] <= '~' ? (char)p[i] : '?';
    }
    out[n] = '\0';
    if (!n) {
        snprintf(out, SHOWN_LINE, "nothing");
    }
}

static void tell_difference(const uint8_t *a, const uint8_t *a_end, const uint8_t *b,
                            const uint8_t *b_end, Error **errp) {
    char theirs[SHOWN_LINE], ours[SHOWN_LINE];
    while (a < a_end && b < b_end) {
        size_t n = line_length(a, a_end);
        if (n != line_length(b, b_end) || memcmp(a, b, n)) {
            break;
        }
        a += n < (size_t)(a_end - a) ? n + 1 : n;
        b += n < (size_t)(b_end - b) ? n + 1 : n;
    }
    show_line(theirs, a, a_end);
    show_line(ours, b, b_end);
    error_set(errp,
              "it is of another machine: there '%s', here '%s'; start with the same "
              "options",
              theirs, ours);
}

bool identity_check(Machine *m, const uint8_t *data, size_t len, Error **errp) {
    ByteBuffer own = {0};
    identity_describe(m, &own);
    bool same = !own.failed && own.len == len && !memcmp(own.data, data, len);
    if (own.failed) {
        error_set(errp, "no memory to describe the machine");
    } else if (!same) {
        tell_difference(data, data + len, own.data, own.data + own.len, errp);
    }
    buffer_free(&own);
    return same;
}
