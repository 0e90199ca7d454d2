"""freqtrade's command line without a network: markets are made from the names of candle files.

    CANDLES=FOLDER python offline.py backtesting …

FOLDER holds BASE_QUOTE-1h.feather. At the end it prints one line of JSON with wall time and processor time of the process.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

from freqtrade.exchange.exchange import Exchange


def markets() -> list[dict]:
    """A spot market of ccxt's shape for each file."""
    out = []
    for path in sorted(Path(os.environ["CANDLES"]).glob("*-1h.feather")):
        base, quote = path.name.split("-")[0].split("_")
        anything = {"min": None, "max": None}
        out.append({
            "id": base + quote, "lowercaseId": (base + quote).lower(), "symbol": f"{base}/{quote}", "base": base, "quote": quote,
            "baseId": base, "quoteId": quote, "settle": None, "settleId": None, "type": "spot", "spot": True, "margin": False,
            "swap": False, "future": False, "option": False, "index": None, "active": True, "contract": False, "linear": None,
            "inverse": None, "subType": None, "taker": 0.001, "maker": 0.001, "percentage": True, "tierBased": False,
            "feeSide": "get", "contractSize": None, "expiry": None, "expiryDatetime": None, "strike": None, "optionType": None,
            "precision": {"amount": 1e-5, "price": 1e-8, "base": 1e-8, "quote": 1e-8, "cost": 1e-8},
            "limits": {"leverage": anything, "amount": {"min": 1e-5, "max": 9e9}, "price": {"min": 1e-8, "max": 1e9},
                       "cost": {"min": 1.0, "max": 9e9}, "market": {"min": 0, "max": 9e9}},
            "info": {"status": "TRADING"}, "created": None,
        })
    return out


async def load_markets(self: Exchange, reload: bool = False) -> None:
    """Takes the place of the request to the exchange."""
    self._api_async.set_markets(markets())


Exchange._api_reload_markets = load_markets

if __name__ == "__main__":
    from freqtrade.main import main

    begun = time.monotonic()
    code: object = 0
    try:
        main(sys.argv[1:])
    except SystemExit as ended:
        code = ended.code
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps({"wall_s": round(time.monotonic() - begun, 2),
                      "processor_s": round(sum(own.ru_utime + own.ru_stime for own in used), 2)}), flush=True)
    sys.exit(code)
