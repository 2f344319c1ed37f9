-- How an AirflowContainerJob stands, in Argo CD's words. A sync wave and a hook wait for Healthy, and fail with Degraded.
local healths = {
  Pending = "Progressing",
  Queued = "Progressing",
  Running = "Progressing",
  Succeeded = "Healthy",
  Failed = "Degraded",
  Suspended = "Suspended"
}

local status = obj.status or {}
local health = healths[status.phase]
-- A finished job whose spec was changed a moment ago still shows the end of the run before.
if health == nil or status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "Waiting for the operator" }
end

local message = status.reason
if status.message ~= nil then
  message = message .. ": " .. status.message
end
return { status = health, message = message }
