/* SPDX-License-Identifier: MIT */
/*
 * Chardev: from the text of -serial or -chardev to an open chardev of some kind.
 *
 *   -serial tcp::4444,server=on  --rewritten to-->  socket,host=,port=4444,server=on
 *   -chardev socket,id=c0,port=4444,server=on           (already in that form)
 *
 * Not modelled: kinds telnet, udp, vc, pipe, serial (a host's tty), ringbuf, spice;
 * option reconnect.
 */
#include "chardev/chardev.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chardev/chardev_int.h"

typedef struct ChardevKind {
    const char *name;
    bool (*open)(Chardev *chr, const KeyVal *kv, Error **errp);
} ChardevKind;

static const ChardevKind chardev_kinds[] = {
    {"stdio", char_stdio_open}, {"null", char_null_open},     {"file", char_file_open},
    {"pty", char_pty_open},     {"socket", char_socket_open},
};

/* Writes "key=" and the text with its commas doubled. */
static char *put_value(char *out, const char *key, const char *text, size_t len) {
    out += sprintf(out, ",%s=", key);
    for (size_t i = 0; i < len; i++) {
        if (text[i] == ',') {
            *out++ = ',';
        }
        *out++ = text[i];
    }
    *out = '\0';
    return out;
}

/* -serial's own spellings with a colon, as the -chardev form; NULL if the text is none
 * of them. */
static char *chardev_expand(const char *spec) {
    char *out = malloc(2 * strlen(spec) + 64);
    assert(out != NULL);
    if (strncmp(spec, "file:", 5) == 0) { /* the rest is the path, whatever it contains */
        put_value(stpcpy(out, "file"), "path", spec + 5, strlen(spec + 5));
        return out;
    }
    if (strncmp(spec, "unix:", 5) == 0) {
        const char *path = spec + 5;
        size_t len = strcspn(path, ",");
        char *end = put_value(stpcpy(out, "socket"), "path", path, len);
        strcpy(end, path + len);
        return out;
    }
    if (strncmp(spec, "tcp:", 4) == 0) {
        const char *host = spec + 4;
        size_t len = strcspn(host, ",");
        size_t colon = len; /* the last one: an IPv6 address has several */
        while (colon > 0 && host[colon - 1] != ':') {
            colon--;
        }
        size_t host_len = colon > 0 ? colon - 1 : 0;
        const char *name = host;
        if (host_len >= 2 && host[0] == '[' && host[host_len - 1] == ']') {
            name++;
            host_len -= 2;
        }
        char *end = put_value(stpcpy(out, "socket"), "host", name, host_len);
        end = put_value(end, "port", host + colon, len - colon);
        strcpy(end, host + len);
        return out;
    }
    free(out);
    return NULL;
}

static bool chardev_open(Chardev *chr, const KeyVal *kv, const char *spec, Error **errp) {
    const char *id = keyval_get(kv, "id");
    const char *name = keyval_get(kv, "backend");
    if (!keyval_get_bool(kv, "mux", &chr->mux, errp)) {
        return false;
    }
    if (id != NULL) {
        chr->id = strdup(id);
    }
    for (size_t i = 0;
         name != NULL && i < sizeof(chardev_kinds) / sizeof(chardev_kinds[0]); i++) {
        if (strcmp(chardev_kinds[i].name, name) == 0) {
            chr->kind_name = chardev_kinds[i].name;
            return chardev_kinds[i].open(chr, kv, errp);
        }
    }
    error_set(
        errp,
        "'%s' is not a character device; try stdio, mon:stdio, null, pty, file:PATH, "
        "unix:PATH,server=on,wait=off or tcp:HOST:PORT,server=on,wait=off",
        spec);
    return false;
}

Chardev *chardev_new(MainLoop *loop, const char *spec, const CharEscapes *escapes,
                     Error **errp) {
    Chardev *chr = calloc(1, sizeof(*chr));
    if (chr == NULL) {
        error_set(errp, "out of memory");
        return NULL;
    }
    chr->loop = loop;
    chr->in_fd = chr->out_fd = -1;
    if (escapes != NULL) {
        chr->escapes = *escapes;
    }
    const char *text = spec;
    if (strncmp(text, "mon:", 4) == 0) {
        chr->mux = true;
        text += 4;
    }
    char *expanded = chardev_expand(text);
    KeyVal kv;
    bool ok = keyval_parse(&kv, expanded != NULL ? expanded : text, "backend", errp) &&
              chardev_open(chr, &kv, spec, errp);
    keyval_free(&kv);
    free(expanded);
    if (!ok) {
        chardev_free(chr);
        return NULL;
    }
    char_update_watch(chr);
    return chr;
}

void chardev_free(Chardev *chr) {
    if (chr == NULL) {
        return;
    }
    if (chr->ops != NULL && chr->ops->close != NULL) {
        chr->ops->close(chr);
    }
    for (unsigned i = 0; i < chr->port_count; i++) {
        char_port_free(&chr->port[i]);
    }
    free(chr->out);
    free(chr->where);
    free(chr->id);
    free(chr);
}

const char *chardev_id(const Chardev *chr) {
    return chr->id;
}

bool chardev_is_mux(const Chardev *chr) {
    return chr->mux;
}

bool chardev_is_attached(const Chardev *chr) {
    return chr->port_count > 0;
}

void chardev_describe(const Chardev *chr, char *text, size_t size) {
    const char *where = chr->where != NULL ? chr->where : "";
    if (strcmp(chr->kind_name, "socket") == 0) {
        snprintf(text, size, "%s%s%s%s", chr->out_fd < 0 ? "disconnected:" : "",
                 chr->is_tcp ? "tcp:" : "unix:", where,
                 chr->is_server ? ",server=on" : "");
    } else {
        snprintf(text, size, "%s%s%s", chr->kind_name, *where != '\0' ? ":" : "", where);
    }
}

const char *chardev_where(const Chardev *chr) {
    return chr->where;
}

uint64_t chardev_dropped(const Chardev *chr) {
    return chr->dropped;
}

void chardev_set_tap(Chardev *chr,
                     void (*tap)(void *opaque, const uint8_t *buf, unsigned len),
                     void *opaque) {
    chr->tap = tap;
    chr->tap_opaque = opaque;
}
