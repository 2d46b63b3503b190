# Vitrine's build: one file, no configure step. `make help` lists the targets.

MODE ?= release
BUILD ?= build/$(MODE)

CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes
BASE := -std=c11 -D_GNU_SOURCE -Isrc -I$(BUILD)/gen -MMD -MP -fno-strict-aliasing -fwrapv

OPT_debug   := -O0 -g
OPT_release := -O2 -g
OPT_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
# -Wno-tsan: fences are not modelled; nothing here relies on one alone between plain accesses.
OPT_tsan    := -O1 -g -fsanitize=thread -Wno-tsan
OPT := $(OPT_$(MODE))
$(if $(OPT),,$(error MODE=$(MODE) is unknown; use debug, release, asan or tsan))

CFLAGS_ALL = $(BASE) $(WARN) $(OPT) $(CFLAGS)
# Capstone is loaded at run time, when host code is to be shown.
LDLIBS := -lslirp -lfdt -ljansson -ledit -lwebsockets -lmicrohttpd -ldl -lpthread -lutil -lm
LDLIBS += -lxxhash -lzstd

# Recipes show what they make; V=1 shows the commands.
ifeq ($(V),)
Q := @
say = @echo '  $(1) $(patsubst $(BUILD)/%,%,$@)'
endif

# Layers from left to right; a library is an archive, so a unit test links only what it uses.
LAYERS := util mem tcg cpu kvm chardev block net hw state inspect monitor web cli
layer_src = $(shell find src/$(1) -name '*.c' -o -name '*.S' 2>/dev/null | sort)
layer_obj = $(patsubst src/%,$(BUILD)/obj/%.o,$(basename $(call layer_src,$(1))))
PRESENT := $(foreach l,$(LAYERS),$(if $(call layer_src,$(l)),$(l)))
ARCHIVES := $(foreach l,$(PRESENT),$(BUILD)/lib$(l).a)
# Archives in link order: the rightmost layer first.
reverse = $(if $(1),$(call reverse,$(wordlist 2,$(words $(1)),$(1))) $(firstword $(1)))
LINK := -Wl,--start-group $(call reverse,$(ARCHIVES)) -Wl,--end-group

.PHONY: all help test-unit clean format layers unmodelled check-style bench fuzz guests tests-build
.SECONDARY:
all: $(BUILD)/vitrine page ## build the emulator and the page of its console (the default)

help: ## print every target
	@grep -hE '^[a-z][a-z-]*:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# The translator runs for each block while the guest waits.
$(BUILD)/obj/tcg/%.o $(BUILD)/obj/cpu/%.o: OPT := $(OPT:-O2=-O3)
$(BUILD)/obj/%.o: src/%.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CFLAGS_ALL) -c -o $@ $<

define archive_rule
$(BUILD)/lib$(1).a: $(call layer_obj,$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	$(Q)ar rcs $$@ $$^
endef
$(foreach l,$(PRESENT),$(eval $(call archive_rule,$(l))))

NAMES := vitrine-system-riscv64 vitrine-system-riscv32
$(BUILD)/vitrine: $(BUILD)/obj/main.o $(ARCHIVES)
	$(call say,LINK)
	$(Q)$(CC) $(OPT) -o $@ $(BUILD)/obj/main.o $(LINK) $(LDLIBS)
	@for n in $(NAMES); do ln -sf vitrine $(BUILD)/$$n; done

# --- tests -----------------------------------------------------------------------------------
# tests/unit/LAYER/test_x.c becomes $(BUILD)/tests/LAYER/test_x, linked with that layer and those
# to its left.
left_of = $(if $(filter $(1),$(firstword $(2))),$(firstword $(2)),$(firstword $(2)) $(if $(2),$(call left_of,$(1),$(wordlist 2,$(words $(2)),$(2)))))
test_archives = $(foreach l,$(filter $(PRESENT),$(call left_of,$(1),$(LAYERS))),$(BUILD)/lib$(l).a)
UNIT_SRC := $(sort $(wildcard tests/unit/*/test_*.c))
UNIT_BIN := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(UNIT_SRC))
define unit_rule
$(BUILD)/tests/$(1)/%: tests/unit/$(1)/%.c $(call test_archives,$(1))
	@mkdir -p $$(@D)
	$$(call say,TEST)
	$(Q)$(CC) $(CFLAGS_ALL) -Itests/unit -o $$@ $$< -Wl,--start-group $(call test_archives,$(1)) -Wl,--end-group -lcmocka $(LDLIBS)
endef
$(foreach l,$(LAYERS),$(eval $(call unit_rule,$(l))))

tests-build: $(UNIT_BIN) ## build the unit tests
test-unit: $(UNIT_BIN) ## run the unit tests (cmocka)
	@fail=0; for t in $(UNIT_BIN); do echo "== $$t"; timeout 300 $$t || fail=1; done; exit $$fail

.PHONY: protocol
protocol: $(BUILD)/vitrine ## refresh what is made from src/inspect/protocol.def
	$(BUILD)/vitrine -rpc help > book/protocol.md
	$(BUILD)/vitrine -rpc schema > src/inspect/protocol.schema.json

# --- style -----------------------------------------------------------------------------------
layers: ## check that modules include only what is to their left
	@tools/layers.sh

check-style: $(BUILD)/vitrine ## layers, headers compile alone, no mutable globals, sizes, format
	@tools/check-style.sh $(BUILD)

unmodelled: ## list what is not modelled and where we deviate from a manual
	@grep -rnE 'Not modelled:|Deviates:' src | sed 's/: *[/* ]*/: /'

format: ## run clang-format on the C sources
	find src tests fuzz bench -name '*.[ch]' -exec clang-format -i {} +

clean: ## remove the build trees
	rm -rf build

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
include web/web.mk
-include tests/tests.mk bench/bench.mk fuzz/fuzz.mk
