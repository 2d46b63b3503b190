/* SPDX-License-Identifier: MIT */
/* Reference: protocol.def as text for people and as JSON Schema for programs. */
#ifndef VITRINE_INSPECT_REFERENCE_H
#define VITRINE_INSPECT_REFERENCE_H

#include <stdio.h>

/* What `-rpc help` shows, which is book/protocol.md. */
void inspect_print_reference(FILE *out);
/* What `-rpc schema` shows, which is src/inspect/protocol.schema.json. */
void inspect_print_schema(FILE *out);

#endif
