/* SPDX-License-Identifier: MIT */
/*
 * tb.explain, tb.verify and tb.graph: what needs a block to be made once more.
 *
 *   guest[] <--insn-- stages[].ops[] <--op-- host[]       four columns, linked by numbers
 *     #3                 id 12, insn 3          op 12
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/inspect_call.h"
#include "inspect/tb_int.h"

/* --- the explainer ----------------------------------------------------------------------------- */

static const char explainer_key;

typedef struct ExplainerState {
    CpuExplainer *ex;
} ExplainerState;

static void explainer_destroy(void *state, Machine *m) {
    (void)m;
    cpu_explainer_free(((ExplainerState *)state)->ex);
}

/* The inspector's explainer, made when first asked for. NULL: the call has failed. */
static CpuExplainer *get_explainer(InspectCall *call) {
    ExplainerState *s =
        inspect_state(call->inspector, &explainer_key, sizeof(*s), explainer_destroy);
    if (!s->ex) {
        Error *err = NULL;
        s->ex = cpu_explainer_new(call->m->cpus, &call->m->ram_list, &err);
        if (!s->ex) {
            inspect_fail_error(call, INSPECT_HOST, "the host has no memory left", err);
        }
    }
    return s->ex;
}

/* --- columns ----------------------------------------------------------------------------------- */

static json_t *bytes_text(const uint8_t *bytes, unsigned len) {
    static const char digits[] = "0123456789abcdef";
    char *text = malloc(2u * len + 1);
    if (!text) {
        return json_null();
    }
    for (unsigned i = 0; i < len; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    json_t *j = json_stringn(text, 2u * len);
    free(text);
    return j;
}

static json_t *fields_json(const CpuExplainer *ex, const ExplainInsn *insn) {
    enum { FIELDS_MAX = 16 };
    InsnField field[FIELDS_MAX];
    unsigned n = explain_guest_fields(ex, insn, field, FIELDS_MAX);
    json_t *list = json_array();
    for (unsigned i = 0; i < n; i++) {
        json_array_append_new(list, json_pack("{s:s, s:i, s:i, s:o, s:s, s:b}", "name",
                                              field[i].name, "hi", (int)field[i].hi, "lo",
                                              (int)field[i].lo, "bits",
                                              inspect_hex(field[i].bits), "value",
                                              field[i].value, "fixed", field[i].fixed));
    }
    return list;
}

static json_t *guest_json(const CpuExplainer *ex, const Explanation *e) {
    json_t *list = json_array();
    for (unsigned i = 0; i < e->insn_count; i++) {
        const ExplainInsn *insn = &e->insn[i];
        char text[128];
        explain_guest_text(ex, insn, text, sizeof(text));
        json_array_append_new(list,
                              json_pack("{s:i, s:o, s:o, s:s, s:s?, s:o}", "insn", (int)i,
                                        "pc", inspect_hex(insn->pc), "bytes",
                                        bytes_text(insn->bytes, insn->length), "text",
                                        text, "row", explain_guest_row(ex, insn),
                                        "fields", fields_json(ex, insn)));
    }
    return list;
}

static void set_rule(json_t *j, uint8_t rule) {
    if (rule != RULE_NONE) {
        json_object_set_new(j, "rule", json_string(ir_rule_name((IrRuleId)rule)));
        json_object_set_new(j, "reason", json_string(ir_rule_text((IrRuleId)rule)));
    }
}

static json_t *op_json(const Explanation *e, const IrStageOp *op) {
    json_t *j =
        json_pack("{s:i, s:i, s:s, s:s}", "id", (int)op->id, "insn", (int)op->insn, "op",
                  ir_op_defs[op->opcode].name, "text", e->stages.text + op->text);
    if (op->removed) {
        json_object_set_new(j, "removed", json_true());
    }
    if (op->changed) {
        json_object_set_new(j, "changed", json_true());
    }
    set_rule(j, op->rule);
    return j;
}

static json_t *stages_json(const Explanation *e) {
    json_t *stages = json_array();
    for (unsigned i = 0; i < e->stages.stage_count; i++) {
        const IrStage *s = &e->stages.stage[i];
        json_t *ops = json_array();
        for (unsigned k = 0; k < s->count; k++) {
            json_array_append_new(ops, op_json(e, &e->stages.op[s->first + k]));
        }
        json_array_append_new(stages,
                              json_pack("{s:s, s:o}", "name", s->name, "ops", ops));
    }
    return stages;
}

static json_t *steps_json(const Explanation *e) {
    json_t *list = json_array();
    for (unsigned i = 0; i < e->stages.step_count; i++) {
        const IrRuleStep *s = &e->stages.step[i];
        json_t *j = json_pack("{s:i, s:s, s:b}", "op", (int)s->id, "text",
                              e->stages.text + s->text, "removed", s->removed);
        set_rule(j, s->rule);
        json_array_append_new(list, j);
    }
    return list;
}

/* The id of the op at an index of the last stage. */
static json_t *op_id(const Explanation *e, unsigned index) {
    return index == OP_RANGE_NONE ? json_null()
                                  : json_integer(ir_stages_final(&e->stages, index)->id);
}

static json_t *live_json(const Explanation *e) {
    json_t *list = json_array();
    for (unsigned i = 0; i < e->stages.live_count; i++) {
        const IrLiveRange *l = &e->stages.live[i];
        json_array_append_new(
            list, json_pack("{s:s, s:o, s:o, s:b, s:b}", "temp", e->stages.temp[l->temp],
                            "from", op_id(e, l->from), "to", op_id(e, l->to),
                            "from_entry", l->from_entry, "to_exit", l->to_exit));
    }
    return list;
}

static json_t *registers_json(const CpuExplainer *ex, const Explanation *e) {
    json_t *list = json_array();
    for (unsigned i = 0; i < e->note_count; i++) {
        const RegNote *n = &e->note[i];
        json_t *j =
            json_pack("{s:o, s:s?, s:s, s:s}", "op", op_id(e, n->op), "reg",
                      explain_reg_name(ex, n->reg), "temp", e->stages.temp[n->temp],
                      "event", explain_reg_event((RegEvent)n->event));
        if (n->event == REG_SPILLED) {
            json_object_set_new(j, "slot", json_integer(n->slot));
        }
        json_array_append_new(list, j);
    }
    return list;
}

static void host_range(const CpuExplainer *ex, const Explanation *e, const OpRange *r,
                       json_t *list) {
    for (uint32_t at = r->begin; at < r->end;) {
        char text[192];
        unsigned len = explain_host_text(ex, e, at, r->end, text, sizeof(text));
        len = len && at + len <= r->end ? len : r->end - at;
        bool of_op = r->op != OP_RANGE_NONE;
        json_t *j = json_pack(
            "{s:i, s:o, s:s, s:o, s:o, s:s}", "offset", (int)at, "bytes",
            bytes_text(e->code + at, len), "text", text, "op", op_id(e, r->op), "insn",
            of_op ? json_integer(ir_stages_final(&e->stages, r->op)->insn) : json_null(),
            "kind", explain_code_kind((CodeKind)r->kind));
        if (of_op && r->last != r->op) {
            json_object_set_new(j, "last_op", op_id(e, r->last));
        }
        if (r->out_of_line) {
            json_object_set_new(j, "out_of_line", json_true());
        }
        json_array_append_new(list, j);
        at += len;
    }
}

static json_t *host_json(const CpuExplainer *ex, const Explanation *e) {
    json_t *list = json_array();
    for (unsigned i = 0; i < e->range_count; i++) {
        host_range(ex, e, &e->range[i], list);
    }
    return list;
}

static json_t *masked_json(const Explanation *e) {
    json_t *list = json_array();
    for (unsigned i = 0; i < e->mask_count; i++) {
        const ExplainMask *m = &e->mask[i];
        json_array_append_new(
            list, json_pack("{s:i, s:i, s:s, s:o}", "offset", (int)m->patch.offset,
                            "size", (int)m->patch.size, "why",
                            m->patch.slot < 0 ? "the entry of a dead block was patched"
                            : m->to           ? "this exit is chained"
                                              : "this exit was chained, maybe",
                            "to", m->to ? inspect_hex(m->to) : json_null()));
    }
    return list;
}

/* --- exits ------------------------------------------------------------------------------------- */

static json_t *exit_json(const Explanation *e, const IrExitTo *x) {
    json_t *j = json_pack("{s:o}", "op", op_id(e, x->op));
    uint64_t to = 0;
    switch (x->opcode) {
    case IR_goto_tb:
        json_object_set_new(j, "kind", json_string("direct"));
        json_object_set_new(j, "slot", json_integer(x->slot));
        to = x->slot < TB_MAX_SLOTS ? e->tb.to[x->slot] : 0;
        break;
    case IR_goto_pc:
        json_object_set_new(j, "kind", json_string("by jump cache"));
        break;
    case IR_goto_ptr:
        json_object_set_new(j, "kind", json_string("indirect"));
        break;
    default:
        json_object_set_new(j, "kind", json_string("run loop"));
        break;
    }
    bool known = x->opcode == IR_goto_tb || x->opcode == IR_goto_pc;
    json_object_set_new(j, "pc", known ? inspect_hex(x->pc) : json_null());
    json_object_set_new(j, "to", to ? inspect_hex(to) : json_null());
    return j;
}

static json_t *exits_json(const Explanation *e) {
    json_t *list = json_array();
    for (unsigned i = 0; i < e->stages.exit_count; i++) {
        json_array_append_new(list, exit_json(e, &e->stages.exit[i]));
    }
    return list;
}

/* --- explain ----------------------------------------------------------------------------------- */

static void set_verdict(json_t *j, const Explanation *e) {
    json_object_set_new(j, "identical", json_boolean(e->identical));
    json_object_set_new(j, "masked", masked_json(e));
    if (!e->identical) {
        json_object_set_new(j, "first_difference", json_integer(e->first_difference));
        json_object_set_new(j, "different_bytes", json_integer(e->different_bytes));
        json_object_set_new(j, "doubt", json_string(e->doubt));
    }
}

json_t *inspect_tb_explain(InspectCall *call) {
    uint64_t born;
    CpuExplainer *ex;
    if (!tb_resolve(call, &born) || !(ex = get_explainer(call))) {
        return NULL;
    }
    Error *err = NULL;
    Explanation *e = cpu_explain(ex, born, &err);
    if (!e) {
        return inspect_fail_error(call, INSPECT_NOT_FOUND,
                                  "see tb.list for the blocks there are", err);
    }
    json_t *j = json_pack("{s:o, s:o, s:o}", "block", tb_record_json(&e->tb), "guest",
                          guest_json(ex, e), "exits", exits_json(e));
    set_verdict(j, e);
    if (inspect_bool(call, "stages")) {
        json_object_set_new(j, "stages", stages_json(e));
        json_object_set_new(j, "steps", steps_json(e));
    }
    if (inspect_bool(call, "registers")) {
        json_object_set_new(j, "live", live_json(e));
        json_object_set_new(j, "registers", registers_json(ex, e));
    }
    if (inspect_bool(call, "host")) {
        json_object_set_new(j, "host", host_json(ex, e));
    }
    explanation_free(e);
    return j;
}

/* --- verify ------------------------------------------------------------------------------------ */

json_t *inspect_tb_verify(InspectCall *call) {
    CpuExplainer *ex = get_explainer(call);
    if (!ex) {
        return NULL;
    }
    uint64_t after = inspect_u64(call, "after");
    TbTop top; /* the oldest: largest complement of the name */
    tb_top_init(&top, (unsigned)inspect_int(call, "limit"));
    TbRecord step[TB_WALK_STEP];
    TbWalk walk = {0};
    unsigned n, done = 0, identical = 0, gone = 0;
    while ((n = tb_walk_step(call, &walk, step)) > 0) {
        for (unsigned i = 0; i < n; i++) {
            if (!step[i].death && step[i].born > after) {
                tb_top_offer(&top, ~step[i].born, &step[i]);
            }
        }
    }
    tb_top_finish(&top);
    json_t *different = json_array();
    for (; done < top.count && (done == 0 || !inspect_is_long(call)); done++) {
        Error *err = NULL;
        Explanation *e = cpu_explain(ex, top.item[done].r.born, &err);
        bool died = !e || e->tb.death;
        error_free(err);
        if (e && e->identical) {
            identical++;
        } else if (died) {
            gone++;
        } else {
            json_array_append_new(different, inspect_hex(e->tb.born));
        }
        explanation_free(e);
    }
    bool more = top.total > done;
    json_t *next = more ? inspect_hex(top.item[done - 1].r.born) : json_null();
    json_t *result = json_pack("{s:i, s:i, s:i, s:o, s:o}", "looked_at", (int)done,
                               "identical", (int)identical, "died_meanwhile", (int)gone,
                               "different", different, "next", next);
    tb_top_free(&top);
    return result;
}

/* --- graph ------------------------------------------------------------------------------------- */

enum { GRAPH_NODES_MAX = 500, GRAPH_INCOMING_MAX = 32 };

typedef struct Graph {
    InspectCall *call;
    CpuExplainer *ex;
    uint64_t node[GRAPH_NODES_MAX]; /* in the order they were found */
    unsigned depth[GRAPH_NODES_MAX];
    unsigned count, limit;
    bool cut; /* there would be more */
    json_t *nodes, *edges;
} Graph;

static void graph_add(Graph *g, uint64_t born, unsigned depth) {
    for (unsigned i = 0; i < g->count; i++) {
        if (g->node[i] == born) {
            return;
        }
    }
    if (g->count == g->limit) {
        g->cut = true;
        return;
    }
    g->node[g->count] = born;
    g->depth[g->count++] = depth;
}

static void graph_edges(Graph *g, const TbRecord *r) {
    Error *err = NULL;
    Explanation *e = cpu_explain(g->ex, r->born, &err);
    if (!e) {
        error_free(err);
        return;
    }
    for (unsigned i = 0; i < e->stages.exit_count; i++) {
        json_t *edge = exit_json(e, &e->stages.exit[i]);
        json_object_set_new(edge, "from", inspect_hex(r->born));
        json_array_append_new(g->edges, edge);
    }
    explanation_free(e);
}

static void graph_visit(Graph *g, unsigned at, unsigned depth_max) {
    uint64_t incoming[GRAPH_INCOMING_MAX];
    unsigned count = GRAPH_INCOMING_MAX, depth = g->depth[at];
    TbRecord r;
    if (!tb_record_get(tb_cache_of(g->call), g->node[at], &r, incoming, &count)) {
        return; /* it died meanwhile */
    }
    json_t *j = tb_record_json(&r);
    json_object_set_new(j, "depth", json_integer(depth));
    json_object_set_new(j, "incoming_count", json_integer(count));
    json_array_append_new(g->nodes, j);
    graph_edges(g, &r);
    if (depth == depth_max) {
        return;
    }
    for (unsigned slot = 0; slot < TB_MAX_SLOTS; slot++) {
        if (r.to[slot]) {
            graph_add(g, r.to[slot], depth + 1);
        }
    }
    for (unsigned i = 0; i < count && i < GRAPH_INCOMING_MAX; i++) {
        graph_add(g, incoming[i], depth + 1);
    }
    g->cut |= count > GRAPH_INCOMING_MAX;
}

json_t *inspect_tb_graph(InspectCall *call) {
    Graph *g = calloc(1, sizeof(*g));
    uint64_t born;
    json_t *result = NULL;
    if (!g) {
        abort();
    }
    g->call = call;
    if (!tb_resolve(call, &born) || !(g->ex = get_explainer(call))) {
        goto out_free;
    }
    TbRecord centre;
    if (!tb_record_get(tb_cache_of(call), born, &centre, NULL, NULL)) {
        inspect_failf(call, INSPECT_NOT_FOUND, "see tb.list for the blocks there are",
                      "there is no block 0x%" PRIx64 " any more", born);
        goto out_free;
    }
    g->limit = (unsigned)inspect_int(call, "limit");
    g->nodes = json_array();
    g->edges = json_array();
    graph_add(g, born, 0);
    for (unsigned i = 0; i < g->count; i++) {
        graph_visit(g, i, (unsigned)inspect_int(call, "depth"));
    }
    result = json_pack("{s:o, s:o, s:o, s:b}", "centre", inspect_hex(born), "nodes",
                       g->nodes, "edges", g->edges, "cut", g->cut);
out_free:
    free(g);
    return result;
}
