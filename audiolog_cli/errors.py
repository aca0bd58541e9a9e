"""The errors a user can meet, each with the exit code it ends the program with.

    AudiologError            1
    ├── InputError           1   an input that cannot be used (3 when other inputs were written)
    │   ├── AudioError           a recording: missing, not audio, damaged
    │   └── RecordError          a table: broken line, unknown column, bad value
    ├── UsageError           2   wrong options or configuration
    │   ├── WeightsError         a checkpoint: missing, damaged, of another shape
    │   └── DeviceError          a device that is not there
    ├── LLMError             4   the language model: unreachable, refused, context too small
    └── CheckError           5   a log that claims what the table does not say, with --check strict

A message is one finished line that names the place, what was expected, what was found and the way out; `cli.main` puts
`audiolog: ` before it. Library code raises, only the command line prints and exits.
"""


class AudiologError(Exception):
    """Base of every error that is the user's to read; anything else that escapes is a bug."""

    exit_code = 1


class InputError(AudiologError):
    """An input cannot be used."""

    path = "-"  # of the input, where it is known and the error is handed on instead of raised


class AudioError(InputError):
    """A recording cannot be opened or decoded."""


class RecordError(InputError):
    """A line of a table is not what its format says."""


class UsageError(AudiologError):
    """Wrong options or configuration."""

    exit_code = 2


class WeightsError(UsageError):
    """A checkpoint is missing, damaged or does not fit."""


class DeviceError(UsageError):
    """The device that was asked for is not there."""


class LLMError(AudiologError):
    """The language model could not be reached, refused, or its context would overflow."""

    exit_code = 4


class CheckError(AudiologError):
    """A finished log claims what its table does not say."""

    exit_code = 5
