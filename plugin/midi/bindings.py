"""What a control does: a trigger, and the action that answers it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streamvc.plugin.midi.events import NUMBERED, Event, Kind
from streamvc.plugin.midi.parameters import PARAMETERS, Value
from streamvc.presets.format import Preset

PRESET: Final = "preset"
"""The target of presets."""
MORPH: Final = "morph"
"""The target of morphs, which may begin at the preset that was chosen last."""
BEND: Final = "bend"
"""The target of pitch bends, which move around the pitch that `pitch_semitones` holds."""


@dataclass(frozen=True)
class Morph:
    """A voice between two.

    Attributes:
        first: the voice at weight 0; None for the one that was chosen last.
        second: the voice at weight 1.
        weight: 0 to 1.
    """

    first: Preset | None
    second: Preset
    weight: float


@dataclass(frozen=True)
class Flip:
    """Turns a switch over, from wherever it stands."""


@dataclass(frozen=True)
class Change:
    """A new value of a target.

    Attributes:
        target: `PRESET`, `MORPH`, `BEND` or the name of a parameter.
        value: semitones for the bend; of what the target is, for the others.
    """

    target: str
    value: Preset | Morph | Flip | Value

    def __str__(self) -> str:
        if isinstance(self.value, Preset):
            return f"preset {self.value.name}"
        if isinstance(self.value, Morph):
            first = "the chosen voice" if self.value.first is None else self.value.first.name
            return f"morph {100 * self.value.weight:.0f} % from {first} to {self.value.second.name}"
        if self.target == BEND:
            return f"bend {self.value:+.2f} semitones"
        if isinstance(self.value, Flip):
            return f"{self.target} turned over"
        parameter = PARAMETERS[self.target]
        if isinstance(self.value, bool):
            return f"{self.target} {'on' if self.value else 'off'}"
        return f"{self.target} {parameter.none if self.value is None else f'{self.value:.3g}{parameter.unit}'}"


@dataclass(frozen=True)
class ChoosePreset:
    """Speaks with a preset's voice when pressed."""

    preset: Preset
    target = PRESET

    def respond(self, event: Event) -> Change | None:
        """The change that an event asks for; None for the release of a button."""
        return Change(PRESET, self.preset) if event.pressed else None


@dataclass(frozen=True)
class MorphVoice:
    """Moves between two voices; `first` None is the voice that was chosen last."""

    first: Preset | None
    second: Preset
    target = MORPH

    def respond(self, event: Event) -> Change | None:
        """The change that an event asks for."""
        return Change(MORPH, Morph(self.first, self.second, event.position))


@dataclass(frozen=True)
class BendPitch:
    """Moves the pitch by at most `semitones` up and down; in the middle it stands where it was set."""

    semitones: float
    target = BEND

    def respond(self, event: Event) -> Change | None:
        """The change that an event asks for."""
        return Change(BEND, self.semitones * (2.0 * event.position - 1.0))


@dataclass(frozen=True)
class SweepParameter:
    """Moves a parameter from `low` (control at 0) to `high`; `low` may be the larger."""

    target: str
    low: float
    high: float

    def respond(self, event: Event) -> Change | None:
        """The change that an event asks for."""
        return Change(self.target, self.low + (self.high - self.low) * event.position)


@dataclass(frozen=True)
class SetParameter:
    """Gives a parameter one value when pressed."""

    target: str
    value: Value

    def respond(self, event: Event) -> Change | None:
        """The change that an event asks for; None for the release of a button."""
        return Change(self.target, self.value) if event.pressed else None


@dataclass(frozen=True)
class HoldSwitch:
    """Turns a switch on while pressed."""

    target: str

    def respond(self, event: Event) -> Change | None:
        """The change that an event asks for."""
        return Change(self.target, event.pressed)


@dataclass(frozen=True)
class ToggleSwitch:
    """Turns a switch over each time it is pressed."""

    target: str

    def respond(self, event: Event) -> Change | None:
        """The change that an event asks for; None for the release of a button."""
        return Change(self.target, Flip()) if event.pressed else None


Action = ChoosePreset | MorphVoice | BendPitch | SweepParameter | SetParameter | HoldSwitch | ToggleSwitch


@dataclass(frozen=True)
class Trigger:
    """A control of the instrument.

    Attributes:
        kind: what sort of control.
        number: 0 to 127 which of them, as it stands in the message (many devices count programs from 1); 0 for the
            kinds of which a channel has one.
        channel: 1 to 16; None for any.
    """

    kind: Kind
    number: int = 0
    channel: int | None = None

    def matches(self, event: Event) -> bool:
        """Whether an event comes from this control."""
        same = (self.kind, self.number) == (event.kind, event.number)
        return same and self.channel in (None, event.channel)

    def overlaps(self, other: Trigger) -> bool:
        """Whether one event can come from both."""
        same = (self.kind, self.number) == (other.kind, other.number)
        return same and (self.channel is None or other.channel is None or self.channel == other.channel)

    def __str__(self) -> str:
        name = self.kind.replace("_", " ")
        name = f"{name} {self.number}" if self.kind in NUMBERED else name
        return name if self.channel is None else f"{name} on channel {self.channel}"


@dataclass(frozen=True)
class Binding:
    """A trigger with its action."""

    trigger: Trigger
    action: Action
