/* SPDX-License-Identifier: MIT */
/* Help: what -h, --version and the "help" lists show; see options.h. */
#include "cli/options.h"
#include "cpu/riscv/cpu.h"
#include "inspect/reference.h"
#include "tcg/backend.h"

static void show_version(FILE *out) {
    fprintf(out, "Vitrine emulator version " VITRINE_VERSION "\n");
}

static void show_option(FILE *out, const char *name, const char *alias,
                        const char *argument, const char *help) {
    fprintf(out, "-%s%s%s%s%s\n        %s\n", name, *alias ? ", -" : "", alias,
            *argument ? " " : "", argument, help);
}

static void show_help(FILE *out) {
    show_version(out);
    fprintf(out, "usage: vitrine-system-riscv64 [options]\n\n");
#define OPTION(id, name, alias, argument, help)                                          \
    show_option(out, name, alias, argument, help);
#define FOREIGN(name, advice)
#include "cli/options.def"
#undef OPTION
#undef FOREIGN
    fprintf(
        out,
        "\nIn a terminal with -nographic: Ctrl-A x ends the machine, Ctrl-A h shows the "
        "other keys.\n");
}

static void show_machines(FILE *out) {
    unsigned count;
    const MachineClass *const *classes = machine_classes(&count);
    fprintf(out, "Supported machines are:\n");
    for (unsigned i = 0; i < count; i++) {
        fprintf(out, "%-20s %s%s\n", classes[i]->name, classes[i]->description,
                i == 0 ? " (default)" : "");
    }
}

static void show_accels(FILE *out) {
    fprintf(out,
            "Accelerators supported in this binary:\ntcg\n\nProperties of tcg:\n"
            "  thread=single|multi   one host thread for all harts, or one for each "
            "(default)\n"
            "  tb-size=MIB           size of the code buffer\n"
            "  backend=NAME          what runs translated code:%s%s\n",
            tcg_backend_find("x86_64") ? " x86_64 (default)" : "",
            tcg_backend_find("interp") ? " interp" : "");
}

static void show_netdevs(FILE *out) {
    fprintf(
        out,
        "Available netdev backend types:\nuser\n\nProperties of user:\n"
        "  hostfwd=tcp|udp:[ADDR]:PORT-[ADDR]:PORT  a host port that leads into the "
        "guest\n"
        "  net=ADDR/MASK, restrict=on               its network; nothing but hostfwd\n");
}

static void show_chardevs(FILE *out) {
    fprintf(out,
            "Available chardev backend types:\n  stdio\n  null\n  file\n  pty\n  socket\n"
            "As -serial: stdio, mon:stdio, null, none, file:PATH, pty, chardev:ID,\n"
            "  unix:PATH[,server=on][,wait=off], tcp:HOST:PORT[,server=on][,wait=off]\n");
}

bool command_line_show(const CommandLine *cl, FILE *out) {
    switch (cl->action) {
    case CLI_RUN:
        break;
    case CLI_HELP:
        show_help(out);
        break;
    case CLI_VERSION:
        show_version(out);
        break;
    case CLI_LIST_MACHINES:
        show_machines(out);
        break;
    case CLI_LIST_CPUS:
        riscv_config_help(out, cl->config.xlen);
        break;
    case CLI_LIST_ACCELS:
        show_accels(out);
        break;
    case CLI_LIST_DEVICES:
        device_list_help(out);
        break;
    case CLI_LIST_DEVICE_PROPERTIES:
        return device_class_help(cl->help_topic, out);
    case CLI_LIST_LOG_ITEMS:
        log_help(out);
        break;
    case CLI_LIST_NETDEVS:
        show_netdevs(out);
        break;
    case CLI_LIST_CHARDEVS:
        show_chardevs(out);
        break;
    case CLI_LIST_METHODS:
        inspect_print_reference(out);
        break;
    case CLI_SHOW_SCHEMA:
        inspect_print_schema(out);
        break;
    }
    return true;
}
