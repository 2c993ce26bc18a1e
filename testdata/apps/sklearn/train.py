"""Train two classifiers on the digits data set and report how good they are.

Usage: train.py [--trees N] [--plot FILE] [--json]
"""

import argparse
import json
import time

START = time.perf_counter()

import onnxruntime
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, confusion_matrix
from sklearn.model_selection import train_test_split
from xgboost import XGBClassifier

IMPORTED = time.perf_counter() - START


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--plot", help="write the confusion matrix to this PNG")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    digits = load_digits()
    frame = pd.DataFrame(digits.data)
    train, test, expected, truth = train_test_split(frame, digits.target, random_state=0)
    models = {
        "forest": RandomForestClassifier(args.trees, random_state=0, n_jobs=1),
        "xgboost": XGBClassifier(n_estimators=args.trees, max_depth=3, n_jobs=1),
    }
    report = {"imported": round(IMPORTED, 3), "providers": onnxruntime.get_available_providers()}
    for name, model in models.items():
        guess = model.fit(train, expected).predict(test)
        report[name] = round(float(accuracy_score(truth, guess)), 4)
    if args.plot:
        plot(confusion_matrix(truth, guess), args.plot)
    if args.json:
        print(json.dumps(report), flush=True)
    else:
        print(f"forest {report['forest']:.3f}, xgboost {report['xgboost']:.3f}", flush=True)


def plot(matrix, path):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    pyplot.matshow(matrix)
    pyplot.savefig(path)


if __name__ == "__main__":
    main()
