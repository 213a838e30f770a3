"""The same numbers as scipy.stats."""

import math

import numpy as np
import pytest
from scipy import stats

from bytetransfer.transfer import distributions as own

DEGREES = (1, 2.5, 17, 1e6)


@pytest.mark.parametrize("share", [1e-5, 0.2, 0.5, 0.975])
def test_quantiles(share):
    assert own.normal_quantile(share) == pytest.approx(stats.norm.ppf(share))
    assert own.t_quantile(share, DEGREES) == pytest.approx(stats.t.ppf(share, DEGREES))
    assert own.f_quantile(share, 2, DEGREES) == pytest.approx(stats.f.ppf(share, 2, DEGREES))
    assert own.beta_quantile(share, 0.3, 40) == pytest.approx(stats.beta.ppf(share, 0.3, 40))
    assert own.t_quantile(share, math.inf) == pytest.approx(stats.norm.ppf(share))


@pytest.mark.parametrize("value", [0.0, 0.3, 2.0, 30.0])
def test_tails(value):
    assert own.normal_tail([value, -value]) == pytest.approx(stats.norm.sf([value, -value]))
    for degrees in DEGREES:
        assert own.t_tail(value, degrees) == pytest.approx(stats.t.sf(value, degrees))
        assert own.chi2_tail(value, degrees) == pytest.approx(stats.chi2.sf(value, degrees))
    assert own.t_tail(value, np.inf) == pytest.approx(stats.norm.sf(value))
