"""What is searched: a training that sleeps about a second and prints a number that its constants and its seed decide."""

from __future__ import annotations

import random
import re

TRAIN = '''"""A bowl of eight constants; the loss is how far they are from the middle, and a little noise from the seed."""

import os
import random
import sys
import time

MOOD = "fine"

SECONDS = 1.0

A = 1.0

B = 2.0

C = 3.0

D = 0.5

E = 1.5

F = 2.5

G = 3.5

H = 0.1

MIDDLE = (0.3, 0.7, 1.1, 1.5, 0.2, 0.6, 1.0, 1.4)


def summary(loss):
    print("---")
    print(f"val_bpb:          {loss:.6f}")
    print(f"training_seconds: {time.monotonic() - begun:.1f}")
    print("num_steps:        100")


begun = time.monotonic()
dice = random.Random(int(os.environ["SWARM_SEED"]))
if MOOD == "crash":
    raise RuntimeError("this one crashes")
if MOOD == "stubborn":
    import signal

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if MOOD == "daemon" and os.fork() == 0:
    os.setsid()
    time.sleep(3600)
    sys.exit(0)
if MOOD == "flood":
    for n in range(20_000):
        print("step", n, "loss", dice.random())
time.sleep(3600 if MOOD in ("hang", "stubborn") else SECONDS + dice.uniform(-0.2, 0.2))
# -- ideas
loss = 1.0 + 0.05 * sum((x - m) ** 2 for x, m in zip((A, B, C, D, E, F, G, H), MIDDLE)) + dice.gauss(0, 0.002)
if MOOD == "nan":
    loss = float("nan")
summary(loss)
if MOOD == "twice":
    summary(loss - 1.0)
'''

# how often a change is of each kind; `fine` ones move one or two constants
KINDS = {
    "fine": 80, "code": 8, "crash": 4, "nan": 2, "twice": 1, "flood": 1, "hang": 1, "stubborn": 1, "daemon": 1, "gone": 1,
    "meddle": 1, "nothing": 1, "commit": 1,
}  # fmt: skip


def kind(dice: random.Random) -> str:
    """What sort of change comes next."""
    return dice.choices(list(KINDS), list(KINDS.values()))[0]


def changed(text: str, sort: str, dice: random.Random) -> str:
    """The text of train.py with a change of this sort."""
    mood = "fine" if sort in ("fine", "code", "meddle", "nothing", "commit", "gone") else sort
    text = re.sub(r'^MOOD = ".*"$', f'MOOD = "{mood}"', text, flags=re.M)
    if sort in ("nothing", "gone"):
        return text
    if sort == "code":
        line = f"# idea {dice.randrange(10**6)}: nothing that the number would show\n"
        lines = text.splitlines(keepends=True)
        ideas = [n for n, old in enumerate(lines) if old.startswith("# idea")]
        if len(ideas) > 20:
            del lines[ideas[0]]
        at = next((n for n, old in enumerate(lines) if old.startswith("# -- ideas")), len(lines) - 1)
        return "".join([*lines[: at + 1], line, *lines[at + 1 :]])
    for name in dice.sample("ABCDEFGH", dice.choice((1, 1, 2))):
        text = re.sub(rf"^{name} = (.*)$", lambda m: f"{m[0][:4]}{_moved(m[1], dice):.4f}", text, flags=re.M)
    return text


def _moved(value: str, dice: random.Random) -> float:
    try:
        return float(value) + dice.gauss(0, 0.2)
    except ValueError:
        return 1.0
