-- Sends 16 requests at once on each connection, and the next 16 when all answers are there.
init = function(args)
   local requests = {}
   for i = 1, 16 do
      requests[i] = wrk.format()
   end
   batch = table.concat(requests)
end

request = function()
   return batch
end
