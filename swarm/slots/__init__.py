"""GPUs and CPU cores: what this machine has, which are free, and who of the agents gets which."""

from swarm.slots.choosing import Place, choose, parse_gpus
from swarm.slots.dealing import Dealt, deal, parse_agents
from swarm.slots.machine import cores, cpu_model, torch_version
from swarm.slots.nvidia import Gpu, gpus, no_gpus, strangers, visible

__all__ = [
    "Dealt",
    "Gpu",
    "Place",
    "choose",
    "cores",
    "cpu_model",
    "deal",
    "gpus",
    "no_gpus",
    "parse_agents",
    "parse_gpus",
    "strangers",
    "torch_version",
    "visible",
]
