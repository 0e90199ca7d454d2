"""A bot that asks every hour and trades on paper: `huracan run --workdir W`, then `python bot.py W [DAYS]`. The market is simulated."""

import sys
from pathlib import Path

import pandas

import huracan

HOUR = pandas.Timedelta(hours=1)
SIDE = {"long": 1, "short": -1}


def exit_price(own, bar, hour):
    """Where a position leaves within a bar, if it does: at an open beyond a barrier, else at the stop before the take."""
    sign, stop, take = SIDE[own["side"]], own["stop_price"], own["take"]
    if hour > own["entered"] and (sign * (bar.open - stop) <= 0 or sign * (bar.open - take) >= 0):
        return bar.open
    worst, best = (bar.low, bar.high) if sign > 0 else (bar.high, bar.low)
    return stop if sign * (worst - stop) <= 0 else take if sign * (best - take) >= 0 else None


def main(workdir, days="30"):
    tables = {path.stem: pandas.read_parquet(path).set_index("timestamp") for path in Path(workdir, "data/candles").glob("*-*.parquet")}
    hours = pandas.DatetimeIndex(sorted(set().union(*(table.index for table in tables.values()))))[-24 * int(days):]
    history = {name: table[table.index < hours[0]].reset_index() for name, table in tables.items()}
    market = huracan.Models(Path(workdir, "models")).follow({name: own for name, own in history.items() if len(own)}, at=hours[0])
    account = {"equity": 10_000.0, "balance": 10_000.0, "currency": "USDT", "losses_in_a_row": {}, "wins_since": {}}
    positions, orders, results, highs = [], [], [], []

    def close(own, price):
        positions.remove(own)
        result = own["notional"] * (SIDE[own["side"]] * (price / own["entry_price"] - 1) - own["cost"])
        account["balance"] += result
        account["today"]["result"] += result
        coin, losses, wins = own["symbol"].split("-")[0], account["losses_in_a_row"], account["wins_since"]
        reduced = losses.get(coin, 0) >= 3  # risk.streak_losses, until risk.streak_wins
        wins[coin] = wins.get(coin, 0) + 1 if reduced and result > 0 else 0
        losses[coin] = losses.get(coin, 0) + (not reduced) if result <= 0 else losses[coin] if reduced and wins[coin] < 2 else 0
        results.append(result)

    for hour in hours:
        bars = {name: table.loc[hour] for name, table in tables.items() if hour in table.index and name in market.symbols}
        if not account.get("today") or hour.hour == 0:
            account["today"] = {"start_equity": account["equity"], "result": 0.0, "high": account["equity"]}
        account["today"]["date"] = str(hour.date())  # If the next open is of a new day, the answer forgets the old one.
        for order in [order for order in orders if order.symbol in bars]:  # At this open is done what the last answer said.
            for own in [own for own in positions if own["symbol"] == order.symbol]:
                close(own, bars[order.symbol].open)
            if order.action != "close":
                price = bars[order.symbol].open
                positions.append({
                    "symbol": order.symbol, "side": "long" if order.side > 0 else "short", "notional": order.notional, "entered": hour,
                    "entry_price": price, "stop_price": price - order.side * order.stop_distance, "beta": order.beta,
                    "take": price + order.side * order.take_distance, "cost": order.cost_bps / 1e4})
        for own in [own for own in positions if own["symbol"] in bars]:
            if (price := exit_price(own, bars[own["symbol"]], hour)) is not None:
                close(own, price)
            else:
                own["gain"] = own["notional"] * SIDE[own["side"]] * (bars[own["symbol"]].close / own["entry_price"] - 1)
        account["equity"] = account["balance"] + sum(own["gain"] for own in positions)
        account["today"]["high"] = max(account["today"]["high"], account["equity"])
        highs = (highs + [account["equity"]])[-30 * 24:]  # risk.drawdown_days
        account |= {"recent_high": max(highs), "positions": [{key: own[key] for key in own if key not in ("take", "cost", "gain")} for own in positions]}
        market.add({name: pandas.DataFrame([bar]).assign(timestamp=hour) for name, bar in bars.items()}, at=hour + HOUR)
        answer = market.signals(account, at=hour + HOUR)
        account["today"]["stopped"] = next((why for why in answer.reason if why in ("daily_stop", "drawdown_breaker")), account["today"].get("stopped"))
        orders = [row for row in answer.itertuples() if row.action in ("enter", "reverse", "close")]
        for row in orders:
            print(f"{hour + HOUR:%Y-%m-%d %H:%M}  {row.symbol:12} {row.action:8} {row.side:+d}  edge {row.edge_bps:+.1f} bps  {row.reason or ''}")
    print(f"{len(results)} trades in {days} days on paper, equity {account['equity']:.2f}; the market is simulated")


if __name__ == "__main__":
    main(*sys.argv[1:])
