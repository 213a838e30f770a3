"""The figures that the authors of the method published, and what follows from them.

`perplexities.csv` holds the perplexities per byte of *Measuring Cross-lingual Transfer in Bytes*
(de Souza, Almeida, Lotufo, Nogueira, NAACL 2024, arXiv 2404.08191), as its authors published them
alongside their analysis in the repository github.com/lersouza/language-transfer. `scratch` is the
model from random initialisation, 0 bytes are their zero-shot runs. The analysis there turns them
into D_E with `numpy.interp(..., period=10)`; here the same cells are read by that rule and by two
that keep to the range, side by side.
"""

from __future__ import annotations

from bytetransfer.published.findings import to_json
from bytetransfer.published.page import build_page
from bytetransfer.published.readings import perplexities, readings, to_csv
from bytetransfer.published.table import print_readings

__all__ = ["build_page", "perplexities", "print_readings", "readings", "to_csv", "to_json"]
