"""The reader of pages itself: a harness that lets everything pass would prove nothing."""

from __future__ import annotations

import pytest

from support.pages import Block, blocks, commands, matches

PAGE = """# Title

```python
x = 1
```

```text
1
```

<!-- not run: needs the network -->
```console
$ prosect check a.yaml
a.yaml: ok
$ prosect plan a.yaml
```

```text
alone
```
"""


@pytest.fixture
def found(tmp_path) -> list[Block]:
    page = tmp_path / "page.md"
    page.write_text(PAGE, encoding="utf-8")
    return [*blocks(page)]


def test_a_block_has_its_language_line_reason_and_output(found):
    assert [(b.language, b.line, b.reason, b.output) for b in found] == [
        ("python", 3, None, "1\n"),
        ("console", 12, "needs the network", None),
        ("text", 18, None, None),
    ]


def test_commands_come_with_what_is_shown_below_them(found):
    assert [*commands(found[1])] == [("prosect check a.yaml", "a.yaml: ok\n"), ("prosect plan a.yaml", "")]


@pytest.mark.parametrize(
    ("shown", "real"),
    [
        ("layer  6", "layer 6"),
        ("0.322 bat", "0.3215 bat"),
        ("5,208 tokens", "5,208  tokens"),
        ("a … d", "a b c d"),
        ("a … d", "a d"),
        ("done in … s", "done in 17.4 s"),
        ("sha256:…", "sha256:99ab"),
    ],
)
def test_outputs_match_but_for_blanks_rounding_and_what_is_left_out(shown, real):
    assert matches(shown, real)


@pytest.mark.parametrize(
    ("shown", "real"),
    [("0.322", "0.35"), ("a b", "a"), ("a", "a b"), ("a … d", "a b c"), ("1.0", "nan"), ("", "x"), ("5,208", "6,208")],
)
def test_other_outputs_do_not_match(shown, real):
    assert not matches(shown, real)
