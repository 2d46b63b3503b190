// SPDX-License-Identifier: MIT
export * from "@dagrejs/dagre";
