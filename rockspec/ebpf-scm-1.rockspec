rockspec_format = "3.0"
package = "ebpf"
version = "scm-1"
source = {
  url = "file://.", -- a checkout: run `luarocks make` in it
}
description = {
  summary = "Load eBPF objects into the Linux kernel, share maps with them and receive their samples",
  license = "MIT",
}
supported_platforms = { "linux" }
dependencies = {
  "lua >= 5.1, < 5.5",
}
external_dependencies = {
  ELF = { header = "libelf.h", library = "elf" },
}
build = {
  type = "builtin", -- which copies all of lua/ by itself
  modules = {
    ["ebpf.core"] = {
      sources = {
        "src/binding/btf.c",
        "src/binding/btf_type_table.c",
        "src/binding/codec.c",
        "src/binding/compat.c",
        "src/binding/core.c",
        "src/binding/failure.c",
        "src/binding/handle.c",
        "src/binding/host.c",
        "src/binding/insns.c",
        "src/binding/link.c",
        "src/binding/link_attach.c",
        "src/binding/map.c",
        "src/binding/map_batch.c",
        "src/binding/map_iter.c",
        "src/binding/map_new.c",
        "src/binding/map_value.c",
        "src/binding/object_spec.c",
        "src/binding/options.c",
        "src/binding/perf.c",
        "src/binding/perf_read.c",
        "src/binding/pin.c",
        "src/binding/program.c",
        "src/binding/program_info.c",
        "src/binding/program_run.c",
        "src/engine/attach_link.c",
        "src/engine/attach_raw_tracepoint.c",
        "src/engine/attach_tracepoint.c",
        "src/engine/attach_xdp.c",
        "src/engine/btf.c",
        "src/engine/btf_dump.c",
        "src/engine/btf_dump_names.c",
        "src/engine/btf_dump_print.c",
        "src/engine/btf_find.c",
        "src/engine/btf_layout.c",
        "src/engine/btf_source.c",
        "src/engine/btf_type.c",
        "src/engine/cpu.c",
        "src/engine/elf.c",
        "src/engine/error.c",
        "src/engine/fork_guard.c",
        "src/engine/func_info.c",
        "src/engine/insn.c",
        "src/engine/link_insns.c",
        "src/engine/map_btf.c",
        "src/engine/mounts.c",
        "src/engine/names.c",
        "src/engine/object.c",
        "src/engine/object_data.c",
        "src/engine/object_functions.c",
        "src/engine/object_legacy_maps.c",
        "src/engine/object_map_table.c",
        "src/engine/object_maps.c",
        "src/engine/object_reloc.c",
        "src/engine/object_slots.c",
        "src/engine/perf_reader.c",
        "src/engine/perf_ring.c",
        "src/engine/poller.c",
        "src/engine/pool.c",
        "src/engine/probe.c",
        "src/engine/prog_load.c",
        "src/engine/sections.c",
        "src/engine/sys.c",
      },
      libraries = { "elf" },
      incdirs = { "$(ELF_INCDIR)" },
      libdirs = { "$(ELF_LIBDIR)" },
    },
  },
  copy_directories = { "examples" },
}
