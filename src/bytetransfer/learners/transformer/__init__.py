"""The neural learner: a decoder-only byte transformer, importable for planning without torch.

`settings` and `numerics` are plain data and never load torch at import; everything else here does.
"""
