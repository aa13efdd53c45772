"""Slots: what is there, what is chosen, who gets it. NVML is played by a module of its name."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm import slots
from swarm.errors import SwarmError, UsageError
from swarm.slots import choosing, machine, nvidia

H100 = "NVIDIA H100 80GB HBM3"


@dataclass
class Card:
    uuid: str
    name: str = H100
    pids: list[int] = field(default_factory=list)
    used: int = 500
    split: bool = False


class Nvml:
    """As much of pynvml as is asked for."""

    class NVMLError(Exception):
        pass

    def __init__(self, cards: list[Card], driver: bool = True) -> None:
        self.cards, self.driver, self.open = cards, driver, 0

    def nvmlInit(self) -> None:
        if not self.driver:
            raise self.NVMLError("Driver Not Loaded")
        self.open += 1

    def nvmlShutdown(self) -> None:
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Card:
        return self.cards[index]

    def nvmlDeviceGetUUID(self, card: Card) -> bytes:
        return card.uuid.encode()

    def nvmlDeviceGetName(self, card: Card) -> str:
        return card.name

    def nvmlDeviceGetMemoryInfo(self, card: Card) -> Any:
        return SimpleNamespace(total=80 << 30, used=card.used << 20)

    def nvmlDeviceGetMigMode(self, card: Card) -> list[int]:
        if card.name != H100:
            raise self.NVMLError("Not Supported")
        return [int(card.split), int(card.split)]

    def nvmlDeviceGetMinorNumber(self, card: Card) -> int:
        return self.cards.index(card)

    def nvmlDeviceGetComputeRunningProcesses(self, card: Card) -> list[Any]:
        return [SimpleNamespace(pid=pid) for pid in card.pids]


class Box:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.patch = monkeypatch
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
        monkeypatch.setenv("PATH", "/nowhere")
        self.put()

    def put(self, *cards: Card, driver: bool = True, mask: str | None = None) -> Nvml:
        made = Nvml(list(cards), driver)
        self.patch.setitem(sys.modules, "pynvml", made)
        if mask is not None:
            self.patch.setenv("CUDA_VISIBLE_DEVICES", mask)
        return made


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Box:
    monkeypatch.setattr(choosing, "cores", lambda: [2, 3, 7, 9])
    return Box(monkeypatch)


def four(**odd: Card) -> list[Card]:
    return [odd.get(f"n{i}") or Card(f"GPU-{i}a") for i in range(4)]


def ids(found: list[slots.Gpu]) -> list[str]:
    return [g.id for g in found]


def test_gpus_are_found(box: Box) -> None:
    nvml = box.put(*four(n2=Card("GPU-2a", pids=[os.getpid(), 41022])))
    found = slots.gpus()
    assert [g.uuid for g in found] == ["GPU-0a", "GPU-1a", "GPU-2a", "GPU-3a"]
    assert found[0].name == H100 and found[0].memory_mb == 80 << 10 and found[0].busy == ""
    assert found[2].foreign_pids == (41022,) and found[2].busy == "pid 41022"
    assert nvml.open == 0


def test_without_a_driver_there_are_none(box: Box) -> None:
    box.put(Card("GPU-0a"), driver=False)
    assert slots.gpus() == []
    box.patch.setitem(sys.modules, "pynvml", None)  # as if it were not installed
    assert slots.gpus() == []


def test_gpus_split_by_mig_are_left_alone(box: Box) -> None:
    box.put(*four(n1=Card("GPU-1a", split=True)), mask="1,2")
    assert ids(slots.gpus()) == ["2"]


@pytest.mark.parametrize(
    ("mask", "left"), [("2,0", "20"), ("", ""), ("-1", ""), ("GPU-3,GPU-1a", "31"), ("1,9,2", "1")]
)
def test_an_inherited_mask_is_respected(box: Box, mask: str, left: str) -> None:
    box.put(*four(), mask=mask)
    assert ids(slots.gpus()) == list(left)


def test_numbers_of_a_mixed_box_are_cudas_own(box: Box) -> None:
    box.put(*four(n0=Card("GPU-0a", "NVIDIA T4")), mask="0")
    with pytest.raises(SwarmError, match="different kinds"):
        slots.gpus()
    box.patch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    assert ids(slots.gpus()) == ["0"]
    box.patch.delenv("CUDA_DEVICE_ORDER")
    box.patch.setenv("CUDA_VISIBLE_DEVICES", "GPU-0")
    assert ids(slots.gpus()) == ["0"]


@given(st.permutations(range(5)), st.integers(0, 5), st.booleans())
def test_masks_by_number_and_by_uuid_say_the_same(order: list[int], n: int, short: bool) -> None:
    uuids = [f"GPU-{i}-abcdef" for i in range(5)]
    named = [uuids[i][: 6 if short else None] for i in order[:n]]
    assert slots.visible(",".join(map(str, order[:n])), uuids) == order[:n]
    assert slots.visible(", ".join(named), uuids) == order[:n]


def test_a_mask_that_says_one_twice_or_fits_two() -> None:
    assert slots.visible("0,0", ["GPU-a", "GPU-b"]) == []
    assert slots.visible("0,GPU-", ["GPU-a", "GPU-b"]) == [0]
    assert slots.visible("MIG-1,0", ["GPU-a"]) == []


# --- choosing -----------------------------------------------------------------------------------------------------


def chosen(wanted: Any, **more: Any) -> list[str]:
    return [place.id for place in slots.choose("cuda", wanted, **more)]


def test_so_many_or_these(box: Box) -> None:
    box.put(*four())
    assert chosen(None) == ["0", "1", "2", "3"]
    assert chosen(2) == ["0", "1"]
    assert chosen("0,3") == ["0", "3"]
    place = slots.choose("auto", "1,", python="/no/python")[0]
    assert (place.devices, place.accelerator, place.torch, place.busy) == ("GPU-1a", H100, "none", "")


def test_busy_gpus_are_refused_unless_forced(box: Box) -> None:
    box.put(*four(n0=Card("GPU-0a", pids=[7]), n2=Card("GPU-2a", used=9000)))
    assert chosen(2) == ["1", "3"]
    with pytest.raises(SwarmError, match="GPU 0: pid 7; GPU 2: 9000 MB"):
        chosen(3)
    with pytest.raises(SwarmError, match="somebody else is using GPU 0: pid 7"):
        chosen("0,1")
    assert chosen("0,1", force=True) == ["0", "1"]
    assert chosen(3, force=True) == ["1", "3", "0"]
    assert slots.choose("cuda", "0,", force=True)[0].busy == "GPU 0: pid 7"


def test_taken_gpus_are_refused_always(box: Box) -> None:
    box.put(*four(n3=Card("GPU-3a", pids=[7])))
    taken = {"0": "GPU-0a", "x": "GPU-3a"}
    assert chosen(None, taken=taken) == ["1", "2"]
    with pytest.raises(SwarmError, match="taken already: GPU 0") as caught:
        chosen("0,1", taken=taken, force=True)
    assert caught.value.hint == "Free: 1, 2"
    with pytest.raises(SwarmError, match="3 GPUs were asked for; 2 are not taken"):
        chosen(3, taken=taken)
    with pytest.raises(SwarmError, match="has 4"):
        chosen(5)
    with pytest.raises(SwarmError, match="no GPU 8"):
        chosen("1,8")


def test_several_gpus_per_run(box: Box) -> None:
    box.put(*four())
    places = slots.choose("cuda", 4, per_run=2)
    assert [(p.id, p.devices) for p in places] == [("0-1", "GPU-0a,GPU-1a"), ("2-3", "GPU-2a,GPU-3a")]
    assert places[0].accelerator == f"2 × {H100}"
    assert chosen(None, per_run=3) == ["0-1-2"]
    with pytest.raises(SwarmError, match="needs 3 GPUs"):
        chosen(4, per_run=3)


def test_no_gpu_at_all(box: Box) -> None:
    for device in ("auto", "cuda"):
        with pytest.raises(SwarmError) as caught:
            slots.choose(device, 8)
        assert caught.value.message == "no NVIDIA or AMD GPU here (nvidia-smi: not found)."
        assert "swarm spawn --device cpu --gpus 2 --agents tuner" in caught.value.hint
    box.put(*four(), mask="")
    with pytest.raises(SwarmError, match="CUDA_VISIBLE_DEVICES hides them all"):
        slots.choose("auto", 1)


def test_cores(box: Box) -> None:
    def cpu(wanted: Any, **taken: str) -> list[tuple[str, str]]:
        return [(p.id, p.devices) for p in slots.choose("cpu", wanted, taken=taken)]

    assert cpu(2) == [("0", "cpu:2"), ("1", "cpu:3")]
    assert cpu("1,3") == [("1", "cpu:3"), ("3", "cpu:9")]
    assert len(cpu(None)) == 4
    assert cpu(2, **{"0": "cpu:2"}) == [("1", "cpu:3"), ("2", "cpu:7")]
    with pytest.raises(SwarmError, match="has 4 cores for runs: 5 were asked for, 4 are free") as caught:
        cpu(5)
    assert "--gpus 4" in caught.value.hint and "tuner:5" in caught.value.hint
    with pytest.raises(SwarmError, match="no core 4"):
        cpu("0,4")
    with pytest.raises(SwarmError, match="core 0 is taken"):
        cpu("0,1", **{"0": "cpu:2"})


def test_this_machine() -> None:
    mine = slots.cores()
    assert mine and set(mine) <= set(range(os.cpu_count() or 1))
    assert slots.cpu_model()


def test_a_quota_limits_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda pid: {0, 1, 2, 3, 4})
    for text, n in (("200000 100000\n", 2), ("50000 100000\n", 1), ("max 100000\n", 5)):
        monkeypatch.setattr(machine.Path, "read_text", lambda path, text=text: text)
        assert slots.cores() == list(range(n))


def test_torch_is_read_off_the_files(tmp_path: Path) -> None:
    site = tmp_path / "lib" / "python3.12" / "site-packages"
    (site / "torch-2.9.1+cu128.dist-info").mkdir(parents=True)
    (site / "torch_geometric-1.0.dist-info").mkdir()
    assert slots.torch_version(str(tmp_path / "bin" / "python")) == "2.9.1+cu128"
    assert slots.torch_version(str(tmp_path / "elsewhere" / "bin" / "python")) == "none"


@pytest.mark.parametrize(
    ("text", "means"), [("8", 8), (3, 3), ("0,2,5", (0, 2, 5)), ("0,", (0,)), ("0-2, 5", (0, 1, 2, 5))]
)
def test_gpus_as_they_are_typed(text: str | int, means: Any) -> None:
    assert slots.parse_gpus(text) == means


@pytest.mark.parametrize("text", ["0", "", "a", "1,,2", "-1", "1,1", "3-1", "0-99999999", "1.5"])
def test_gpus_that_cannot_be_read(text: str) -> None:
    with pytest.raises(UsageError):
        slots.parse_gpus(text)


# --- dealing ------------------------------------------------------------------------------------------------------


def test_without_counts_in_turn_one_each() -> None:
    dealt = slots.deal("claude,codex", ["0", "2", "5"])
    assert dealt == [
        ("gpu0-claude", "claude", ("0",)),
        ("gpu2-codex", "codex", ("2",)),
        ("gpu5-claude", "claude", ("5",)),
    ]
    assert [d.name for d in slots.deal(None, 2, prefix="cpu")] == ["cpu0-tuner", "cpu1-tuner"]
    with pytest.raises(UsageError) as caught:
        slots.deal("claude,codex", 1)
    assert "claude:1,codex:1" in caught.value.hint


def test_with_counts_exactly_so_many() -> None:
    assert [d.name for d in slots.deal("claude:3,codex:1", 4)] == [
        "gpu0-claude",
        "gpu1-claude",
        "gpu2-claude",
        "gpu3-codex",
    ]
    assert slots.deal("claude:1", 16) == [("claude-1", "claude", None)]
    assert [d.name for d in slots.deal({"claude": 2, "codex": 1}, 2)] == ["claude-1", "claude-2", "codex-1"]
    assert [d.name for d in slots.deal("claude:2,codex", 3)] == ["gpu0-claude", "gpu1-claude", "gpu2-codex"]
    assert [d.name for d in slots.deal("claude:2", 3, names=["claude-1"])] == ["claude-2", "claude-3"]


KINDS = st.lists(st.tuples(st.sampled_from(["claude", "codex", "tuner"]), st.integers(1, 9)), min_size=1, max_size=4)


@given(KINDS, st.integers(1, 20))
def test_dealing_is_fair(wishes: list[tuple[str, int]], n: int) -> None:
    dealt = slots.deal(",".join(f"{kind}:{count}" for kind, count in wishes), n)
    assert len(dealt) == sum(count for _, count in wishes)
    assert len({d.name for d in dealt}) == len(dealt)
    assert all((d.slots is None) == (len(dealt) != n) for d in dealt)
    if len(wishes) <= n:
        even = slots.deal(",".join(kind for kind, _ in wishes), n)
        assert [d.slots for d in even] == [(str(i),) for i in range(n)]


@pytest.mark.parametrize("text", ["claude:", "claude:0", "claude:x", ",", "a b:c", "../x", "claude:-1"])
def test_agents_that_cannot_be_read(text: str) -> None:
    with pytest.raises(UsageError):
        slots.deal(text, 4)


def test_nodes_are_named_where_they_are(box: Box) -> None:
    box.put(*four())
    there = set(nvidia.COMMON_NODES) | {f"/dev/nvidia{i}" for i in range(4)}
    box.patch.setattr(nvidia.os.path, "exists", lambda path: str(path) in there)
    assert slots.gpus()[3].device_nodes == ("/dev/nvidia3", *nvidia.COMMON_NODES)


@pytest.mark.parametrize(("folder", "strange"), [("r000001-1", False), ("../elsewhere/r000001-1", True)])
def test_a_process_of_a_run_is_no_stranger(tmp_path: Path, folder: str, strange: bool) -> None:
    mark = f"SWARM_RUN={tmp_path}/".encode()
    run = os.path.normpath(tmp_path / folder)
    words = [sys.executable, "-c", "print(flush=True); input()"]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, env={"SWARM_RUN": run}, stdin=pipe, stdout=pipe) as process:
        try:
            assert (
                process.stdout is not None and process.stdout.readline()
            )  # in the middle of exec it has no environment
            assert nvidia._is_strange(process.pid, mark) is strange
        finally:
            process.kill()
    assert not nvidia._is_strange(process.pid, mark)
