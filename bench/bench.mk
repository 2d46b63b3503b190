# Benchmarks: bare kernels against QEMU, and the boot of Linux.
#   make bench             build and compare (ROUNDS=5 KERNELS=fib,mmu)
#   make bench-inspect     what looking costs the guest
#   make bench-web         what the console costs the guest and the server

BENCH_DIR := bench/kernels
BENCH_KERNELS := off intmix sha256 chase icall nbody stream fib mmu trap smc cold
BENCH_ELF := $(BENCH_KERNELS:%=$(BUILD)/bench/%.elf)
BENCH_FLAGS := -O2 -march=rv64imafdc_zicsr_zifencei -mabi=lp64d -mcmodel=medany -ffreestanding \
	-fno-tree-loop-distribute-patterns -ffp-contract=off -fno-math-errno -fno-stack-protector \
	-nostdlib -nostartfiles -static -Wall -Wextra -Werror -I$(BENCH_DIR) -T $(BENCH_DIR)/bench.ld \
	-Wl,--no-warn-rwx-segments
ROUNDS ?= 5

$(BENCH_ELF): $(BUILD)/bench/%.elf: $(BENCH_DIR)/%.c $(wildcard $(BENCH_DIR)/*.h $(BENCH_DIR)/*.S) \
		$(BENCH_DIR)/bench.c $(BENCH_DIR)/bench.ld
	@mkdir -p $(@D)
	$(call say,BENCH)
	$(Q)riscv64-unknown-elf-gcc $(BENCH_FLAGS) -DBENCH_NAME='"$*"' -o $@ $(BENCH_DIR)/start.S \
	    $(BENCH_DIR)/bench.c $< $(wildcard $(BENCH_DIR)/$*_entry.S) -lgcc

.PHONY: bench-build bench-inspect bench-web
bench-inspect: $(BUILD)/vitrine ## what looking costs: stops by each inspect method, the guest's speed meanwhile
	@VITRINE=$(BUILD)/vitrine-system-riscv64 bench/inspect.py

bench-web: $(BUILD)/vitrine page ## what the console costs: bitmap, hot list, viewers (ROUNDS=6 YES_SECONDS=60)
	@VITRINE=$(BUILD)/vitrine-system-riscv64 ROUNDS=$(ROUNDS) bench/web.py $(YES_SECONDS)

bench-build: $(BENCH_ELF) ## build the benchmark kernels
bench: $(BENCH_ELF) $(BUILD)/vitrine ## compare with QEMU: kernels and boot (ROUNDS=5 KERNELS=a,b)
	@bench/compare.py --rounds $(ROUNDS) $(if $(KERNELS),--kernels $(KERNELS)) --elves $(BUILD)/bench \
	    --emulator $(BUILD)/vitrine-system-riscv64
