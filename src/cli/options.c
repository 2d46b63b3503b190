/* SPDX-License-Identifier: MIT */
/* Options: one pass over argv, then the checks that need all of it. */
#include "cli/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/values.h"
#include "cpu/riscv/cpu.h"
#include "inspect/rpc.h"
#include "monitor/gdb_server.h"
#include "util/nearest.h"

#define OPTION(id, name, alias, argument, help) OPT_##id,
#define FOREIGN(name, advice)
typedef enum OptionId {
#include "cli/options.def"
} OptionId;
#undef OPTION
#undef FOREIGN

typedef struct OptionRow {
    const char *name, *alias;
    OptionId id;
    bool takes_argument;
} OptionRow;

typedef struct ForeignRow {
    const char *name, *advice;
} ForeignRow;

#define FOREIGN(name, advice)
#define OPTION(id, name, alias, argument, help)                                          \
    {name, alias, OPT_##id, sizeof(argument) > 1},
static const OptionRow option_rows[] = {
#include "cli/options.def"
};
#undef OPTION
#undef FOREIGN

#define OPTION(id, name, alias, argument, help)
#define FOREIGN(name, advice) {name, advice},
static const ForeignRow foreign_rows[] = {
#include "cli/options.def"
};
#undef OPTION
#undef FOREIGN

enum {
    OPTION_COUNT = sizeof(option_rows) / sizeof(option_rows[0]),
    FOREIGN_COUNT = sizeof(foreign_rows) / sizeof(foreign_rows[0]),
};

/* --- names ------------------------------------------------------------------------ */

static const OptionRow *find_option(const char *name) {
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        const OptionRow *row = &option_rows[i];
        if (!strcmp(row->name, name) || (row->alias[0] && !strcmp(row->alias, name))) {
            return row;
        }
    }
    return NULL;
}

static const ForeignRow *find_foreign(const char *name) {
    for (unsigned i = 0; i < FOREIGN_COUNT; i++) {
        if (!strcmp(foreign_rows[i].name, name)) {
            return &foreign_rows[i];
        }
    }
    return NULL;
}

const char *option_nearest(const char *written) {
    Nearest nearest;
    nearest_init(&nearest, written);
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        nearest_offer(&nearest, option_rows[i].name);
        nearest_offer(&nearest, option_rows[i].alias);
    }
    return nearest.name;
}

/* --- one option --------------------------------------------------------------------- */

static bool add(OptionList *list, const char *option, const char *text, Error **errp) {
    if (list->count == MACHINE_MAX_LIST) {
        error_set(errp, "-%s %s: too many of these (at most %d)", option, text,
                  MACHINE_MAX_LIST);
        return false;
    }
    list->item[list->count++] = text;
    return true;
}

/* For options of which only "none" is known. */
static bool only_none(const char *option, const char *text, const char *advice,
                      Error **errp) {
    if (strcmp(text, "none") != 0) {
        error_set(errp, "-%s %s: %s", option, text, advice);
        return false;
    }
    return true;
}

/* "help" shows a list in place of adding to one. */
static bool add_or_list(CommandLine *cl, CliAction list_action, OptionList *list,
                        const char *option, const char *text, Error **errp) {
    if (value_is_help(text)) {
        cl->action = list_action;
        return true;
    }
    return add(list, option, text, errp);
}

static bool set_cpu(CommandLine *cl, const char *text) {
    if (value_is_help(text)) {
        cl->action = CLI_LIST_CPUS;
    }
    cl->config.cpu = text;
    return true;
}

static bool set_log_items(CommandLine *cl, const char *text) {
    if (value_is_help(text)) {
        cl->action = CLI_LIST_LOG_ITEMS;
    }
    cl->log_items = text;
    return true;
}

static bool set_data_dir(CommandLine *cl, const char *dir, Error **errp) {
    struct stat st;
    if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode)) {
        error_set(errp, "-L %s: there is no such directory", dir);
        return false;
    }
    cl->config.data_dirs = dir;
    return true;
}

static bool set_display(CommandLine *cl, const char *text, Error **errp) {
    cl->config.display_none = true;
    return only_none("display", text,
                     "there is no display; use -display none or -nographic", errp);
}

static bool set_rpc(CommandLine *cl, const char *text, Error **errp) {
    if (value_is_help(text) || !strcmp(text, "schema")) {
        cl->action = value_is_help(text) ? CLI_LIST_METHODS : CLI_SHOW_SCHEMA;
        return true;
    }
    return rpc_check(text, errp) && add(&cl->rpcs, "rpc", text, errp);
}

/* Carries out one option. A dispatch: one line a row of options.def. */
static bool apply(CommandLine *cl, OptionId id, const char *arg, Error **errp) {
    MachineConfig *c = &cl->config;
    switch (id) {
    case OPT_HELP:
        return cl->action = CLI_HELP, true;
    case OPT_VERSION:
        return cl->action = CLI_VERSION, true;
    case OPT_MACHINE:
        return value_machine(cl, arg, errp);
    case OPT_CPU:
        return set_cpu(cl, arg);
    case OPT_SMP:
        return value_smp(cl, arg, errp);
    case OPT_MEMORY:
        return value_memory(cl, arg, errp);
    case OPT_ACCEL:
        return value_accel(cl, arg, errp);
    case OPT_ICOUNT:
        return value_icount(c, arg, errp);
    case OPT_RTC:
        return value_rtc(&c->rtc, arg, errp);
    case OPT_SEED:
        return value_seed(c, arg, errp);
    case OPT_HISTORY:
        return cl->history = arg, true;
    case OPT_RECORD:
        return cl->record = arg, true;
    case OPT_REPLAY:
        return cl->replay = arg, true;
    case OPT_GLOBAL:
        return add(&c->globals, "global", arg, errp);
    case OPT_NAME:
        return value_name(cl, arg, errp);
    case OPT_KERNEL:
        return c->kernel = arg, true;
    case OPT_INITRD:
        return c->initrd = arg, true;
    case OPT_APPEND:
        return c->append = arg, true;
    case OPT_BIOS:
        return c->bios = arg, true;
    case OPT_DTB:
        return c->dtb = arg, true;
    case OPT_DATA_DIR:
        return set_data_dir(cl, arg, errp);
    case OPT_DRIVE:
        return add(&c->drives, "drive", arg, errp);
    case OPT_DEVICE:
        return value_device(cl, arg, errp) && add(&c->devices, "device", arg, errp);
    case OPT_NETDEV:
        return add_or_list(cl, CLI_LIST_NETDEVS, &c->netdevs, "netdev", arg, errp);
    case OPT_NIC:
        return add_or_list(cl, CLI_LIST_NETDEVS, &c->nics, "nic", arg, errp);
    case OPT_NET:
        return only_none("net", arg, "use -nic user, or -netdev and -device", errp);
    case OPT_CHARDEV:
        return add_or_list(cl, CLI_LIST_CHARDEVS, &c->chardevs, "chardev", arg, errp);
    case OPT_SERIAL:
        return add_or_list(cl, CLI_LIST_CHARDEVS, &c->serials, "serial", arg, errp);
    case OPT_MONITOR:
        return monitor_options_add(&cl->monitors, MONITOR_OPTION_MONITOR, arg, errp);
    case OPT_QMP:
        return monitor_options_add(&cl->monitors, MONITOR_OPTION_QMP, arg, errp);
    case OPT_QMP_PRETTY:
        return monitor_options_add(&cl->monitors, MONITOR_OPTION_QMP_PRETTY, arg, errp);
    case OPT_MON:
        return monitor_options_add(&cl->monitors, MONITOR_OPTION_MON, arg, errp);
    case OPT_PARALLEL:
        return only_none("parallel", arg, "there is no parallel port", errp);
    case OPT_VGA:
        return only_none("vga", arg, "there is no display adapter; use none", errp);
    case OPT_DISPLAY:
        return set_display(cl, arg, errp);
    case OPT_NOGRAPHIC:
        return c->nographic = true;
    case OPT_NODEFAULTS:
        return c->nodefaults = true;
    case OPT_NO_USER_CONFIG:
        return true;
    case OPT_GDB:
        cl->gdb = strcmp(arg, "none") == 0 ? NULL : arg;
        return !cl->gdb || gdb_server_check(arg, errp);
    case OPT_GDB_HERE:
        cl->gdb = GDB_DEFAULT;
        return true;
    case OPT_WEB:
        return cl->web = arg, true;
    case OPT_API:
        return cl->api = arg, true;
    case OPT_RPC:
        return set_rpc(cl, arg, errp);
    case OPT_STOPPED:
        return c->start_stopped = true;
    case OPT_NO_REBOOT:
        return c->no_reboot = true;
    case OPT_NO_SHUTDOWN:
        return c->no_shutdown = true;
    case OPT_LOADVM:
        return cl->loadvm = arg, true;
    case OPT_SNAPDIR:
        return c->snapshot_dir = arg, true;
    case OPT_PIDFILE:
        return cl->pidfile = arg, true;
    case OPT_DAEMONIZE:
        return cl->daemonize = true;
    case OPT_LOG:
        return set_log_items(cl, arg);
    case OPT_LOG_FILE:
        return cl->log_file = arg, true;
    case OPT_LOG_FILTER:
        return cl->log_filter = arg, true;
    }
    return false;
}

static void unknown_option(const char *written, const char *name, Error **errp) {
    const ForeignRow *foreign = find_foreign(name);
    const char *nearest = option_nearest(name);
    if (foreign) {
        error_set(errp, "%s: this option of QEMU is not supported; %s", written,
                  foreign->advice);
    } else if (nearest) {
        error_set(errp, "%s: unknown option; did you mean -%s?", written, nearest);
    } else {
        error_set(errp, "%s: unknown option; -h lists them", written);
    }
}

static bool parse_argv(CommandLine *cl, int argc, char *const *argv, Error **errp) {
    for (int i = 1; i < argc && cl->action == CLI_RUN; i++) {
        const char *name = argv[i];
        if (name[0] != '-' || name[1] == '\0') {
            error_set(errp,
                      "'%s': every argument belongs to an option; a kernel is given by "
                      "-kernel, "
                      "a disk by -drive",
                      name);
            return false;
        }
        name += name[1] == '-' ? 2 : 1;
        const OptionRow *row = find_option(name);
        if (!row) {
            unknown_option(argv[i], name, errp);
            return false;
        }
        if (row->takes_argument && i + 1 == argc) {
            error_set(errp, "%s: its argument is missing; see -h", argv[i]);
            return false;
        }
        if (!apply(cl, row->id, row->takes_argument ? argv[++i] : NULL, errp)) {
            return false;
        }
    }
    return true;
}

/* --- the whole ---------------------------------------------------------------------- */

static bool check_file(const char *option, const char *path, Error **errp) {
    struct stat st;
    if (!path) {
        return true;
    }
    if (stat(path, &st) < 0 || access(path, R_OK) < 0) {
        error_set_errno(errp, errno, "-%s %s: cannot read the file", option, path);
        return false;
    }
    if (S_ISDIR(st.st_mode)) {
        error_set(errp, "-%s %s: this is a directory; name a file in it", option, path);
        return false;
    }
    return true;
}

static bool check_boot(const MachineConfig *c, Error **errp) {
    const char *orphan = c->initrd ? "-initrd" : c->append ? "-append" : NULL;
    if (orphan && !c->kernel) {
        error_set(errp, "%s is for a kernel; name one by -kernel", orphan);
        return false;
    }
    return check_file("kernel", c->kernel, errp) &&
           check_file("initrd", c->initrd, errp) && check_file("dtb", c->dtb, errp);
}

static bool check_machine(MachineConfig *c, Error **errp) {
    const MachineClass *cls = machine_class_find(c->machine, c->xlen);
    if (!cls) {
        error_set(errp, "-M %s: there is no such machine; -M help lists them",
                  c->machine);
        return false;
    }
    if (c->cpus > cls->max_cpus) {
        error_set(errp, "-smp %u: machine %s has at most %u harts", c->cpus, cls->name,
                  cls->max_cpus);
        return false;
    }
    if (!c->ram_size) {
        c->ram_size = cls->default_ram_size;
    }
    RiscvConfig cpu;
    return !c->cpu || riscv_config_parse(&cpu, c->xlen, c->cpu, errp);
}

static bool check_log(const CommandLine *cl, Error **errp) {
    Log scratch;
    log_init(&scratch);
    bool ok = (!cl->log_items || log_set_mask(&scratch, cl->log_items, errp)) &&
              (!cl->log_filter || log_set_filter(&scratch, cl->log_filter, errp));
    log_destroy(&scratch);
    return ok;
}

/* The terminal stays with the shell when the machine goes to the background. */
static bool check_daemonize(const CommandLine *cl, Error **errp) {
    const MachineConfig *c = &cl->config;
    bool terminal =
        !c->serials.count && !c->nodefaults && (c->nographic || !c->display_none);
    for (unsigned i = 0; i < c->serials.count; i++) {
        terminal = terminal || strstr(c->serials.item[i], "stdio");
    }
    for (unsigned i = 0; i < c->chardevs.count; i++) {
        terminal = terminal || !strncmp(c->chardevs.item[i], "stdio", 5);
    }
    terminal = terminal || monitor_options_take_terminal(&cl->monitors);
    if (cl->daemonize && terminal) {
        error_set(errp, "-daemonize: a serial line or monitor is on the terminal; add "
                        "-display none, or -serial "
                        "file:FILE");
        return false;
    }
    return true;
}

bool command_line_parse(CommandLine *cl, int argc, char *const *argv, Error **errp) {
    static const char suffix32[] = "riscv32";
    const size_t suffix_len = sizeof(suffix32) - 1;
    size_t len = argc > 0 ? strlen(argv[0]) : 0;
    bool is32 = len >= suffix_len && !strcmp(argv[0] + len - suffix_len, suffix32);
    *cl = (CommandLine){
        .config = {
            .machine = "virt", .xlen = is32 ? 32 : 64, .cpus = 1, .multi_thread = true}};
    if (!parse_argv(cl, argc, argv, errp)) {
        return false;
    }
    if (cl->action != CLI_RUN) {
        return true;
    }
    /* -nographic asks for the serial line there; then there is no place for the monitor */
    cl->config.terminal_taken =
        !cl->config.nographic && monitor_options_take_terminal(&cl->monitors);
    if (!value_check_accel(cl, errp) || !value_check_clock(&cl->config, errp) ||
        !check_machine(&cl->config, errp) || !check_boot(&cl->config, errp) ||
        !check_log(cl, errp) || !check_daemonize(cl, errp)) {
        return false;
    }
    return cl->config.accel || value_accel(cl, "tcg", errp);
}

void command_line_destroy(CommandLine *cl) {
    while (cl->owned_count) {
        free(cl->owned[--cl->owned_count]);
    }
    free(cl->owned);
    cl->owned = NULL;
}
