"""The story's answers as an agent reads them: short, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swarm.api.looking import NO_INSTRUCTION, bounded, line, plain
from swarm.views import Snapshot

PATCH = 6_000  # characters of a diff told back
TAIL = 1_500  # characters of a crash
PROGRAM = 16_000  # characters of the person's program


def submitted(answer: Mapping[str, Any], on: str | None = None) -> str:
    """After `submit`: what was taken, what is known of it, whether there is room for more."""
    based = f" as a change of {line(on, 60)}; it is measured on what you build on when its turn comes" if on else ""
    out = [f"{answer['experiment']} is queued{based}.", bounded(answer.get("diff"), PATCH)]
    notes = [f"- {line(note, 900)}" for note in answer.get("notes") or []]
    out += ["Known already:", *notes] if notes else []
    out += program(answer)
    out += [f"Next on the person's list: {line(answer['next'], 700)}"] if answer.get("next") else []
    return "\n".join(
        [*out, "Your files are back at what you build on: read them again before you edit.", _next(answer)]
    )


def program(answer: Mapping[str, Any]) -> list[str]:
    """The program, when it was edited since the agent last heard of it: by the person, so not as somebody's data."""
    text = plain(answer.get("program"), PROGRAM).strip()
    return ["The person edited your program meanwhile. From now on it says:", "", text, ""] if text else []


def _next(answer: Mapping[str, Any]) -> str:
    room = int(answer.get("room") or 0)
    if room > 0:
        return f"Room for {room} more: prepare and submit the next change while this one runs. No idea left? Call wait."
    return (
        "Your queue is full. If you work in turns, end this one now with a sentence (the next begins when there is news); "
        "else call wait."
    )


def heard(answer: Mapping[str, Any], better: str = "lower") -> str:
    """After `wait`: results with their why, what happened meanwhile, and what to do."""
    if not answer:
        return "Nothing new yet. Call wait again."
    out = [text for result in answer.get("results") or [] for text in _result(result, better)]
    out += [f"news: {line(news, 4200)}" for news in answer.get("news") or []]
    out += program(answer)
    if answer.get("stop"):
        why = line(answer.get("why"), 300) or "the campaign is over"
        return "\n".join([*out, f"Stop now: {why}. Submit nothing more and end your work."])
    out = out or ["Nothing new yet."]
    if answer.get("reads"):
        return "\n".join([*out, "Read what is new, write what it means; then wait again."])
    room, base, tip = int(answer.get("room") or 0), answer.get("base"), answer.get("tip")
    stands = f"You build on {tip}" + (f" (your files still stand on {base})" if base != tip else "")
    if room > 0:
        return "\n".join([*out, f"{stands}. Room for {room} more: edit and submit the next change."])
    return "\n".join([*out, f"{stands}. Your queue is full: call wait again, or think about the next change."])


def _result(r: Mapping[str, Any], better: str) -> list[str]:
    verdict = str(r.get("verdict") or "")
    head = f"{r['experiment']} {verdict}: {line(r.get('description'), 300)}"
    if verdict == "crash":
        tail = plain(str(r.get("reason") or "no word")[-TAIL:], TAIL).strip()
        fenced = tail.replace("<<<", "‹‹‹").replace(">>>", "›››")
        return [head, f"The end of what it printed. {NO_INSTRUCTION}\n<<<\n{fenced}\n>>>"]
    facts = [f"score {r['score']:.6g}"] if r.get("score") is not None else []
    if r.get("estimate") is not None and r.get("stderr") is not None:
        facts.append(f"estimate {r['estimate']:.6g} ± {r['stderr']:.2g} (n={r.get('runs') or 1})")
    if r.get("delta") is not None:
        good = r["delta"] < 0 if better == "lower" else r["delta"] > 0
        facts.append(f"{abs(r['delta']):.4g} {'better' if good else 'worse'} than its parent")
    facts += [f"P(better) {r['p']:.2f}"] if r.get("p") is not None else []
    facts += [f"one run spreads by {r['noise']:.2g}"] if r.get("noise") and facts else []
    why = f"  why: {line(r.get('reason'), 400)}" if r.get("reason") else ""
    foretold = f"  {line(r.get('foretold'), 200)}" if r.get("foretold") else ""
    return [text for text in (head, f"  {', '.join(facts)}" if facts else "", why, foretold) if text]


def adopted(answer: Mapping[str, Any]) -> str:
    """After `adopt`."""
    out = [f"You build on {answer['tip']} now (before: {answer['was']})."]
    if answer.get("stack"):
        out.append(f"Your own kept {', '.join(answer['kept'])} are measured again on it, as {answer['stack']}.")
    if answer.get("moved"):
        out.append("Your files are its files: read them before you edit.")
    else:
        out.append(f"Your edits still stand on {answer['base']}; submit them, then your files move.")
    return "\n".join(out)


def standing(found: Snapshot, agent: str | None) -> str:
    """How it goes, for all and for the one that asks."""
    c = found.campaign
    out = [f"Campaign {line(c.name, 80)}: {c.state}{', paused' if c.paused else ''}; {c.metric}, {c.better} is better."]
    if found.best and found.best.estimate is not None:
        out.append(
            f"Best: {found.best.experiment} {found.best.estimate:.6g} ± {found.best.stderr or 0:.2g} (n={found.best.runs})."
        )
    if found.sd is not None:
        out.append(
            f"One run spreads by {found.sd:.2g}; smaller gains than {found.detectable or 0:.2g} cannot be seen in one."
        )
    out.append(
        f"{found.kept} kept, {found.discarded} discarded, {found.crashed} crashed; {found.slots} slots, "
        f"{len(found.agents)} agents."
    )
    total = sum(found.ideas.values())
    if total:
        left = found.ideas.get("open", 0) + found.ideas.get("claimed", 0)
        out.append(f"Backlog: {total} ideas, {100 * left / total:.0f} % of them never tried: see ideas.")
    mine = next((a for a in found.agents if a.name == agent), None)
    if mine is not None:
        going = ", ".join(g.experiment for g in mine.going if g.agent == agent) or "nothing"
        stand = "on best" if mine.on_best else f"{mine.behind} promotions behind best"
        out.append(f"You: {going} running, {mine.queued} queued, {mine.experiments} judged, {mine.kept} kept; {stand}.")
    return "\n".join([*out, "Next: leaderboard, recall(query), or edit and submit."])
