"""CIR015: Packages are required by their name, not by that of their module."""

from __future__ import annotations

from collections.abc import Iterator

from cirfile.ecosystems.pypi import name
from cirfile.rule import Found, Rule, Subject

#: Names of modules, and the package that holds them. The names exist on the index, as other projects.
PACKAGES = {
    "attr": "attrs", "bio": "biopython", "cv2": "opencv-python-headless", "dateutil": "python-dateutil",
    "docx": "python-docx", "dotenv": "python-dotenv", "fitz": "pymupdf", "git": "gitpython",
    "jose": "python-jose", "jwt": "pyjwt", "mpl-toolkits": "matplotlib", "mysqldb": "mysqlclient",
    "openssl": "pyopenssl", "pil": "pillow", "pptx": "python-pptx", "serial": "pyserial",
    "skimage": "scikit-image", "skopt": "scikit-optimize", "usb": "pyusb", "yaml": "pyyaml",
}  # fmt: skip


def _check(subject: Subject) -> Iterator[Found]:
    for requirement, span in subject.requirements("pypi"):
        package = name(requirement.text)
        if package in PACKAGES:
            yield span, f"`{package}` is the name of a module; the package is `{PACKAGES[package]}`"


RULE = Rule(
    "CIR015", "module-name", "Packages are required by their name, not by that of their module.", _check
)
