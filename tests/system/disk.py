#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Disks: what the guest writes and syncs is on the host; what it must not change is unchanged."""
import hashlib
import os
import pathlib
import signal
import tempfile

from guest import Guest, Report, equal, linux

SIZE = 16 << 20


def disk(path, name, options=""):
    return ["-drive", f"file={path},if=none,format=raw,id={name}{options}",
            "-device", f"virtio-blk-device,drive={name}"]


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def guest_sha256(g, device):
    return g.run(f"sha256sum {device}").split()[0]


def device_of(g, size):
    """The guest's name of the disk with so many bytes: slots are taken from the highest down."""
    return "/dev/" + g.run(f"cd /sys/block && grep -lx {size // 512} vd*/size; cd").split("/")[0]


def make(directory, name, data):
    path = pathlib.Path(directory) / name
    path.write_bytes(data)
    return path


def copies_between_disks():
    with tempfile.TemporaryDirectory() as d:
        source = make(d, "source", os.urandom(SIZE))
        sink = make(d, "sink", bytes(SIZE + 512))
        with Guest(linux(*disk(source, "a", ",readonly=on"), *disk(sink, "b"))) as g:
            g.wait_shell()
            src, dst = device_of(g, SIZE), device_of(g, SIZE + 512)
            equal("what the guest reads", guest_sha256(g, src), sha256(source))
            g.run(f"dd if={src} of={dst} bs=64k && sync")
            equal("exit status", g.power_off(), 0)
        equal("the copy on the host", sink.read_bytes()[:SIZE], source.read_bytes())


def synced_data_survive_a_kill():
    """After sync returns, the host has the data: SIGKILL must lose nothing of them."""
    with tempfile.TemporaryDirectory() as d:
        image = make(d, "image", bytes(SIZE))
        with Guest(linux(*disk(image, "a"))) as g:
            g.wait_shell()
            g.run("dd if=/dev/urandom of=/dev/vda bs=64k count=64 && sync")
            in_guest = guest_sha256(g, "/dev/vda")
            os.kill(g.pid, signal.SIGKILL)
            equal("end", g.wait(), -signal.SIGKILL)
        equal("image after SIGKILL", sha256(image), in_guest)


def file_system_lasts():
    with tempfile.TemporaryDirectory() as d:
        image = make(d, "image", bytes(SIZE))
        with Guest(linux(*disk(image, "a"))) as g:
            g.wait_shell()
            g.run("mke2fs /dev/vda >/dev/null && mount -t ext4 /dev/vda /mnt")
            g.run("dd if=/dev/urandom of=/mnt/f bs=1k count=3000 2>/dev/null; sync")
            before = guest_sha256(g, "/mnt/f")
            g.run("umount /mnt")
            equal("exit status", g.power_off(), 0)
        with Guest(linux(*disk(image, "a", ",readonly=on"))) as g:
            g.wait_shell()
            g.run("mount -t ext4 -o ro /dev/vda /mnt")
            equal("file in the second run", guest_sha256(g, "/mnt/f"), before)
            equal("exit status", g.power_off(), 0)


def snapshot_forgets():
    with tempfile.TemporaryDirectory() as d:
        image = make(d, "image", os.urandom(1 << 20))
        before = sha256(image)
        with Guest(linux(*disk(image, "a", ",snapshot=on"))) as g:
            g.wait_shell()
            g.run("dd if=/dev/zero of=/dev/vda bs=4k && sync; true")
            equal("what the guest sees", guest_sha256(g, "/dev/vda"),
                  hashlib.sha256(bytes(1 << 20)).hexdigest())
            equal("exit status", g.power_off(), 0)
        equal("the image", sha256(image), before)


def read_only_stays():
    with tempfile.TemporaryDirectory() as d:
        image = make(d, "image", os.urandom(1 << 20))
        before = sha256(image)
        with Guest(linux(*disk(image, "a", ",readonly=on"))) as g:
            g.wait_shell()
            equal("read-only in the guest", g.run("cat /sys/block/vda/ro").strip(), "1")
            status, _ = g.try_run("dd if=/dev/zero of=/dev/vda bs=4k count=1 && sync")
            if status == 0:
                g.fail("the guest could write")
            equal("exit status", g.power_off(), 0)
        equal("the image", sha256(image), before)


def main():
    report = Report("disk")
    report.case("a copy between disks has the host's hash", copies_between_disks)
    report.case("synced data survive SIGKILL", synced_data_survive_a_kill)
    report.case("a file system lasts over two runs", file_system_lasts)
    report.case("snapshot=on leaves the image as it was", snapshot_forgets)
    report.case("readonly=on leaves the image as it was", read_only_stays)
    report.end()


if __name__ == "__main__":
    main()
