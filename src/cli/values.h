/* SPDX-License-Identifier: MIT */
/* Values: parsers of the options that have a little language of their own. Inside
 * src/cli. */
#ifndef VITRINE_CLI_VALUES_H
#define VITRINE_CLI_VALUES_H

#include "cli/options.h"

/* "help" or "?", alone. */
bool value_is_help(const char *text);

bool value_machine(CommandLine *cl, const char *text, Error **errp); /* -M */
bool value_icount(MachineConfig *c, const char *text, Error **errp); /* -icount */
bool value_rtc(RtcConfig *rtc, const char *text, Error **errp);      /* -rtc */
bool value_seed(MachineConfig *c, const char *text, Error **errp);   /* -seed */
/* After the last option: -rtc clock= and -icount go together. */
bool value_check_clock(const MachineConfig *c, Error **errp);
bool value_accel(CommandLine *cl, const char *text, Error **errp);  /* -accel, in order */
bool value_memory(CommandLine *cl, const char *text, Error **errp); /* -m */
bool value_smp(CommandLine *cl, const char *text, Error **errp);    /* -smp */
bool value_name(CommandLine *cl, const char *text, Error **errp);   /* -name */
bool value_device(CommandLine *cl, const char *text, Error **errp); /* -device */
/* After the last option: an accelerator was found among those wished for. */
bool value_check_accel(const CommandLine *cl, Error **errp);

#endif
