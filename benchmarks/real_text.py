"""X-Instruction from end to end on real text: makes a small random model, then carries `real_text.yaml` out.

    python benchmarks/real_text.py --data FOLDER [--work build/real] [--out runs/real] [SETTING=VALUE ...]

FOLDER holds the files under the names that the recipe gives them behind `data/`. Into the working folder go a link to it,
a copy of the recipe, and the model: a Llama of about one million parameters, with a tokenizer trained on the recipe's own
seed and passages. Run again, it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from common import byte_tokenizer, random_llama

RECIPE = Path(__file__).with_suffix(".yaml")
PASSAGES = 200  # of each language, for the tokenizer
CHARACTERS = 1500  # of each


def prepare(data: Path, work: Path) -> Path:
    """The recipe in the working folder, with the data and the model beside it."""
    work.mkdir(parents=True, exist_ok=True)
    link = work / "data"
    if link.is_symlink():
        link.unlink()
    link.symlink_to(data.resolve(), target_is_directory=True)
    recipe = work / RECIPE.name
    shutil.copyfile(RECIPE, recipe)
    if not (work / "model" / "model.safetensors").is_file():
        make_model(work / "model", texts_of(recipe))
    return recipe


def texts_of(recipe: Path) -> Iterator[str]:
    """The beginnings of some passages of each language, and the seed."""
    from calque.corpora.passages import read_passages
    from calque.corpora.seed_pairs import read_seed
    from calque.recipes.reading import read_recipe
    from calque.recipes.resolve import resolve
    from calque.records import CrossLingualPair, Passage

    read = read_recipe(str(recipe))
    resolved = resolve(read.recipe, read.folder)
    for given in resolved.passages:
        passages = (one for one in read_passages(*given.sources) if isinstance(one, Passage))
        yield from (passage.text[:CHARACTERS] for passage in islice(passages, PASSAGES))
    for part in resolved.parts:
        if part.part.view == "reversed" and part.seed is not None:
            pairs = (one for one in read_seed(part.seed) if isinstance(one, CrossLingualPair))
            yield from (text[:CHARACTERS] for pair in pairs for text in (pair.instruction, pair.response))


def make_model(folder: Path, texts: Iterator[str]) -> None:
    """A random Llama in hub form, with a byte-level tokenizer trained on the texts."""
    tokenizer = byte_tokenizer(texts, 8000, bos_token="<s>", eos_token="</s>")  # noqa: S106
    tokenizer.save_pretrained(folder)
    ends = {"bos_token_id": 0, "eos_token_id": 1}
    random_llama(
        64, 2, seed=1, vocab_size=len(tokenizer), intermediate_size=176, max_position_embeddings=2048, **ends
    ).save_pretrained(folder)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="the folder of the files")
    parser.add_argument("--work", type=Path, default=Path("build/real"), help="for the recipe and the model")
    parser.add_argument("--out", default="runs/real", help="the run's folder")
    parser.add_argument("settings", nargs="*", help="what is to be otherwise than in the recipe: key=value")
    args = parser.parse_args()
    if not args.data.is_dir():
        sys.exit(f"{args.data}: there is no such folder; say --data FOLDER (make real DATA=FOLDER)")
    recipe = prepare(args.data, args.work)
    words = ["run", str(recipe), f"out={args.out}", *args.settings]
    print("calque " + " ".join(words), flush=True)
    sys.exit(subprocess.run([sys.executable, "-m", "calque", *words], check=False).returncode)


if __name__ == "__main__":
    main()
