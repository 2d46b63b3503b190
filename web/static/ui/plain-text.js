// SPDX-License-Identifier: MIT
// @ts-check
/**
 * PlainText: what a terminal was told, as lines one can search and read aloud.
 *
 *   "\x1b[1mls\x1b[m /\r\nbin  dev" --> ["ls /", "bin  dev"]
 *
 * Of what moves the cursor it does what stays on the line: return, backspace, left, right, erase. The rest of the
 * escape sequences is left out.
 *
 * Invariants: at most `most` lines of at most `width` characters; a longer one goes on in the next.
 */

const TEXT = 0;
const ESCAPE = 1; /* behind ESC */
const CSI = 2; /* behind ESC [ */
const STRING = 3; /* ESC ] ... BEL or ESC \ */
const CHARSET = 4; /* ESC ( and one more */

export class PlainText {
  /** @param {{most?: number, width?: number}} [limits] */
  constructor({ most = 10000, width = 1000 } = {}) {
    this.most = most;
    this.width = width;
    /** @type {string[]} */
    this.lines = [""];
    this.dropped = 0; /* lines that were forgotten: lines[i] is number dropped + i */
    this.changed = 0; /* number of the first line that changed since take() */
    this.column = 0;
    this.state = TEXT;
    this.params = "";
  }

  /** @param {string} text */
  feed(text) {
    this.changed = Math.min(this.changed, this.dropped + this.lines.length - 1);
    let i = 0;
    while (i < text.length) {
      if (this.state === TEXT) {
        const end = this.printable(text, i);
        end > i && this.put(text.slice(i, end));
        i = end;
      }
      if (i < text.length) {
        this.control(text[i++]);
      }
    }
    this.forget();
  }

  /** @returns {number} the first line that changed since this was asked last */
  take() {
    const first = Math.max(this.changed, this.dropped);
    this.changed = Infinity;
    return first;
  }

  /** @param {string} text @param {number} i */
  printable(text, i) {
    while (i < text.length && text.charCodeAt(i) >= 0x20 && text.charCodeAt(i) !== 0x7f) {
      i++;
    }
    return i;
  }

  /** @param {string} text without control characters */
  put(text) {
    for (let rest = text; rest; ) {
      if (this.column >= this.width) {
        this.newLine();
      }
      const piece = rest.slice(0, this.width - this.column);
      rest = rest.slice(piece.length);
      const last = this.lines.length - 1;
      const line = this.lines[last].padEnd(this.column);
      this.lines[last] = line.slice(0, this.column) + piece + line.slice(this.column + piece.length);
      this.column += piece.length;
    }
  }

  newLine() {
    this.lines.push("");
    this.column = 0;
    if (this.lines.length > 2 * this.most) {
      this.forget();
    }
  }

  forget() {
    const more = this.lines.length - this.most;
    if (more > 0) {
      this.lines.splice(0, more);
      this.dropped += more;
    }
  }

  /** @param {string} c */
  control(c) {
    switch (this.state) {
      case TEXT:
        this.controlInText(c);
        break;
      case ESCAPE:
        this.params = "";
        this.state = c === "[" ? CSI : "]PX^_".includes(c) ? STRING : "()*+-./#%".includes(c) ? CHARSET : TEXT;
        break;
      case CSI:
        if (c >= "@" && c <= "~") {
          this.state = TEXT;
          this.sequence(c, Number.parseInt(this.params, 10) || 0);
        } else if (this.params.length < 32) {
          this.params += c;
        }
        break;
      case STRING:
        this.state = c === "\x07" || c === "\x9c" ? TEXT : c === "\x1b" ? CHARSET : STRING;
        break;
      default:
        this.state = TEXT;
    }
  }

  /** @param {string} c */
  controlInText(c) {
    if (c === "\n") {
      this.newLine();
    } else if (c === "\r") {
      this.column = 0;
    } else if (c === "\b") {
      this.column = Math.max(0, this.column - 1);
    } else if (c === "\t") {
      this.put(" ".repeat(8 - (this.column % 8)));
    } else if (c === "\x1b") {
      this.state = ESCAPE;
    }
  }

  /** @param {string} final @param {number} n its first parameter */
  sequence(final, n) {
    const last = this.lines.length - 1;
    const line = this.lines[last];
    if (final === "C") {
      this.column = Math.min(this.column + (n || 1), this.width);
    } else if (final === "D") {
      this.column = Math.max(0, this.column - (n || 1));
    } else if (final === "G") {
      this.column = Math.min(Math.max(n, 1) - 1, this.width);
    } else if ((final === "K" || final === "J") && n === 0) {
      this.lines[last] = line.slice(0, this.column);
    } else if (final === "K" || final === "J") {
      this.lines[last] = n === 1 ? line.slice(this.column).padStart(line.length) : "";
    }
  }

  /** Where a text stands, upper and lower case alike. @param {string} query @param {number} [most] @returns {{line: number, at: number}[]} */
  find(query, most = 5000) {
    const found = [];
    const wanted = query.toLowerCase();
    for (let i = 0; wanted && i < this.lines.length && found.length < most; i++) {
      const line = this.lines[i].toLowerCase();
      for (let at = line.indexOf(wanted); at >= 0; at = line.indexOf(wanted, at + wanted.length)) {
        found.push({ line: this.dropped + i, at });
      }
    }
    return found;
  }
}
