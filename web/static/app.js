// SPDX-License-Identifier: MIT
// @ts-check
/**
 * App: the frame around the six workspaces.
 *
 *   enter() --role--> App --bus--> workspace/NAME.js --> panels/*.js
 *                      |-- Place, Focus: what all look at, in the URL (focus.js)
 *                      |-- commands: palette and keys (ui/palette.js)
 *                      '-- machine: its state, kept fresh
 *
 * Only the workspace that is shown is mounted, and nothing is while the tab is hidden: what nobody looks
 * at costs the guest nothing.
 */
import { Focus, Place, viewState } from "./focus.js";
import { pickLanguage, Words } from "./i18n.js";
import { askWhy, Bus, enter, NetError, RpcError, socketUrl } from "./protocol.js";
import { strings } from "./strings/shell.js";
import { dialog } from "./ui/dialog.js";
import { clear, h, takesText } from "./ui/dom.js";
import { icon } from "./ui/icons.js";
import { PanelBus } from "./ui/panel.js";
import { openKeys, openPalette } from "./ui/palette.js";

/** @typedef {import("./ui/palette.js").Command} Command */
/** @typedef {{state: string, running: boolean, cpus: number, icount: boolean, count: string, [more: string]: any}} MachineStatus */
/** @typedef {() => void} Off */

export const WORKSPACES = ["run", "translate", "memory", "devices", "time", "cpu"];
const STATUS_MS = 500;
const TOAST_MS = 5000;
const SILENCE_MS = 4000; /* machine.status comes far more often */
const NUMBER = /^(?:0x[0-9a-f]{1,16}|[0-9a-f]{6,16})$/i;

/** What was chosen for all visits; a browser may forbid keeping it. @param {string} name @param {string} [value] */
function remembered(name, value) {
  try {
    if (value !== undefined) {
      localStorage.setItem(`vitrine.${name}`, value);
    }
    return localStorage.getItem(`vitrine.${name}`);
  } catch {
    return null;
  }
}

export class App {
  /** @param {HTMLElement} root @param {Bus} bus @param {"operator" | "viewer"} role */
  constructor(root, bus, role) {
    this.root = root;
    this.bus = bus;
    this.role = role;
    this.place = new Place();
    this.focus = new Focus(this.place);
    this.words = new Words(pickLanguage(this.place.get("lang") ?? remembered("language")));
    this.words.add(strings);
    /** @type {Map<string, Command>} */
    this.commands = new Map();
    /** @type {MachineStatus | null} null: not heard of yet */
    this.machine = null;
    /** @type {Set<(m: MachineStatus) => void>} */
    this.listeners = new Set();
    /** @type {Off[]} of the workspace that is mounted */
    this.unmount = [];
    this.mounting = 0;
    this.missing = false; /* the workspace, for want of a server to fetch it from */
    this.main = h("main", { id: "main", tabindex: "-1" });
    this.bar = h("div", { class: "bar-machine" });
    this.tabs = h("nav");
    this.banner = h("div", { class: "banner", role: "status", hidden: true });
    this.toasts = h("div", { class: "toasts", role: "status", "aria-live": "polite" });
    this.setTheme(this.place.get("theme") ?? remembered("theme"));
  }

  /** @param {string} key @param {Record<string, any>} [vars] */
  t(key, vars) {
    return this.words.t(key, vars);
  }

  get workspace() {
    const name = this.place.get("ws") ?? "";
    return WORKSPACES.includes(name) ? name : "run";
  }

  /** Goes to a workspace, and its focus with it. @param {string} workspace @param {import("./focus.js").FocusPatch} [focus] */
  go(workspace, focus = {}) {
    /** @type {Record<string, string | null>} */
    const fields = { ws: workspace };
    for (const [name, value] of Object.entries(focus)) {
      fields[name] = value === null || value === undefined ? null : String(value);
    }
    this.place.set(fields);
  }

  /** @param {string} name @param {string} initial */
  view(name, initial) {
    return viewState(this.place, name, initial);
  }

  /** @param {Command} command @returns {Off} */
  command(command) {
    this.commands.set(command.id, command);
    return () => {
      this.commands.get(command.id) === command && this.commands.delete(command.id);
    };
  }

  /** Calls fn now, if the state is known, and whenever it is told anew. @param {(m: MachineStatus) => void} fn @returns {Off} */
  onMachine(fn) {
    this.listeners.add(fn);
    this.machine && fn(this.machine);
    return () => this.listeners.delete(fn);
  }

  /** Asks how the machine is, after something was done to it. */
  async refresh() {
    try {
      this.tellMachine(await this.bus.call("machine.status"));
    } catch (e) {
      e instanceof NetError || this.fail(e);
    }
  }

  /** @param {MachineStatus} m */
  tellMachine(m) {
    this.machine = m;
    document.documentElement.dataset.machine = m.running ? "running" : "stopped";
    for (const fn of this.listeners) {
      fn(m);
    }
  }

  /* --- messages ---------------------------------------------------------------------------- */

  /** @param {unknown} error */
  errorText(error) {
    if (error instanceof RpcError && error.advice) {
      return `${error.what} — ${this.t("shell.try", { try: error.advice })}`;
    }
    return error instanceof Error ? error.message : String(error);
  }

  /** @param {string} text @param {"info" | "bad"} [kind] */
  toast(text, kind = "info") {
    const node = h("div", { class: `toast ${kind}` }, text, h("button", { class: "tool", type: "button", "aria-label": this.t("shell.close"), onclick: () => node.remove() }, icon("close")));
    this.toasts.append(node);
    if (kind === "info") {
      setTimeout(() => node.remove(), TOAST_MS);
    }
  }

  /** @param {unknown} error */
  fail(error) {
    this.toast(this.errorText(error), "bad");
  }

  /** @param {string} title @param {string} text */
  showText(title, text) {
    dialog(title, h("textarea", { readonly: true, rows: "20", "aria-label": title }, text), { close: this.t("shell.close") });
  }

  /* --- theme, language ------------------------------------------------------------------------ */

  /** @param {string | null} theme null: as the system has it */
  setTheme(theme) {
    if (theme === "light" || theme === "dark") {
      document.documentElement.dataset.theme = theme;
    } else {
      delete document.documentElement.dataset.theme;
    }
  }

  toggleTheme() {
    const now = document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    const theme = now === "dark" ? "light" : "dark";
    remembered("theme", theme);
    this.place.set({ theme: null });
    this.setTheme(theme);
    this.mount(); /* drawings take their colours anew */
  }

  toggleLanguage() {
    const language = this.words.language === "en" ? "zh" : "en";
    remembered("language", language);
    this.place.set({ lang: null });
    this.words.choose(language);
    this.build();
  }

  /* --- the frame --------------------------------------------------------------------------- */

  /** (Re)makes everything in the current language. */
  build() {
    document.documentElement.lang = this.words.language;
    const role = this.t(`shell.role.${this.role}`);
    clear(
      this.root,
      h("a", { class: "skip", href: "#main", onclick: (/** @type {Event} */ e) => (e.preventDefault(), this.main.focus()) }, this.t("shell.skip")),
      h(
        "header",
        { class: "top" },
        h("span", { class: "brand" }, "Vitrine"),
        this.tabs,
        this.bar,
        h("span", { class: "grow" }),
        h("span", { class: "chip", title: this.t(`shell.role.${this.role}.help`) }, role),
        this.topButton(icon("search"), "shell.palette", "Ctrl-K", () => this.openPalette()),
        this.topButton("?", "shell.keys", "?", () => openKeys(this, this.commands.values())),
        this.topButton(icon("theme"), "shell.theme", "", () => this.toggleTheme()),
        h("button", { class: "tool", type: "button", lang: this.words.language === "en" ? "zh" : "en", onclick: () => this.toggleLanguage() }, this.t("shell.language")),
      ),
      this.banner,
      this.main,
      this.toasts,
    );
    this.addCommands();
    this.mountBar();
    this.mount();
  }

  /** @param {string | Element} sign @param {string} key @param {string} keys @param {() => void} run */
  topButton(sign, key, keys, run) {
    const label = this.t(key);
    return h("button", { class: "tool", type: "button", title: keys ? `${label} (${keys})` : label, "aria-label": label, onclick: run }, sign);
  }

  addCommands() {
    WORKSPACES.forEach((name, i) =>
      this.command({ id: `ws.${name}`, title: this.t("shell.go", { name: this.t(`shell.ws.${name}`) }), keys: String(i + 1), run: () => this.go(name) }),
    );
    this.command({ id: "shell.palette", title: this.t("shell.palette"), keys: "Ctrl-K", run: () => this.openPalette() });
    this.command({ id: "shell.keys", title: this.t("shell.keys"), keys: "?", run: () => openKeys(this, this.commands.values()) });
    this.command({ id: "shell.theme", title: this.t("shell.theme"), run: () => this.toggleTheme() });
    this.command({ id: "shell.language", title: this.t("shell.language"), run: () => this.toggleLanguage() });
  }

  openPalette() {
    openPalette(this, this.commands.values());
  }

  /** Where a number may lead. @param {string} query @returns {Command[]} */
  placesOf(query) {
    if (!NUMBER.test(query)) {
      return [];
    }
    const value = "0x" + BigInt(query.toLowerCase().startsWith("0x") ? query : "0x" + query).toString(16);
    /** @param {string} what @param {string} workspace @param {import("./focus.js").FocusPatch} focus */
    const to = (what, workspace, focus) => ({ id: what, title: this.t(`shell.palette.${what}`, { value }), run: () => this.go(workspace, focus) });
    return [
      to("addr", "memory", { addr: value }),
      to("phys", "memory", { phys: value }),
      to("block", "translate", { block: null, addr: value }),
      to("count", "time", { count: value }),
    ];
  }

  paintTabs() {
    clear(
      this.tabs,
      WORKSPACES.map((name, i) =>
        h("button", { type: "button", class: "tab", "aria-current": name === this.workspace ? "page" : null, title: `${this.t(`shell.ws.${name}`)} (${i + 1})`, onclick: () => this.go(name) }, this.t(`shell.ws.${name}`)),
      ),
    );
    this.tabs.setAttribute("aria-label", this.t("shell.workspaces"));
    this.tabs.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
    document.title = `${this.t(`shell.ws.${this.workspace}`)} · Vitrine`;
  }

  /** The machine bar stays in all workspaces. */
  async mountBar() {
    this.endBar?.();
    clear(this.bar);
    const bus = new PanelBus(this.bus, () => {});
    const module = await import("./panels/machine-bar.js");
    this.words.add(module.strings);
    const end = module.mount(this.bar, bus, this);
    this.endBar = () => {
      end();
      bus.dispose();
    };
  }

  unmountWorkspace() {
    for (const off of this.unmount.splice(0)) {
      off();
    }
    clear(this.main);
  }

  async mount() {
    const name = this.workspace;
    const turn = ++this.mounting;
    this.unmountWorkspace();
    this.paintTabs();
    if (document.hidden) {
      return;
    }
    this.missing = false;
    try {
      const module = await import(`./workspaces/${name}.js`);
      if (turn !== this.mounting) {
        return; /* another was chosen meanwhile */
      }
      module.strings && this.words.add(module.strings);
      await Promise.all((module.styles ?? []).map(loadStyle));
      if (turn !== this.mounting) {
        return;
      }
      const root = h("div", { class: `workspace ${name}` });
      const bus = new PanelBus(this.bus, () => {});
      this.main.append(root);
      this.unmount.push(() => bus.dispose());
      this.unmount.push(module.mount(root, bus, this));
    } catch (e) {
      if (turn !== this.mounting) {
        return;
      }
      this.missing = true;
      if (this.bus.state !== "open") {
        clear(this.main, h("p", { class: "empty" }, this.t("shell.no_server")));
        return;
      }
      clear(this.main, h("p", { class: "empty bad" }, this.t("shell.no_workspace", { error: this.errorText(e) })));
      throw e;
    }
  }

  /* --- life -------------------------------------------------------------------------------- */

  start() {
    this.build();
    let shown = this.workspace;
    this.place.on((changed) => {
      if (changed.includes("ws") && this.workspace !== shown) {
        shown = this.workspace;
        this.mount();
      }
    });
    addEventListener("popstate", () => this.place.reread());
    addEventListener("hashchange", () => this.place.reread());
    document.addEventListener("visibilitychange", () => {
      document.hidden ? this.unmountWorkspace() : this.mount();
    });
    document.addEventListener("keydown", (e) => this.key(e));
    this.bus.addEventListener("state", (e) => this.showConnection(/** @type {CustomEvent} */ (e).detail));
    this.bus.addEventListener("trouble", (e) => this.fail(/** @type {CustomEvent} */ (e).detail));
    this.bus.every(STATUS_MS, "machine.status", {}, (m) => this.tellMachine(m));
    this.bus.subscribe(["machine.stopped", "machine.resumed", "machine.reset"], {}, () => this.refresh());
    this.showConnection({ state: this.bus.state, reason: "" });
    setInterval(() => this.watchSilence(), STATUS_MS);
  }

  /** A connection may stand while nobody answers. */
  watchSilence() {
    const silent = this.bus.state === "open" && Date.now() - this.bus.heardMs > SILENCE_MS;
    const shown = document.documentElement.dataset.connection === "silent";
    if (silent !== shown) {
      this.showConnection({ state: silent ? "silent" : this.bus.state, reason: "" });
    }
  }

  /** @param {{state: string, reason: string}} e */
  showConnection({ state, reason }) {
    const before = document.documentElement.dataset.connection;
    document.documentElement.dataset.connection = state;
    const bad = state !== "connecting";
    this.banner.hidden = state === "open" || state === "closed";
    this.banner.classList.toggle("bad", bad);
    this.banner.textContent =
      state === "refused" && reason ? this.t("shell.refused.reason", { reason }) : state === "ended" ? this.endText(reason) : this.t(`shell.${state}`);
    if (state === "open" && ["lost", "ended", "refused"].includes(before ?? "")) {
      this.toast(this.t("shell.back"));
      this.missing && this.mount();
    }
  }

  /** Why the machine has ended. @param {string} cause */
  endText(cause) {
    const key = `shell.ended.${cause}`;
    return `${key in strings.en ? this.t(key) : this.t("shell.ended", { cause })} ${this.t("shell.ended.then")}`;
  }

  /** @param {KeyboardEvent} e */
  key(e) {
    if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === "k") {
      e.preventDefault();
      document.querySelector("dialog[open]") || this.openPalette();
      return;
    }
    if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented || takesText(e.target) || document.querySelector("dialog[open]")) {
      return;
    }
    for (const c of this.commands.values()) {
      if (c.keys === e.key && (!c.when || c.when())) {
        e.preventDefault();
        c.run();
        return;
      }
    }
  }
}

/** @param {string} href @returns {Promise<void>} */
function loadStyle(href) {
  if (document.querySelector(`link[href="${CSS.escape(href)}"]`)) {
    return Promise.resolve();
  }
  return new Promise((done, fail) => {
    const link = h("link", { rel: "stylesheet", href, onload: () => done(), onerror: () => fail(new Error(`no ${href}`)) });
    document.head.append(link);
  });
}

/** The door: a link or a token is asked for until one fits. @param {HTMLElement} root @param {Words} words @param {unknown} error */
function askToken(root, words, error) {
  const input = /** @type {HTMLInputElement} */ (h("input", { id: "token", type: "password", autocomplete: "off", required: true }));
  const form = h(
    "form",
    {
      onsubmit: (/** @type {Event} */ e) => {
        e.preventDefault();
        const token = input.value.trim().replace(/^.*#(?:.*&)?t=/, "");
        location.hash = "t=" + token;
        location.reload();
      },
    },
    h("label", { for: "token" }, words.t("shell.door.label")),
    input,
    h("button", { type: "submit", class: "primary" }, words.t("shell.door.enter")),
  );
  clear(
    root,
    h("main", { class: "door" }, h("h1", null, words.t("shell.door")), h("p", null, words.t("shell.door.text")), form, h("p", { class: "bad", role: "alert" }, error instanceof Error ? error.message : String(error))),
  );
  input.focus();
}

/** @param {HTMLElement} root */
async function main(root) {
  try {
    const role = await enter();
    new App(root, new Bus(socketUrl(), WebSocket, askWhy), role).start();
  } catch (e) {
    const words = new Words(pickLanguage(remembered("language")));
    words.add(strings);
    askToken(root, words, e);
  }
}

const root = typeof document === "undefined" ? null : document.getElementById("app");
root && main(root);
