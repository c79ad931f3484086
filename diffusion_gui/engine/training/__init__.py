"""How the program's network learns from pictures: read `trainer.py` first, then what it uses.

Every random draw is a function of (seed, step): the pictures of a batch, how they are moved, their
noise and its level, the captions that are withheld, and the channels that are dropped. So a
training that is stopped and resumed gives the same losses as one that was never stopped, and
processes that share a batch agree on it without a word. Imports torch.
"""
