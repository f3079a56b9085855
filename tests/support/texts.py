"""A few sentences, written for the tests."""

WORDS = [
    "the old man walked slowly to the gate",
    "nobody opened it",
    "rain fell on the road and the river rose again",
    "she wrote the letter before the war",
    "a ship without a name",
    "he had never seen so many birds",
]
