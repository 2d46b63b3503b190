/* SPDX-License-Identifier: MIT */
/*
 * Expr: the arithmetic of monitor commands, in QEMU's grammar.
 *
 *   sum    logic { (+|-) logic }
 *   logic  product { (&|"|"|^) product }
 *   product unary { (*|/|%) unary }
 *   unary  [+-~] unary, ( sum ), 'c', $register, number (0x.., 0.., decimal)
 *
 * Values are 64 bits and wrap around.
 */
#ifndef VITRINE_MONITOR_EXPR_H
#define VITRINE_MONITOR_EXPR_H

#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

enum { EXPR_MAX_DEPTH = 64, EXPR_MAX_NAME = 32 };

/* The value of $name; false: there is no such register. */
typedef bool ExprRegisterFn(void *opaque, const char *name, int64_t *value);

/* Reads an expression from *text on and moves *text behind it and the white space after it.
 * Errors: a syntax error, an unknown register, a division by zero, too deep. */
bool expr_parse(const char **text, ExprRegisterFn *reg, void *opaque, int64_t *value,
                Error **errp);

#endif
