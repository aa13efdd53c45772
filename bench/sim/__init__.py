"""Campaigns under a virtual clock: the real coordinator, ledger and worktrees; runs, agents and time are simulated.

`landscape` is what is searched and its noise, `researcher` how an agent thinks, `campaign` the coordinator at work on
them, `loop` the loop without a coordinator. `bench.depth` is built on these, and so is any other comparison of policies.
"""
