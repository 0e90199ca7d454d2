"""A live bot that predicts with models which were trained elsewhere."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import cloudpickle
import pandas
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen

from ._trained import PARTS, stored_models

logger = logging.getLogger("huracan.freqai")

#: Seconds between copies of a bot's own predictions to the disk, which FreqAI makes after trainings.
SAVED_EVERY_S = 3600


class LoadsOnly:
    """What ``"huracan": {"load_only": true}`` changes. The attributes are those of FreqAI's base classes."""

    _saved = 0.0

    @property
    def _load_only(self) -> bool:
        return bool(self.freqai_info.get("huracan", {}).get("load_only", False))

    def start_live(self, dataframe: pandas.DataFrame, metadata: dict, strategy: Any, dk: FreqaiDataKitchen) -> Any:
        if not self._load_only:
            return super().start_live(dataframe, metadata, strategy, dk)
        self._take_up(metadata["pair"])
        # FreqAI starts its training thread unless it believes that it runs.
        self.scanning = True
        out = super().start_live(dataframe, metadata, strategy, dk)
        if time.monotonic() - self._saved > SAVED_EVERY_S:
            self.dd.save_historic_predictions_to_disk()
            self._saved = time.monotonic()
        return out

    def _take_up(self, pair: str) -> None:
        """Makes the newest stored model of a pair that can be read the one that predicts."""
        known = self.dd.pair_dict.setdefault(pair, self.dd.empty_pair_dict.copy())
        taken: dict[str, Any] = self.__dict__.setdefault("_taken", {})
        for timestamp, folder, name in stored_models(Path(self.full_path), pair):
            files = [folder / f"{name}{part}" for part in PARTS]
            state = [(path, path.stat().st_mtime_ns, path.stat().st_size) for path in files]
            if taken.get(pair) == state:
                return
            try:
                for path in (path for path in files if path.suffix != ".json"):
                    cloudpickle.loads(path.read_bytes())
            except Exception as fault:  # A copy that is still under way, or a damaged file.
                logger.warning(f"{pair}: {folder.name} cannot be read ({fault}); an older model predicts")
                continue
            known.update(model_filename=name, data_path=str(folder), trained_timestamp=timestamp)
            for kept in (self.dd.model_dictionary, self.dd.meta_data_dictionary):
                kept.pop(pair, None)
            taken[pair] = state
            logger.info(f"{pair}: predicts with {folder.name}")
            hours = self.freqai_info.get("expiration_hours", 0)
            if 0 < hours < (time.time() - timestamp) / 3600:
                logger.warning(f"{pair}: that model was trained until {(time.time() - timestamp) / 3600:.0f} hours ago, and "
                               f"freqai.expiration_hours is {hours}: FreqAI will not use it")
            return
        if pair not in taken:
            logger.warning(f"{pair}: there is no model in {self.full_path}")
