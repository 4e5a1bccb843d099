"""Addresses of files that are not in a file system of this machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import TypeAlias

# Two letters at least, so that a drive of Windows is none.
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


@dataclass(frozen=True)
class Address:
    """An address for fsspec, with those names of `pathlib.Path` that planning needs.

    Attributes:
        text: as it was given, with its scheme; a slash at the end means a folder.
    """

    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def _parts(self) -> tuple[str, PurePosixPath]:
        scheme, _, rest = self.text.partition("://")
        # An absolute path on a server begins with a slash behind its name: sftp://host/folder.
        return scheme, PurePosixPath(rest)

    def _with(self, path: PurePosixPath) -> Address:
        return Address(f"{self._parts[0]}://{path}")

    @property
    def scheme(self) -> str:
        """What stands before `://`, in small letters."""
        return self._parts[0].lower()

    @property
    def name(self) -> str:
        """The last part."""
        return self._parts[1].name

    @property
    def stem(self) -> str:
        """The last part without its ending."""
        return self._parts[1].stem

    @property
    def suffix(self) -> str:
        """The ending, with its dot."""
        return self._parts[1].suffix

    @property
    def parent(self) -> Address:
        """All but the last part."""
        return self._with(self._parts[1].parent)

    def with_name(self, name: str) -> Address:
        """The same with another last part."""
        return self._with(self._parts[1].with_name(name))

    def __truediv__(self, other: str | PurePath) -> Address:
        return self._with(self._parts[1] / (other if isinstance(other, str) else other.as_posix()))

    def relative_to(self, folder: Address) -> PurePosixPath:
        """The parts below a folder; raises ValueError where it is not below."""
        return self._parts[1].relative_to(folder._parts[1])

    def resolve(self) -> Address:
        """Itself: there are no links."""
        return self

    def is_dir(self) -> bool:
        """Whether there is a folder, or something below it where a store has no folders; raises as `walk` does."""
        from streamvc.storage.files import is_folder

        return is_folder(self)

    def is_file(self) -> bool:
        """Whether there is a file; raises as `walk` does."""
        from streamvc.storage.files import is_file

        return is_file(self)


Place: TypeAlias = Path | Address


def as_place(text: str) -> Place:
    """An address where the text has a scheme such as `s3://`, else a path; `file://` is a path too."""
    if _SCHEME.match(text) is None:
        return Path(text)
    scheme, _, rest = text.partition("://")
    return Path(rest) if scheme.lower() in ("file", "local") else Address(text)
