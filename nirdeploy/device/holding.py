"""holding: which image a device holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nirdeploy.errors import DeviceMismatch
from nirdeploy.targets.image import Image

if TYPE_CHECKING:
    from nirdeploy.device.client import Device


def image_held(device: Device, image: Image | None) -> Image:
    """The image that the device holds, by default the one flashed through it; of several passes, it holds none yet.

    Raises :class:`DeviceMismatch` where it holds another, or none.
    """
    image = image or device.image
    if image is None:
        raise DeviceMismatch("this device was not flashed here", hint="flash it, or pass image=")
    if not image.passes:
        held = device.hello().image_hash
        if held != image.digest_bytes:
            raise DeviceMismatch(
                f"the device holds {'image ' + held.hex()[:16] if held else 'no image'}, expected "
                f"{image.digest()[:16]}",
                where=f"port {device.name}" if device.name else "",
                hint="flash it first",
            )
    return image
