"""The story of one experiment and its branches, played with real git and SQLite."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from swarm.coordinator import recover
from swarm.coordinator.planting import plant
from swarm.errors import Refused
from tests.coordinator.play import TRAIN, Play, total


def test_the_baseline_comes_first_on_every_slot_and_at_least_three_times(play: Play) -> None:
    answer = play.spawn(agents=2)
    play.settle()
    runs = play.ledger.rows("SELECT purpose, status, slot, seed FROM runs")
    assert [r[0] for r in runs] == ["baseline"] * 3
    assert {r[1] for r in runs} == {"finished"}
    assert {r[2] for r in runs} == {"0", "1"}
    assert len({r[3] for r in runs}) == 3
    assert play.world.campaign.state == "searching"
    assert play.world.campaign.best == answer["baseline"] == "e0001"
    assert play.e("e0001").estimate == pytest.approx(6.0, abs=0.1)


def test_a_baseline_that_crashes_ends_the_campaign_with_its_traceback(play: Play) -> None:
    play.crashing = lambda source: "exit 1"
    play.spawn(agents=2)
    for _ in range(60):
        play.step()
    campaign = play.world.campaign
    assert campaign.state == "ended"
    assert "baseline crashed" in (campaign.why_ended or "")
    assert "Boom" in (play.e("e0001").reason or "")
    with pytest.raises(Refused, match="over"):
        play.story.submit("a0", "late")


def test_better_is_kept_worse_is_discarded_and_the_tip_follows(play: Play) -> None:
    play.begin()
    better = play.measured("a0", A=0.5)
    worse = play.measured("a0", B=9)
    assert (better.verdict, worse.verdict) == ("keep", "discard")
    assert worse.parent == better.id
    assert play.a("a0").tip == better.id
    assert better.p_better is not None
    assert better.p_better > 0.99


def test_a_crash_is_recorded_with_its_reason_and_moves_nothing(play: Play) -> None:
    play.begin()
    play.crashing = lambda source: "oom" if "A = 77" in source else None
    crashed = play.measured("a0", A=77)
    assert crashed.verdict == "crash"
    assert (crashed.reason or "").startswith("oom")
    assert play.a("a0").tip == "e0001"


def test_a_submission_goes_out_on_the_tip_of_the_moment(play: Play) -> None:
    """A before B: the second of two queued changes is bound to the first when that was kept."""
    play.begin(agents=1)
    first, second = play.submit("a0", A=0.5), play.submit("a0", B=1.0)
    assert play.e(second).stage == "queued"
    play.settle()
    assert play.e(second).parent == first
    assert "A = 0.5" in play.hub.read(play.e(second).commit or "", "train.py").decode()


def test_the_queue_is_bounded_and_a_refused_submission_leaves_the_files(play: Play) -> None:
    play.begin(agents=1)
    play.submit("a0", A=0.5)
    play.submit("a0", B=1.0)
    play.edit("a0", C=1.0)
    with pytest.raises(Refused, match="queue is full"):
        play.story.submit("a0", "a third")
    assert "C = 1.0" in (play.workspace.worktree("a0") / "train.py").read_text()


@pytest.mark.parametrize("queue", [0, 2])
def test_the_queue_is_as_deep_as_the_policy_says(play: Play, queue: int) -> None:
    play.begin(agents=1, policy={"queue": queue})
    for number in range(1 + queue):
        assert play.story.contact("a0")["room"] == 1 + queue - number
        play.submit("a0", A=9.0 + number)
    assert not play.story.contact("a0")["room"]
    with pytest.raises(Refused, match=f"queue is full \\({1 + queue} in flight"):
        play.submit("a0", A=99)


def test_nothing_changed_is_refused(play: Play) -> None:
    play.begin()
    with pytest.raises(Refused, match="nothing changed"):
        play.story.submit("a0", "nothing")


def test_another_tracked_file_is_put_back_kept_and_refused(play: Play) -> None:
    play.begin()
    tree = play.workspace.worktree("a0")
    (tree / "prepare.py").write_text("FROZEN = 0\n")
    play.edit("a0", A=0.1)
    with pytest.raises(Refused, match=r"prepare\.py"):
        play.story.submit("a0", "cheat")
    assert (tree / "prepare.py").read_text() == "FROZEN = 1\n"
    kept = list((play.workspace.agents / "a0" / "kept").rglob("prepare.py"))
    assert [p.read_text() for p in kept] == ["FROZEN = 0\n"]
    assert "A = 0.1" in (tree / "train.py").read_text()


def test_the_same_file_again_is_answered_from_the_ledger(play: Play) -> None:
    play.begin()
    first = play.measured("a0", A=9)
    again = play.measured("a1", A=9)
    assert first.verdict == "discard"
    assert (again.verdict, again.same_as) == ("answered", first.id)
    assert play.ledger.value("SELECT COUNT(*) FROM runs WHERE experiment=?", again.id) == 0


def test_one_confirming_run_then_best_moves_and_both_refs_follow(play: Play) -> None:
    play.begin()
    kept = play.measured("a0", A=0.5)
    promotion = play.ledger.rows("SELECT experiment, previous, by FROM promotions")
    assert promotion == [(kept.id, "e0001", "confirmation")]
    assert play.world.campaign.best == kept.id
    assert play.e(kept.id).runs >= 2
    assert play.hub.refs()["refs/heads/best"] == kept.commit
    assert play.hub.refs()[f"refs/experiments/{kept.id}"] == kept.commit


def test_a_candidate_that_does_not_hold_is_dropped_and_its_author_goes_back(tmp_path: Path) -> None:
    play = Play(tmp_path, noise=0.02)
    play.begin()
    lucky: list[int] = []

    def loss(source: str) -> float:
        if "A = 1.001" in source:
            lucky.append(1)
            return 5.95 if len(lucky) == 1 else 6.2
        return 6.0

    play.loss = loss
    e = play.measured("a0", A=1.001)
    assert e.verdict == "keep"
    assert play.e(e.id).dropped == 1
    assert play.world.campaign.best == "e0001"
    assert play.a("a0").tip == "e0001"


def test_an_agent_behind_is_rebased_and_its_own_change_is_measured_again(play: Play) -> None:
    play.begin()
    mine, big = play.submit("a1", B=1.9), play.submit("a0", A=0.1)
    play.settle()
    [(agent, was, stack, outcome)] = play.ledger.rows("SELECT agent, was, stack, outcome FROM rebases WHERE agent='a1'")
    assert (agent, was, outcome) == ("a1", mine, "replayed")
    stacked = play.e(stack)
    text = play.hub.read(stacked.commit or "", "train.py").decode()
    assert "A = 0.1" in text
    assert "B = 1.9" in text
    assert stacked.parent == big
    assert play.world.campaign.best == stack  # better than either alone, and so it went round


def test_a_rebase_whose_change_no_longer_helps_falls_back_to_best(play: Play) -> None:
    play.begin()

    def loss(source: str) -> float:
        clash = 3.0 if "A = 0.1" in source and "B = 1.9" in source else 0.0
        return total(source) + clash

    play.loss = loss
    play.submit("a1", B=1.9)
    big = play.submit("a0", A=0.1)
    play.settle()
    assert [r[0] for r in play.ledger.rows("SELECT outcome FROM rebases WHERE agent='a1'")] == ["fallen back"]
    assert play.a("a1").tip == big


def test_an_agent_without_changes_of_its_own_moves_forward(play: Play) -> None:
    play.begin()
    big = play.measured("a0", A=0.1)
    play.settle()
    assert play.a("a1").tip == big.id
    assert [r[0] for r in play.ledger.rows("SELECT outcome FROM rebases WHERE agent='a1'")] == ["fast-forward"]
    heard = play.story.contact("a1")
    assert any("best is now" in line for line in heard["news"])
    assert "A = 0.1" in (play.workspace.worktree("a1") / "train.py").read_text()


def test_edits_in_the_worktree_survive_a_rebase(play: Play) -> None:
    play.begin()
    play.edit("a1", C=2.5)
    play.measured("a0", A=0.1)
    play.settle()
    play.story.contact("a1")
    assert "C = 2.5" in (play.workspace.worktree("a1") / "train.py").read_text()
    e = play.e(play.story.submit("a1", "C")["experiment"])
    play.settle()
    text = play.hub.read(play.e(e.id).commit or "", "train.py").decode()
    assert "A = 0.1" in text
    assert "C = 2.5" in text


def test_a_lost_run_is_tried_again_three_times_and_then_it_is_the_machine(play: Play) -> None:
    play.begin(agents=1)
    ident = play.submit("a0", A=0.5)
    play.executor.lose = True
    for _ in range(30):
        play.step()
    play.executor.lose = False
    assert play.e(ident).verdict == "crash"
    assert "machine" in (play.e(ident).reason or "")
    assert [
        r[0]
        for r in play.ledger.rows(
            "SELECT a.outcome FROM attempts a JOIN runs r ON r.id=a.run WHERE r.experiment=?", ident
        )
    ] == ["lost"] * 3


def test_a_person_promotes_undoes_and_holds(play: Play) -> None:
    play.begin()
    bad = play.measured("a0", A=5)
    with pytest.raises(Refused, match="not kept"):
        play.story.promote(bad.id)
    moved = play.story.promote(bad.id, force=True)
    assert moved["moved"]
    assert play.world.campaign.best == bad.id
    back = play.story.undo()
    assert back["experiment"] == "e0001"
    with pytest.raises(Refused, match="no commit deadbee"):
        play.story.promote("deadbee")


def test_what_is_asked_again_by_the_same_name_is_done_once(play: Play) -> None:
    play.begin()
    first, second = play.measured("a0", A=5), play.measured("a1", B=9)
    play.story.promote(first.id, force=True, hold=True)
    play.story.promote(second.id, force=True, hold=True)
    answers = [play.story.undo(request="r1") for _ in range(2)]
    assert answers[0] == answers[1]
    assert (answers[0]["experiment"], play.world.campaign.best) == (first.id, first.id)
    assert play.story.undo(request="r2")["experiment"] == "e0001"
    for request in ("t1", "t1", "t2", None, None):
        assert play.story.tell("a0", "look at B", request) == {"told": "a0"}
    assert play.kinds().count("told") == 4


def test_a_best_that_later_runs_do_not_bear_out_is_withdrawn(play: Play) -> None:
    play.begin()
    bad = play.measured("a0", A=5)
    play.story.promote(bad.commit or "", force=True)
    play.settle()
    assert play.world.campaign.best == "e0001"
    assert "withdrawn" in play.kinds()


def test_hold_keeps_what_a_person_wants(play: Play) -> None:
    play.begin()
    bad = play.measured("a0", A=5)
    play.story.promote(bad.id, force=True, hold=True)
    play.settle()
    assert play.world.campaign.best == bad.id


def test_a_persons_own_file_is_measured_as_it_is(play: Play) -> None:
    play.begin()
    answer = play.story.try_file({"train.py": TRAIN.replace("A = 1.0", "A = 0.2")}, "mine")
    play.settle()
    e = play.e(answer["experiment"])
    assert (e.agent, e.verdict, e.commit) == ("you", "keep", answer["commit"])
    assert play.world.campaign.best == e.id


def test_it_stops_after_so_many_experiments_and_says_why(play: Play) -> None:
    play.begin(agents=1, stop={"experiments": 2})
    play.measured("a0", A=0.9)
    play.submit("a0", B=1.0)
    for _ in range(60):
        play.step()
    assert play.world.campaign.state == "ended"
    assert "2 experiments" in (play.world.campaign.why_ended or "")
    assert play.story.over()
    heard = play.story.contact("a0")
    assert heard["stop"]


def test_after_the_end_it_can_go_on(play: Play) -> None:
    play.begin(agents=1)
    play.story.stop()
    for _ in range(40):
        play.step()
    assert play.world.campaign.state == "ended"
    with pytest.raises(Refused, match="has ended"):
        play.story.resume()
    assert play.story.resume({"hours": 1})["restarted"] == ["a0"]
    assert play.measured("a0", A=0.5).verdict == "keep"


def test_pause_starts_nothing(play: Play) -> None:
    play.begin(agents=1)
    ident = play.submit("a0", A=0.5)
    play.story.pause()
    for _ in range(5):
        play.step()
    assert play.e(ident).stage == "queued"
    play.story.resume()
    play.settle()
    assert play.e(ident).verdict == "keep"


def test_a_restart_loses_nothing(play: Play) -> None:
    play.begin()
    ident = play.submit("a0", A=0.5)
    play.step()
    play.ledger.close()
    play.open()
    play.settle()
    assert play.e(ident).verdict == "keep"
    assert play.world.campaign.best == ident
    assert play.hub.refs()[f"refs/submitted/{ident}"] == play.e(ident).submitted


def test_refs_that_somebody_moved_are_put_back_at_start(play: Play) -> None:
    play.begin()
    kept = play.measured("a0", A=0.5)
    play.hub.set_refs({"refs/heads/best": play.e("e0001").commit, f"refs/experiments/{kept.id}": None})
    play.ledger.close()
    play.open()
    assert play.hub.refs()["refs/heads/best"] == kept.commit
    assert play.hub.refs()[f"refs/experiments/{kept.id}"] == kept.commit


def test_a_dead_agent_is_started_again_and_at_last_given_up(play: Play) -> None:
    play.begin(agents=1)
    play.sessions.die("a0", 1)
    play.step(2)
    play.step(2)
    play.step(2)
    assert play.sessions.started.count("a0") == 2
    began = play.now
    for _ in range(400):
        if play.a("a0").state == "stopped":
            break
        play.sessions.die("a0", 1)
        play.step(max(5.0, (play.a("a0").until or 0.0) - play.now))
        play.world.timers.pop("budgets", None)
    assert play.a("a0").state == "stopped"
    assert play.now - began > 3 * 3600  # a provider that is out for the evening is sat out
    data = [json.loads(d) for (d,) in play.ledger.rows("SELECT data FROM events WHERE kind='agent' ORDER BY seq")]
    assert "given up" in data[-1]["why"]


def test_a_pool_shares_its_slots(play: Play) -> None:
    play.begin(agents=1, pool=3)
    first = [play.submit("a0", A=0.9), play.submit("a0", B=1.9), play.submit("a0", C=2.9)]
    play.settle()
    parents = {play.e(i).parent for i in first}
    assert parents == {"e0001"}  # siblings, at once
    stacks = play.ledger.rows("SELECT stack_of FROM experiments WHERE origin='stack'")
    assert stacks  # what was kept beside the tip is stacked on it


def test_spawn_twice_takes_free_slots_only(play: Play) -> None:
    play.begin(agents=1)
    with pytest.raises(Refused, match="taken already"):
        play.spawn(agents=1)
    slot = {"id": "5", "devices": "cpu:5", "accelerator": "core", "torch": "2", "device_nodes": []}
    task = json.loads(play.world.campaign.task)["task"]
    play.story.spawn(task=task, agents=[{"name": "b", "kind": "scripted", "slot": "5"}], slots=[slot], stop={})
    assert play.measured("b", A=0.5).verdict == "keep"


def test_news_is_told_once(play: Play) -> None:
    play.begin()
    play.story.tell("a0", "look at B")
    assert "a person tells you: look at B" in play.story.contact("a0")["news"]
    assert "a person tells you: look at B" not in play.story.contact("a0")["news"]
    assert not any("look at B" in line for line in play.story.contact("a1")["news"])


def test_news_is_told_again_until_it_is_heard(play: Play) -> None:
    play.begin(2)
    play.measured("a1", A=0.2)
    play.story.tell("a0", "look at B")
    first = play.story.contact("a0", heard=0)
    again = play.story.contact("a0", heard=0)
    assert "a person tells you: look at B" in first["news"]
    assert any("your worktree moved from e0001" in line for line in first["news"])
    assert again["news"] == first["news"]
    play.story.tell("a0", "and at C")
    assert play.story.contact("a0", heard=first["seq"])["news"] == ["a person tells you: and at C"]
    assert play.story.contact("a0", heard=10**9)["news"] == ["a person tells you: and at C"]  # not one of ours
    play.open()
    last = play.story.contact("a0", heard=0)
    assert last["news"] == ["a person tells you: and at C"]
    assert play.story.hear("a0", last["seq"]) and play.story.contact("a0", heard=0)["news"] == []


def test_results_are_told_again_until_they_are_heard(play: Play) -> None:
    play.begin(2)
    play.measured("a0", A=0.2)
    first = play.story.contact("a0", heard=0)
    assert [r["experiment"] for r in first["results"]] == ["e0002"]
    assert play.story.contact("a0", heard=0)["results"] == first["results"]
    assert play.story.contact("a0", heard=first["seq"])["results"] == []


def test_a_new_campaign_keeps_what_stood_in_a_worktree(play: Play) -> None:
    play.begin(agents=1)
    play.edit("a0", C=2.25)
    play.story.stop(now=True)
    play.settle()
    assert play.world.campaign.state == "ended"
    play.begin(agents=1)
    kept = list((play.workspace.agents / "a0" / "kept").rglob("train.py"))
    assert ["C = 2.25" in p.read_text() for p in kept] == [True]
    assert "C = 3.0" in (play.workspace.worktree("a0") / "train.py").read_text()


def test_going_on_after_the_worktrees_were_cleaned_away(play: Play) -> None:
    play.begin(agents=1)
    play.story.stop(now=True)
    play.settle()
    play.world.worktrees.remove("a0")
    play.story.resume({"hours": 1})
    assert play.measured("a0", A=0.5).verdict == "keep"


def test_a_branch_still_to_be_moved_is_no_more_when_its_worktree_is_planted_anew(play: Play) -> None:
    """The disk was full when it should have moved; what moves it now must not be undone later."""
    play.begin(agents=1)
    branch, base = "refs/heads/swarm/a0", play.world.commit_of("e0001")
    play.world.pin(branch, play.hub.commit({"train.py": b"A = 9"}, base, "x"))
    plant(play.world, ["a0"])
    play.world.move_refs()
    assert play.hub.refs()[branch] == play.ledger.refs()[branch] == base


def own_commit(play: Play) -> str:
    """a0 edits and commits by itself."""
    play.edit("a0", A=0.5)
    tree = play.workspace.worktree("a0")
    for words in (["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@x", "commit", "-q", "-m", "mine"]):
        subprocess.run(["git", *words], cwd=tree, check=True, capture_output=True)
    return subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=tree, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.mark.parametrize("then", ["restarted", "ended"])
def test_a_commit_of_the_agents_own_is_kept_and_its_branch_put_right(play: Play, then: str) -> None:
    play.begin(agents=1)
    own = own_commit(play)
    before = play.ledger.refs()["refs/heads/swarm/a0"]
    assert play.hub.refs()["refs/heads/swarm/a0"] == own
    if then == "ended":
        play.story.stop(now=True)
        play.settle()
    else:
        recover.recover(play.world)
    assert play.hub.refs()["refs/heads/swarm/a0"] == before
    assert play.hub.refs()[f"refs/stray/a0/{own[:12]}"] == own
    assert play.ledger.refs() == play.hub.refs()


def test_a_commit_of_the_agents_own_is_kept_and_never_built_on(play: Play) -> None:
    play.begin(agents=1)
    own = own_commit(play)
    e = play.e(play.story.submit("a0", "mine")["experiment"])
    assert play.hub.refs()[f"refs/stray/a0/{own[:12]}"] == own
    play.settle()
    assert play.e(e.id).verdict == "keep"
    assert play.e(e.id).commit != own


def test_costs_are_booked_and_end_a_campaign_and_a_limit_is_no_failure(play: Play) -> None:
    play.begin(agents=1, stop={"usd": 1.0})
    play.story.turn("a0", state="limited", until=play.now + 100)
    assert play.story.contact("a0", final=True)["stop"] is False
    assert play.a("a0").state == "limited"
    play.now += 200
    play.story.turn("a0", tokens=1000, usd=0.4)
    assert play.a("a0").state != "limited"
    play.step()
    assert play.world.campaign.state == "searching"
    play.story.turn("a0", tokens=1000, usd=0.7)
    play.step()
    assert "$1" in (play.world.campaign.why_ended or "")


def test_costs_belong_to_experiments_and_are_counted_once(play: Play) -> None:
    play.begin(agents=2)
    mine, other = play.submit("a0", A=0.9), play.submit("a1", B=1.9)
    play.story.turn("a0", turn=1, tokens=1001, usd=0.5, experiments=[mine, other, "e0999"])
    play.story.turn("a0", turn=1, tokens=1001, usd=0.5, experiments=[mine])  # the answer was not heard
    second = play.submit("a0", C=2.9)
    play.story.turn("a0", turn=2, tokens=11, usd=0.3, experiments=[mine, second])
    play.story.turn("a0", turn=3, tokens=7, experiments=[], plan=True)
    rows = play.ledger.rows("SELECT agent, experiment, tokens, usd FROM costs ORDER BY id")
    assert rows == [
        ("a0", mine, 1001, 0.5), ("a0", mine, 6, 0.15), ("a0", second, 5, 0.15), ("a0", None, 7, None),
    ]  # fmt: skip
    assert json.loads(play.a("a0").options)["login"] == "plan"


def test_a_turn_that_is_stuck_is_recorded(play: Play) -> None:
    play.begin(agents=1)
    play.story.turn("a0", state="stuck", blanks=3, why="nothing changed")
    ((data,),) = play.ledger.rows("SELECT data FROM events WHERE kind='stuck' AND agent='a0'")
    assert json.loads(data) == {"turns": 3, "why": "nothing changed", "fresh": False}


def test_a_run_that_shared_its_gpu_is_repeated(play: Play) -> None:
    slot = {"id": "0", "devices": "GPU-x", "accelerator": "H100", "torch": "2", "device_nodes": []}
    play.begin(agents=1, slots=[slot])
    play.executor.manual = True
    ident = play.submit("a0", A=0.5)
    play.step()
    play.world.strangers = lambda: {"GPU-x": [4711]}
    play.step(11)
    play.world.strangers = dict
    play.executor.manual = False
    play.settle()
    outcomes = play.ledger.rows(
        "SELECT a.outcome, a.why FROM attempts a JOIN runs r ON r.id=a.run WHERE r.experiment=? ORDER BY r.id, a.n",
        ident,
    )
    assert outcomes[0] == ("lost", "a foreign process (pid 4711) was on its GPU")
    assert outcomes[1][0] == "finished"
    assert play.e(ident).verdict == "keep"


def test_a_slot_whose_owner_waits_does_not_confirm_twice_running(play: Play) -> None:
    """The other agent's stream of finds must not eat the time of this one."""
    play.begin(agents=2)
    for n in range(6):
        play.submit("a0", A=0.9 - n / 10)
        if not [e for e in play.world.unfinished("a1") if e.stage == "queued"]:
            play.submit("a1", B=5.0 + n)
        play.settle()
    rows = play.ledger.rows(
        "SELECT r.purpose FROM attempts a JOIN runs r ON r.id=a.run WHERE a.slot='1' ORDER BY a.rowid"
    )
    purposes = [p for (p,) in rows]
    assert purposes.count("confirm") >= 2
    assert purposes.count("screen") >= 5


def test_a_change_without_effect_gains_nothing_from_a_parent_that_was_a_great_find(play: Play) -> None:
    play.begin(agents=1)
    great = play.measured("a0", A=-50.0)
    assert abs((play.e(great.id).estimate or 0) - (play.e(great.id).raw or 0)) < 2 * play.noise
    path = play.workspace.worktree("a0") / "train.py"
    path.write_text(path.read_text() + "\n# nothing\n")
    nothing = play.e(play.story.submit("a0", "nothing")["experiment"])
    play.settle()
    assert 0.02 < (play.e(nothing.id).p_better or 0) < 0.98


def test_a_change_without_effect_is_never_best_where_nothing_is_noisy(tmp_path: Path) -> None:
    """An estimate that is shrunk towards the parent's is no find to be surpassed by measuring the same again."""
    play = Play(tmp_path, noise=0.0)
    play.begin(agents=1)
    great = play.measured("a0", A=0.5)
    path = play.workspace.worktree("a0") / "train.py"
    path.write_text(path.read_text().replace("def main", "def  main"))
    nothing = play.e(play.story.submit("a0", "nothing")["experiment"])
    play.settle()
    assert play.e(nothing.id).p_better == 0.5
    assert play.e(great.id).estimate == play.e(great.id).raw
    assert play.world.campaign.best == great.id


def test_a_slot_is_idle_only_after_as_long_as_a_run_takes(play: Play) -> None:
    """What its owner thinks of meanwhile would have to wait for the end of a run that nobody needs."""
    play.begin(agents=1, policy={"idle_after": 5})
    again = "SELECT COUNT(*) FROM runs WHERE purpose='reference'"
    play.step(5)  # a run of the played task takes 12 seconds
    assert play.ledger.value(again) == 0
    play.step(12)
    assert play.ledger.value(again) == 1
