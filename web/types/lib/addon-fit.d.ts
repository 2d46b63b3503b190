// SPDX-License-Identifier: MIT
export * from "@xterm/addon-fit";
