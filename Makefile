# Short targets, one purpose each. LUAS says for which Luas to build: "lua5.4 lua5.3 luajit".

LUAS ?= lua5.4 lua5.3 luajit
BUILD ?= build
CFLAGS ?= -O2 -g
WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
override CFLAGS += -std=gnu11 -fPIC -fvisibility=hidden $(WARN)

SOURCES := $(wildcard src/engine/*.c src/binding/*.c)
HEADERS := $(wildcard src/engine/*.h src/binding/*.h)
MODULES := $(LUAS:%=$(BUILD)/%/ebpf/core.so)

build: $(MODULES)

# One module for each Lua, from objects of its own: the headers of the Luas differ.
define module_rules
$(BUILD)/$(1)/obj/%.o: src/%.c $$(HEADERS)
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS) $$(shell pkg-config --cflags $(1) libelf) -c $$< -o $$@
$(BUILD)/$(1)/ebpf/core.so: $(SOURCES:src/%.c=$(BUILD)/$(1)/obj/%.o)
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS) -shared $$(LDFLAGS) -o $$@ $$^ $$(shell pkg-config --libs libelf)
endef
$(foreach lua,$(LUAS),$(eval $(call module_rules,$(lua))))

clean:
	rm -rf $(BUILD)

.PHONY: build clean
