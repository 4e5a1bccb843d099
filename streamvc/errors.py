"""Errors that a user can act on.

Every error that the package raises on purpose is a `StreamVCError`. Its message is one sentence that says what was
wrong and what to do about it; the command line prints that sentence and exits with the `exit_code` of the class.
Errors of any other type are faults of the program.

Exit codes (0 is success, 1 an unexpected fault, 2 a misused command line, 130 an interrupt):

    3  StreamVCError            any other error that a user can act on
    4  AudioError               audio that cannot be read or is not usable
    5  PresetError              a preset that is unknown, damaged or of another model
    6  CheckpointError          weights that are damaged or do not fit their configuration
    7  ConfigError              a setting that is unknown or out of range
    8  CorpusError              a training corpus that is incomplete or malformed
    9  TrainingError            a training run that cannot start, resume or go on
    10 RuntimeUnavailableError  an inference runtime, device or optional package that is not there
    11 OutputError              a result that cannot be written
    12 EvaluationError          an evaluation that cannot be carried out
    13 MidiError                a MIDI port or file that is not there or cannot be used
    14 ClusterError             a cluster that cannot be reached, or workers that cannot do the work
"""

from __future__ import annotations

from typing import ClassVar


class StreamVCError(Exception):
    """Base of all errors that a user can act on; the message is one full sentence."""

    exit_code: ClassVar[int] = 3


class AudioError(StreamVCError):
    """Audio that is missing, unreadable, empty, or holds samples that are not finite numbers."""

    exit_code: ClassVar[int] = 4


class PresetError(StreamVCError):
    """A preset that is unknown, damaged, unsafe to read, or made for another model."""

    exit_code: ClassVar[int] = 5


class CheckpointError(StreamVCError):
    """Weights that are damaged or that do not fit their configuration; the message names the key."""

    exit_code: ClassVar[int] = 6


class ConfigError(StreamVCError):
    """A setting that is unknown, of the wrong type, or out of range; the message names the setting."""

    exit_code: ClassVar[int] = 7


class CorpusError(StreamVCError):
    """A training corpus that is incomplete, malformed, or cannot be built."""

    exit_code: ClassVar[int] = 8


class TrainingError(StreamVCError):
    """A training run that cannot start, resume, or go on."""

    exit_code: ClassVar[int] = 9


class RuntimeUnavailableError(StreamVCError):
    """An inference runtime, a device, or an optional package that this installation lacks."""

    exit_code: ClassVar[int] = 10


class OutputError(StreamVCError):
    """A result that cannot be written: no permission, no room, or a file that is there already."""

    exit_code: ClassVar[int] = 11


class EvaluationError(StreamVCError):
    """An evaluation that cannot be carried out."""

    exit_code: ClassVar[int] = 12


class MidiError(StreamVCError):
    """A MIDI port that is not there or cannot be opened, or a MIDI file that cannot be read."""

    exit_code: ClassVar[int] = 13


class ClusterError(StreamVCError):
    """A cluster that cannot be reached, has no workers, or has workers that cannot do the work."""

    exit_code: ClassVar[int] = 14
