# Guest programs: tests/guest/riscv/priv_*.S, bare-metal programs that check themselves. Each ends
# with the finisher: exit status 0, or the number of the test that failed.

GUEST_CC ?= riscv64-unknown-elf-gcc
GUEST_FLAGS := -march=rv64imafdc_zicsr_zifencei_zicbom_zicboz -mabi=lp64d -mcmodel=medany \
	-nostdlib -nostartfiles -static -Itests/guest/riscv -T tests/guest/riscv/priv.ld \
	-Wl,--no-warn-rwx-segments
GUEST_PRIV := $(patsubst tests/guest/riscv/%.S,$(BUILD)/guest/%.elf,$(wildcard tests/guest/riscv/priv_*.S))

$(BUILD)/guest/priv_%.elf: tests/guest/riscv/priv_%.S tests/guest/riscv/priv.h tests/guest/riscv/priv.ld
	@mkdir -p $(@D)
	$(GUEST_CC) $(GUEST_FLAGS) -o $@ $<

guests: $(GUEST_PRIV)

.PHONY: test-guest-priv test-guest-priv-qemu
test-guest-priv: $(GUEST_PRIV) $(BUILD)/vitrine ## privilege programs, see tests/guest/guest.mk
	@tests/guest/run-priv.sh "$(BUILD)/vitrine-system-riscv64" $(GUEST_PRIV)

test-guest-priv-qemu: $(GUEST_PRIV) ## the same programs on QEMU: are the expectations right?
	@tests/guest/run-priv.sh qemu-system-riscv64 $(GUEST_PRIV)
