-- Prints what opening and loading objects costs next to libbpf: the part of user space, and memory.
--
--   taskset -c 0 lua5.4 spec/bench/load.lua <build directory> <object>...
--
-- Each object is loaded by a process of its own, this module's and libbpf's in turn. Times are CPU time without that
-- in bpf(2), which is the kernel's; each figure is the median over the rounds, summed over the objects.
local build = assert(arg[1], "the build directory?")
local rounds = 7

local function median(values)
  table.sort(values)
  return values[math.floor(#values / 2) + 1]
end

local function run(command, object)
  local pipe = assert(io.popen(("LD_PRELOAD=%s/bench/bpf_time.so %s %s 2>&1"):format(build, command, object)))
  local text = pipe:read("*a")
  pipe:close()
  local total, memory, kernel = text:match("^(%S+) (%d+)\n(%S+)\n$")
  assert(kernel, text)
  return { user = total - kernel, kernel = tonumber(kernel), memory = tonumber(memory) }
end

local name = arg[-1]:match("[^/]*$")
local contenders = {
  lua = arg[-1] .. " spec/bench/load_one.lua",
  libbpf = build .. "/bench/load_libbpf",
}

local sums = {}
for contender in pairs(contenders) do
  sums[contender] = { user = 0, kernel = 0, memory = 0 }
end
for i = 2, #arg do
  local figures = { lua = {}, libbpf = {} }
  for round = 1, rounds do
    for contender, command in pairs(contenders) do
      figures[contender][round] = run(command, arg[i])
    end
  end
  for contender, sum in pairs(sums) do
    for part, value in pairs(sum) do
      local values = {}
      for round, figure in ipairs(figures[contender]) do
        values[round] = figure[part]
      end
      sum[part] = part == "memory" and math.max(value, median(values)) or value + median(values)
    end
  end
end

local function report(title, unit, part, divisor, goal)
  local ours, theirs = sums.lua[part] / divisor, sums.libbpf[part] / divisor
  print(("%-7s %-36s C %7.2f %s   Lua %7.2f %s   ratio %.3f   goal %.2f   %s")
    :format(name, title, theirs, unit, ours, unit, ours / theirs, goal, ours / theirs <= goal and "met" or "missed"))
end

report(("open + load %d objects, user space"):format(#arg - 1), "ms", "user", 1000, 0.25)
report("peak memory of a process", "MB", "memory", 1024, 0.5)
print(("%-7s %-36s C %7.2f ms   Lua %7.2f ms")
  :format(name, "the kernel's part of it", sums.libbpf.kernel / 1000, sums.lua.kernel / 1000))
