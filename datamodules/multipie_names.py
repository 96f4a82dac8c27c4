"""What a CMU Multi-PIE file name says: who, when, doing what, seen from where, in which light.

Names read subject_session_recording_camera_light, 001_01_01_051_07.png; the folders above them
differ from copy to copy and are never read. Cropped copies add a suffix (_crop_128, _cropped).

**Sign of the view.** `CAMERA_YAW` is negative on the side of cameras 11_0 to 14_0, whose pictures
the Idiap database calls left profiles: the left side of the face is seen, so the nose points to
the left of the picture. Positive turns it to the right, as the stand-in faces do. Published code
agrees on the order of the cameras, not on the sign.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

CAMERA_YAW: Final = {
    "110": -90,
    "120": -75,
    "090": -60,
    "080": -45,
    "130": -30,
    "140": -15,
    "051": 0,
    "050": 15,
    "041": 30,
    "190": 45,
    "200": 60,
    "010": 75,
    "240": 90,
}
"""Camera, as file names write it -> degrees."""
RAISED_CAMERAS: Final = ("081", "191")
"""They look down from above -45 and +45 degrees: no part of a sweep of views."""
YAW_CAMERA: Final = {yaw: camera for camera, yaw in CAMERA_YAW.items()}

EXPRESSIONS: Final = ("neutral", "smile", "surprise", "squint", "disgust", "scream")
"""A batch's ``expression`` is the place in this list."""
RECORDING_EXPRESSION: Final = {
    (1, 1): "neutral",
    (1, 2): "smile",
    (2, 1): "neutral",
    (2, 2): "surprise",
    (2, 3): "squint",
    (3, 1): "neutral",
    (3, 2): "smile",
    (3, 3): "disgust",
    (4, 1): "neutral",
    (4, 2): "neutral",  # a second take, not another expression
    (4, 3): "scream",
}
"""(session, recording) -> expression."""

ILLUMINATIONS: Final = 20
"""Pictures of one recording, within 0.7 s: 00 and 19 without flash, 01 to 18 one flash each."""
ORIGINAL_SIZE: Final = (640, 480)
"""Width and height of a picture as it was taken."""
AMBIENT_AGAIN: Final = 19
"""The second picture without flash: a duplicate of 00, which is why it is left out by default."""

_NAME: Final = re.compile(
    r"^(?P<subject>\d{3})_0(?P<session>[1-4])_0(?P<recording>[1-3])_(?P<camera>\d{3})"
    r"_(?P<light>[01]\d)(?P<suffix>_[a-z]+(?:_\w+)?)?\.(?P<kind>png|jpg|jpeg|mat|pos)$",
    re.IGNORECASE,
)
_PICTURES: Final = {"png", "jpg", "jpeg"}


class Shot(NamedTuple):
    """What the five cameras of a sweep see at once.

    Args:
        subject: 1 to 346.
        session: 1 to 4.
        recording: 1 to 3.
        light: 0 to 19.
    """

    subject: int
    session: int
    recording: int
    light: int

    @property
    def expression(self) -> int:
        """Place in `EXPRESSIONS`."""
        return EXPRESSIONS.index(RECORDING_EXPRESSION[self.session, self.recording])


class Name(NamedTuple):
    """A parsed file name.

    Args:
        shot: who, when, doing what, in which light.
        camera: three digits, of `CAMERA_YAW`, raised, or unknown.
        suffix: what a cropped copy adds to the name; empty for the original picture.
        picture: False for landmark files.
    """

    shot: Shot
    camera: str
    suffix: str
    picture: bool

    def key(self) -> str:
        """The name of the original picture, without its ending."""
        return picture_key(self.shot, self.camera)


def picture_key(shot: Shot, camera: str) -> str:
    """A picture's name in the original copy, without its ending."""
    return f"{shot.subject:03d}_{shot.session:02d}_{shot.recording:02d}_{camera}_{shot.light:02d}"


def parse_name(name: str) -> Name | None:
    """What a file name says, or None where it is no file of Multi-PIE or of no known recording.

    Example:
        >>> parse_name("001_01_02_051_07_crop_128.png").shot
        Shot(subject=1, session=1, recording=2, light=7)
    """
    match = _NAME.match(name)
    if match is None:
        return None
    subject, session, recording, light = (
        int(match[part]) for part in ("subject", "session", "recording", "light")
    )
    if (session, recording) not in RECORDING_EXPRESSION:
        return None
    suffix, picture = match["suffix"] or "", match["kind"].lower() in _PICTURES
    return Name(Shot(subject, session, recording, light), match["camera"], suffix, picture)
