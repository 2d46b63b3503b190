# Guest programs: tests/guest/riscv/priv*_*.S, bare-metal programs that check themselves. Each ends
# with the finisher: exit status 0, or the number of the test that failed. priv32_* are RV32.

GUEST_CC ?= riscv64-unknown-elf-gcc
GUEST_DIR := tests/guest/riscv
GUEST_FLAGS := -mcmodel=medany -nostdlib -nostartfiles -static -I$(GUEST_DIR) \
	-T $(GUEST_DIR)/priv.ld -Wl,--no-warn-rwx-segments
GUEST_RV64 := -march=rv64imafdc_zicsr_zifencei_zicbom_zicboz -mabi=lp64d
GUEST_RV32 := -march=rv32imafdc_zicsr_zifencei -mabi=ilp32d -Wl,-melf32lriscv
GUEST_PRIV := $(patsubst $(GUEST_DIR)/%.S,$(BUILD)/guest/%.elf,$(wildcard $(GUEST_DIR)/priv*_*.S))

$(BUILD)/guest/priv_%.elf: $(GUEST_DIR)/priv_%.S $(GUEST_DIR)/priv.h $(GUEST_DIR)/priv.ld
	@mkdir -p $(@D)
	$(GUEST_CC) $(GUEST_RV64) $(GUEST_FLAGS) -o $@ $<

$(BUILD)/guest/priv32_%.elf: $(GUEST_DIR)/priv32_%.S $(GUEST_DIR)/priv.h $(GUEST_DIR)/priv.ld
	@mkdir -p $(@D)
	$(GUEST_CC) $(GUEST_RV32) $(GUEST_FLAGS) -o $@ $<

guests: $(GUEST_PRIV)

.PHONY: test-guest-priv test-guest-priv-qemu
test-guest-priv: $(GUEST_PRIV) $(BUILD)/vitrine ## run the privilege programs
	@tests/guest/run-priv.sh $(BUILD)/vitrine-system-riscv $(GUEST_PRIV)

test-guest-priv-qemu: $(GUEST_PRIV) ## run the same on QEMU: do we expect the right things?
	@tests/guest/run-priv.sh qemu-system-riscv $(GUEST_PRIV)
