--- Looks at what the machine and this process have for BPF, says what each lack means, and what to do about it.
local core = require "ebpf.core"
local features = require "ebpf.features"
local new_token = require("ebpf.token").new_token

local function read(path)
  local file = io.open(path)
  local text = file and file:read("*a")
  if file then
    file:close()
  end
  return text
end

local function read_line(path)
  local text = read(path)
  return text and text:match("^[^\n]*")
end

local function read_number(path)
  return tonumber(read_line(path))
end

local function exists(path)
  local file = io.open(path)
  if file then
    file:close()
  end
  return file ~= nil
end

-- "6.18.44-debian" as 6018.
local function version_of(release)
  local major, minor = (release or ""):match("^(%d+)%.(%d+)")
  return major and tonumber(major) * 1000 + tonumber(minor)
end

-- What the checks share, read once for each report.
local function look()
  local release = read_line("/proc/sys/kernel/osrelease")
  return {
    release = release,
    version = version_of(release) or 0,
    status = read("/proc/thread-self/status") or read("/proc/self/status") or "",
    mounts = read("/proc/self/mountinfo") or "",
    limits = read("/proc/self/limits") or "",
  }
end

local function status_field(host, name)
  return host.status:match("\n" .. name .. ":%s*(%S+)")
end

-- Mount points of a type, and their options.
local function mounts(host, kind)
  local points, options = {}, {}
  for line in host.mounts:gmatch("[^\n]+") do
    local point, fstype, super = line:match("^%d+ %d+ %S+ %S+ (%S+) .- %- (%S+) %S+ ?(%S*)")
    if fstype == kind then
      points[#points + 1] = point
      options[#options + 1] = super
    end
  end
  return points, options
end

-- Bit 2^n of a number in hex, without bit operations, which not all Luas have.
local function has_bit(hex, n)
  local digit = tonumber(hex:sub(-1 - math.floor(n / 4), -1 - math.floor(n / 4)), 16) or 0
  return math.floor(digit / 2 ^ (n % 4)) % 2 == 1
end

local capability_bits = {
  { "CAP_BPF", 39 }, { "CAP_PERFMON", 38 }, { "CAP_NET_ADMIN", 12 }, { "CAP_SYS_ADMIN", 21 },
}

local function in_user_namespace()
  local inside, outside, count = (read("/proc/self/uid_map") or "0 0 4294967295"):match("(%d+)%s+(%d+)%s+(%d+)")
  return not (inside == "0" and outside == "0" and count == "4294967295")
end

-- The BPF file systems here that delegate to user namespaces: where they are mounted.
local function delegating(host)
  local found = {}
  local points, options = mounts(host, "bpf")
  for i, option in ipairs(options) do
    if option:find("delegate_", 1, true) then
      found[#found + 1] = points[i]
    end
  end
  return found
end

-- Each check answers a state, what there is, and where it matters what that means and what to do. States: "ok";
-- "note", good to know; "warning", something does not work; "problem", nearly nothing works; "unknown".
local checks = {}

local function check(name, run)
  checks[#checks + 1] = { name = name, run = run }
end

check("kernel", function(host)
  if not host.release then
    return "unknown", "no /proc/sys/kernel/osrelease", "The version of the kernel cannot be told.", "Mount /proc."
  elseif host.version < 4018 then
    return "problem", host.release, "This library is made for Linux 4.18 and later.", "Run a newer kernel."
  elseif host.version < 5008 then
    return "note", host.release, "Before Linux 5.8 there are no ring buffers, and most of what needs a capability "
      .. "needs CAP_SYS_ADMIN."
  end
  return "ok", host.release
end)

check("bpf", function(host)
  local has, message, errno = features.have_map_type("array")
  if has then
    return "ok", "bpf(2) creates maps"
  elseif errno == core.errno.ENOSYS then
    return "problem", message, "There is no bpf(2): the kernel was built without CONFIG_BPF_SYSCALL, or a seccomp "
      .. "filter hides it.", "In a container, allow the system call bpf in its seccomp profile."
  end
  message = message or "bpf(2) refuses to create an array"
  if in_user_namespace() and delegating(host)[1] then
    return "note", message, "Nothing can be created or loaded but by a token, see below."
  end
  return "problem", message, "Nothing can be created or loaded.",
    "See the capabilities, the user namespace and seccomp below."
end)

check("capabilities", function(host)
  local hex = status_field(host, "CapEff")
  if not hex then
    return "unknown", "no CapEff in /proc/self/status"
  end
  local has, lacks = {}, {}
  local admin = has_bit(hex, 21)
  for _, capability in ipairs(capability_bits) do
    local list = has_bit(hex, capability[2]) and has or lacks
    list[#list + 1] = capability[1]
  end
  local value = #has > 0 and table.concat(has, " ") or "none"
  if host.version > 0 and host.version < 5008 then
    if admin then
      return "ok", value
    end
    return "problem", value, "Before Linux 5.8 BPF needs CAP_SYS_ADMIN.", "Run as root."
  elseif admin and #lacks <= 3 then
    return "ok", value
  elseif #has == 0 then
    return "problem", value, "Object files and the kernel's types can be read; nothing can be loaded.",
      "Run as root, or with CAP_BPF, and CAP_PERFMON for tracing, CAP_NET_ADMIN for networking."
  end
  local lost = {
    CAP_BPF = "maps and programs cannot be created",
    CAP_PERFMON = "tracing programs cannot be loaded, nor perf events opened",
    CAP_NET_ADMIN = "network programs cannot be loaded",
    CAP_SYS_ADMIN = "objects cannot be opened by id, nor statistics enabled",
  }
  local means = {}
  for _, name in ipairs(lacks) do
    means[#means + 1] = ("Without %s %s."):format(name, lost[name])
  end
  return "note", value, table.concat(means, " ")
end)

check("user_namespace", function(host)
  if not in_user_namespace() then
    return "ok", "the first one"
  elseif #delegating(host) > 0 then
    return "note", "another than the first one", "Capabilities do not count for bpf(2) but by a BPF token, see below."
  end
  return "problem", "another than the first one", "Capabilities of a user namespace do not count for bpf(2).",
    "Run outside, or have the host mount a BPF file system with delegate_* options inside (BPF token, Linux 6.9)."
end)

-- What a token may delegate, by the fields of its info: the mount option, the words for it, and who misses it.
local rights = {
  { "commands", "delegate_cmds", "commands" },
  { "maps", "delegate_maps", "maps", "maps cannot be created" },
  { "programs", "delegate_progs", "programs", "programs cannot be loaded" },
  { "attach_types", "delegate_attachs", "attach types", "programs cannot be loaded" },
}
local commands = {
  { "map_create", "maps cannot be created" },
  { "prog_load", "programs cannot be loaded" },
  { "btf_load", "storages cannot be created, and programs have no types" },
}

local function contains(list, name)
  for _, each in ipairs(list) do
    if each == name then
      return true
    end
  end
  return false
end

-- "commands any; maps hash, array; ...", and what follows from what is not delegated, or nil.
local function describe_rights(info)
  local texts, means = {}, {}
  local function lacks(option, lost)
    means[#means + 1] = ("Without %s %s."):format(option, lost)
  end
  for i, right in ipairs(rights) do
    local allowed, option, what, lost = info[right[1]], right[2], right[3], right[4]
    if allowed == "any" then
      texts[i] = what .. " any"
    else
      texts[i] = ("%s %s"):format(what, allowed[1] and table.concat(allowed, ", ") or "none")
      if lost and not allowed[1] then
        lacks(option, lost)
      end
      for _, command in ipairs(not lost and commands or {}) do
        if not contains(allowed, command[1]) then
          lacks(option .. "=" .. command[1], command[2])
        end
      end
    end
  end
  return table.concat(texts, "; "), means[1] and table.concat(means, " ")
end

local function read_token(point)
  -- Blanks in paths are escaped there.
  local token, message = new_token((point:gsub("\\(%d%d%d)", function(digits)
    return string.char(tonumber(digits, 8))
  end)))
  if not token then
    return nil, message
  end
  local info
  info, message = token:info()
  token:close()
  return info, message
end

check("token", function(host)
  local points = delegating(host)
  if not in_user_namespace() then
    return "ok", points[1] and ("not needed here; %s delegates to a user namespace"):format(points[1])
      or "not needed here"
  elseif not points[1] then
    return "note", "none can be had", "No BPF file system that is mounted here delegates anything.",
      "Have root of the host mount one with the options delegate_cmds, delegate_maps, delegate_progs and "
      .. "delegate_attachs."
  end
  local reason
  for _, point in ipairs(points) do
    local info, message = read_token(point)
    if info then
      local value, means = describe_rights(info)
      return means and "note" or "ok", ("%s delegates: %s"):format(point, value), means,
        means and "Mount it with the options that are missing."
    end
    reason = reason or message
  end
  return "warning", reason, "No token can be had, so nothing that takes capabilities can be created or loaded."
end)

check("seccomp", function(host)
  local mode = status_field(host, "Seccomp")
  if mode == nil or mode == "0" then
    return "ok", "no filter"
  end
  return "note", "a filter is active",
    "It may forbid bpf(2), perf_event_open(2) or mount(2), as those of containers do.",
    "Where calls fail with EPERM or ENOSYS though no capability is missing, allow them in the seccomp profile."
end)

local security = "/sys/kernel/security"
local mount_security = "mount -t securityfs securityfs " .. security

check("lockdown", function(host)
  local text = read(security .. "/lockdown")
  local mode = text and text:match("%[([%w_]+)%]")
  if not mode and #mounts(host, "securityfs") == 0 then
    return "unknown", "securityfs is not mounted", "Whether the kernel is locked down cannot be told.", mount_security
  elseif not mode or mode == "none" then
    return "ok", mode or "the kernel has none"
  elseif mode == "confidentiality" then
    return "warning", mode, "Programs may not read the kernel's memory: bpf_probe_read_kernel and the like fail.",
      "Boot with lockdown=integrity, or without Secure Boot."
  end
  return "note", mode, "bpf_probe_write_user is forbidden, and some kernels forbid fentry, fexit and LSM programs."
end)

check("lsm", function()
  local list = read_line(security .. "/lsm")
  if not list then
    return "unknown", "securityfs is not mounted", "Whether LSM programs run cannot be told.", mount_security
  elseif ("," .. list .. ","):find(",bpf,", 1, true) then
    return "ok", list
  end
  return "note", list, 'LSM programs load, if the kernel has them, and never run: "bpf" is not in the list.',
    "Boot with lsm=" .. list .. ",bpf."
end)

check("btf", function(host)
  local file = io.open("/sys/kernel/btf/vmlinux", "rb")
  if file then
    local size = file:seek("end")
    file:close()
    return "ok", ("/sys/kernel/btf/vmlinux, %.1f MB"):format((size or 0) / 1e6)
  elseif host.version > 0 and host.version < 5004 then
    return "warning", "none", "CO-RE relocations need the kernel's types, which it has from Linux 5.4 on.",
      "Give them as the option kernel_btf: a file made for this kernel, as of BTFHub."
  end
  return "warning", "none", "CO-RE, fentry, LSM programs and iterators need the kernel's types.",
    "Use a kernel with CONFIG_DEBUG_INFO_BTF, mount /sys, or give a file as the option kernel_btf."
end)

-- A file system that has to be mounted.
local function file_system(name, kind, meaning, advice)
  check(name, function(host)
    local points = mounts(host, kind)
    if #points > 0 then
      return "ok", table.concat(points, " ")
    end
    return "warning", "not mounted", meaning, advice
  end)
end

file_system("bpffs", "bpf", "Nothing can be pinned, nor what is pinned be opened.", "mount -t bpf bpf /sys/fs/bpf")
file_system("tracefs", "tracefs", "Tracepoints by name, and probes before Linux 4.17, need it; raw tracepoints do not.",
  "mount -t tracefs tracefs /sys/kernel/tracing")
file_system("cgroup2", "cgroup2", "Programs attach to control groups of version 2 alone.",
  "mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified, or boot with systemd.unified_cgroup_hierarchy=1.")

-- A sysctl that may not be there.
local function sysctl(name, judge)
  check(name:match("[^/]*$"), function(host)
    local value = read_number("/proc/sys/" .. name)
    if not value then
      return "unknown", ("no /proc/sys/%s that this process may read"):format(name)
    end
    return judge(value, host)
  end)
end

sysctl("kernel/unprivileged_bpf_disabled", function(value)
  if value == 0 then
    return "note", "0", "Processes without capabilities may load some programs, which is not advised.",
      "sysctl kernel.unprivileged_bpf_disabled=2"
  end
  return "ok", tostring(value)
end)

sysctl("net/core/bpf_jit_enable", function(value)
  if value == 0 then
    return "warning", "0", "Programs are interpreted, which is many times slower; kfuncs and more do not load.",
      "sysctl net.core.bpf_jit_enable=1"
  elseif value == 2 then
    return "note", "2", "The kernel's log gets all machine code.", "sysctl net.core.bpf_jit_enable=1"
  end
  return "ok", tostring(value)
end)

sysctl("net/core/bpf_jit_harden", function(value)
  if value == 2 then
    return "note", "2", "Constants are blinded for all: slower, and p:instructions() may be withheld."
  end
  return "ok", tostring(value)
end)

sysctl("kernel/perf_event_paranoid", function(value, host)
  local hex = status_field(host, "CapEff") or "0"
  if value > 2 or (value > 1 and not (has_bit(hex, 38) or has_bit(hex, 21))) then
    return "note", tostring(value), "perf events, which perf readers and probes are, need CAP_PERFMON."
  end
  return "ok", tostring(value)
end)

sysctl("kernel/kptr_restrict", function(value)
  if value == 2 then
    return "note", "2",
      "/proc/kallsyms shows no addresses to anybody: variables of .ksyms without a type cannot be found.",
      "sysctl kernel.kptr_restrict=1"
  end
  return "ok", tostring(value)
end)

sysctl("kernel/bpf_stats_enabled", function(value)
  return "ok", value == 0 and "0 (p:stats() counts while ebpf.enable_stats() is in force)" or tostring(value)
end)

check("memlock", function(host)
  local soft = host.limits:match("\nMax locked memory%s+(%S+)")
  if not soft then
    return "unknown", "no /proc/self/limits"
  elseif host.version >= 5011 then
    return "ok", soft .. ", which does not matter from Linux 5.11 on"
  elseif soft == "unlimited" then
    return "ok", soft
  end
  return "warning", soft .. " bytes", "Before Linux 5.11 maps and programs count against it, and fail with EPERM.",
    "ulimit -l unlimited, or LimitMEMLOCK=infinity in the unit of systemd."
end)

check("open_files", function(host)
  local soft = host.limits:match("\nMax open files%s+(%S+)")
  if soft and tonumber(soft) and tonumber(soft) < 256 then
    return "warning", soft, "Each map, program, link, and each CPU of a perf reader is an open file.", "ulimit -n 1024"
  end
  return soft and "ok" or "unknown", soft or "no /proc/self/limits"
end)

-- Probes of a kind, which are a perf PMU, or events in tracefs.
local function probes(kind, meaning, advice)
  check(kind .. "s", function()
    if exists(("/sys/bus/event_source/devices/%s/type"):format(kind)) then
      return "ok", "perf events of type " .. kind
    elseif exists(("/sys/kernel/tracing/%s_events"):format(kind))
      or exists(("/sys/kernel/debug/tracing/%s_events"):format(kind)) then
      return "ok", kind .. "_events in tracefs"
    end
    return "note", "none", meaning, advice
  end)
end

probes("kprobe", "kprobe and kretprobe programs load and cannot be attached.",
  "Use fentry, raw tracepoints, or a kernel with CONFIG_KPROBE_EVENTS.")
probes("uprobe", "uprobe, uretprobe and USDT programs load and cannot be attached.",
  "Use a kernel with CONFIG_UPROBE_EVENTS.")

check("cpus", function()
  local possible, message = core.possible_cpus()
  local online = core.online_cpus()
  if not possible or not online then
    return "problem", message or "unknown", "Per-CPU maps and perf readers need to know the CPUs.", "Mount /sys."
  end
  local value = ("%d possible, %d online"):format(#possible, #online)
  if #possible > 4 * #online then
    return "note", value, "Per-CPU maps take memory for each possible CPU.",
      "Boot with possible_cpus=" .. #online .. "."
  end
  return "ok", value
end)

---@class ebpf.Finding
---@field name string what was looked at: "kernel", "capabilities", "btf", ...
---@field state "ok"|"note"|"warning"|"problem"|"unknown" note: good to know; warning: some things do not work; problem:
--- hardly anything does
---@field value string what there is
---@field meaning string? what that means, where it is not "ok"
---@field advice string? what to do

---@class ebpf.Report: ebpf.Finding[]
---@field healthy boolean whether there is no problem and no warning

local doctor = {}

local Report = {}

--- The report as text: a line for each finding, and what it means and what to do below those that are not "ok".
function Report:__tostring()
  local lines = {}
  for _, finding in ipairs(self) do
    lines[#lines + 1] = ("%-8s%-27s%s"):format(finding.state, finding.name, finding.value)
    if finding.meaning then
      lines[#lines + 1] = (" "):rep(8) .. finding.meaning
    end
    if finding.advice then
      lines[#lines + 1] = (" "):rep(8) .. "-> " .. finding.advice
    end
  end
  return table.concat(lines, "\n")
end

--- Examines the machine and this process: a table of findings, in order and by name (`report.btf.state`), which prints
--- as text: `lua -e 'print(require("ebpf").doctor())'`. Nothing is changed; one array is created and closed.
---@return ebpf.Report report
function doctor.doctor()
  local host = look()
  local report = setmetatable({ healthy = true }, Report)
  for _, each in ipairs(checks) do
    local state, value, meaning, advice = each.run(host)
    local finding = { name = each.name, state = state, value = value, meaning = meaning, advice = advice }
    report[#report + 1] = finding
    report[each.name] = finding
    if state == "problem" or state == "warning" then
      report.healthy = false
    end
  end
  return report
end

return doctor
