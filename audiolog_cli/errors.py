"""The errors a user can meet, each with the program's exit code.

    AudiologError            1
    ├── InputError           1   an input that cannot be used (3 when other inputs were written)
    │   ├── AudioError           a recording: missing, not audio, damaged
    │   └── RecordError          a table: broken line, unknown column, bad value
    ├── UsageError           2   wrong options or configuration
    │   ├── WeightsError         a checkpoint: missing, damaged, not fitting the network
    │   └── DeviceError          a device that is not available
    ├── LLMError             4   the language model: unreachable, refused, context too small
    └── CheckError           5   a log that claims what the table does not say, with --check strict

A message is one complete line that names the place, what was expected, what was found and what to do; `cli.main` puts
`audiolog: ` before it. Library code raises; only the command line prints and exits.
"""

from typing import Self


class AudiologError(Exception):
    """Base of every error meant for the user; any other exception that escapes is a bug."""

    exit_code = 1


class InputError(AudiologError):
    """An input cannot be used."""

    path = "-"  # of the input, where the error is passed on as a value instead of raised

    def of(self, path: str) -> Self:
        """The same error, which belongs to this input."""
        self.path = path
        return self


class AudioError(InputError):
    """A recording cannot be opened or decoded."""


class RecordError(InputError):
    """A table does not follow its format."""


class UsageError(AudiologError):
    """Wrong options or configuration."""

    exit_code = 2


class WeightsError(UsageError):
    """A checkpoint is missing, damaged or does not fit."""


class DeviceError(UsageError):
    """The requested device is not available."""


class LLMError(AudiologError):
    """The language model cannot be reached, refuses, or its context would overflow."""

    exit_code = 4


class CheckError(AudiologError):
    """A finished log claims what its table does not say."""

    exit_code = 5
