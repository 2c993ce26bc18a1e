"""Read all CSV files of a folder, sum the amounts by country and month, write one Parquet file.

Usage: etl.py INPUT_FOLDER OUTPUT_FOLDER
"""

import pathlib
import sys

import pandas as pd


def main(source, target):
    files = sorted(pathlib.Path(source).glob("*.csv"))
    if not files:
        sys.exit(f"etl.py: {source} has no .csv file")
    rows = pd.concat(pd.read_csv(file, parse_dates=["day"]) for file in files)
    rows["month"] = rows["day"].dt.strftime("%Y-%m")
    table = rows.groupby(["country", "month"], as_index=False)["amount"].sum()
    folder = pathlib.Path(target)
    folder.mkdir(parents=True, exist_ok=True)
    table.to_parquet(folder / "amounts.parquet", engine="pyarrow", index=False)
    print(f"{len(files)} files, {len(rows)} rows, {len(table)} groups")


if __name__ == "__main__":
    main(*sys.argv[1:3])
