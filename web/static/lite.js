// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Lite: a terminal in sixty lines, and with it how to speak the protocol. It needs no other file.
 *
 *   1. POST login, the token --> a cookie          3. serial.tail: what the guest wrote so far
 *   2. WebSocket ws, JSON-RPC 2.0 both ways        4. serial.output events: what it writes now; serial.write: keys
 *
 * The vocabulary is in book/protocol.md. What is left out here: connecting again, credit, escape sequences.
 */
const screen = /** @type {HTMLElement} */ (document.getElementById("screen"));
const state = /** @type {HTMLElement} */ (document.getElementById("state"));
const MOST = 100000; /* characters that are kept */
const KEYS = { Enter: "\r", Backspace: "\x7f", Tab: "\t", Escape: "\x1b", ArrowUp: "\x1b[A", ArrowDown: "\x1b[B", ArrowRight: "\x1b[C", ArrowLeft: "\x1b[D" };

const token = /[#&]t=([^&]+)/.exec(location.hash)?.[1];
if (token) {
  await fetch("login", { method: "POST", body: token });
  history.replaceState(null, "", location.pathname); /* nobody shall read it over one's shoulder */
}

const socket = new WebSocket(new URL("ws", location.href.replace(/^http/, "ws")), "vitrine");
/** @type {Map<number, (result: any) => void>} calls that wait for their answer */
const waiting = new Map();
let nextId = 1;

/** @param {string} method @param {object} params @returns {Promise<any>} */
function call(method, params) {
  const id = nextId++;
  socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
  return new Promise((done) => waiting.set(id, done));
}

/** @param {string} text as the guest wrote it */
function write(text) {
  let shown = screen.textContent ?? "";
  for (const c of text.replace(/\x1b\[[\d;?]*[A-Za-z]/g, "").replace(/\r/g, "")) {
    shown = c === "\b" ? shown.slice(0, -1) : shown + c;
  }
  screen.textContent = shown.slice(-MOST);
  scrollTo(0, document.body.scrollHeight);
}

socket.onmessage = (/** @type {MessageEvent} */ e) => {
  const message = JSON.parse(e.data);
  if (message.method === "event") {
    write(message.params.data.text);
  } else if (message.error) {
    state.textContent = message.error.data?.what ?? message.error.message;
  } else {
    waiting.get(message.id)?.(message.result);
  }
};
socket.onclose = (/** @type {CloseEvent} */ e) => (state.textContent = e.reason || "the connection is closed; reload to try again");
socket.onopen = async () => {
  state.textContent = `${await (await fetch("whoami")).text()}: click, and type`;
  write((await call("serial.tail", {})).text);
  await call("events.subscribe", { events: ["serial.output"] });
};

screen.onkeydown = (/** @type {KeyboardEvent} */ e) => {
  const plain = e.key.length === 1 && !e.metaKey && !e.altKey;
  const text = e.ctrlKey && plain ? String.fromCharCode(e.key.toUpperCase().charCodeAt(0) & 31) : plain ? e.key : /** @type {any} */ (KEYS)[e.key];
  if (text && (plain || !e.shiftKey)) {
    e.preventDefault();
    call("serial.write", { text });
  }
};
