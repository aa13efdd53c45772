"""swarm: a swarm of coding agents does machine-learning research on the machines people have."""

__version__ = "0.1.0"
