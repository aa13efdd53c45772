"""company: a run whose GPU somebody else computed on is thrown away and repeated; its time and memory say nothing."""

from __future__ import annotations

from swarm.coordinator.world import World

EVERY = 10.0  # seconds between looks


def look(w: World) -> bool:
    """Note the runs that share a GPU now. Returns whether there was a new one."""
    if w.now < w.timers.get("company", 0.0):
        return False
    w.timers["company"] = w.now + EVERY
    going = {r.slot: r for r in w.ledger.open_runs("running")}
    devices = {s.id: s.devices.split(",") for s in w.slots() if s.id in going and not s.devices.startswith("cpu")}
    if not devices:
        return False
    strangers = w.strangers()
    did = False
    for slot, names in devices.items():
        run, pids = going[slot], [pid for name in names for pid in strangers.get(name, ())]
        if pids and (run.id, run.attempt) not in w.shared:
            w.shared[run.id, run.attempt] = pids[0]
            text = f"{run.experiment} shares GPU {slot} with a foreign process (pid {pids[0]}): it will be repeated"
            w.say("machine", None, run.experiment, text=text, run=run.id, pid=pids[0])
            did = True
    return did
