/* SPDX-License-Identifier: MIT */
/*
 * Snapshot: a whole machine as a file.
 *
 *   "VITSNAP\n" | version | section | section | ... | "end" | XXH3-128 of all before it
 *
 *   section:  name | length | bytes
 *     identity   what the machine is made of (identity.h)
 *     info       name, time, virtual time and count of the snapshot
 *     clock      virtual time
 *     fields     vCPUs and devices (fields.h)
 *     drives     what each disk is: kind, size, time of its last change
 *     ram/N      up to 256 pages of the N-th RAM block that are not zero, zstd
 *     disk/N     up to 256 clusters of the N-th drive's overlay, zstd
 *     end
 *
 * A file is not trusted. It is read whole, and every byte of it is checked, compressed parts too,
 * before anything of the machine is touched: a file that is cut off, damaged, of another version or
 * of another machine is an error, and the machine stays as it was.
 *
 * What belongs to the host is not in it: connections of the user network, input not yet taken, what
 * a serial line sent. Drives: those with snapshot=on come with what the guest wrote; read-only ones
 * must still be the same file; one that is written in place cannot be taken back, so saving refuses.
 *
 * Not modelled: several versions of the file format; snapshots inside disk images.
 */
#ifndef VITRINE_STATE_SNAPSHOT_H
#define VITRINE_STATE_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/machine/machine.h"
#include "util/error.h"

enum { SNAPSHOT_NAME_MAX = 64 };
#define SNAPSHOT_DIR                                                                     \
    "vitrine-snapshots" /* below the working directory, without -snapdir */

/* Writes the file: to a temporary one beside it, which takes its place when it is whole and on the
 * host's disk. `name` is kept in it. Errors: a drive that is written in place; the host. Locks:
 * takes the machine lock; the machine is stopped (machine_stop()). */
bool snapshot_save(Machine *m, const char *path, const char *name, Error **errp);
/* Puts the file's state into the machine, which stays stopped. On an error the machine is as it was.
 * Locks: as snapshot_save(). */
bool snapshot_load(Machine *m, const char *path, Error **errp);
/* The same from memory; `path` is for messages. */
bool snapshot_load_bytes(Machine *m, const char *path, const uint8_t *data, size_t size,
                         Error **errp);

/* --- snapdir.c: a directory of snapshots ---------------------------------------------- */

typedef struct SnapshotInfo {
    char name[SNAPSHOT_NAME_MAX + 1];
    uint64_t bytes;     /* of the file */
    int64_t date_ns;    /* wall time, since 1970 */
    int64_t virtual_ns; /* the guest's */
    uint64_t count;     /* instructions executed; 0 without -icount */
} SnapshotInfo;

/* Where this machine's are. */
const char *snapshot_dir(const Machine *m);
/* DIR/NAME.vsnap. Owns: the caller frees. Errors: the name is empty, too long or has other than
 * letters, digits, "-", "_" and "." in it, or begins with a dot. */
char *snapshot_path(const char *dir, const char *name, Error **errp);
/* Reads the head of a file. Errors: not a snapshot. */
bool snapshot_info(const char *path, SnapshotInfo *info, Error **errp);
/* All snapshots of a directory, by name; files that are none are left out. Owns: the caller frees
 * the array. A directory that is not there has none. */
bool snapshot_list(const char *dir, SnapshotInfo **list, unsigned *count, Error **errp);
bool snapshot_delete(const char *dir, const char *name, Error **errp);
/* As savevm: makes the directory if need be. */
bool snapshot_save_named(Machine *m, const char *dir, const char *name, Error **errp);
/* As loadvm: a name in the directory. */
bool snapshot_load_named(Machine *m, const char *dir, const char *name, Error **errp);

#endif
