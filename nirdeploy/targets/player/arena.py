"""The part of external memory that no play changes: words of images, lists, and the program."""

from __future__ import annotations

import numpy as np

from nirdeploy.targets.slots import Section


class Arena:
    """Words one after the other from address 0 on. Nothing stands at 0, which says of a list that there is none."""

    def __init__(self) -> None:
        self._parts: list[np.ndarray] = [np.zeros(1, dtype=np.uint32)]
        self._at: dict[bytes, int] = {}
        self._sections: dict[str, int] = {}
        self.size = 1

    def add(self, words: np.ndarray) -> int:
        """Their address; equal words stand once."""
        key = words.tobytes()
        if key not in self._at:
            self._at[key] = self._put(words)
        return self._at[key]

    def words_of(self, section: Section) -> int:
        """The address of a section's words."""
        if section.sha256 not in self._sections:
            self._sections[section.sha256] = self._put(section.words)
        return self._sections[section.sha256]

    def _put(self, words: np.ndarray) -> int:
        at = self.size
        self._parts.append(words)
        self.size += len(words)
        return at

    def words(self) -> np.ndarray:
        return np.concatenate(self._parts).astype(np.uint32)
