"""CIR013: Requirements are still maintained."""

from __future__ import annotations

from collections.abc import Iterator

from cirfile.ecosystems.pypi import name
from cirfile.rule import Found, Rule, Subject

#: Packages that get no releases any more, and what took their place.
REPLACED = {
    "caffe": "torch", "chainer": "torch", "cntk": "torch", "fastai2": "fastai", "ggplot": "plotnine",
    "keras-nightly": "keras", "lasagne": "torch", "mxnet": "torch", "mxnet-cu112": "torch", "nose": "pytest",
    "pandas-profiling": "ydata-profiling", "pep8": "pycodestyle", "pycrypto": "pycryptodome",
    "pytorch": "torch", "pytorch-pretrained-bert": "transformers", "sklearn": "scikit-learn",
    "tensorflow-gpu": "tensorflow", "tf-nightly-gpu": "tf-nightly", "theano": "pytensor",
    "torchtext": "datasets", "vaex": "polars",
}  # fmt: skip


def _check(subject: Subject) -> Iterator[Found]:
    for requirement, span in subject.requirements("pypi"):
        package = name(requirement.text)
        if package in REPLACED:
            yield span, f"`{package}` is not maintained any more; write `{REPLACED[package]}`"


RULE = Rule("CIR013", "dead-package", "Requirements are still maintained.", _check)
