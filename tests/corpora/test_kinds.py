"""Every kind of corpus passes the kit that third parties use."""

from __future__ import annotations

import json

from prosect.api import Sentence
from prosect.testing import CorpusExample, CorpusTests, PluginTests


def json_lines(*records: object) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


class TestPlugin(PluginTests):
    module = "prosect_plugins.corpora"


class TestTextByLine(CorpusTests):
    example = CorpusExample(
        kind="text",
        files={"notes.txt": "A first line.\n\n  \nÉtude n° 2,  with spaces \nThe last, without an end"},
        options={"path": "notes.txt"},
        sentences=(
            Sentence(text="A first line."),
            Sentence(text="Étude n° 2,  with spaces "),
            Sentence(text="The last, without an end"),
        ),
    )


class TestTextByParagraph(CorpusTests):
    example = CorpusExample(
        kind="prosect:text",
        files={"deep/notes.txt": "\n\nOne line,\n  two lines.\n\n \nAnother\nparagraph\n\n"},
        options={"path": "deep/notes.txt", "unit": "paragraph"},
        sentences=(Sentence(text="One line, two lines."), Sentence(text="Another paragraph")),
    )


class TestJsonlWithText(CorpusTests):
    example = CorpusExample(
        kind="jsonl",
        files={"a.jsonl": json_lines({"text": "One.", "label": 3}, {"text": "Two.", "label": None, "pair": "Too."})},
        options={"path": "a.jsonl", "annotations": ["label"]},
        sentences=(
            Sentence(text="One.", annotations={"label": 3}),
            Sentence(text="Two.", pair="Too.", annotations={"label": None}),
        ),
    )


class TestJsonlWithWords(CorpusTests):
    example = CorpusExample(
        kind="jsonl",
        files={
            "a.jsonl": json_lines(
                {"id": "s1", "tokens": ["Mary", "sleeps"], "ner": ["PER", "O"], "weight": [0.5, 1], "text": "unused"},
                {"id": "s2", "tokens": [], "ner": [], "weight": []},
            )
        },
        options={
            "path": "a.jsonl",
            "text_field": None,
            "words_field": "tokens",
            "word_annotations": ["ner", "weight"],
            "annotations": ["id"],
        },
        sentences=(
            Sentence(
                words=("Mary", "sleeps"),
                word_annotations={"ner": ("PER", "O"), "weight": (0.5, 1)},
                annotations={"id": "s1"},
            ),
            Sentence(words=(), word_annotations={"ner": (), "weight": ()}, annotations={"id": "s2"}),
        ),
    )


class TestTokenIds(CorpusTests):
    example = CorpusExample(
        kind="token_ids",
        files={
            "ids.jsonl": json_lines(
                {"input_ids": [101, 7, 102]},
                {"input_ids": [5, 6], "token_type_ids": [0, 1], "decoder_input_ids": [0, 9, 9], "other": "x"},
            )
        },
        options={"path": "ids.jsonl"},
        sentences=(Sentence(ids=(101, 7, 102)), Sentence(ids=(5, 6), type_ids=(0, 1), decoder_ids=(0, 9, 9))),
    )


class TestTokenIdsWithAnnotations(CorpusTests):
    example = CorpusExample(
        kind="token_ids",
        files={"ids.jsonl": json_lines({"input_ids": [1, 2], "pos": ["N", "V"], "domain": "news"})},
        options={"path": "ids.jsonl", "token_annotations": ["pos"], "annotations": ["domain"]},
        sentences=(Sentence(ids=(1, 2), token_annotations={"pos": ("N", "V")}, annotations={"domain": "news"}),),
    )


class TestParallel(CorpusTests):
    example = CorpusExample(
        kind="parallel",
        files={"a.en": "One.\n\nThree.\n", "a.de": "Eins.\n\nDrei.", "b.de": "Eines.\nZwei.\nDreie.\n"},
        options={"source": "a.en", "target": "a.de", "references": ["b.de"]},
        sentences=(
            Sentence(text="One.", targets=("Eins.", "Eines.")),
            Sentence(text="", targets=("", "Zwei.")),
            Sentence(text="Three.", targets=("Drei.", "Dreie.")),
        ),
    )


class TestParallelWithoutReferences(CorpusTests):
    example = CorpusExample(
        kind="parallel",
        files={"a.en": "One.\n", "a.de": "Eins.\n"},
        options={"source": "a.en", "target": "a.de"},
        sentences=(Sentence(text="One.", targets=("Eins.",)),),
    )


class TestConll2003(CorpusTests):
    example = CorpusExample(
        kind="conll",
        files={
            "eng.txt": "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\nPeter NNP B-NP B-PER\n",
        },
        options={"path": "eng.txt", "columns": {"form": 0, "pos": 1, "ner": -1}},
        sentences=(
            Sentence(words=("EU", "rejects"), word_annotations={"pos": ("NNP", "VBZ"), "ner": ("B-ORG", "O")}),
            Sentence(words=("Peter",), word_annotations={"pos": ("NNP",), "ner": ("B-PER",)}),
        ),
    )


class TestConllU(CorpusTests):
    example = CorpusExample(
        kind="conll",
        files={
            "x.conllu": (
                "# sent_id = 1\n# text = vámonos al 10 000\n"
                "1-2\tvámonos\t_\t_\n1\tvamos\tir\tVERB\n2\tnos\tnosotros\tPRON\n"
                "3-4\tal\t_\t_\n3\ta\ta\tADP\n4\tel\tel\tDET\n5\t10 000\t10000\tNUM\n5.1\tvamos\tir\tVERB\n"
                "\n# a comment before nothing\n\n"
            )
        },
        options={"path": "x.conllu", "columns": [None, "form", None, "upos"]},
        sentences=(
            Sentence(
                words=("vamos", "nos", "a", "el", "10 000"),
                word_annotations={"upos": ("VERB", "PRON", "ADP", "DET", "NUM")},
            ),
        ),
    )


class TestInline(CorpusTests):
    example = CorpusExample(
        kind="inline",
        files={},
        options={"sentences": ["One.", [5, 6]], "targets": ["Eins.", [0, 7]]},
        sentences=(Sentence(text="One.", targets=("Eins.",)), Sentence(ids=(5, 6), decoder_ids=(0, 7))),
    )
