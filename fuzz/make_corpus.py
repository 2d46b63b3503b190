#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the seeds of the fuzz targets: small valid inputs from which mutation starts.

    make_corpus.py DIR      makes DIR/loader, DIR/dtb, DIR/ir, ...
"""
import pathlib
import re
import struct
import sys


def elf64(segments, entry=0x80000000):
    size = 64 + 56 * len(segments)
    head = struct.pack("<4sBBBB8xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 2, 243, 1, entry, 64, 0, 5,
                       64, 56, len(segments), 64, 0, 0)
    table, body = b"", b""
    for addr, data, memsz in segments:
        table += struct.pack("<IIQQQQQQ", 1, 7, size + len(body), addr, addr, len(data), memsz, 4096)
        body += data
    return head + table + body


def elf32(addr, data):
    head = struct.pack("<4sBBBB8xHHIIIIIHHHHHH", b"\x7fELF", 1, 1, 1, 0, 2, 243, 1, addr, 52, 0, 1,
                       52, 32, 1, 40, 0, 0)
    return head + struct.pack("<IIIIIIII", 1, 84, addr, addr, len(data), len(data) + 64, 7, 4) + data


def linux_image(size=256):
    head = struct.pack("<IIQQQIIQQII", 0x6f, 0, 0x200000, size, 0, 2, 0, 0, 0x5643534952, 0x05435352, 0)
    return head.ljust(size, b"\0")


def device_tree():
    """/ { #address-cells = <2>; chosen { }; };"""
    names = b"#address-cells\0"
    node = lambda name: struct.pack(">I", 1) + (name + b"\0").ljust(-(-(len(name) + 1) // 4) * 4, b"\0")
    end = struct.pack(">I", 2)
    struct_block = node(b"") + struct.pack(">IIII", 3, 4, 0, 2) + node(b"chosen") + end + end
    struct_block += struct.pack(">I", 9)
    off_struct = 40 + 16
    off_names = off_struct + len(struct_block)
    total = off_names + len(names)
    head = struct.pack(">10I", 0xd00dfeed, total, off_struct, off_names, 40, 17, 16, 0, len(names),
                       len(struct_block))
    return head + bytes(16) + struct_block + names


def web():
    """For both doors: requests as they are, frames of a WebSocket, a viewer's requests."""
    head = b" HTTP/1.1\r\nHost: localhost\r\n"
    ask = b'{"jsonrpc":"2.0","id":1,"method":"machine.status"}'
    frame = lambda first, data: bytes([first, 0x80 | len(data)]) + bytes(4) + data
    for way, door in ((b"\0", "web"), (b"\1", "api")):
        for n, line in enumerate((b"GET /index.html", b"POST /login", b"GET /../x", b"GET /metrics", b"PUT /api/v1/images/x")):
            yield "web", f"{door}{n}", way + line + head + b"Content-Length: 2\r\nOrigin: http://localhost\r\n\r\nxx"
    yield "web", "nolength", b"\0POST /login" + head + b"\r\nxx"
    yield "web", "frames", b"\2" + frame(0x81, ask) + frame(1, ask[:20]) + frame(0x89, b"p") + frame(0x80, ask[20:])
    yield "web", "close", b"\2" + frame(0x82, b"x") + frame(0x88, b"\x03\xe8")
    for n, line in enumerate((b"GET /api/v1/mem/read?addr=0x1000&len=4&format=frame", b"GET /api/v1/snapshots/a",
                              b"GET /metrics", b"DELETE /api/v1/images/a", b'POST /api/v1/cpu/regs\n{"group":"fp"}',
                              b"PUT /api/v1/images/a\nx", b"GET /api/v1/trace/read?limit=3")):
        yield "web", f"viewer{n}", b"\3" + line


IR = """\
---- 0x80000000
   add_i64 a0, a0, $0x10
   guest_ld_i64 %0, [a0 + 0x8], s32, mmu 1
   mov_i32 %1:i32, a1
   brcond_i32 ltu %1:i32, $0x7, L0
   call helper_x(a0) -> %2
   mov_i64 a0, %2
L0:
   goto_tb 0, 0x80000008
"""
IR2 = """\
---- 0x80000000
   and_i64 %0, a1, $0xff
   shl_i64 %1, %0, $0x3
   setcond_i64 lt %2, %1, a2
   guest_st_i64 %2, [sp + 0x10], u64, mmu 0
   env_ld_i64 %3, [env + 0x100], u64
   movcond_i64 eq a1, %3, $0x0, a2, a3
   extract_i64 a2, a1, 4, 8
   ext_s32_i64 a3, %1
---- 0x80000004
   env_st_i64 a3, [env + 0x100], u64
   exit_tb 2
"""
IR3 = """\
---- 0x80000000
   fadd_f64 dyn f0, f1, f2
   fcmp_f64 lt %0, f0, f1
   fmov_f2i_i64 a0, f3
   funbox_f32 %1:f32, f2
   fmadd_f32 rmm %2:f32, %1:f32, %1:f32, %1:f32, 0x0
   fcvt_f2i_f32 rtz a1, %2:f32, i32
   fcvt_i2f_f64 dyn f1, a1, i64
   fbox_f64 f2, %2:f32
   guest_rmw_i64 xchg a2, [a2], a3, s32.align, mmu 3
   guest_cas_i64 t1, [t0], a1, $0x0, s64.align, mmu 3
   fence
   goto_ptr a0
"""


def op_words():
    """A dictionary for the IR parser: names of ops with their types."""
    table = pathlib.Path(__file__).resolve().parent.parent / "src/tcg/ops.def"
    for name in re.findall(r'^OP\(\w+, "(\w+)"', table.read_text(), re.M):
        yield name
        for suffix in ("i32", "i64", "f32", "f64"):
            yield f"{name}_{suffix}"


def seeds():
    yield "loader", "elf64", b"\0" + elf64([(0x80000000, b"\x13\0\0\0" * 8, 64),
                                            (0x80100000, b"data", 0x1000)])
    yield "loader", "elf32", b"\1" + elf32(0x80000000, b"\x13\0\0\0" * 4)
    yield "loader", "linux", b"\0" + linux_image()
    yield "loader", "raw", b"\2" + bytes(64)
    yield "dtb", "small", device_tree()
    yield "ir", "block", IR.encode()
    yield "ir", "integers", IR2.encode()
    yield "ir", "floats", IR3.encode()
    yield "mmio", "uart", bytes([0] + [0x08, 6, 1, 0x0f, 0x18, 6, 5, 0x2a, 7, 28, 1, 2, 3, 4, 0xf0])
    yield "virtio", "legacy", bytes([1 | 7 << 1]) + bytes(4) + bytes([0, 0]) + bytes(range(200))
    for slot in range(8):
        chain = bytes([0x10, 1, 2, 1, 0x14, 3, 64, 2, 0x18, 2, 1, 0]) * 5
        yield "virtio", f"modern{slot}", bytes([slot << 1, 0xff, 0xff, 0xff, 0xff, 0, 0]) + chain + \
            bytes([1, 0] * 40) + bytes([8, 9, 0x18] * 10)
    code = [0x00a50533, 0x00853603, 0x00c53823, 0x02b50533, 0x00b57553, 0x6a0576d3, 0x0000100f,
            0xfe0518e3, 0x00008067]
    yield "snapshot", "one", bytes([0, 0x40, 0, 0, 0xff])
    yield "snapshot", "whole", bytes([1]) + struct.pack("<H4sQ", 4, b"info", 0)
    yield "gdb", "look", b"\0?\nqSupported\ng\np1041\nPf0=00\nm80000000,20\nqfThreadInfo\nHg2\nT1\nqXfer:features:read:target.xml:0,ffb"
    yield "gdb", "change", b"\0Z0,80000000,4\nZ2,80001000,8\nz0,80000000,4\nM80000000,2:1234\nX80000000,1:a\nP5=0102030405060708\nP1c1=ffffffffffffffff"
    yield "gdb", "go", b"\0vCont?\nvCont;s:1;c\nvCont;r80,90:1\nc\nS05;80000000\nqRcmd,6869\nQStartNoAckMode\nD"
    yield "gdb", "wire", b"\1+$g#67-\x03$X0,1:}\x03#00"
    yield "translate", "mixed", bytes([0x06, 1, 2, 3, 4]) + struct.pack(f"<{len(code)}I", *code)
    yield "translate", "rv32", bytes([0x07, 4, 3, 2, 1]) + struct.pack(f"<{len(code)}I", *code)
    rpc = [b'\1{"jsonrpc":"2.0","id":1,"method":"cpu.regs","params":{"group":"fp"}}',
           b'\1[{"jsonrpc":"2.0","id":"a","method":"cpu.list"},{"jsonrpc":"2.0","method":"log.get"}]',
           b'\0\4"addr":"0x80000000","len":16,"limit":3', b'\0\x12"cpu":1,"name":"mstatus"',
           b'\0\x1e"events":["serial.output"],"rate":3,"credit":1']
    yield "rpc", "mixed", b"\n".join(rpc)
    yield from web()
    for n, message in enumerate((b'{"execute":"query-block","id":[1]}', b'{"execute":"qmp_capabilities"}',
                                 b'{"execute":"human-monitor-command","arguments":{"command-line":"info status"}}',
                                 b"{'execute':'device_add','arguments':{'driver':'virtio-blk-device'}}",
                                 b'{"execute":"stop"}{"execute":"query-qmp-schema"}')):
        yield "monitor", f"qmp{n}", b"\3" + message
    for n, line in enumerate((b"x/4xw $pc", b"xp/8i 0x80000000", b"print/d (1+2)*~$sp % 7", b"info mem",
                              b"info mtree -f -o", b"info registers -a", b"break 0x1000", b"watch 8 4",
                              b"delete 1", b"step 2", b"log int,mmu", b"help info tbs", b"explain 1")):
        yield "monitor", f"hmp{n}", b"\2" + line


def main():
    base = pathlib.Path(sys.argv[1])
    for target, name, data in seeds():
        (base / target).mkdir(parents=True, exist_ok=True)
        (base / target / name).write_bytes(data)
    (base / "ir.dict").write_text("".join(f'"{word}"\n' for word in op_words()))


if __name__ == "__main__":
    main()
