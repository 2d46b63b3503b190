/* SPDX-License-Identifier: MIT */
/*
 * IR as text. What parses must dump and parse again to the same text; what is valid besides must stay
 * valid through the passes.
 */
#include "fuzz.h"
#include "tcg/ir.h"

static uint64_t pure_helper(uint64_t a) {
    return a;
}

static char *dump(const IrContext *ctx) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    ir_dump(ctx, out);
    fclose(out);
    return text;
}

static IrContext *context_new(void) {
    static const char *const gprs[] = {"a0", "a1", "a2", "a3", "t0", "t1", "sp", "ra"};
    static const char *const fprs[] = {"f0", "f1", "f2", "f3"};
    IrContext *ctx = ir_context_new();
    for (unsigned i = 0; i < 8; i++) {
        ir_global_new(ctx, IR_I64, (int32_t)i * 8, gprs[i], i);
    }
    for (unsigned i = 0; i < 4; i++) {
        ir_global_new(ctx, IR_F64, 64 + (int32_t)i * 8, fprs[i], 0);
    }
    ctx->pc_offset = 128;
    return ctx;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static IrContext *a, *b;
    static const HelperInfo helper = {
        .name = "helper_x", .fn = (void *)pure_helper, .nargs = 1, .flags = HELPER_PURE};
    static const HelperInfo *const helpers[] = {&helper, NULL};
    if (!a) {
        a = context_new();
        b = context_new();
    }
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    ir_block_begin(a);
    Error *err = NULL;
    if (!ir_parse(a, text, helpers, &err)) {
        if (!err || !*error_message(err)) {
            abort();
        }
        error_free(err);
        free(text);
        return 0;
    }
    char *first = dump(a);
    ir_block_begin(b);
    if (!ir_parse(b, first, helpers, &err)) {
        fprintf(stderr, "does not parse again: %s\n%s", error_message(err), first);
        abort();
    }
    char *second = dump(b);
    if (strcmp(first, second)) {
        fprintf(stderr, "--- dumped\n%s--- and again\n%s", first, second);
        abort();
    }
    if (ir_validate(a, &err)) {
        ir_optimize(a);
        ir_liveness(a);
        if (!ir_validate(a, &err)) {
            fprintf(stderr, "invalid after the passes: %s\n%s", error_message(err),
                    first);
            abort();
        }
    }
    error_free(err);
    free(first);
    free(second);
    free(text);
    return 0;
}
