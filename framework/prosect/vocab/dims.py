"""Names of dimensions and coordinates; one word per axis for the whole project."""

from __future__ import annotations

from typing import Final

LAYER: Final = "layer"
COMPONENT: Final = "component"
OTHER_COMPONENT: Final = "other_component"
TOKEN: Final = "token"
HEAD: Final = "head"
HIDDEN: Final = "hidden"
SCOPE: Final = "scope"
SOURCE: Final = "source"
SOURCE_TOKEN: Final = "source_token"

SENTENCE: Final = "sentence"
POSITION: Final = "position"
TEXT: Final = "text"
TOKEN_ID: Final = "token_id"
SPECIAL: Final = "special"
WORD: Final = "word"
TARGET_ID: Final = "target_id"
MASKED: Final = "masked"
SEGMENT: Final = "segment"
MODEL: Final = "model"
RUN: Final = "run"
STEP: Final = "step"
