/* SPDX-License-Identifier: MIT */
/* Expr: a parser by recursive descent; see expr.h. */
#include "monitor/expr.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct Parser {
    const char *p;
    ExprRegisterFn *reg;
    void *opaque;
    unsigned depth;
    Error **errp;
} Parser;

static bool parse_sum(Parser *ps, int64_t *value);

static void skip_space(Parser *ps) {
    while (isspace((unsigned char)*ps->p)) {
        ps->p++;
    }
}

static void next(Parser *ps) {
    ps->p++;
    skip_space(ps);
}

static bool parse_group(Parser *ps, int64_t *value) {
    next(ps);
    if (!parse_sum(ps, value)) {
        return false;
    }
    if (*ps->p != ')') {
        error_set(ps->errp, "')' expected");
        return false;
    }
    next(ps);
    return true;
}

static bool parse_char(Parser *ps, int64_t *value) {
    ps->p++;
    if (*ps->p == '\0') {
        error_set(ps->errp, "character constant expected");
        return false;
    }
    *value = (unsigned char)*ps->p++;
    if (*ps->p != '\'') {
        error_set(ps->errp, "missing terminating \' character");
        return false;
    }
    next(ps);
    return true;
}

static bool is_name(char c) {
    return isalnum((unsigned char)c) || c == '_' || c == '.';
}

static bool parse_register(Parser *ps, int64_t *value) {
    char name[EXPR_MAX_NAME];
    unsigned len = 0;
    for (ps->p++; is_name(*ps->p); ps->p++) {
        if (len < sizeof(name) - 1) {
            name[len++] = *ps->p;
        }
    }
    name[len] = '\0';
    skip_space(ps);
    if (!ps->reg || !ps->reg(ps->opaque, name, value)) {
        error_set(ps->errp, "unknown register '$%s'", name);
        return false;
    }
    return true;
}

static bool parse_number(Parser *ps, int64_t *value) {
    char *end;
    if (*ps->p == '\0') {
        error_set(ps->errp, "unexpected end of expression");
        return false;
    }
    errno = 0;
    *value = (int64_t)strtoull(ps->p, &end, 0);
    if (errno == ERANGE) {
        error_set(ps->errp, "number too large");
        return false;
    }
    if (end == ps->p || !isdigit((unsigned char)*ps->p)) {
        error_set(ps->errp, "invalid char '%c' in expression", *ps->p);
        return false;
    }
    ps->p = end;
    skip_space(ps);
    return true;
}

static bool parse_operand(Parser *ps, int64_t *value) {
    switch (*ps->p) {
    case '(':
        return parse_group(ps, value);
    case '\'':
        return parse_char(ps, value);
    case '$':
        return parse_register(ps, value);
    default:
        return parse_number(ps, value);
    }
}

static bool parse_unary(Parser *ps, int64_t *value) {
    char op = *ps->p;
    if (op != '+' && op != '-' && op != '~') {
        return parse_operand(ps, value);
    }
    if (ps->depth == EXPR_MAX_DEPTH) {
        error_set(ps->errp, "expression is nested more than %d deep", EXPR_MAX_DEPTH);
        return false;
    }
    ps->depth++;
    next(ps);
    bool ok = parse_unary(ps, value);
    ps->depth--;
    if (op == '-') {
        *value = (int64_t)(0 - (uint64_t)*value);
    } else if (op == '~') {
        *value = ~*value;
    }
    return ok;
}

static bool divide(Parser *ps, char op, int64_t *value, int64_t by) {
    if (by == 0) {
        error_set(ps->errp, "division by zero");
        return false;
    }
    if (by == -1) { /* the one quotient that does not fit */
        *value = op == '/' ? (int64_t)(0 - (uint64_t)*value) : 0;
    } else {
        *value = op == '/' ? *value / by : *value % by;
    }
    return true;
}

static bool parse_product(Parser *ps, int64_t *value) {
    if (!parse_unary(ps, value)) {
        return false;
    }
    while (*ps->p == '*' || *ps->p == '/' || *ps->p == '%') {
        char op = *ps->p;
        int64_t right;
        next(ps);
        if (!parse_unary(ps, &right)) {
            return false;
        }
        if (op == '*') {
            *value = (int64_t)((uint64_t)*value * (uint64_t)right);
        } else if (!divide(ps, op, value, right)) {
            return false;
        }
    }
    return true;
}

static bool parse_logic(Parser *ps, int64_t *value) {
    if (!parse_product(ps, value)) {
        return false;
    }
    while (*ps->p == '&' || *ps->p == '|' || *ps->p == '^') {
        char op = *ps->p;
        int64_t right;
        next(ps);
        if (!parse_product(ps, &right)) {
            return false;
        }
        *value = op == '&' ? *value & right : op == '|' ? *value | right : *value ^ right;
    }
    return true;
}

static bool parse_terms(Parser *ps, int64_t *value) {
    if (!parse_logic(ps, value)) {
        return false;
    }
    while (*ps->p == '+' || *ps->p == '-') {
        char op = *ps->p;
        int64_t right;
        next(ps);
        if (!parse_logic(ps, &right)) {
            return false;
        }
        uint64_t l = (uint64_t)*value, r = (uint64_t)right;
        *value = (int64_t)(op == '+' ? l + r : l - r);
    }
    return true;
}

static bool parse_sum(Parser *ps, int64_t *value) {
    if (ps->depth == EXPR_MAX_DEPTH) {
        error_set(ps->errp, "expression is nested more than %d deep", EXPR_MAX_DEPTH);
        return false;
    }
    ps->depth++;
    bool ok = parse_terms(ps, value);
    ps->depth--;
    return ok;
}

bool expr_parse(const char **text, ExprRegisterFn *reg, void *opaque, int64_t *value,
                Error **errp) {
    Parser ps = {.p = *text, .reg = reg, .opaque = opaque, .errp = errp};
    skip_space(&ps);
    *value = 0;
    bool ok = parse_sum(&ps, value);
    *text = ps.p;
    return ok;
}
