"""How often models without skill pass the deflated Sharpe ratio at 0.99, and how many with skill are found.

Draws trades from several distributions with mean 0 and tests them with the formulas of docs/formulas.md, implemented here
independently: the probabilistic Sharpe ratio as published, the one that the verdict uses, and Student's t test. Prints one row
per distribution and number of trades, in per cent. Everything is simulated. Needs numpy and scipy; takes two minutes.
"""

import numpy
from scipy import stats

SEED = 7
LEVEL = 0.99
POOL = 1_500_000
COUNTS = {30: 60_000, 100: 40_000, 400: 20_000}
COST_BPS = 15


def barriers(rng, stop, take, degrees, spread):
    """Trades on a random walk that end at a stop, at a take (both in ATR) or after 24 bars. Steps have Student's t
    distribution. The volatility varies between trades, log-normally with deviation `spread`."""
    volatility = 60 * numpy.exp(spread * rng.standard_normal(POOL))
    atr = 1.3 * volatility
    price, result = numpy.zeros(POOL), numpy.full(POOL, numpy.nan)
    for _ in range(24):
        price += volatility * rng.standard_t(degrees, POOL) / numpy.sqrt(degrees / (degrees - 2))
        open_ = numpy.isnan(result)
        # A quarter of the distance by which a bar overshoots the stop is lost, as by a gap.
        stopped = open_ & (price <= -stop * atr)
        result[stopped] = 0.75 * -stop * atr[stopped] + 0.25 * price[stopped]
        taken = open_ & (price >= take * atr)
        result[taken] = take * atr[taken]
    timed = numpy.isnan(result)
    result[timed] = price[timed]
    return result - result.mean()


def log_normal(rng):
    losses = numpy.exp(rng.standard_normal(POOL))
    return 120 * (numpy.exp(0.5) - losses)


def judged(trades):
    """The three statistics: the first is compared with quantiles of the normal distribution, the others with Student's t."""
    n = trades.shape[1]
    mean = trades.mean(1)
    distance = trades - mean[:, None]
    m2, m3, m4 = ((distance**k).mean(1) for k in (2, 3, 4))
    sharpe = mean / numpy.sqrt(m2 * n / (n - 1))
    spread = 1 - m3 / m2**1.5 * sharpe + (m4 / m2**2 - 1) / 4 * sharpe**2
    scaled = sharpe * numpy.sqrt(n - 1)
    return scaled / numpy.sqrt(spread), scaled / numpy.sqrt(numpy.maximum(1, spread)), sharpe * numpy.sqrt(n)


def main():
    rng = numpy.random.default_rng(SEED)
    shapes = {
        "normal": 120 * rng.standard_normal(POOL),
        "Student's t, 3 degrees": 70 * rng.standard_t(3, POOL),
        "stop 1.5, take 2.5": barriers(rng, 1.5, 2.5, 4, 0.4),
        "the same, wild volatility": barriers(rng, 1.5, 2.5, 3, 0.8),
        "stop 3, take 1": barriers(rng, 3, 1, 4, 0.4),
        "the same, wild volatility ": barriers(rng, 3, 1, 3, 0.8),
        "losses without a stop, log-normal": log_normal(rng),
    }
    print("| trades, fair on average | n | published | verdict's | t test | verdict's, 15 bps of costs | found at 3 SE | t test | at 5 SE | t test |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, pool in shapes.items():
        for n, samples in COUNTS.items():
            trades = pool[rng.integers(0, POOL, (samples, n))]
            normal, student = stats.norm.ppf(LEVEL), stats.t.ppf(LEVEL, n - 1)
            published, verdict, t = judged(trades)
            _, costly, _ = judged(trades - COST_BPS)
            rates = [published > normal, verdict > student, t > student, costly > student]
            cells = [f"{100 * rate.mean():.2f}" for rate in rates]
            # The threshold at which the t test has the same false-approval rate.
            threshold = numpy.quantile(t, 1 - max((verdict > student).mean(), 1 / samples))
            for errors in (3, 5):
                _, verdict, t = judged(trades + errors * pool.std() / numpy.sqrt(n))
                cells += [f"{100 * (verdict > student).mean():.0f}", f"{100 * (t > threshold).mean():.0f}"]
            print(f"| {name.strip()} | {n} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
