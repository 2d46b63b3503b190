/* SPDX-License-Identifier: MIT */
/* Values: see values.h. */
#include "cli/values.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tcg/backend.h"
#include "util/keyval.h"

enum {
    FIRST_YEAR = 1970,
    LAST_YEAR = 2261, /* the last whole one in nanoseconds since 1970 */
    TM_FIRST_YEAR = 1900,
};
#define NS_PER_SEC INT64_C(1000000000)

/* Keeps a text for as long as the command line lives. Owns: takes text. */
static char *own(CommandLine *cl, char *text) {
    char **owned = realloc(cl->owned, (cl->owned_count + 1) * sizeof(*owned));
    assert(text && owned);
    cl->owned = owned;
    cl->owned[cl->owned_count++] = text;
    return text;
}

static char *own_copy(CommandLine *cl, const char *text) {
    return own(cl, strdup(text));
}

bool value_is_help(const char *text) {
    return !strcmp(text, "help") || !strcmp(text, "?");
}

/* --- numbers ------------------------------------------------------------------------ */

static bool suffix_shift(const char *suffix, unsigned *shift) {
    static const char letters[] = "bkmgt";
    if (suffix[0] == '\0' || suffix[1] != '\0') {
        return false;
    }
    const char *at = strchr(letters, tolower((unsigned char)suffix[0]));
    *shift = at ? 10 * (unsigned)(at - letters) : 0;
    return at != NULL;
}

/* "512", "1.5G", "0x100M"; `unit`: bytes in one of a number without suffix. */
static bool parse_size(const char *text, uint64_t unit, uint64_t *bytes, Error **errp) {
    char *end = NULL;
    errno = 0;
    bool hex = !strncasecmp(text, "0x", 2);
    double value = hex ? (double)strtoull(text, &end, 16) : strtod(text, &end);
    bool bad = errno || end == text || !isdigit((unsigned char)text[0]);
    if (!bad && *end) {
        unsigned shift = 0;
        bad = !suffix_shift(end, &shift);
        unit = 1ull << shift;
    }
    double size = value * (double)unit;
    if (bad || size >= 9.0e18) {
        error_set(errp, "'%s' is not a size; write for example 512M or 2G", text);
        return false;
    }
    *bytes = (uint64_t)size;
    return true;
}

static bool get_size(const KeyVal *kv, const char *key, uint64_t unit, uint64_t *bytes,
                     Error **errp) {
    const char *text = keyval_get(kv, key);
    return !text || parse_size(text, unit, bytes, errp);
}

/* --- -M --------------------------------------------------------------------------- */

/* Appends ",key=value" with commas doubled, as the board's own parser wants it. */
static char *append_property(char *list, const char *key, const char *value) {
    size_t have = list ? strlen(list) : 0;
    char *out = realloc(list, have + strlen(key) + 2 * strlen(value) + 3);
    assert(out);
    char *p = out + have;
    if (have) {
        *p++ = ',';
    }
    p = stpcpy(p, key);
    *p++ = '=';
    for (const char *v = value; *v; v++) {
        if (*v == ',') {
            *p++ = ',';
        }
        *p++ = *v;
    }
    *p = '\0';
    return out;
}

/* "kvm:tcg" of -M accel=: as if each stood after -accel. */
static bool machine_accels(CommandLine *cl, const char *names, Error **errp) {
    char *list = own_copy(cl, names), *rest = NULL;
    for (char *name = strtok_r(list, ":", &rest); name;
         name = strtok_r(NULL, ":", &rest)) {
        if (!value_accel(cl, name, errp)) {
            return false;
        }
    }
    return true;
}

/* Takes out what main carries out itself; the rest goes to the board. */
static bool machine_property(CommandLine *cl, const KeyValItem *item, char **board,
                             Error **errp) {
    MachineConfig *c = &cl->config;
    if (!strcmp(item->key, "type")) {
        c->machine = own_copy(cl, item->value);
    } else if (!strcmp(item->key, "dumpdtb")) {
        c->dump_dtb = own_copy(cl, item->value);
    } else if (!strcmp(item->key, "accel")) {
        return machine_accels(cl, item->value, errp);
    } else {
        *board = append_property(*board, item->key, item->value);
    }
    return true;
}

bool value_machine(CommandLine *cl, const char *text, Error **errp) {
    if (value_is_help(text)) {
        cl->action = CLI_LIST_MACHINES;
        return true;
    }
    KeyVal kv;
    char *board = NULL;
    bool ok = keyval_parse(&kv, text, "type", errp);
    for (unsigned i = 0; ok && i < kv.count; i++) {
        ok = machine_property(cl, &kv.items[i], &board, errp);
    }
    keyval_free(&kv);
    if (board) {
        cl->config.machine_props = own(cl, board);
    }
    if (!ok) {
        error_prepend(errp, "-M %s: ", text);
    }
    return ok;
}

/* --- -accel ----------------------------------------------------------------------- */

static bool accel_thread(MachineConfig *c, const char *thread, Error **errp) {
    if (thread && strcmp(thread, "single") && strcmp(thread, "multi")) {
        error_set(errp, "thread=%s: use single or multi", thread);
        return false;
    }
    if (thread) {
        c->multi_thread = c->multi_asked = !strcmp(thread, "multi");
    }
    return true;
}

static bool accel_backend(MachineConfig *c, const char *backend, Error **errp) {
    if (backend && !tcg_backend_find(backend)) {
        error_set(errp, "backend=%s: use x86_64 or interp", backend);
        return false;
    }
    bool interp = backend ? !strcmp(backend, "interp") : !tcg_backend_find("x86_64");
    c->accel = interp ? "tcg-interp" : "tcg";
    return true;
}

static bool accel_tcg(CommandLine *cl, const KeyVal *kv, Error **errp) {
    MachineConfig *c = &cl->config;
    uint64_t tb_size = 0;
    const char *size = keyval_get(kv, "tb-size");
    if (!keyval_check(kv, "accel thread tb-size backend", "-accel tcg", errp) ||
        !accel_thread(c, keyval_get(kv, "thread"), errp) ||
        !accel_backend(c, keyval_get(kv, "backend"), errp) ||
        (size && !parse_size(size, 1 << 20, &tb_size, errp))) {
        return false;
    }
    const uint64_t smallest = 1 << 20, largest = 2ull << 30;
    if (size && (tb_size < smallest || tb_size >= largest)) {
        error_set(errp, "tb-size=%s: use 1 to 2047 (MiB)", size);
        return false;
    }
    c->tb_size = tb_size;
    return true;
}

bool value_accel(CommandLine *cl, const char *text, Error **errp) {
    if (value_is_help(text)) {
        cl->action = CLI_LIST_ACCELS;
        return true;
    }
    KeyVal kv;
    bool ok = keyval_parse(&kv, text, "accel", errp);
    const char *name = ok ? keyval_get(&kv, "accel") : NULL;
    if (ok && !name) {
        error_set(errp, "it names no accelerator; try -accel tcg");
        ok = false;
    } else if (ok && !strcmp(name, "tcg")) {
        ok = cl->config.accel || accel_tcg(cl, &kv, errp);
    } else if (ok && !strcmp(name, "kvm")) {
        cl->accel_wish = "kvm"; /* a later one may do */
    } else if (ok) {
        error_set(errp, "unknown accelerator '%s'; use tcg", name);
        ok = false;
    }
    keyval_free(&kv);
    if (!ok) {
        error_prepend(errp, "-accel %s: ", text);
    }
    return ok;
}

bool value_check_accel(const CommandLine *cl, Error **errp) {
    if (cl->accel_wish && !cl->config.accel) {
        error_set(
            errp,
            "-accel %s: KVM runs guests of the host's own architecture, and this one is "
            "RISC-V; use -accel tcg",
            cl->accel_wish);
        return false;
    }
    return true;
}

/* --- -icount ---------------------------------------------------------------------- */

bool value_icount(MachineConfig *c, const char *text, Error **errp) {
    KeyVal kv;
    bool ok = keyval_parse(&kv, text, "shift", errp) &&
              keyval_check(&kv, "shift sleep align", "-icount", errp);
    const char *shift = ok ? keyval_get(&kv, "shift") : NULL;
    const char *align = ok ? keyval_get(&kv, "align") : NULL;
    char *end = NULL;
    unsigned long n = shift ? strtoul(shift, &end, 10) : 0;
    c->icount = (CpuIcountConfig){.on = true, .sleep = true};
    if (ok && shift && !strcmp(shift, "auto")) {
        error_set(errp,
                  "shift=auto follows the host's speed, so no two runs would be alike; "
                  "use shift=0 to %d, such as 2",
                  ICOUNT_MAX_SHIFT);
        ok = false;
    } else if (ok && (!shift || end == shift || *end || n > ICOUNT_MAX_SHIFT)) {
        error_set(errp, "shift=%s: use 0 to %d: an instruction takes 2^shift ns",
                  shift ? shift : "", ICOUNT_MAX_SHIFT);
        ok = false;
    } else if (ok && align && strcmp(align, "off")) {
        error_set(errp, "align=%s: only off; use sleep=on to wait in real time", align);
        ok = false;
    }
    ok = ok && keyval_get_bool(&kv, "sleep", &c->icount.sleep, errp);
    c->icount.shift = (unsigned)n;
    keyval_free(&kv);
    return ok;
}

/* --- -rtc, -seed ------------------------------------------------------------------ */

/* "2006-06-17T16:01:21" or "2006-06-17", UTC. */
static bool parse_date(const char *text, int64_t *ns) {
    struct tm tm = {0};
    char again[32];
    int n = sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
                   &tm.tm_hour, &tm.tm_min, &tm.tm_sec);
    if ((n != 3 && n != 6) || tm.tm_year < FIRST_YEAR || tm.tm_year > LAST_YEAR) {
        return false;
    }
    tm.tm_year -= TM_FIRST_YEAR;
    tm.tm_mon--;
    *ns = (int64_t)timegm(&tm) * NS_PER_SEC; /* which makes July 1 of June 31 */
    strftime(again, sizeof(again), n == 3 ? "%Y-%m-%d" : "%Y-%m-%dT%H:%M:%S", &tm);
    return !strcmp(again, text);
}

static bool rtc_base(RtcConfig *rtc, const char *base, Error **errp) {
    if (!strcmp(base, "utc")) {
        rtc->base = RTC_BASE_UTC;
    } else if (!strcmp(base, "localtime")) {
        rtc->base = RTC_BASE_LOCALTIME;
    } else if (parse_date(base, &rtc->date_ns)) {
        rtc->base = RTC_BASE_DATE;
    } else {
        error_set(errp,
                  "base=%s: use utc, localtime, or a date from %d to %d such as "
                  "2006-06-17T16:01:21",
                  base, FIRST_YEAR, LAST_YEAR);
        return false;
    }
    return true;
}

static bool rtc_clock(RtcConfig *rtc, const char *clock, Error **errp) {
    if (!strcmp(clock, "host")) {
        rtc->clock = RTC_CLOCK_HOST;
    } else if (!strcmp(clock, "vm")) {
        rtc->clock = RTC_CLOCK_VM;
    } else {
        error_set(errp,
                  "clock=%s: use host, or vm for a clock that stands with the guest",
                  clock);
        return false;
    }
    return true;
}

bool value_rtc(RtcConfig *rtc, const char *text, Error **errp) {
    KeyVal kv;
    bool ok = keyval_parse(&kv, text, NULL, errp) &&
              keyval_check(&kv, "base clock driftfix", "-rtc", errp);
    const char *base = ok ? keyval_get(&kv, "base") : NULL;
    const char *clock = ok ? keyval_get(&kv, "clock") : NULL;
    const char *drift = ok ? keyval_get(&kv, "driftfix") : NULL;
    ok = ok && (!base || rtc_base(rtc, base, errp)) &&
         (!clock || rtc_clock(rtc, clock, errp));
    if (ok && drift && strcmp(drift, "none")) {
        error_set(errp, "driftfix=%s: only none: no tick is lost here", drift);
        ok = false;
    }
    keyval_free(&kv);
    return ok;
}

bool value_seed(MachineConfig *c, const char *text, Error **errp) {
    char *end = NULL;
    errno = 0;
    c->seed = strtoull(text, &end, 0);
    c->seeded = isdigit((unsigned char)text[0]) && !*end && !errno;
    if (!c->seeded) {
        error_set(errp, "-seed %s: use a whole number below 2^64, such as 1", text);
    }
    return c->seeded;
}

bool value_check_clock(const MachineConfig *c, Error **errp) {
    if (c->icount.on && c->rtc.clock == RTC_CLOCK_HOST) {
        error_set(errp, "-rtc clock=host: with -icount time is counted in instructions; "
                        "use clock=vm");
        return false;
    }
    return true;
}

/* --- -m, -smp, -name, -device ------------------------------------------------------- */

bool value_memory(CommandLine *cl, const char *text, Error **errp) {
    const uint64_t mib = 1 << 20;
    KeyVal kv;
    bool ok = keyval_parse(&kv, text, "size", errp) &&
              keyval_check(&kv, "size", "-m", errp) &&
              get_size(&kv, "size", mib, &cl->config.ram_size, errp);
    keyval_free(&kv);
    if (ok && (cl->config.ram_size < mib || cl->config.ram_size % 4096)) {
        error_set(errp, "RAM is at least 1M, and whole pages of 4096 bytes");
        ok = false;
    }
    if (!ok) {
        error_prepend(errp, "-m %s: ", text);
    }
    return ok;
}

/* -smp counts; 0: not given. */
typedef struct Topology {
    uint64_t cpus, maxcpus, sockets, cores, threads;
} Topology;

static uint64_t or_one(uint64_t n) {
    return n ? n : 1;
}

static bool smp_count(const Topology *t, uint64_t *cpus, Error **errp) {
    uint64_t product = or_one(t->sockets) * or_one(t->cores) * or_one(t->threads);
    bool has_shape = t->sockets || t->cores || t->threads;
    uint64_t n = t->cpus ? t->cpus : has_shape ? product : or_one(t->maxcpus);
    if (t->maxcpus && t->maxcpus != n) {
        error_set(errp, "harts cannot be added later; leave maxcpus out");
        return false;
    }
    if (n % product) {
        error_set(errp,
                  "%" PRIu64 " harts do not fill sockets * cores * threads = %" PRIu64, n,
                  product);
        return false;
    }
    *cpus = n;
    return true;
}

/* A count of harts: a small whole number above 0. */
static bool get_count(const KeyVal *kv, const char *key, uint64_t *out, Error **errp) {
    if (!keyval_get_u64(kv, key, out, errp)) {
        return false;
    }
    if (keyval_get(kv, key) && (*out == 0 || *out > 0xffff)) {
        error_set(errp, "%s=%s is not a number of harts", key, keyval_get(kv, key));
        return false;
    }
    return true;
}

bool value_smp(CommandLine *cl, const char *text, Error **errp) {
    KeyVal kv;
    Topology t = {0};
    uint64_t cpus = 0;
    bool ok = keyval_parse(&kv, text, "cpus", errp) &&
              keyval_check(&kv, "cpus maxcpus sockets cores threads", "-smp", errp) &&
              get_count(&kv, "cpus", &t.cpus, errp) &&
              get_count(&kv, "maxcpus", &t.maxcpus, errp) &&
              get_count(&kv, "sockets", &t.sockets, errp) &&
              get_count(&kv, "cores", &t.cores, errp) &&
              get_count(&kv, "threads", &t.threads, errp) && smp_count(&t, &cpus, errp);
    keyval_free(&kv);
    if (!ok) {
        error_prepend(errp, "-smp %s: ", text);
        return false;
    }
    cl->config.cpus = (unsigned)cpus;
    return true;
}

bool value_name(CommandLine *cl, const char *text, Error **errp) {
    KeyVal kv;
    bool ok = keyval_parse(&kv, text, "guest", errp) &&
              keyval_check(&kv, "guest process debug-threads", "-name", errp);
    if (ok && keyval_get(&kv, "guest")) {
        cl->config.name = own_copy(cl, keyval_get(&kv, "guest"));
    }
    keyval_free(&kv);
    return ok;
}

/* Looks out for "help" and for a name that is none; the rest is the machine's to parse.
 */
bool value_device(CommandLine *cl, const char *text, Error **errp) {
    if (value_is_help(text)) {
        cl->action = CLI_LIST_DEVICES;
        return true;
    }
    KeyVal kv;
    bool ok = keyval_parse(&kv, text, "driver", errp);
    const char *name = ok ? keyval_get(&kv, "driver") : NULL;
    if (ok && (!name || !device_class_find(name))) {
        error_set(errp, "there is no device '%s'; '-device help' lists them",
                  name ? name : "");
        ok = false;
    }
    if (ok && (keyval_get(&kv, "help") || keyval_get(&kv, "?"))) {
        cl->action = CLI_LIST_DEVICE_PROPERTIES;
        cl->help_topic = own_copy(cl, name);
    }
    keyval_free(&kv);
    if (!ok) {
        error_prepend(errp, "-device %s: ", text);
    }
    return ok;
}
