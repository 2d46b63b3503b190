// SPDX-License-Identifier: MIT
// @ts-check
/**
 * Protocol: the only module that knows the wire.
 *
 *   panel --bus.call("tb.list", {...})--> {"jsonrpc":"2.0","id":7,...} --> server
 *   panel <--Promise--------------------- {"id":7,"result":...}       <--
 *   panel <--handler(data)--------------- {"method":"event",...}      <--
 *
 * A Bus outlives its connection: when that is lost the bus connects again, with growing pauses, and
 * renews its subscriptions. What was asked meanwhile fails with a NetError, so that nobody waits for
 * ever. A server that refuses the WebSocket, or ends with its machine, says why. A frame that belongs to an answer comes before it, the answer's result names it by its sequence, and it
 * is handed over with it.
 */

export class RpcError extends Error {
  /** @param {{code: number, message: string, data?: {class?: string, what?: string, try?: string}}} e */
  constructor(e) {
    const what = e.data?.what ?? e.message;
    super(e.data?.try ? `${what}; ${e.data.try}` : what);
    this.what = what;
    this.advice = e.data?.try ?? ""; /* what to try */
    this.code = e.code;
    this.class = e.data?.class ?? "Error";
  }
}

export class NetError extends Error {}

/**
 * @typedef {{kind: number, stream: number, sequence: number, epoch: number, icount: bigint,
 *            flags: number, data: Uint8Array}} Frame
 * @typedef {{events: string[], options: object, handler: (event: string, data: any, info: any) => void,
 *            trouble?: (e: Error) => void, id: number | null}} Subscription
 * @typedef {"connecting" | "open" | "lost" | "ended" | "refused" | "closed"} BusState lost: it was open; ended: its machine
 *   has, the reason is the cause (machine.shutdown); refused: nobody answers, or says no, the reason tells why
 */

const FRAME_MAGIC = 0x4656;
const FRAME_HEADER = 32;
const RETRY_FIRST_MS = 250;
const RETRY_MOST_MS = 8000;
const GOING_AWAY = 1001; /* RFC 6455, 7.4.1 */
const UPGRADE_REQUIRED = 426; /* what a server says that would have us */

/**
 * @param {ArrayBuffer} buffer
 * @returns {Frame | null} null: not a frame of ours
 */
export function parseFrame(buffer) {
  const view = new DataView(buffer);
  if (buffer.byteLength < FRAME_HEADER || view.getUint16(0, true) !== FRAME_MAGIC) {
    return null;
  }
  const length = view.getUint32(24, true);
  if (length > buffer.byteLength - FRAME_HEADER) {
    return null;
  }
  return {
    kind: view.getUint8(3),
    stream: view.getUint32(4, true),
    sequence: view.getUint32(8, true),
    epoch: view.getUint32(12, true),
    icount: view.getBigUint64(16, true),
    flags: view.getUint32(28, true),
    data: new Uint8Array(buffer, FRAME_HEADER, length),
  };
}

/** @param {string} text @returns {any} an answer or an event; null: neither */
function parseMessage(text) {
  try {
    const message = JSON.parse(text);
    return typeof message === "object" && (message?.method !== "event" || message.params) ? message : null;
  } catch {
    return null;
  }
}

/** @param {bigint | number} v @param {number} [digits] */
export function hex(v, digits = 0) {
  return "0x" + v.toString(16).padStart(digits, "0");
}

/** WebSocket.OPEN, for sockets that are fakes, too. */
const OPEN = 1;

export class Bus extends EventTarget {
  /**
   * @param {string} url of the WebSocket @param {typeof WebSocket} [Socket] a fake, in tests
   * @param {(url: string) => Promise<string>} [why] what the server says to one that it refuses: a browser does not show it
   */
  constructor(url, Socket = WebSocket, why = async () => "") {
    super();
    this.url = url;
    this.Socket = Socket;
    this.why = why;
    /** @type {BusState} */
    this.state = "connecting";
    /** @type {Map<number, {resolve: Function, reject: Function}>} */
    this.waiting = new Map();
    /** @type {Set<Subscription>} */
    this.subscriptions = new Set();
    /** @type {Frame[]} */
    this.frames = [];
    this.nextId = 1;
    this.heardMs = Date.now(); /* when the server said something last */
    this.retryMs = RETRY_FIRST_MS;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.connect();
  }

  connect() {
    const socket = new this.Socket(this.url, "vitrine");
    let opened = false;
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => {
      opened = true;
      this.retryMs = RETRY_FIRST_MS;
      this.heardMs = Date.now();
      this.setState("open");
      for (const s of this.subscriptions) {
        this.renew(s);
      }
    };
    socket.onmessage = (e) => this.receive(e.data);
    socket.onclose = (e) => this.lost(opened, e.code, e.reason);
  }

  /** @param {BusState} state @param {string} [reason] */
  setState(state, reason = "") {
    this.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: { state, reason } }));
  }

  /** @param {boolean} opened @param {number} code @param {string} reason */
  lost(opened, code, reason) {
    this.socket = null;
    for (const w of this.waiting.values()) {
      w.reject(new NetError("the connection was lost"));
    }
    this.waiting.clear();
    this.frames = [];
    for (const s of this.subscriptions) {
      s.id = null;
    }
    if (this.state === "closed") {
      return;
    }
    const cause = code === GOING_AWAY && /^the machine has ended: ([a-z-]+)$/.exec(reason);
    if (opened) {
      this.setState(cause ? "ended" : "lost", cause ? cause[1] : reason);
    } else if (this.state !== "ended") {
      this.state === "lost" || this.setState("refused", reason);
      this.learnWhy();
    }
    setTimeout(() => this.state !== "closed" && this.connect(), this.retryMs);
    this.retryMs = Math.min(2 * this.retryMs, RETRY_MOST_MS);
  }

  async learnWhy() {
    const reason = await this.why(this.url).catch(() => "");
    if (reason && (this.state === "refused" || this.state === "lost")) {
      this.setState("refused", reason);
    }
  }

  close() {
    this.setState("closed");
    this.socket?.close();
  }

  /**
   * Calls a method. The answer's frames, if it has any, are in `frames` of the second form.
   * @param {string} method @param {object} [params] @returns {Promise<any>}
   */
  call(method, params = {}) {
    return this.callFrames(method, params).then((r) => r.result);
  }

  /** @param {string} method @param {object} [params] @returns {Promise<{result: any, frames: Frame[], held_ns: number}>} */
  callFrames(method, params = {}) {
    /* a socket that is closing has not told so yet: what is sent would be lost */
    if (this.state !== "open" || !this.socket || this.socket.readyState > OPEN) {
      return Promise.reject(new NetError("there is no connection to the machine"));
    }
    const id = this.nextId++;
    this.socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }

  /**
   * Subscribes to events until the returned function is called.
   * @param {string[]} events @param {object} options rate, credit
   * @param {(event: string, data: any, info: any) => void} handler
   */
  subscribe(events, options, handler) {
    return this.begin({ events, options, handler, id: null });
  }

  /**
   * Has a viewer's method called again and again; the handler gets each new result, `trouble` what went wrong.
   * `info` holds the answer's frames, and held_ns: how long answering held the guest.
   * @param {number} ms @param {string} method @param {object} params
   * @param {(result: any, info: any) => void} handler @param {(e: Error) => void} [trouble]
   */
  every(ms, method, params, handler, trouble) {
    return this.begin({
      events: [],
      options: { ms, method, params },
      handler: (_event, data, info) =>
        data.error ? trouble?.(new RpcError(data.error)) : handler(data.result, info),
      trouble,
      id: null,
    });
  }

  /** @param {Subscription} s @returns {() => void} */
  begin(s) {
    this.subscriptions.add(s);
    if (this.state === "open") {
      this.renew(s);
    }
    return () => {
      this.subscriptions.delete(s);
      this.end(s);
    };
  }

  /** @param {Subscription} s */
  end(s) {
    if (s.id !== null && this.state === "open") {
      this.call("events.unsubscribe", { subscription: s.id }).catch(() => {});
      s.id = null;
    }
  }

  /** @param {Subscription} s */
  renew(s) {
    const asked = s.events.length
      ? this.call("events.subscribe", { events: s.events, ...s.options })
      : this.call("events.every", s.options);
    asked.then(
      (r) => {
        s.id = r.subscription;
        this.subscriptions.has(s) || this.end(s); /* it was given up meanwhile */
      },
      (e) => {
        if (e instanceof NetError) {
          return;
        }
        s.trouble ? s.trouble(e) : this.dispatchEvent(new CustomEvent("trouble", { detail: e }));
      },
    );
  }

  /**
   * The frame that a result names. Other messages may come between the two; frames before it were of results
   * that newer ones replaced.
   * @param {any} result @returns {Frame[]}
   */
  claim(result) {
    const sequence = result?.frame;
    if (typeof sequence !== "number") {
      return [];
    }
    const mine = this.frames.filter((f) => f.sequence === sequence);
    this.frames = this.frames.filter((f) => f.sequence > sequence);
    return mine;
  }

  /** @param {string | ArrayBuffer} data */
  receive(data) {
    this.heardMs = Date.now();
    if (typeof data !== "string") {
      const frame = parseFrame(data);
      if (frame) {
        this.frames.push(frame);
      }
      return;
    }
    const message = parseMessage(data);
    if (!message) {
      return;
    }
    if (message.method === "event") {
      const p = message.params;
      const frames = this.claim(p.data?.result);
      for (const s of this.subscriptions) {
        if (s.id === p.subscription) {
          s.handler(p.event, p.data, { ...p, frames });
        }
      }
      return;
    }
    const waiting = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    const frames = this.claim(message.result);
    if (!waiting) {
      return;
    }
    if (message.error) {
      waiting.reject(new RpcError(message.error));
    } else {
      waiting.resolve({ result: message.result, frames, held_ns: message.held_ns ?? 0 });
    }
  }
}

/**
 * The door: takes the token out of the URL's fragment, if there is one, for a cookie.
 * @returns {Promise<"operator" | "viewer">} rejects with what to tell the user
 */
export async function enter() {
  const match = /(?:^#|&)t=([A-Za-z0-9._-]+)/.exec(location.hash);
  if (match) {
    const answer = await fetch("login", { method: "POST", body: match[1] });
    history.replaceState(null, "", location.pathname + "#" + location.hash.replace(match[0], "").replace(/^[#&]+/, ""));
    if (!answer.ok) {
      throw new Error(await answer.text());
    }
  }
  const answer = await fetch("whoami");
  const text = await answer.text();
  if (!answer.ok) {
    throw new Error(text);
  }
  return text === "operator" ? "operator" : "viewer";
}

/** For a Bus: asks for the WebSocket as for a page, and is told in words. @param {string} url @returns {Promise<string>} "": nothing is wrong */
export async function askWhy(url) {
  const answer = await fetch(url.replace(/^ws/, "http"));
  return answer.ok || answer.status === UPGRADE_REQUIRED ? "" : answer.text();
}

/** The WebSocket's URL beside this page. */
export function socketUrl() {
  const url = new URL("ws", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.hash = "";
  return url.href;
}
