--- The keys of a table, which are strings, in the order of the alphabet: what goes by name goes the same way each time.
---@param t table<string, any>
---@return string[]
return function(t)
  local names = {}
  for name in pairs(t) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end
