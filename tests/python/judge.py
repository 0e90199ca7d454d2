"""Judges series of daily returns with empyrical and plain scipy: judge.py JOB RESULT

JOB is a JSON list of {"returns": [...], "trades": [...], "tries": N}; RESULT gets one object of figures for each, None
where a figure is undefined. A year has 365 days; deviations are those of samples.
"""

import json
import math
import sys

import empyrical
import numpy
from scipy import special, stats

YEAR = 365
EULER_MASCHERONI = float(numpy.euler_gamma)


def returns_figures(returns):
    series = numpy.asarray(returns)
    return {
        "total": empyrical.cum_returns_final(series),
        "annualised": empyrical.annual_return(series, annualization=YEAR),
        "sharpe": empyrical.sharpe_ratio(series, annualization=YEAR),
        "sortino": empyrical.sortino_ratio(series, annualization=YEAR),
        "calmar": empyrical.calmar_ratio(series, annualization=YEAR),
        "max_drawdown": -empyrical.max_drawdown(series),
    }


def trade_figures(trades, tries):
    net = numpy.asarray(trades)
    won, lost = net[net > 0].sum(), -net[net <= 0].sum()
    sharpe = net.mean() / net.std(ddof=1)
    skewness, kurtosis = stats.skew(net), stats.kurtosis(net, fisher=False)
    # SciPy has no expected maximum: the formula, with its quantiles.
    luck = 0.0
    if tries > 1:
        luck = (1 - EULER_MASCHERONI) * special.ndtri(1 - 1 / tries) + EULER_MASCHERONI * special.ndtri(
            1 - 1 / (tries * math.e)
        )
    benchmark = luck / math.sqrt(len(net) - 1)
    spread = 1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2

    def standard(against, spread):
        return (sharpe - against) * math.sqrt(len(net) - 1) / math.sqrt(spread)

    return {
        "win_rate": (net > 0).mean(),
        "profit_factor": won / lost if lost > 0 else won,
        "skewness": skewness,
        "kurtosis": kurtosis,
        "t_statistic": stats.ttest_1samp(net, 0.0).statistic,
        "probabilistic_sharpe": stats.norm.cdf(standard(0.0, spread)),
        "published_deflated_sharpe": stats.norm.cdf(standard(benchmark, spread)),
        "deflated_sharpe": stats.t.cdf(standard(benchmark, max(1.0, spread)), len(net) - 1),
    }


def plain(value):
    return float(value) if math.isfinite(value) else None


def main():
    with open(sys.argv[1]) as file:
        jobs = json.load(file)
    # Series without deviation divide by zero on purpose.
    with numpy.errstate(all="ignore"):
        results = [{**returns_figures(job["returns"]), **trade_figures(job["trades"], job["tries"])} for job in jobs]
    with open(sys.argv[2], "w") as file:
        json.dump([{name: plain(value) for name, value in result.items()} for result in results], file)


if __name__ == "__main__":
    main()
