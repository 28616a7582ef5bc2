-- Sends the requests in a file, separated by NUL bytes, in turn. Arguments: the file and, to count statuses, "count".
local requests, turn, threads, refused = {}, 0, {}, 0
statuses = { [200] = 0, [400] = 0, [503] = 0 }

-- Called only if statuses are counted: a response function makes wrk parse the headers, which doubles its CPU time.
local function count_statuses()
  response = function(status)
    statuses[status] = (statuses[status] or 0) + 1
    if status == 503 then
      refused = refused + 1
    end
  end
  -- A client that got 503 tries again after a second.
  delay = function()
    if refused == 0 then
      return 0
    end
    refused = refused - 1
    return 1000
  end
end

function setup(thread)
  threads[#threads + 1] = thread
end

function init(arguments)
  for request in io.open(arguments[1], "rb"):read("*a"):gmatch("[^%z]+") do
    requests[#requests + 1] = request
  end
  if arguments[2] == "count" then
    count_statuses()
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local errors, statuses = summary.errors, threads[1]:get("statuses")
  io.write(string.format("result %d %d %d %d %d %d %d %d %d %d %d\n",
    summary.requests, summary.duration, summary.bytes, errors.connect + errors.read + errors.write + errors.timeout,
    errors.status, latency:percentile(50), latency:percentile(99), os.clock() * 1e6,
    statuses[200], statuses[400], statuses[503]))
end
