# Short targets, one purpose each. `make deps build demo test` on a fresh Debian 12.
#
# LUAS says for which Luas to build and test: lua5.4, lua5.3, luajit (whose module serves Lua 5.1 too), lua5.1.

LUAS ?= lua5.4 lua5.3 luajit
LUA ?= lua5.4
BUILD ?= build
CFLAGS ?= -O2 -g
CLANG ?= clang
WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
STD = -std=gnu11 -fPIC -fvisibility=hidden -fno-plt
override CFLAGS += $(STD) $(WARN)

SOURCES := $(sort $(wildcard src/engine/*.c src/binding/*.c))
HEADERS := $(sort $(wildcard src/engine/*.h src/engine/*.inc src/binding/*.h))
LUA_PKG ?= lua5.4
MODULES := $(LUAS:%=$(BUILD)/%/ebpf/core.so)

# Names what is made; V=1 shows the commands, -s nothing.
Q = $(if $(V),,@)
say = $(if $(findstring s,$(firstword -$(MAKEFLAGS))),:,echo "  $(1)")

# What a Lua needs to find the module in the tree, for $(1).
LUA_PATHS = lua/?.lua;lua/?/init.lua;./?.lua;./?/init.lua;;
run = LUA_PATH='$(LUA_PATHS)' LUA_CPATH='$(BUILD)/$(1)/?.so;;' $(1)

# The module for each Lua.
build: $(MODULES)

# The engine knows no Lua and is compiled once; the binding once for each Lua, whose headers differ.
ENGINE := $(filter src/engine/%,$(SOURCES))
BINDING := $(filter src/binding/%,$(SOURCES))
DEPEND = -MMD -MP
$(BUILD)/engine/%.o: src/engine/%.c Makefile
	@mkdir -p $(@D); $(call say,$@)
	$(Q)$(CC) $(CFLAGS) $(DEPEND) $(shell pkg-config --cflags libelf) -c $< -o $@

define module_rules
$(BUILD)/$(1)/binding/%.o: src/binding/%.c Makefile
	@mkdir -p $$(@D); $$(call say,$$@)
	$$(Q)$$(CC) $$(CFLAGS) $(DEPEND) $$(shell pkg-config --cflags $(1) libelf) -c $$< -o $$@
$(BUILD)/$(1)/ebpf/core.so: $(ENGINE:src/%.c=$(BUILD)/%.o) $(BINDING:src/%.c=$(BUILD)/$(1)/%.o)
	@mkdir -p $$(@D); $$(call say,$$@)
	$$(Q)$$(CC) $$(CFLAGS) -shared $$(LDFLAGS) -o $$@ $$^ $$(shell pkg-config --libs libelf)
endef
$(foreach lua,$(sort $(LUAS) $(LUA_PKG)),$(eval $(call module_rules,$(lua))))
-include $(wildcard $(BUILD)/engine/*.d $(BUILD)/*/binding/*.d)

# Everything that building, testing, linting, the benchmark and the examples need. Installs what is missing, nothing
# else, and starts no service (RUNLEVEL). LuaJIT is luajit2: Debian's nginx Lua module needs that one, and the two
# cannot be installed together.
PACKAGES = gcc libc6-dev pkg-config libelf-dev clang llvm libbpf-dev \
	lua5.4 liblua5.4-dev lua5.3 liblua5.3-dev lua5.1 liblua5.1-0-dev luajit2 libluajit2-5.1-dev \
	lua-busted lua-luv lua-cqueues lua-socket lua-copas lua-http luarocks \
	nginx libnginx-mod-http-lua haproxy curl wrk prometheus \
	clang-format lua-check lua-ldoc cppcheck valgrind \
	bpftool iproute2 util-linux procps binutils ca-certificates python3 \
	qemu-system-x86 busybox-static cpio kmod xz-utils
deps:
	@missing=; for package in $(PACKAGES); do \
		dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q ' installed$$' || missing="$$missing $$package"; \
	done; \
	[ -z "$$missing" ] && exit 0; \
	set -ex; apt-get update; \
	RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $$missing

# Objects for the tests and examples, compiled as users do. A source asks for more variants in a comment:
# "variants: nodebug" (without -g, so without BTF) and "bigendian".
FIXTURES := $(sort $(wildcard spec/bpf/*.bpf.c))
NODEBUG := $(if $(FIXTURES),$(shell grep -l 'variants:.*nodebug' $(FIXTURES)))
BIGENDIAN := $(if $(FIXTURES),$(shell grep -l 'variants:.*bigendian' $(FIXTURES)))
EXAMPLES := $(sort $(wildcard examples/*.bpf.c examples/*/*.bpf.c))
OBJECTS = $(FIXTURES:spec/bpf/%.bpf.c=$(BUILD)/bpf/%.bpf.o) \
	$(NODEBUG:spec/bpf/%.bpf.c=$(BUILD)/bpf/%.nodebug.bpf.o) \
	$(BIGENDIAN:spec/bpf/%.bpf.c=$(BUILD)/bpf/%.bigendian.bpf.o) \
	$(EXAMPLES:examples/%.bpf.c=$(BUILD)/examples/%.bpf.o)
BPF_ARCH = $(shell uname -m | sed -e 's/x86_64/x86/' -e 's/aarch64/arm64/')
BPF_CFLAGS = -O2 -mcpu=v3 -Wall -D__TARGET_ARCH_$(BPF_ARCH) -I/usr/include/$(shell uname -m)-linux-gnu

fixtures: $(OBJECTS) $(BUILD)/spec/traced.so

# What the specs of probes trace: a library with tracepoints.
$(BUILD)/spec/traced.so: spec/support/traced.c spec/support/traced.map
	@mkdir -p $(@D); $(call say,$@)
	$(Q)$(CC) -O2 -g -fPIC -shared -Wall -Wl,--version-script=spec/support/traced.map -o $@ $<

$(BUILD)/bpf/%.nodebug.bpf.o: spec/bpf/%.bpf.c $(wildcard spec/bpf/*.h)
	@mkdir -p $(@D); $(call say,$@)
	$(Q)$(CLANG) $(BPF_CFLAGS) -target bpf -c $< -o $@

$(BUILD)/bpf/%.bigendian.bpf.o: spec/bpf/%.bpf.c $(wildcard spec/bpf/*.h)
	@mkdir -p $(@D); $(call say,$@)
	$(Q)$(CLANG) $(BPF_CFLAGS) -g -target bpfeb -c $< -o $@

$(BUILD)/bpf/%.bpf.o: spec/bpf/%.bpf.c $(wildcard spec/bpf/*.h)
	@mkdir -p $(@D); $(call say,$@)
	$(Q)$(CLANG) $(BPF_CFLAGS) -g -target bpf -c $< -o $@

$(BUILD)/examples/%.bpf.o: examples/%.bpf.c $(wildcard examples/*.h)
	@mkdir -p $(@D); $(call say,$@)
	$(Q)$(CLANG) $(BPF_CFLAGS) -g -target bpf -c $< -o $@

# Programs that feed the engine with what is broken, under AddressSanitizer and UndefinedBehaviorSanitizer.
FUZZ_CFLAGS = -g -O1 -std=gnu11 -fsanitize=address,undefined -fno-sanitize-recover=all $(DEPEND)
HARNESSES := $(patsubst spec/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard spec/fuzz/*.c))
harnesses: $(HARNESSES)

$(BUILD)/fuzz/engine/%.o: src/engine/%.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(FUZZ_CFLAGS) -c $< -o $@
$(BUILD)/fuzz/engine.a: $(ENGINE:src/engine/%.c=$(BUILD)/fuzz/engine/%.o)
	@$(call say,$@)
	$(Q)rm -f $@; ar rc $@ $^
$(BUILD)/fuzz/%: spec/fuzz/%.c $(BUILD)/fuzz/engine.a
	@$(call say,$@)
	$(Q)$(CC) $(FUZZ_CFLAGS) -o $@ $< $(BUILD)/fuzz/engine.a -lelf
-include $(wildcard $(BUILD)/fuzz/*.d $(BUILD)/fuzz/engine/*.d)

# Prints a line per exec for some commands, then a count per command.
demo: build fixtures
	$(call run,$(LUA)) examples/execsnoop.lua

# The suite, under one Lua after the other. SPECS picks files: make test LUAS=luajit SPECS=spec/map_spec.lua
SPECS ?=
test: build fixtures harnesses
	EBPF_BUILD=$(BUILD) $(firstword $(LUAS)) spec/support/run.lua $(LUAS) $(if $(SPECS),-- $(SPECS))

# The suite on lua5.4 with AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer in the module. Not the specs
# that build: their compilers would run under it too.
SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
MEMORY_SPECS = $(or $(SPECS),$(filter-out %/build_spec.lua %/install_spec.lua %/support_spec.lua,$(wildcard spec/*_spec.lua)))
asan:
	$(MAKE) BUILD=$(BUILD)/asan LUAS=lua5.4 CFLAGS="-O1 -g $(SANITIZE)" build fixtures harnesses
	EBPF_BUILD=$(BUILD)/asan EBPF_WRAP="env LD_PRELOAD=$$(gcc -print-file-name=libasan.so)" \
		lua5.4 spec/support/run.lua lua5.4 -- $(MEMORY_SPECS)

# The suite on lua5.4 under valgrind. Slow.
valgrind: build fixtures harnesses
	EBPF_BUILD=$(BUILD) EBPF_TIME_LIMIT=3600 \
		EBPF_WRAP="valgrind --quiet --leak-check=full --errors-for-leak-kinds=definite --error-exitcode=99 \
			--suppressions=spec/support/valgrind.supp" \
		lua5.4 spec/support/run.lua lua5.4 -- $(MEMORY_SPECS)

# nginx and HAProxy with the blocklist, under load for SOAK_SECONDS each: do memory and files stay flat?
SOAK_SECONDS ?= 300
soak: build fixtures
	EBPF_BUILD=$(BUILD) $(call run,lua5.4) spec/embed/soak.lua $(SOAK_SECONDS)

# The demo and the suite on a fresh Debian 12, in a chroot that is deleted after.
fresh:
	spec/support/fresh_debian.sh

# The suite on other kernels, Debian's, each in a virtual machine (see spec/vm): what passes there depends on the kernel.
# Left out is what no kernel changes: these specs, and tests with the tag #host. Needs some hundred megabytes of packages
# for each kernel the first time.
KERNELS ?= 5.10 6.1 6.12 6.18 7.3
VM_LUAS ?= lua5.4
HOST_SPECS = $(patsubst %,spec/%_spec.lua,asm asm_tools build c_decl insns insns_edit install malformed object sections support type_corpus)
VM_SPECS = $(or $(SPECS),$(filter-out $(HOST_SPECS),$(wildcard spec/*_spec.lua)))
vm: build fixtures
	EBPF_BUILD=$(BUILD) spec/vm/run.sh "$(KERNELS)" "$(VM_LUAS)" $(VM_SPECS)

# What two compilers, clang-format, cppcheck, luacheck and `make docs` complain about. Not what cppcheck only believes: that
# variables belong in the innermost block, names like a method's shadow it, kernel layouts have unused members, functions
# that raise return.
CPPCHECK_OFF = variableScope shadowFunction unusedStructMember knownConditionTrueFalse nullPointerRedundantCheck
C_FILES = $(SOURCES) $(filter %.h,$(HEADERS)) $(FIXTURES) $(EXAMPLES) $(wildcard spec/bpf/*.h spec/bench/*.[ch] spec/bench/core/*.[ch] spec/fuzz/*.[ch])
lint: lint-engine $(LUAS:%=lint-%) docs
	@clang-format --dry-run -Werror $(C_FILES)
	@cppcheck --quiet --std=c11 --language=c --library=.ci/lua.cfg --enable=warning,style,performance,portability \
		--inline-suppr $(CPPCHECK_OFF:%=--suppress=%) --error-exitcode=1 $(SOURCES)
	luacheck --quiet .

# The engine's sources under gcc and clang, and the binding's with the headers of one Lua.
lint-%: PACKAGE = $(if $(filter engine,$*),,$*)
lint-%:
	@for source in $(if $(filter engine,$*),$(ENGINE),$(BINDING)); do \
		gcc $(STD) -O2 $(WARN) -Werror $$(pkg-config --cflags $(PACKAGE) libelf) -c $$source -o /dev/null && \
		clang $(STD) $(WARN) -Werror $$(pkg-config --cflags $(PACKAGE) libelf) -fsyntax-only $$source || exit 1; \
	done

# Copies the module to where the Lua of LUA_PKG (a pkg-config name: lua5.4, lua5.3, lua5.1, luajit) looks for it.
FACES = $(shell cd lua && find ebpf -name '*.lua')
install: $(BUILD)/$(LUA_PKG)/ebpf/core.so
	install -D -m 644 $< $(DESTDIR)$(call directory,INSTALL_CMOD)/ebpf/core.so
	for file in $(FACES); do \
		install -D -m 644 lua/$$file $(DESTDIR)$(call directory,INSTALL_LMOD)/$$file || exit 1; \
	done
directory = $(or $(shell pkg-config --variable=$(1) $(LUA_PKG)),$(error pkg-config knows no $(1) of $(LUA_PKG)))

# A million random instructions and slots to text and back, and a million pieces of damaged text.
FUZZ_COUNT ?= 1000000
FUZZ_SEED ?= 1
fuzz: $(BUILD)/fuzz/asm_fuzz
	for mode in valid bytes text; do $< $$mode $(FUZZ_COUNT) $(FUZZ_SEED) || exit 1; done

# Brings the table of helper functions up to date with the kernel's and libbpf's headers.
HELPERS ?= /usr/include/linux/bpf.h /usr/include/bpf/bpf_helper_defs.h
helpers:
	$(LUA) spec/support/helpers.lua $(HELPERS) >src/engine/helpers.inc.new
	mv src/engine/helpers.inc.new src/engine/helpers.inc

# What the module costs next to a C loop of raw bpf(2) calls and next to libbpf, on one CPU.
BENCH_CPU ?= 0
BENCH_CORE = $(patsubst spec/bench/core/%.bpf.c,$(BUILD)/bench/core/%.bpf.o,$(sort $(wildcard spec/bench/core/*.bpf.c)))
bench: build fixtures $(BUILD)/bench/raw $(BUILD)/bench/load_libbpf $(BUILD)/bench/readers $(BUILD)/bench/bpf_time.so $(BENCH_CORE)
	@for lua in $(LUAS); do \
		export LUA_PATH='$(LUA_PATHS)' LUA_CPATH="$(BUILD)/$$lua/?.so;;"; \
		taskset -c $(BENCH_CPU) $$lua spec/bench/bench.lua $(BUILD) && \
		taskset -c $(BENCH_CPU) $$lua spec/bench/load.lua $(BUILD) $(BENCH_CORE) && \
		taskset -c $(BENCH_CPU) $$lua spec/bench/readers.lua $(BUILD) && \
		taskset -c $(BENCH_CPU) $$lua spec/bench/blocklist.lua $(BUILD) || exit 1; \
	done

$(BUILD)/bench/raw: spec/bench/raw.c
$(BUILD)/bench/load_libbpf: spec/bench/load_libbpf.c
$(BUILD)/bench/readers: spec/bench/readers.c
$(BUILD)/bench/load_libbpf $(BUILD)/bench/readers: LDLIBS = -lbpf
$(BUILD)/bench/raw $(BUILD)/bench/load_libbpf $(BUILD)/bench/readers:
	@mkdir -p $(@D); $(call say,$@)
	$(Q)$(CC) $(CFLAGS) -o $@ $< $(LDLIBS)

$(BUILD)/bench/bpf_time.so: spec/bench/bpf_time.c
	@mkdir -p $(@D); $(call say,$@)
	$(Q)$(CC) $(STD) -O2 -fvisibility=default -shared -o $@ $<

# What the comments in lua/ebpf say, as HTML in $(BUILD)/docs. A warning is an error.
docs:
	$(Q)rm -rf $(BUILD)/docs && mkdir -p $(BUILD)/docs/source
	$(Q)LUA_PATH='$(LUA_PATHS)' $(LUA) spec/support/docs.lua lua/ebpf $(BUILD)/docs/source
	$(Q)ldoc --quiet --fatalwarnings --testing --project ebpf --title "ebpf for Lua" --dir $(BUILD)/docs $(BUILD)/docs/source

# The types of the running kernel as a header, by the module itself.
$(BUILD)/vmlinux.h: $(BUILD)/$(LUA)/ebpf/core.so
	@$(call say,$@)
	$(Q)$(call run,$(LUA)) -e 'io.write(assert(require("ebpf").btf.load_kernel():c_dump()))' >$@

$(BUILD)/bench/core/%.bpf.o: spec/bench/core/%.bpf.c spec/bench/core/core.h $(BUILD)/vmlinux.h
	@mkdir -p $(@D); $(call say,$@)
	$(Q)$(CLANG) $(BPF_CFLAGS) -I$(BUILD) -g -target bpf -c $< -o $@

# Brings the rockspec's list of sources up to date; LuaRocks takes no wildcards.
ROCKSPEC = rockspec/ebpf-scm-1.rockspec
rockspec:
	{ sed '/sources = {/q' $(ROCKSPEC); printf '        "%s",\n' $(SOURCES); \
		sed '1,/sources = {/d' $(ROCKSPEC) | sed -n '/^      },/,$$p'; } >$(ROCKSPEC).new
	mv $(ROCKSPEC).new $(ROCKSPEC)

# Takes away what was built.
clean:
	rm -rf $(BUILD)

# The packages come first also under -j.
ifneq (,$(filter deps,$(MAKECMDGOALS)))
.NOTPARALLEL:
endif

.DELETE_ON_ERROR:
.PHONY: build deps docs fixtures harnesses demo test asan valgrind soak fresh vm lint install bench fuzz rockspec helpers clean
