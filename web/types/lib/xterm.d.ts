// SPDX-License-Identifier: MIT
export * from "@xterm/xterm";
