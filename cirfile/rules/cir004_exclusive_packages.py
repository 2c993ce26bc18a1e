"""CIR004: Packages that overwrite each other are not required together."""

from __future__ import annotations

from collections.abc import Iterator

from cirfile.ecosystems.pypi import name
from cirfile.rule import Found, Rule, Subject

#: Distributions of the same module: whichever is unpacked last wins, file by file.
GROUPS = (
    ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino", "onnxruntime-rocm"),
    ("xgboost", "xgboost-cpu"),
    ("faiss-cpu", "faiss-gpu", "faiss-gpu-cu11", "faiss-gpu-cu12"),
    (
        "opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless",
    ),
    ("tensorflow", "tensorflow-cpu", "tensorflow-gpu", "tensorflow-intel", "tensorflow-rocm"),
    ("cupy", "cupy-cuda11x", "cupy-cuda12x", "cupy-cuda13x", "cupy-rocm-5-0"),
    ("psycopg2", "psycopg2-binary"),
)  # fmt: skip


def _check(subject: Subject) -> Iterator[Found]:
    seen: dict[str, dict[str, tuple[tuple[str, tuple[str, ...]], ...]]] = {}
    for requirement, span in subject.requirements("pypi"):
        package = name(requirement.text)
        group = next((group for group in GROUPS if package in group), None)
        if group is None:
            continue
        others = seen.setdefault(group[0], {})
        for other, when in others.items():
            if other != package and _together(when, requirement.when):
                yield (
                    span,
                    f"`{package}` and `{other}` hold the same files; require one, or each with its `--when`",
                )
        others[package] = requirement.when


def _together(
    left: tuple[tuple[str, tuple[str, ...]], ...], right: tuple[tuple[str, tuple[str, ...]], ...]
) -> bool:
    """Tell whether a platform can meet both conditions."""
    other = dict(right)
    return all(set(values) & set(other.get(fact, values)) for fact, values in left)


RULE = Rule(
    "CIR004", "exclusive-packages", "Packages that overwrite each other are not required together.", _check
)
