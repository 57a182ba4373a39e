--- Writes src/engine/helpers.inc, the names of the kernel's helper functions by number, from headers:
---     lua helpers.lua /usr/include/linux/bpf.h [/usr/include/bpf/bpf_helper_defs.h] >helpers.inc
--- In the kernel's own header ___BPF_FUNC_MAPPER lists them, since Linux 6.1 with their numbers. libbpf's
--- bpf_helper_defs.h, which is made from that, serves where the kernel's header is older than the last helper (6.2).
local names, last = { [0] = "bpf_unspec" }, 0

local function add(number, name)
  assert(not names[number] or names[number] == name, "two helpers of number " .. number)
  names[number] = name
  last = math.max(last, number)
end

local function read_mapper(text)
  local mapper = text:match("#define ___?BPF_FUNC_MAPPER%(FN[^\n]*\n(.-)\n\n")
  local number = 0
  for name, rest in (mapper or ""):gmatch("FN%(([%w_]+)([^)]*)%)") do
    assert((tonumber(rest:match("%d+")) or number) == number, "the numbers have a gap at " .. name)
    if number > 0 then
      add(number, "bpf_" .. name)
    end
    number = number + 1
  end
end

local function read_definitions(text)
  for name, number in text:gmatch("%(%*(bpf_[%w_]+)%)%b() = %(void %*%) (%d+);") do
    add(tonumber(number), name)
  end
end

for _, path in ipairs(arg) do
  local file = assert(io.open(path))
  local text = file:read("*a")
  file:close()
  read_mapper(text)
  read_definitions(text)
end
assert(last > 0, "no helpers found")

print("/* SPDX-License-Identifier: MIT */")
print("/* The helper functions of Linux by number; included by helpers.c alone. Made by `make helpers`. */")
for number = 0, last do
  print(('[%d] = "%s",'):format(number, assert(names[number], "no helper of number " .. number)))
end
