"""Finding the 68 landmarks of a face, by an optional package."""

from __future__ import annotations

import importlib
import importlib.util
import threading
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datamodules.errors import DataError

INSTALL: Final = "pip install 'whatwhere[face]'"
PACKAGES: Final = {
    "dlib-bin": "dlib",
    "face-recognition-models": "face_recognition_models",
}
"""Package -> module."""
MODEL: Final = "shape_predictor_68_face_landmarks.dat"


def installed() -> bool:
    """Whether the optional packages are there."""
    return all(importlib.util.find_spec(module) is not None for module in PACKAGES.values())


class FaceFinder:
    """The landmarks of the largest face in a picture, by dlib's detector and shape predictor.

    The detector looks for frontal faces and fails beyond about 45 degrees. The model file comes
    with face-recognition-models, of which nothing else is used: it does not import with current
    setuptools. About 0.03 to 0.24 s a picture of 640 x 480.

    Args:
        remedy: what else the user can do where the packages are absent, for the message.

    Raises:
        DataError: the packages are not installed; the message says how to install them.
    """

    def __init__(self, remedy: str) -> None:
        self._model = _model_file(remedy)
        self._own = threading.local()

    def __call__(self, image: Image.Image) -> NDArray[np.float64] | None:
        """The landmarks (68, 2) of an RGB picture in pixels, or None where no face is found."""
        if not hasattr(self._own, "detect"):  # dlib's objects hold scratch space: one a thread
            dlib: Any = importlib.import_module("dlib")
            self._own.detect = dlib.get_frontal_face_detector()
            self._own.predict = dlib.shape_predictor(str(self._model))
        pixels = np.array(image)
        boxes = list(self._own.detect(pixels, 1))
        if not boxes:
            return None
        shape = self._own.predict(pixels, max(boxes, key=lambda box: box.area()))
        return np.array([(point.x, point.y) for point in shape.parts()], np.float64)


def _model_file(remedy: str) -> Path:
    specs = {package: importlib.util.find_spec(module) for package, module in PACKAGES.items()}
    missing = [package for package, spec in specs.items() if spec is None]
    if not missing:
        spec = specs["face-recognition-models"]
        for folder in (spec and spec.submodule_search_locations) or ():
            path = Path(folder) / "models" / MODEL
            if path.exists():
                return path
        missing = [f"{MODEL} of face-recognition-models"]
    raise DataError(
        f"a face detector is needed for pictures without landmarks, and {' and '.join(missing)} "
        f"cannot be found. Run `{INSTALL}`{remedy}."
    )
