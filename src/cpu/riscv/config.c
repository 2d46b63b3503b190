/* SPDX-License-Identifier: MIT */
/*
 * Config: what -cpu says: a model and properties, "rv64,zba=off,sv48=off".
 *
 *   model's defaults --> properties in order --> what an extension needs --> RiscvConfig
 *
 * An extension whose base is off goes off with it; if it was asked for by name that is an
 * error.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cpu/riscv/bits.h"
#include "cpu/riscv/cpu.h"
#include "util/nearest.h"

/* Properties that are not extensions. */
typedef struct Modes {
    bool mmu, sv32, sv39, sv48, sv57, misaligned;
} Modes;

typedef struct Property {
    const char *name;
    const char *help;
    bool is_mode; /* offset is in Modes, else in RiscvConfig */
    uint8_t xlen; /* 32, 64; 0: both */
    bool dflt;
    uint16_t offset;
} Property;

static const Property properties[] = {
#define RISCV_EXT(id, text, on)                                                          \
    {text, "extension", false, 0, on, offsetof(RiscvConfig, id)},
#include "cpu/riscv/ext.def"
#undef RISCV_EXT
    {"mmu", "address translation (with s)", true, 0, true, offsetof(Modes, mmu)},
    {"sv32", "paging in 2 levels", true, 32, true, offsetof(Modes, sv32)},
    {"sv39", "paging in 3 levels", true, 64, true, offsetof(Modes, sv39)},
    {"sv48", "paging in 4 levels (needs sv39)", true, 64, true, offsetof(Modes, sv48)},
    {"sv57", "paging in 5 levels (needs sv48)", true, 64, true, offsetof(Modes, sv57)},
    {"misaligned", "loads and stores may be misaligned", true, 0, true,
     offsetof(Modes, misaligned)},
};
enum { PROPERTY_COUNT = sizeof(properties) / sizeof(properties[0]) };
_Static_assert(sizeof(properties) / sizeof(properties[0]) <= 64,
               "a bit each in ConfigParser.asked");

/* ext needs base. */
#define EXT(id) offsetof(RiscvConfig, id)
static const struct {
    uint16_t ext, base;
} needs[] = {
    {EXT(f), EXT(zicsr)},      {EXT(d), EXT(f)},          {EXT(zfa), EXT(f)},
    {EXT(zicntr), EXT(zicsr)}, {EXT(zihpm), EXT(zicntr)}, {EXT(s), EXT(u)},
    {EXT(sstc), EXT(s)},       {EXT(svadu), EXT(s)},      {EXT(svinval), EXT(s)},
    {EXT(svnapot), EXT(s)},    {EXT(svpbmt), EXT(s)},     {EXT(sdtrig), EXT(zicsr)},
};
#undef EXT

static bool is_rv64_only(const Property *p) {
    return !p->is_mode && (p->offset == offsetof(RiscvConfig, svnapot) ||
                           p->offset == offsetof(RiscvConfig, svpbmt));
}

static bool applies(const Property *p, unsigned xlen) {
    return (p->xlen == 0 || p->xlen == xlen) && !(xlen == 32 && is_rv64_only(p));
}

typedef struct ConfigParser {
    RiscvConfig *cfg;
    Modes modes;
    unsigned xlen;
    uint64_t asked; /* bit i: properties[i] was switched on by name */
} ConfigParser;

static bool *property_value(ConfigParser *cp, const Property *p) {
    return p->is_mode ? (bool *)((char *)&cp->modes + p->offset)
                      : (bool *)((char *)cp->cfg + p->offset);
}

/* --- names -------------------------------------------------------------------------- */
static const Property *find_property(unsigned xlen, const char *name) {
    for (unsigned i = 0; i < PROPERTY_COUNT; i++) {
        if (applies(&properties[i], xlen) && !strcasecmp(properties[i].name, name)) {
            return &properties[i];
        }
    }
    return NULL;
}

static void error_unknown_property(unsigned xlen, const char *name, Error **errp) {
    Nearest nearest;
    nearest_init(&nearest, name);
    for (unsigned i = 0; i < PROPERTY_COUNT; i++) {
        if (applies(&properties[i], xlen)) {
            nearest_offer(&nearest, properties[i].name);
        }
    }
    if (nearest.name) {
        error_set(errp, "-cpu: property '%s' is unknown; did you mean '%s'?", name,
                  nearest.name);
    } else {
        error_set(errp, "-cpu: property '%s' is unknown; -cpu help lists them", name);
    }
}

/* --- parsing ------------------------------------------------------------------------ */
static bool parse_switch(const char *text, bool *value) {
    static const char *const on[] = {"on", "true", "yes"}, *const off[] = {"off", "false",
                                                                           "no"};
    for (unsigned i = 0; i < sizeof(on) / sizeof(on[0]); i++) {
        if (!strcasecmp(text, on[i]) || !strcasecmp(text, off[i])) {
            *value = !strcasecmp(text, on[i]);
            return true;
        }
    }
    return false;
}

static bool parse_property(ConfigParser *cp, char *item, Error **errp) {
    char *equals = strchr(item, '=');
    const char *text = "on";
    if (equals) {
        *equals = '\0';
        text = equals + 1;
    }
    const Property *p = find_property(cp->xlen, item);
    if (!p) {
        error_unknown_property(cp->xlen, item, errp);
        return false;
    }
    bool value;
    if (!parse_switch(text, &value)) {
        error_set(errp, "-cpu: '%s' is no value for property '%s'; use on or off", text,
                  item);
        return false;
    }
    *property_value(cp, p) = value;
    uint64_t bit = BIT64(p - properties);
    cp->asked = value ? cp->asked | bit : cp->asked & ~bit;
    return true;
}

static const char *extension_name(uint16_t offset) {
    for (unsigned i = 0; i < PROPERTY_COUNT; i++) {
        if (!properties[i].is_mode && properties[i].offset == offset) {
            return properties[i].name;
        }
    }
    return "?";
}

static bool was_asked(const ConfigParser *cp, uint16_t offset) {
    for (unsigned i = 0; i < PROPERTY_COUNT; i++) {
        if (!properties[i].is_mode && properties[i].offset == offset) {
            return cp->asked >> i & 1;
        }
    }
    return false;
}

/* Rows of needs[] are in such an order that one pass settles all. */
static bool settle_needs(ConfigParser *cp, Error **errp) {
    for (unsigned i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
        bool *ext = (bool *)cp->cfg + needs[i].ext;
        const bool *base = (const bool *)cp->cfg + needs[i].base;
        if (!*ext || *base) {
            continue;
        }
        if (was_asked(cp, needs[i].ext)) {
            error_set(errp, "-cpu: extension '%s' needs '%s', which is off; add %s=on",
                      extension_name(needs[i].ext), extension_name(needs[i].base),
                      extension_name(needs[i].base));
            return false;
        }
        *ext = false;
    }
    return true;
}

static unsigned deepest_paging(const ConfigParser *cp) {
    const Modes *m = &cp->modes;
    if (!cp->cfg->s || !m->mmu) {
        return SATP_BARE;
    }
    if (cp->xlen == 32) {
        return m->sv32 ? SATP_SV32 : SATP_BARE;
    }
    if (!m->sv39) {
        return SATP_BARE;
    }
    return !m->sv48 ? SATP_SV39 : !m->sv57 ? SATP_SV48 : SATP_SV57;
}

static const char *model_name(unsigned xlen) {
    return xlen == 32 ? "rv32" : "rv64";
}

static bool parse_model(ConfigParser *cp, const char *name, Error **errp) {
    if (strcasecmp(name, model_name(cp->xlen)) && strcasecmp(name, "max")) {
        error_set(errp,
                  "-cpu: model '%s' is unknown; use %s or max (-cpu help lists both)",
                  name, model_name(cp->xlen));
        return false;
    }
    bool all = !strcasecmp(name, "max");
    for (unsigned i = 0; i < PROPERTY_COUNT; i++) {
        const Property *p = &properties[i];
        *property_value(cp, p) = applies(p, cp->xlen) && (all || p->dflt);
    }
    return true;
}

bool riscv_config_parse(RiscvConfig *cfg, unsigned xlen, const char *model,
                        Error **errp) {
    *cfg = (RiscvConfig){.xlen = xlen};
    ConfigParser cp = {.cfg = cfg, .xlen = xlen};
    char *copy = strdup(model && *model ? model : model_name(xlen));
    if (!copy) {
        error_set(errp, "-cpu: no memory");
        return false;
    }
    char *rest = copy;
    const char *name = strsep(&rest, ",");
    bool ok = parse_model(&cp, name, errp);
    while (ok && rest) {
        ok = parse_property(&cp, strsep(&rest, ","), errp);
    }
    free(copy);
    if (!ok || !settle_needs(&cp, errp)) {
        return false;
    }
    cfg->misaligned = cp.modes.misaligned;
    cfg->satp_max = deepest_paging(&cp);
    return true;
}

void riscv_config_help(FILE *out, unsigned xlen) {
    fprintf(out,
            "Models of -cpu:\n  %-14s the default\n  %-14s everything that is modelled\n",
            model_name(xlen), "max");
    fprintf(out, "Properties (-cpu %s,NAME=on|off):\n", model_name(xlen));
    for (unsigned i = 0; i < PROPERTY_COUNT; i++) {
        if (applies(&properties[i], xlen)) {
            fprintf(out, "  %-14s %s; default %s\n", properties[i].name,
                    properties[i].help, properties[i].dflt ? "on" : "off");
        }
    }
}

/* --- the ISA string ----------------------------------------------------------------- */
int riscv_isa_string(const RiscvConfig *cfg, char *text, size_t size) {
    int n = snprintf(text, size, "rv%ui", cfg->xlen);
    for (unsigned i = 0; i < PROPERTY_COUNT; i++) {
        const Property *p = &properties[i];
        bool letter = p->name[1] == '\0';
        bool mode = letter && (p->name[0] == 's' || p->name[0] == 'u');
        if (p->is_mode || mode || !*((const bool *)cfg + p->offset)) {
            continue;
        }
        size_t used = (size_t)n < size ? (size_t)n : size;
        n += snprintf(size ? text + used : NULL, size - used, "%s%s", letter ? "" : "_",
                      p->name);
    }
    return n;
}
