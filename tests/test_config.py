"""swarm.yaml as YAML reads it."""

from __future__ import annotations

import pytest
import yaml

from swarm.config import parse
from swarm.errors import SwarmError


def test_off_and_on_are_words_though_yaml_reads_them_as_truth_values() -> None:
    said = yaml.safe_load("policy: {sandbox: off, early: off, paired: on}")
    assert said["policy"]["sandbox"] is False
    policy = parse(said).policy
    assert (policy.sandbox, policy.early, policy.paired) == ("off", "off", "on")


def test_on_is_no_way_to_end_runs_early() -> None:
    with pytest.raises(SwarmError, match=r"policy\.early"):
        parse(yaml.safe_load("policy: {early: on}"))
