"""The reference is what the source says."""

from scripts import docs


def test_every_generated_page_is_up_to_date() -> None:
    stale = docs.write(check=True)
    assert stale == [], "run: python -m scripts.docs"
