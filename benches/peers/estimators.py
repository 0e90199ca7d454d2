"""How many of scikit-learn's own checks of an estimator each library fails: benches/peers/estimators.py

It needs an environment with the wheel of huracan (scripts/wheel), and lightgbm, xgboost and hessboost as pinned in
tests/python/requirements.txt; what is not installed is left out.
"""

import importlib
import warnings

import sklearn
from sklearn.utils.estimator_checks import check_estimator

PEERS = [
    ("huracan", "HuracanClassifier", "HuracanRegressor"),
    ("sklearn.ensemble", "HistGradientBoostingClassifier", "HistGradientBoostingRegressor"),
    ("lightgbm", "LGBMClassifier", "LGBMRegressor"),
    ("xgboost", "XGBClassifier", "XGBRegressor"),
    ("hessboost.sklearn", "HessboostClassifier", "HessboostRegressor"),
]


def main():
    warnings.simplefilter("ignore")
    print(f"check_estimator of scikit-learn {sklearn.__version__}")
    for module, *classes in PEERS:
        try:
            library = importlib.import_module(module)
        except ImportError as missing:
            print(f"{module}: not installed ({missing})")
            continue
        version = getattr(importlib.import_module(module.partition(".")[0]), "__version__", "")
        for name in classes:
            kind = getattr(library, name, None)
            if kind is None:
                print(f"{module} {version} has no {name}; it has {[one for one in dir(library) if one[0].isupper()]}")
                continue
            quiet = {"verbose": -1} if module == "lightgbm" else {}
            results = check_estimator(kind(**quiet), on_fail=None, on_skip=None)
            failed = sorted({one["check_name"] for one in results if one["status"] == "failed"})
            print(f"{name} {version}: {len(failed)} of {len(results)} fail{': ' if failed else ''}{', '.join(failed)}", flush=True)


if __name__ == "__main__":
    main()
