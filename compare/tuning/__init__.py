"""Find, within a given time, the configuration under which a model serves fastest on this machine.

Candidates are served from a scratch copy of the repository, searched by successive halving, and the best is held
against what was there in a fresh interleaved run. Only `writing` touches the repository, through its one writer.
"""
