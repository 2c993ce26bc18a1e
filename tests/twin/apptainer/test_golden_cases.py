"""The twin test over ``testdata/cases`` with Apptainer: tree and environment are those of the image."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.twin.apptainer.conftest import Account
from tests.twin.apptainer.test_build import built, image_of, same_environment, same_tree
from tests.twin.conftest import Contexts
from tests.twin.test_golden_cases import cases, context_of, flags_of

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("folder", cases(), ids=lambda folder: folder.name)
def test_same_image(
    folder: Path, account: Account, bases: dict[str, str], contexts: Contexts, shim_ref: str, place: Path
) -> None:
    """What cannot be in a SIF, or is Apptainer's own, is listed at `same_tree` and `same_environment`."""
    context, flags, env = context_of(folder, bases, contexts), flags_of(folder), {"CIR_SHIM": shim_ref}
    sif = built(account, place / "app.sif", context, env, *flags)
    image = image_of(account, context, env, place, *flags)
    same_tree(account, sif, image, place)
    if image.config["architecture"] == "amd64":  # programs of another cannot tell what they see
        same_environment(account, sif, image)
