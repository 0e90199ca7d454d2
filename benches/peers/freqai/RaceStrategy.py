"""freqtrade's own example for FreqAI, on a market without shorts."""

from freqtrade.templates.FreqaiExampleStrategy import FreqaiExampleStrategy


class RaceStrategy(FreqaiExampleStrategy):
    can_short = False
