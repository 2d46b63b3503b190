# Tests beyond the unit tests: guest programs, the instruction check, whole systems.
#   make guests         build the guest programs
#   make test-guests    run them on both back ends (and the instruction check)
#   make test-system    Linux, disks, networks, the command line

-include tests/guest/guest.mk

GUEST_C_DIR := tests/guest/riscv/c
GUEST_C := $(patsubst $(GUEST_C_DIR)/%.c,$(BUILD)/guest/%.elf,$(wildcard $(GUEST_C_DIR)/*.c))
GUEST_C_FLAGS := -O2 -march=rv64imafdc_zicsr_zifencei -mabi=lp64d -mcmodel=medany -ffreestanding \
	-fno-tree-loop-distribute-patterns -nostdlib -nostartfiles -static -I$(GUEST_C_DIR) \
	-Wall -Wextra -Werror -T $(GUEST_C_DIR)/guest.ld -Wl,--no-warn-rwx-segments

$(GUEST_C): $(BUILD)/guest/%.elf: $(GUEST_C_DIR)/%.c $(wildcard $(GUEST_C_DIR)/*.h $(GUEST_C_DIR)/*.S $(GUEST_C_DIR)/*.ld)
	@mkdir -p $(@D)
	$(call say,GUEST)
	$(Q)riscv64-unknown-elf-gcc $(GUEST_C_FLAGS) -o $@ $(GUEST_C_DIR)/crt0.S $< -lgcc

guests: $(GUEST_C) ## build the guest programs

# A system test is a program that prints a TAP line for each case; the other files are parts of those.
SYSTEM_TESTS := $(filter-out tests/system/programs.py,$(shell grep -l '^if __name__ ==' tests/system/*.py))
.PHONY: test-guests test-system list-system-tests
list-system-tests:
	@echo $(SYSTEM_TESTS)

test-guests: guests $(BUILD)/vitrine ## run the guest programs on both back ends
	@VITRINE=$(BUILD)/vitrine-system-riscv64 tests/system/programs.py $(BUILD)/guest

test-system: $(BUILD)/vitrine ## run the whole-system tests (the guest from tools/fetch-guest.sh)
	@fail=0; for t in $(SYSTEM_TESTS); do \
	    VITRINE=$(BUILD)/vitrine-system-riscv64 $$t || fail=1; done; exit $$fail

