/* SPDX-License-Identifier: MIT */
/*
 * Daemon: -daemonize and -pidfile.
 *
 *   parent: daemon_fork() ... waits ... returns the child's verdict as its exit status
 *   child:  daemon_fork() -> builds the machine -> daemon_ready() -> runs, without
 * terminal
 *
 * The child keeps stderr until it is ready, so that its error line reaches the user.
 */
#ifndef VITRINE_CLI_DAEMON_H
#define VITRINE_CLI_DAEMON_H

#include <stdbool.h>

#include "util/error.h"

typedef enum DaemonSide { DAEMON_FAILED, DAEMON_PARENT, DAEMON_CHILD } DaemonSide;

/* In the child *ready_fd is what daemon_ready() wants; in the parent, which returns when
 * the child is ready or gone, *exit_status is what to exit with. */
DaemonSide daemon_fork(int *ready_fd, int *exit_status, Error **errp);
/* Lets the parent go, and lets go of the terminal. */
bool daemon_ready(int ready_fd, Error **errp);

/* Writes the process id to path and keeps the file locked; *fd is for pidfile_remove().
 * Errors: cannot be written; another process holds it. */
bool pidfile_create(const char *path, int *fd, Error **errp);
void pidfile_remove(const char *path, int fd);

#endif
