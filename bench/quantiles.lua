-- Prints the latency's quantiles, of which wrk itself shows four: a line of shares in percent and
-- microseconds, as `Quantiles: 1=93 5=110 ...`. Nothing of it runs while wrk loads.
local shares = {1, 5, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.99}

done = function(summary, latency, requests)
   local found = {}
   for i, share in ipairs(shares) do
      found[i] = string.format("%g=%d", share, latency:percentile(share))
   end
   io.write("Quantiles: " .. table.concat(found, " ") .. "\n")
end
