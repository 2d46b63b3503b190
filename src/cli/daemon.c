/* SPDX-License-Identifier: MIT */
/* Daemon: see daemon.h. */
#include "cli/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

/* Waits for the child's one byte, or for its end. */
static int child_verdict(int fd, pid_t child) {
    char byte;
    ssize_t n;
    do {
        n = read(fd, &byte, 1);
    } while (n < 0 && errno == EINTR);
    if (n == 1) {
        return 0;
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : 1;
}

DaemonSide daemon_fork(int *ready_fd, int *exit_status, Error **errp) {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0) {
        error_set_errno(errp, errno, "-daemonize: cannot make a pipe");
        return DAEMON_FAILED;
    }
    pid_t child = fork();
    if (child < 0) {
        error_set_errno(errp, errno, "-daemonize: cannot fork");
        close(fds[0]);
        close(fds[1]);
        return DAEMON_FAILED;
    }
    if (child > 0) {
        close(fds[1]);
        *exit_status = child_verdict(fds[0], child);
        close(fds[0]);
        return DAEMON_PARENT;
    }
    close(fds[0]);
    setsid();
    *ready_fd = fds[1];
    return DAEMON_CHILD;
}

bool daemon_ready(int ready_fd, Error **errp) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
        dup2(null, STDERR_FILENO) < 0 || write(ready_fd, "", 1) != 1) {
        error_set_errno(errp, errno, "-daemonize: cannot leave the terminal");
        return false;
    }
    close(null);
    close(ready_fd);
    return true;
}

bool pidfile_create(const char *path, int *fd, Error **errp) {
    char text[24];
    *fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0644);
    if (*fd < 0) {
        error_set_errno(errp, errno, "-pidfile %s: cannot write the file", path);
        return false;
    }
    if (flock(*fd, LOCK_EX | LOCK_NB) < 0) {
        error_set(
            errp,
            "-pidfile %s: another process holds it; end that one or name another file",
            path);
        goto out_close;
    }
    int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(*fd, 0) < 0 || write(*fd, text, (size_t)len) != len) {
        error_set_errno(errp, errno, "-pidfile %s: cannot write the file", path);
        goto out_close;
    }
    return true;

out_close:
    close(*fd);
    *fd = -1;
    return false;
}

void pidfile_remove(const char *path, int fd) {
    unlink(path);
    close(fd);
}
