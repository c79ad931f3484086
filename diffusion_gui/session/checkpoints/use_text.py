"""How a person corrected what a checkpoint says of its use, as a text that travels with its name.

JSON of the fields that differ: "" where the file is taken at its word.
"""

from __future__ import annotations

import dataclasses
import json

import msgspec

from diffusion_gui.engine.checkpoint_use import Use
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.session.format import check_schedule

_MOST = 1024**2
FIELDS = tuple(field.name for field in dataclasses.fields(Use))


def difference(use: Use, proposed: Use) -> str:
    """Return what of `use` is not as the file proposes; "" for nothing."""
    ours, theirs = (msgspec.to_builtins(one) for one in (use, proposed))
    other = {name: value for name, value in ours.items() if value != theirs[name]}
    return json.dumps(other, separators=(",", ":"), sort_keys=True) if other else ""


def corrected(proposed: Use, text: str) -> Use:
    """Return what a file proposes with the corrections in a text; raises EngineError, one line."""
    if not text:
        return proposed
    try:
        other = json.loads(text) if len(text) <= _MOST else None
        if not isinstance(other, dict) or not set(other) <= set(FIELDS):
            raise EngineError(f"a network's use has the fields {', '.join(FIELDS)}")
        use = msgspec.convert({**msgspec.to_builtins(proposed), **other}, Use)
    except (msgspec.ValidationError, ValueError, RecursionError) as error:
        raise EngineError(f"the use of a network cannot be read ({error})") from None
    check_schedule(use.schedule, "schedule")
    return use
