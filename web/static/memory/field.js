// SPDX-License-Identifier: MIT
// @ts-check
/**
 * AddressField: a field for an address as people write it; registers are asked for when it is used.
 *
 *   [ sp + 16        ] = ffffffff_81c03df0
 */
import { h } from "../ui/dom.js";
import { fmt } from "../ui/format.js";
import { AddressError, looksDecimal, parseAddress, registersOf } from "./address.js";

/**
 * @param {import("../app.js").App} app @param {import("../ui/panel.js").PanelBus} bus
 * @param {{label: string, id: string, onaddress: (value: bigint, text: string) => void}} options
 */
export function addressField(app, bus, options) {
  /** @type {Map<string, bigint>} */
  let regs = new Map();
  const hint = h("output", { class: "addr-hint dim mono", for: options.id });
  const input = /** @type {HTMLInputElement} */ (
    h("input", {
      id: options.id, class: "mono addr-input", spellcheck: "false", autocomplete: "off", autocapitalize: "off",
      "aria-label": app.t(options.label), placeholder: "0x80200000, sp + 16", title: app.t("memory.field.help"),
      onfocus: () => readRegs(), oninput: () => preview(),
    })
  );

  /** Registers move while the guest runs: they are asked for anew each time. */
  async function readRegs() {
    try {
      regs = registersOf(await bus.call("cpu.regs", { cpu: app.focus.get().cpu }));
    } catch {
      /* numbers still work */
    }
  }

  /** @returns {bigint | null} */
  function preview() {
    const text = input.value;
    input.removeAttribute("aria-invalid");
    hint.classList.remove("bad");
    if (!text.trim()) {
      hint.textContent = "";
      return null;
    }
    try {
      const value = parseAddress(text, regs);
      const plain = /^\s*0x[0-9a-f_ ]+$/i.test(text);
      hint.textContent = looksDecimal(text) ? app.t("memory.field.decimal", { text: text.trim(), addr: fmt.addr(value) }) : plain ? "" : `= ${fmt.addr(value)}`;
      return value;
    } catch (e) {
      input.setAttribute("aria-invalid", "true");
      hint.classList.add("bad");
      hint.textContent = e instanceof AddressError ? app.t(`memory.${e.key}`, { what: e.what }) : String(e);
      return null;
    }
  }

  const root = h("form", {
    class: "addr-field",
    onsubmit: async (/** @type {Event} */ e) => {
      e.preventDefault();
      await readRegs();
      const value = preview();
      if (value !== null) {
        options.onaddress(value, input.value);
      }
    },
  }, input, h("button", { type: "submit" }, app.t("memory.field.go")), hint);

  return {
    root,
    input,
    /** Shows an address that came from elsewhere. @param {bigint} value */
    set(value) {
      if (document.activeElement !== input) {
        input.value = "0x" + value.toString(16);
        preview();
      }
    },
  };
}
