"""Loads a Huracan model and predicts with it. Needs numpy and lightgbm, but no code from Huracan.

    model = Model("models/BTC-USDT_model.pkl")
    model.tradable(bars)    # [...]: the edge of each bar that may be traded, basis points; compare this with your costs
    model.lead(bars)        # [...]: 0 or more allows a long trade, 0 or less a short one
    model.predict(bars)     # {"win_long": [...], "win_short": [...], "edge_bps": [...]}

Do not trade by `edge_bps`: it contains the part of the market's drift that is believed, and in a rising market exceeds any cost on
every bar. `bars` are a coin's rows of the view (`huracan features --view`) of consecutive bars, oldest first, in the order of
`model.features`; NaN where a value is missing. The view is computed with all coins of `model.bundle["metadata"]["inputs"]["symbols"]`.
docs/models.md describes what a model is made of.
"""

import hashlib
import json
import pathlib
import pickle
import struct

import lightgbm
import numpy


def read_safetensors(data):
    """Header entries and float32 arrays of a safetensors file."""
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    arrays = {}
    for name, tensor in header.items():
        if name != "__metadata__":
            begin, end = tensor["data_offsets"]
            values = numpy.frombuffer(data[8 + length + begin : 8 + length + end], dtype="<f4")
            arrays[name] = values.reshape(tensor["shape"])
    return header["__metadata__"], arrays


class Networks:
    """The networks of one file; their mean is the prediction."""

    def __init__(self, data):
        metadata, self.arrays = read_safetensors(data)
        self.header = json.loads(metadata["huracan"])

    def scores(self, n, bars):
        """Outputs of network `n` for every bar, before conversion to probabilities and multiples of the ATR."""
        scaler = self.arrays[f"{n}.scaler.mean"], self.arrays[f"{n}.scaler.scale"]
        scaled = numpy.nan_to_num((bars - scaler[0]) * scaler[1], nan=0.0, posinf=numpy.inf, neginf=-numpy.inf)
        scaled = numpy.clip(scaled, -self.header["reach"], self.header["reach"]).astype("f8")
        # Each bar with the bars before it; bars before the first one count as missing.
        window = self.header["shape"]["window"]
        padded = numpy.concatenate([numpy.zeros((window - 1, scaled.shape[1])), scaled])
        values = numpy.stack([padded[k : k + len(scaled)] for k in range(window)], axis=1)
        layers = self.header["layers"]
        for number, layer in enumerate(layers):
            # If a layer takes two bars, neighbouring bars are placed side by side.
            inputs = values.reshape(len(scaled), layer["bars"], layer["inputs"])
            values = inputs @ self.arrays[f"{n}.{number}.weights"] + self.arrays[f"{n}.{number}.biases"]
            if number + 1 < len(layers):
                values = numpy.maximum(values, 0)
                if layer["skip"] == "inputs":
                    values = values + inputs
                elif layer["skip"] == "later":
                    values = values + inputs[:, :, layer["outputs"] :]
        return values[:, 0, :]

    def predict(self, bars):
        """One value per bar for each head."""
        said = {}
        for n in range(self.header["networks"]):
            scores = self.scores(n, bars).astype("f8")
            mean, scale = self.arrays[f"{n}.labels.mean"], self.arrays[f"{n}.labels.scale"]
            for head, (name, kind) in enumerate(zip(self.header["head_names"], self.header["heads"])):
                score = scores[:, head]
                one = 1 / (1 + numpy.exp(-score)) if kind == "binary" else score / scale[head] + mean[head]
                said.setdefault(name, []).append(one)
        return {name: numpy.mean(values, axis=0) for name, values in said.items()}


class Model:
    """A bundle: boosted trees, their calibration, and for some kinds of models a random forest, networks and a coin's own trees."""

    def __init__(self, path):
        path = pathlib.Path(path)
        with open(path, "rb") as file:
            self.bundle = pickle.load(file)
        assert self.bundle["format"] == "huracan-model-4", self.bundle["format"]
        self.features = self.bundle["feature_names"]
        self.calibration = self.bundle["calibration"]
        self.trees = {"gbdt": self.boosters(self.bundle["heads"])}
        self.networks = None
        for family, member in self.bundle.get("families", {}).items():
            if "heads" in member:
                self.trees[family] = self.boosters(member["heads"])
            else:
                data = (path.parent / member["file"]).read_bytes()
                assert hashlib.sha256(data).hexdigest() == member["sha256"], "the networks are not this model's"
                self.networks = Networks(data)

    @staticmethod
    def boosters(heads):
        return {name: lightgbm.Booster(model_str=text) for name, text in heads.items()}

    def score(self, head, bars):
        """The raw score of a head: log odds of a probability, or an edge in multiples of the ATR. The mean of the families in
        its mix."""
        families = self.bundle.get("mix", {}).get(head, ["gbdt"])
        networks = self.networks.predict(bars) if self.networks and "neural" in families else {}
        values = [networks[head] if family == "neural" else self.trees[family][head].predict(bars) for family in families]
        mean = numpy.mean(values, axis=0)
        if head == "edge_bps":
            return mean
        mean = numpy.clip(mean, 1e-15, 1 - 1e-15)
        return numpy.log(mean / (1 - mean))

    def predict(self, bars):
        """One value per bar for each head: a probability, or basis points. Scores are believed as far as past rows support. To
        trade, compare `tradable` with the costs, not `edge_bps`: this has the market's drift in it."""
        bars = numpy.asarray(bars, dtype="f4")
        atr_bps = 1e4 * bars[:, self.features.index("atr_share")].astype("f8")
        said = {}
        for head, c in self.calibration.items():
            distance = numpy.clip(self.score(head, bars) - c["base"], -c["reach"], c["reach"])
            own = self.trees["own"][head].predict(bars) if "own" in self.trees else 0
            score = c["usual"] + c["slope"] * distance + c["own_slope"] * own
            said[head] = score * atr_bps + c.get("drift_bps", 0) if head == "edge_bps" else 1 / (1 + numpy.exp(-score))
        return said

    def tradable(self, bars):
        """The edge that may be traded, basis points: what the model says of a bar in particular, less a drift of the market
        against it. A drift in its favour is not traded. A trade needs more than its expected costs and the safety margin."""
        edge = self.predict(bars)["edge_bps"]
        told = edge - self.calibration["edge_bps"].get("drift_bps", 0)
        side = numpy.where(told >= 0, 1, -1)
        return side * numpy.maximum(numpy.minimum(side * edge, side * told), 0)

    def lead(self, bars):
        """By how much a long trade is likelier than usual to make money, less the same of a short trade. A long trade needs
        0 or more, a short trade 0 or less."""
        said = self.predict(bars)
        usual = {head: 1 / (1 + numpy.exp(-self.calibration[head]["usual"])) for head in ("win_long", "win_short")}
        return said["win_long"] - usual["win_long"] - (said["win_short"] - usual["win_short"])
