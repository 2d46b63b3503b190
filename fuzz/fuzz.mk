# Fuzz targets: libFuzzer with the address and undefined-behaviour sanitizers.
#   make fuzz-short         each target for a fixed number of inputs from a fixed seed
#   make fuzz SECONDS=3600  each target for that long (default 600); findings go to $(FUZZ_BUILD)

FUZZ_CC ?= clang
FUZZ_BUILD := $(BUILD)/fuzz
FUZZ_FLAGS := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined \
  -fno-sanitize=function
FUZZ_CFLAGS := $(BASE) $(WARN) $(FUZZ_FLAGS)
SECONDS ?= 600
FUZZ_SEED ?= 1

# name:inputs of a short run
FUZZ_TARGETS := loader:100000 dtb:1500 ir:60000 mmio:10000 virtio:15000 snapshot:3000 translate:12000 rpc:20000 gdb:20000
FUZZ_TARGETS += monitor:20000 web:6000
fuzz_name = $(firstword $(subst :, ,$(1)))
fuzz_runs = $(lastword $(subst :, ,$(1)))
FUZZ_NAMES := $(foreach t,$(FUZZ_TARGETS),$(call fuzz_name,$(t)))
FUZZ_BIN := $(FUZZ_NAMES:%=$(FUZZ_BUILD)/fuzz_%)
FUZZ_LIB := $(patsubst src/%.c,$(FUZZ_BUILD)/obj/%.o,$(filter %.c,$(foreach l,$(LAYERS),$(call layer_src,$(l)))))
FUZZ_ENV := ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1

.PHONY: fuzz-build fuzz-short
$(FUZZ_BUILD)/obj/%.o: src/%.c
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_CFLAGS) -c -o $@ $<
$(FUZZ_BUILD)/obj/fuzz/%.o: fuzz/%.c
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_CFLAGS) -Ifuzz -Itests/unit -c -o $@ $<
$(FUZZ_BUILD)/libvitrine.a: $(FUZZ_LIB)
	@rm -f $@
	ar rcs $@ $^
$(FUZZ_BUILD)/fuzz_%: $(FUZZ_BUILD)/obj/fuzz/fuzz_%.o $(FUZZ_BUILD)/obj/fuzz/machine.o $(FUZZ_BUILD)/libvitrine.a
	$(FUZZ_CC) -fsanitize=fuzzer,address,undefined -o $@ $^ -lcmocka $(LDLIBS)

fuzz-build: $(FUZZ_BIN) $(FUZZ_BUILD)/seeds/made ## build the fuzz targets (clang)

$(FUZZ_BUILD)/seeds/made: fuzz/make_corpus.py
	python3 $< $(@D)
	@touch $@

# $(call fuzz_run,target,options,longest input,directory that keeps what was found to be new)
define fuzz_run
@mkdir -p $(4) $(FUZZ_BUILD)/found
@echo "== fuzz_$(1) $(2)"
@$(FUZZ_ENV) $(FUZZ_BUILD)/fuzz_$(1) $(2) -max_len=$(3) -len_control=0 -timeout=10 -rss_limit_mb=2048 \
  -artifact_prefix=$(FUZZ_BUILD)/found/$(1)- -print_final_stats=1 $(if $(filter ir,$(1)),-dict=$(FUZZ_BUILD)/seeds/ir.dict) \
  $(4) $(FUZZ_BUILD)/seeds/$(1) \
  > $(FUZZ_BUILD)/$(1).log 2>&1 || { tail -n 60 $(FUZZ_BUILD)/$(1).log; exit 1; }
@grep -E '^Done|DONE' $(FUZZ_BUILD)/$(1).log | tr '\n' ' '; echo

endef
fuzz-short: $(FUZZ_BIN) $(FUZZ_BUILD)/seeds/made ## a short run of each fuzz target, the same every time
	@rm -rf $(FUZZ_BUILD)/short
	$(foreach t,$(FUZZ_TARGETS),$(call fuzz_run,$(call fuzz_name,$(t)),-seed=$(FUZZ_SEED) -runs=$(call fuzz_runs,$(t)),512,$(FUZZ_BUILD)/short/$(call fuzz_name,$(t))))
fuzz: $(FUZZ_BIN) $(FUZZ_BUILD)/seeds/made ## a long run of each fuzz target (SECONDS=600)
	$(foreach t,$(FUZZ_NAMES),$(call fuzz_run,$(t),-max_total_time=$(SECONDS),4096,$(FUZZ_BUILD)/corpus/$(t)))
