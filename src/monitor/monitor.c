/* SPDX-License-Identifier: MIT */
/* Monitor: which there are, and where. */
#include "monitor/monitor.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "monitor/hmp_line.h"
#include "monitor/qmp.h"
#include "util/keyval.h"

struct Monitors {
    Machine *m;
    Inspector *inspector;
    struct GdbPort *gdb;
    QmpEvents *events;
    HmpLine *hmp[MACHINE_MAX_LIST];
    unsigned hmp_count;
    Qmp *qmp[MACHINE_MAX_LIST];
    unsigned qmp_count;
    unsigned place_count; /* chardevs made for monitors */
};

static const char *option_name(MonitorOption option) {
    static const char *const names[] = {"-monitor", "-qmp", "-qmp-pretty", "-mon"};
    return names[option];
}

/* --- options ---------------------------------------------------------------------------------- */

/* "tcp:HOST:PORT...": the host must be this one. */
static bool check_host(const char *host, size_t len, Error **errp) {
    static const char *const loopback[] = {"localhost", "127.0.0.1", "::1", "[::1]"};
    for (unsigned i = 0; i < sizeof(loopback) / sizeof(loopback[0]); i++) {
        if (strlen(loopback[i]) == len && !memcmp(loopback[i], host, len)) {
            return true;
        }
    }
    error_set(
        errp,
        "a monitor asks for no password, so it is not put on the network ('%.*s'); write "
        "tcp:127.0.0.1:PORT, or unix:PATH",
        (int)len, host);
    return false;
}

static bool check_place(const char *text, Error **errp) {
    static const char *const kinds[] = {"stdio", "pty", "unix:", "chardev:", "null"};
    if (!strncmp(text, "tcp:", 4)) {
        const char *host = text + 4;
        size_t len = strcspn(host, ",");
        while (len > 0 && host[len - 1] != ':') {
            len--;
        }
        return check_host(host, len ? len - 1 : 0, errp);
    }
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (!strncmp(text, kinds[i], strlen(kinds[i]))) {
            return true;
        }
    }
    error_set(errp,
              "'%s' is no place for a monitor; use stdio, pty, none, unix:PATH or "
              "tcp:127.0.0.1:PORT (with ,server=on,wait=off), or chardev:ID",
              text);
    return false;
}

static bool is_mode(const char *mode) {
    return !mode || !strcmp(mode, "readline") || !strcmp(mode, "control");
}

static bool check_mon(const char *text, Error **errp) {
    KeyVal kv;
    bool pretty;
    bool ok = keyval_parse(&kv, text, "chardev", errp) &&
              keyval_check(&kv, "chardev mode pretty id", "-mon", errp) &&
              keyval_get_bool(&kv, "pretty", &pretty, errp);
    if (ok && !keyval_get(&kv, "chardev")) {
        error_set(errp, "it needs chardev=ID");
        ok = false;
    } else if (ok && !is_mode(keyval_get(&kv, "mode"))) {
        error_set(errp, "mode=%s: use readline or control", keyval_get(&kv, "mode"));
        ok = false;
    }
    keyval_free(&kv);
    return ok;
}

bool monitor_option_check(MonitorOption option, const char *text, Error **errp) {
    bool ok = option == MONITOR_OPTION_MON
                  ? check_mon(text, errp)
                  : !strcmp(text, "none") || check_place(text, errp);
    if (!ok) {
        error_prepend(errp, "%s %s: ", option_name(option), text);
    }
    return ok;
}

bool monitor_options_add(MonitorOptions *o, MonitorOption option, const char *text,
                         Error **errp) {
    if (!monitor_option_check(option, text, errp)) {
        return false;
    }
    if (o->count == MACHINE_MAX_LIST) {
        error_set(errp, "%s %s: too many of these (at most %d)", option_name(option),
                  text, MACHINE_MAX_LIST);
        return false;
    }
    o->option[o->count] = option;
    o->text[o->count++] = text;
    return true;
}

bool monitor_options_take_terminal(const MonitorOptions *o) {
    for (unsigned i = 0; i < o->count; i++) {
        if (o->option[i] != MONITOR_OPTION_MON && !strncmp(o->text[i], "stdio", 5)) {
            return true;
        }
    }
    return false;
}

/* --- opening ---------------------------------------------------------------------------------- */

static bool add_hmp(Monitors *ms, Chardev *chr, Error **errp) {
    HmpLine *line = hmp_line_new(ms->m, ms->inspector, ms->gdb, chr, errp);
    if (line) {
        ms->hmp[ms->hmp_count++] = line;
    }
    return line != NULL;
}

static bool add_qmp(Monitors *ms, Chardev *chr, bool pretty, Error **errp) {
    Qmp *qmp = qmp_new(ms->events, ms->inspector, ms->gdb, chr, pretty, errp);
    if (qmp) {
        ms->qmp[ms->qmp_count++] = qmp;
    }
    return qmp != NULL;
}

/* The -chardev of that id, if a monitor may be there. */
static Chardev *find_chardev(Machine *m, const char *id, Error **errp) {
    Chardev *chr = machine_find_chardev(m, id);
    if (!chr) {
        error_set(errp, "there is no -chardev with id '%s'", id);
        return NULL;
    }
    char name[256];
    chardev_describe(chr, name, sizeof(name));
    const char *where = strstr(name, "tcp:"), *end = where ? strrchr(where, ':') : NULL;
    if (end && end > where + 4 &&
        !check_host(where + 4, (size_t)(end - where) - 4, errp)) {
        return NULL;
    }
    return chr;
}

/* A chardev of the monitor's own, which from then on is the machine's. */
static Chardev *make_chardev(Monitors *ms, const char *text, Error **errp) {
    char spec[512];
    Machine *m = ms->m;
    if (m->chardev_count == MACHINE_MAX_LIST) {
        error_set(errp, "too many character devices (at most %d)", MACHINE_MAX_LIST);
        return NULL;
    }
    int len =
        snprintf(spec, sizeof(spec), "%s,id=compat_monitor%u", text, ms->place_count);
    if (len >= (int)sizeof(spec)) {
        error_set(errp, "this is too long");
        return NULL;
    }
    machine_lock(m);
    Chardev *chr = chardev_new(m->loop, spec, m->escapes, errp);
    if (chr) {
        m->chardevs[m->chardev_count++] = chr;
        ms->place_count++;
    }
    machine_unlock(m);
    return chr;
}

static bool open_mon(Monitors *ms, const char *text, Error **errp) {
    KeyVal kv;
    bool pretty = false;
    bool ok = keyval_parse(&kv, text, "chardev", errp) &&
              keyval_get_bool(&kv, "pretty", &pretty, errp);
    Chardev *chr = ok ? find_chardev(ms->m, keyval_get(&kv, "chardev"), errp) : NULL;
    const char *mode = ok ? keyval_get(&kv, "mode") : NULL;
    if (chr) {
        ok = mode && !strcmp(mode, "control") ? add_qmp(ms, chr, pretty, errp)
                                              : add_hmp(ms, chr, errp);
    }
    keyval_free(&kv);
    return chr && ok;
}

static bool open_option(Monitors *ms, MonitorOption option, const char *text,
                        Error **errp) {
    static const char by_id[] = "chardev:";
    if (!strcmp(text, "none")) {
        return true;
    }
    if (option == MONITOR_OPTION_MON) {
        return open_mon(ms, text, errp);
    }
    Chardev *chr = strncmp(text, by_id, sizeof(by_id) - 1)
                       ? make_chardev(ms, text, errp)
                       : find_chardev(ms->m, text + sizeof(by_id) - 1, errp);
    if (!chr) {
        return false;
    }
    return option == MONITOR_OPTION_MONITOR
               ? add_hmp(ms, chr, errp)
               : add_qmp(ms, chr, option == MONITOR_OPTION_QMP_PRETTY, errp);
}

/* A serial line given as mon:... shares its place with a monitor; the default one too, unless
 * the command line says something about monitors. */
static bool open_shared(Monitors *ms, const MonitorOptions *o, Error **errp) {
    const Machine *m = ms->m;
    for (unsigned i = 0; i < m->config.serials.count && i < m->serial_count; i++) {
        if (!strncmp(m->config.serials.item[i], "mon:", 4) && m->serials[i] &&
            !add_hmp(ms, m->serials[i], errp)) {
            return false;
        }
    }
    bool is_default = !m->config.serials.count && m->serial_count == 1 && m->serials[0] &&
                      chardev_is_mux(m->serials[0]);
    return o->count || !is_default || add_hmp(ms, m->serials[0], errp);
}

Monitors *monitors_new(Machine *m, Inspector *ins, struct GdbPort *gdb,
                       const MonitorOptions *options, Error **errp) {
    Monitors *ms = calloc(1, sizeof(*ms));
    assert(ms);
    ms->m = m;
    ms->inspector = ins;
    ms->gdb = gdb;
    ms->events = qmp_events_new(m);
    bool ok = open_shared(ms, options, errp);
    for (unsigned i = 0; ok && i < options->count; i++) {
        ok = open_option(ms, options->option[i], options->text[i], errp);
        if (!ok) {
            error_prepend(errp, "%s %s: ", option_name(options->option[i]),
                          options->text[i]);
        }
    }
    if (!ok) {
        monitors_free(ms);
        return NULL;
    }
    return ms;
}

void monitors_free(Monitors *ms) {
    if (!ms) {
        return;
    }
    for (unsigned i = 0; i < ms->hmp_count; i++) {
        hmp_line_free(ms->hmp[i]);
    }
    for (unsigned i = 0; i < ms->qmp_count; i++) {
        qmp_free(ms->qmp[i]);
    }
    qmp_events_free(ms->events);
    free(ms);
}
