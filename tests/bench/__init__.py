"""Figures of this machine: what one event costs, how many go through the chain, how long a command takes."""
