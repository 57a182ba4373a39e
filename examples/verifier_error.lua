-- Shows what the verifier says to a program that is not safe: the message, which sums it up, and the log.
--
--   lua verifier_error.lua [object.o program]
--
-- Without arguments it loads a program that does not look whether a key was found, and then one that does. OBJECT in
-- the environment is verifier_error.bpf.c, compiled by clang -O2 -g -target bpf.
local ebpf = require "ebpf"

local object = arg[1] or os.getenv("OBJECT") or "build/examples/verifier_error.bpf.o"
local programs = arg[2] and { arg[2] } or { "count_wrong", "count_right" }

for _, name in ipairs(programs) do
  -- The verifier's log is the fourth value; there is none when the verifier was not asked.
  local collection, message, _, log = ebpf.load(object, { programs = { name }, log_level = 1 })
  if collection then
    -- A program that loads keeps its log, if it was asked for.
    print(("%s is safe, says the verifier: %s"):format(name, collection.programs[name]:verifier_log()))
    collection:close()
  else
    print(message)
    if log then
      print("\nThe whole log:\n" .. log)
    end
  end
end
