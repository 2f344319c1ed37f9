-- Which actions make sense as the job stands. The others are shown, and cannot be chosen.
local status = obj.status or {}
local known = status.observedGeneration == obj.metadata.generation
local over = known and (status.phase == "Succeeded" or status.phase == "Failed")
local suspended = obj.spec.suspend == true
local stopped = obj.spec.shutdown ~= nil

return {
  ["suspend"] = {
    disabled = over or suspended or stopped,
    iconClass = "fa fa-fw fa-pause",
    displayName = "Suspend"
  },
  ["resume"] = {
    disabled = not suspended,
    iconClass = "fa fa-fw fa-play",
    displayName = "Resume"
  },
  ["stop"] = {
    disabled = over or stopped,
    iconClass = "fa fa-fw fa-stop",
    displayName = "Stop"
  },
  ["run-again"] = {
    disabled = suspended or status.dagRunId == nil,
    iconClass = "fa fa-fw fa-redo",
    displayName = "Run again"
  }
}
