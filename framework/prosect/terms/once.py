"""`OnceTerms`: terms whose labels are booked once, left as they were then until they are read.

Where every sub-layer is a source, a label such as ``attention.3.7`` gets its vector once, and norms alone rescale it
afterwards. With hundreds of labels it costs more to send all of them through every norm than to compute them, so
what norms did is kept as factors (`prosect.terms.passed`) and applied when a layer is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from prosect.errors import RunError
from prosect.terms.dense import DenseTerms
from prosect.terms.passed import Passed
from prosect.terms.terms import Reduction, Terms
from prosect.vocab.architecture import Stream
from prosect.vocab.components import Component, Site
from prosect.vocab.rules import Rules, components, sites


@dataclass(frozen=True)
class Booked:
    """Vectors that were booked together.

    Attributes
    ----------
    labels
        Their labels, neighbours on the ``component`` axis.
    vectors
        As they entered the stream.
    passed
        What norms have done since.
    """

    labels: tuple[Component, ...]
    vectors: Float[Tensor, "component *token hidden"]
    passed: Passed

    def dense(self) -> Float[Tensor, "component *token out"]:
        """Make the terms."""
        return self.passed.mapped(self.vectors) * self.passed.row

    def norm(self) -> Float[Tensor, " component *token"]:
        """Measure the terms."""
        lengths: Tensor = torch.linalg.vector_norm(self.passed.mapped(self.vectors), dim=-1)
        return lengths * self.passed.row.abs().squeeze(-1)

    def dot(self, other: Float[Tensor, "*token out"]) -> Float[Tensor, " component *token"]:
        """Multiply with one vector per token; where A is a gain alone, it goes to that vector."""
        (gain, *more) = self.passed.steps or (None,)
        if gain is None or more or gain.dim() > 1:
            products = torch.einsum("k...d,...d->k...", self.passed.mapped(self.vectors), other)
        else:
            products = torch.einsum("k...d,...d->k...", self.vectors, other * gain)
        return products * self.passed.row.squeeze(-1)


@dataclass
class OnceTerms:
    """Terms of which some are booked once and left alone until they are read.

    Attributes
    ----------
    labels
        All labels, in the order of the ``component`` axis.
    once
        Those that are booked once.
    rest
        Terms under the others.
    total
        Sum of what was booked under ``once``, which passes every step beside its parts.
    parts
        What was booked, as it came.
    """

    labels: tuple[Component, ...]
    once: frozenset[Component]
    rest: DenseTerms
    total: Float[Tensor, "*token hidden"]
    parts: tuple[Booked, ...] = ()

    @property
    def components(self) -> tuple[Component, ...]:
        """Labels in the order of the ``component`` axis."""
        return self.labels

    def copy(self) -> OnceTerms:
        """Copy; the parts are never changed in place, so they can be shared."""
        return replace(self, rest=self.rest.copy())

    def add(self, component: Component, vectors: Tensor) -> None:
        """Add vectors to one of the terms that may be added to more than once."""
        self.rest.add(component, vectors)

    def add_terms(self, other: Terms, scale: float = 1.0) -> None:
        """Add terms of a sub-layer; its vectors are not copied, so they must not change any more."""
        vectors, new = other.dense(), [label in self.once for label in other.components]
        first, number = (new.index(True) if any(new) else 0), sum(new)
        for label, own, mine in zip(other.components, vectors, new, strict=True):
            if not mine:
                self.rest.add(label, own if scale == 1.0 else own * scale)
        if number:
            kept = vectors[first : first + number]
            row = torch.full_like(kept[0, ..., :1], scale)
            labels = tuple(other.components[first : first + number])
            self.parts = (*self.parts, Booked(labels, kept, Passed(row)))
            self.total = self.total + kept.sum(dim=0) * scale

    def normalise(self, inverse: Float[Tensor, "*token 1"], gain: Float[Tensor, "*hidden"]) -> None:
        """Multiply every term by one number per token and one per coordinate."""
        self._pass(lambda passed: passed.normalised(inverse, gain))
        self.rest.normalise(inverse, gain)
        self.total = self.total * (inverse * gain)

    def centre(self) -> None:
        """Subtract from every term its own mean over ``hidden``."""
        self._pass(Passed.centred)
        self.rest.centre()
        self.total = self.total - self.total.mean(dim=-1, keepdim=True)

    def mapped(self, weight: Float[Tensor, "hidden out"]) -> OnceTerms:
        """Send every term through the same linear map."""
        through = replace(self, rest=self.rest.mapped(weight), total=self.total @ weight)
        through._pass(lambda passed: passed.through(weight))
        return through

    def attended(self, *_arguments: object, **_keywords: object) -> OnceTerms:
        """Refuse: sub-layers are sources here."""
        raise RunError("terms that are booked once pass norms only: 'attention' must be 'source'")

    def fed_forward(self, *_arguments: object) -> OnceTerms:
        """Refuse: sub-layers are sources here."""
        raise RunError("terms that are booked once pass norms only: 'feed_forward' must be 'source'")

    def sum(self) -> Float[Tensor, "*token hidden"]:
        """Sum of all terms."""
        return self.rest.sum() + self.total

    def norm(self) -> Float[Tensor, " component *token"]:
        """Euclidean norm of every term."""
        return self._joined(Booked.norm, self.rest.norm())

    def dot(self, other: Float[Tensor, "*token hidden"]) -> Float[Tensor, " component *token"]:
        """Dot product of every term with one vector per token."""
        return self._joined(lambda part: part.dot(other), self.rest.dot(other))

    def distance(self, other: Float[Tensor, "*token hidden"]) -> Float[Tensor, " component *token"]:
        """Euclidean distance of every term from one vector per token."""
        return self.reduced(lambda terms, states: torch.linalg.vector_norm(terms - states, dim=-1), other)

    def reduced(self, function: Reduction, other: Float[Tensor, "*token hidden"]) -> Float[Tensor, " component *token"]:
        """Reduce every vector with one vector per token: ``function(terms, other)`` drops the last axis of both."""

        def reduce(part: Booked) -> Tensor:
            return torch.stack([function(term, other) for term in part.dense()])

        nothing = function(torch.zeros_like(other), other)
        return self._joined(reduce, self.rest.reduced(function, other), nothing)

    def gram(self) -> Float[Tensor, "component component *token"]:
        """Dot products of the terms with each other."""
        dense = self.dense()
        return torch.einsum("k...d,l...d->kl...", dense, dense)

    def dense(self) -> Float[Tensor, "component *token hidden"]:
        """Make the vectors of all terms."""
        return self._joined(Booked.dense, self.rest.dense())

    def _pass(self, step: Callable[[Passed], Passed]) -> None:
        self.parts = tuple(replace(part, passed=step(part.passed)) for part in self.parts)

    def _joined(self, make: Callable[[Booked], Tensor], rest: Tensor, nothing: Tensor | None = None) -> Tensor:
        """Put what is made of every part in its place; labels that nothing is booked under get ``nothing``, or 0."""
        out = rest.new_empty(len(self.labels), *rest.shape[1:])
        missing = set(range(len(self.labels)))
        for place, values in zip(self._places(self.rest.components), rest, strict=True):
            out[place] = values
            missing.discard(place)
        for part in self.parts:
            (first, *_) = self._places(part.labels[:1])
            out[first : first + len(part.labels)] = make(part)
            missing.difference_update(range(first, first + len(part.labels)))
        for place in missing:
            out[place] = 0 if nothing is None else nothing
        return out

    def _places(self, labels: tuple[Component, ...]) -> Iterator[int]:
        return (self.labels.index(label) for label in labels)


@dataclass(frozen=True)
class OnceStart:
    """The state is one term, under the label of the input.

    Attributes
    ----------
    stream, rules
        Whose labels they are; every sub-layer is a source.
    """

    stream: Stream
    rules: Rules

    def terms(self, state: Float[Tensor, "*token hidden"]) -> OnceTerms:
        """Make terms that are all zero but for the input."""
        labels, once = components(self.stream, self.rules), booked_once(self.stream, self.rules)
        rest = DenseTerms.zeros(tuple(label for label in labels if label not in once), state)
        rest.add(self.rules.book(Site("input")), state)
        return OnceTerms(labels, once, rest, torch.zeros_like(state))

    def encoder(self, state: Float[Tensor, "batch source hidden"]) -> OnceTerms:
        """Refuse: cross-attention is a source here."""
        raise RunError("terms that are booked once pass norms only: 'cross_attention' must be 'source'")


def booked_once(stream: Stream, rules: Rules) -> frozenset[Component]:
    """Labels under which one sub-layer, or one head, books its vector, and nothing else; none if any is mixed."""
    if {rules.attention, rules.cross_attention, rules.feed_forward} != {"source"}:
        return frozenset()
    times = Counter(rules.book(site) for site in sites(stream, heads=rules.heads))
    fixed = {
        rules.book(Site("input")),
        *(rules.book(site) for site in sites(stream, heads=False) if site.kind == "bias"),
    }
    return frozenset(label for label, number in times.items() if number == 1 and label not in fixed)
