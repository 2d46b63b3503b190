/* SPDX-License-Identifier: MIT */
/*
 * Options: the command line taken apart and checked, before anything is started.
 *
 *   argv --options.def--> CommandLine { MachineConfig, log settings, how to run }
 *
 * Every value is looked at here as far as it can be without building the machine, so that
 * a mistake leaves no file, no process and no raw terminal behind.
 */
#ifndef VITRINE_CLI_OPTIONS_H
#define VITRINE_CLI_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "hw/machine/machine.h"
#include "monitor/monitor.h"
#include "util/error.h"
#include "util/version.h"

/* What a "help" or "?" asked for, in place of a machine. */
typedef enum CliAction {
    CLI_RUN,
    CLI_HELP,
    CLI_VERSION,
    CLI_LIST_MACHINES,
    CLI_LIST_CPUS,
    CLI_LIST_ACCELS,
    CLI_LIST_DEVICES,
    CLI_LIST_DEVICE_PROPERTIES, /* of help_topic */
    CLI_LIST_LOG_ITEMS,
    CLI_LIST_NETDEVS,
    CLI_LIST_CHARDEVS,
    CLI_LIST_METHODS,
    CLI_SHOW_SCHEMA, /* of the methods */
} CliAction;

typedef struct CommandLine {
    CliAction action;
    char *help_topic; /* one of `owned` */
    MachineConfig config;
    const char *log_items, *log_file, *log_filter; /* -d -D -dfilter */
    const char *history;                           /* -history */
    const char *record, *replay;                   /* -record, -replay */
    const char *web;                               /* -web */
    const char *api;                               /* -api */
    OptionList rpcs;                               /* -rpc */
    MonitorOptions monitors;                       /* -monitor -qmp -mon */
    const char *gdb;                               /* -gdb, -s; NULL: none */
    const char *pidfile;
    const char *loadvm; /* -loadvm */
    bool daemonize;
    /* The first accelerator that was asked for and cannot be had. */
    const char *accel_wish;
    /* strings made here that config borrows */
    char **owned;
    unsigned owned_count;
} CommandLine;

/* Parses argv; argv[0] chooses the guest's XLEN ("...riscv32": 32, else 64). To be
 * destroyed whether it succeeds or not. Owns: borrows argv's strings. */
bool command_line_parse(CommandLine *cl, int argc, char *const *argv, Error **errp);
void command_line_destroy(CommandLine *cl);
/* Carries out an action other than CLI_RUN; false if the topic is unknown. */
bool command_line_show(const CommandLine *cl, FILE *out);

/* The known option name nearest to what was written, or NULL if none is near. */
const char *option_nearest(const char *written);

#endif
