// SPDX-License-Identifier: MIT
// The parts of the workspace Run that need no browser: plain text, boot stages, rates, speed, typing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { BootWatch, STAGES } from "../../../web/static/panels/boot.js";
import { Speed } from "../../../web/static/panels/machine-bar.js";
import { Typist } from "../../../web/static/panels/terminal.js";
import { PlainText } from "../../../web/static/ui/plain-text.js";
import { Rates } from "../../../web/static/ui/rates.js";
import { settle } from "./fake.mjs";

function plain(text, limits) {
  const p = new PlainText(limits);
  p.feed(text);
  return p.lines;
}

test("plain text: lines, with carriage returns, tabs and bells left out or done", () => {
  assert.deepEqual(plain("one\r\ntwo\r\n"), ["one", "two", ""]);
  assert.deepEqual(plain("a\tb\x07\x00c"), ["a       bc"]);
});

test("plain text: colours and titles are no text", () => {
  assert.deepEqual(plain("\x1b[1;31mred\x1b[0m \x1b]0;title\x07x\x1b]2;t\x1b\\y\x1b(Bz\x1b[?25l!"), ["red xyz!"]);
});

test("plain text: what is overwritten or erased on a line is gone", () => {
  assert.deepEqual(plain("10%\r20%"), ["20%"]);
  assert.deepEqual(plain("abc\b\bX"), ["aXc"]);
  assert.deepEqual(plain("vitrine:~# lx\b \bs"), ["vitrine:~# ls"]);
  assert.deepEqual(plain("abcdef\r\x1b[3C\x1b[K!"), ["abc!"]);
  assert.deepEqual(plain("abc\x1b[2K\rz"), ["z"]);
  assert.deepEqual(plain("abc\x1b[2DX"), ["aXc"]);
});

test("plain text: a sequence cut anywhere means the same", () => {
  const text = "a\x1b[31mb\x1b]0;title\x1b\\c\r\n\x1b[?2004hd";
  const whole = plain(text);
  for (let i = 1; i < text.length; i++) {
    const p = new PlainText();
    p.feed(text.slice(0, i));
    p.feed(text.slice(i));
    assert.deepEqual(p.lines, whole, `cut at ${i}`);
  }
});

test("plain text: there is an end to lines, to a line, and to a sequence", () => {
  const p = new PlainText({ most: 10, width: 20 });
  for (let i = 0; i < 1000; i++) {
    p.feed(`${i}\n`);
  }
  assert.equal(p.lines.length, 10);
  assert.equal(p.dropped + p.lines.length, 1001);
  assert.equal(p.lines[8], "999");
  p.feed("y".repeat(1e6));
  assert.ok(p.lines.length <= 10 && p.lines.every((l) => l.length <= 20));
  p.feed("\x1b[" + "1".repeat(1e6));
  assert.ok(p.params.length < 100);
  p.feed("m\x1b[99999999Cx");
  assert.ok(p.lines.every((l) => l.length <= 21));
});

test("plain text: take() names the first line that changed", () => {
  const p = new PlainText();
  p.feed("a\nb");
  assert.equal(p.take(), 0);
  p.feed("c");
  assert.equal(p.take(), 1);
  p.feed("\nd\ne");
  assert.equal(p.take(), 1);
  assert.equal(p.take(), Infinity);
});

test("plain text: finds words in upper and lower case, with the line's number since the beginning", () => {
  const p = new PlainText({ most: 3 });
  p.feed("needle\nneedle\nx Needle needle\nlast");
  assert.deepEqual(p.find("NEEDLE"), [{ line: 1, at: 0 }, { line: 2, at: 2 }, { line: 2, at: 9 }]);
  assert.deepEqual(p.find(""), []);
  assert.deepEqual(p.find("absent"), []);
});

const reached = (w) => STAGES.filter((_s, i) => w.reached[i]).map((s) => s.name);
const zero = { device_writes: 0, tlb_walks: 0, calls: 0 };

test("boot: a guest's words lead through all stages", () => {
  const w = new BootWatch();
  w.write("\r\nOpenSBI v1.1\r\n", "0x1");
  assert.deepEqual(reached(w), ["firmware"]);
  w.write("[    0.000000] Linux ver", "0x2");
  assert.deepEqual(reached(w), ["firmware", "kernel"]);
  w.write("sion 6.12\r\nWelcome to Linux 6.12.\r\n", "0x3");
  assert.deepEqual(reached(w), ["firmware", "kernel", "user"]);
  w.write("\r\nvitrine:~# \x1b[6n", "0x4");
  assert.ok(w.done);
  assert.deepEqual(w.reached.map((r) => r.at), ["0x1", "0x2", "0x3", "0x4"]);
});

test("boot: a silent guest is told by what the hardware counts", () => {
  const w = new BootWatch();
  w.count(zero, null);
  assert.deepEqual(reached(w), []);
  w.count({ ...zero, device_writes: 3 }, "0x1");
  assert.deepEqual(reached(w), ["firmware"]);
  w.count({ ...zero, device_writes: 3, tlb_walks: 1, calls: 1 }, "0x2");
  assert.deepEqual(reached(w), ["firmware", "kernel", "user"]);
  assert.ok(!w.done, "counters know no shell");
});

test("boot: a prompt that is seen first implies what must have been before", () => {
  const w = new BootWatch();
  w.write("$ ", null);
  assert.ok(w.done);
  assert.equal(w.reached[0].by, "later");
});

test("boot: after a reset only what comes then counts", () => {
  const w = new BootWatch();
  w.write("OpenSBI v1.1\n# ", null);
  w.reset({ device_writes: 10, tlb_walks: 5, calls: 7 });
  w.count({ device_writes: 10, tlb_walks: 5, calls: 7 }, null);
  assert.deepEqual(reached(w), []);
  w.count({ device_writes: 11, tlb_walks: 5, calls: 7 }, null);
  assert.deepEqual(reached(w), ["firmware"]);
});

test("speed: instructions of the last seconds over real time; nothing when stopped, uncounted, or gone back", () => {
  const at = (count, ms, more = {}) => ({ icount: true, running: true, count: "0x" + count.toString(16), uptime_ns: "0x" + (ms * 1e6).toString(16), ...more });
  const s = new Speed();
  assert.equal(s.add(at(0, 0)), null);
  assert.equal(s.add(at(50e6, 500)), 100);
  assert.equal(s.add(at(50e6, 600, { running: false })), null);
  assert.equal(s.add(at(50e6, 5000)), null);
  assert.equal(s.add(at(60e6, 5500)), 20);
  assert.equal(s.add(at(1e6, 6000)), null, "it went back");
  assert.equal(s.add(at(1e6, 6500, { icount: false })), null);
});

test("typing: all bytes go in order, what the UART had no room for again", async () => {
  let got = "";
  const failed = [];
  const typist = new Typist(async (hex) => {
    const bytes = Buffer.from(hex, "hex").subarray(0, 7); /* so much room */
    got += bytes.toString("latin1");
    return { accepted: bytes.length };
  }, (e) => failed.push(e));
  typist.type("hello, wörld ");
  typist.type("and more");
  await new Promise((done) => setTimeout(done, 400));
  assert.equal(Buffer.from(got, "latin1").toString(), "hello, wörld and more");
  assert.deepEqual(failed, []);
});

test("typing: after an error nothing of the old text is typed later", async () => {
  let broken = true;
  let got = "";
  const typist = new Typist(async (hex) => {
    if (broken) {
      throw new Error("no connection");
    }
    got += Buffer.from(hex, "hex").toString();
    return { accepted: hex.length / 2 };
  }, () => {});
  typist.type("rm -rf ");
  await settle();
  broken = false;
  typist.type("ls");
  await settle();
  assert.equal(got, "ls");
});

test("rates: what was added between two samples, by the time between them", () => {
  const metrics = [{ name: "calls", of: ["calls"] }, { name: "device", of: ["reads", "writes"] }, { name: "busy", of: ["busy_ns"], share: true }, { name: "insns", of: ["insns"] }];
  const r = new Rates(metrics, 3);
  const sample = (s, calls, reads, writes, busy) => ({ ns: "0x" + (s * 1e9).toString(16), counters: { calls: "0x" + calls.toString(16), reads: "0x" + reads.toString(16), writes: "0x" + writes.toString(16), busy_ns: "0x" + busy.toString(16), insns: null } });
  r.add(sample(10, 100, 0, 0, 0));
  assert.equal(r.now("calls"), undefined);
  r.add(sample(12, 300, 4, 6, 1e9));
  assert.deepEqual([r.now("calls"), r.now("device"), r.now("busy"), r.now("insns")], [100, 5, 0.5, null]);
  assert.deepEqual(r.time, [2]);
  r.add(sample(12, 900, 4, 6, 1e9)); /* no time went by */
  assert.equal(r.time.length, 1);
  r.add(sample(13, 0, 0, 0, 0)); /* another machine */
  assert.equal(r.now("calls"), 0);
  for (let s = 14; s < 30; s++) {
    r.add(sample(s, s, 0, 0, 0));
  }
  assert.deepEqual([r.time.length, r.rates.calls.length, r.now("calls")], [3, 3, 1]);
});
