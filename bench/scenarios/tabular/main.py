"""Gradient boosting on a table made on the spot: XGBoost and LightGBM learn the same rule from noisy rows."""

import lightgbm
import numpy as np
import xgboost

ROWS, TRAINED = 4000, 3000


def table() -> tuple[np.ndarray, np.ndarray]:
    """Eight columns, and what the rule says of each row; five of the columns have nothing to do with it."""
    columns = np.random.default_rng(0).standard_normal((ROWS, 8))
    truth = 2 * columns[:, 0] + np.sin(3 * columns[:, 1]) + columns[:, 1] * columns[:, 2]
    return columns, truth


def predictions() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The truth of rows that neither library has seen, and what each says of them."""
    columns, truth = table()
    seen, unseen = columns[:TRAINED], columns[TRAINED:]
    told = truth[:TRAINED] + np.random.default_rng(1).normal(0, 0.1, TRAINED)
    settings = {"learning_rate": 0.1, "num_threads": 1, "seed": 0}
    ours = {"objective": "regression", "num_leaves": 31, "verbose": -1, "deterministic": True}
    light = lightgbm.train(settings | ours, lightgbm.Dataset(seen, told), num_boost_round=200)
    theirs = {"objective": "reg:squarederror", "nthread": 1, "max_depth": 5, "learning_rate": 0.1, "seed": 0}
    extreme = xgboost.train(theirs, xgboost.DMatrix(seen, told), num_boost_round=200)
    return truth[TRAINED:], {
        "lightgbm": light.predict(unseen),
        "xgboost": extreme.predict(xgboost.DMatrix(unseen)),
    }


if __name__ == "__main__":
    truth, said = predictions()
    for name, values in said.items():
        print(f"{name}: off by {np.sqrt(np.mean((values - truth) ** 2)):.3f}", flush=True)
